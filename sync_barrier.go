package asyncio

import "context"

// A Barrier makes tasks wait until there are enough of them, and then lets them all go on. It
// can be used again and again. It must be made by NewBarrier and must not be copied. It is
// asyncio.Barrier.
type Barrier struct {
	cond    Condition // notified when state changes
	parties int
	count   int // tasks inside the barrier
	state   barrierState
}

type barrierState uint8

const (
	barrierFilling   barrierState = iota // tasks arrive and wait
	barrierDraining                      // all parties have arrived and are leaving
	barrierResetting                     // the barrier was reset, and the tasks inside leave with an error
	barrierBroken                        // the barrier was aborted
)

// NewBarrier makes a barrier for the given number of tasks. It panics if parties is less than
// 1.
func NewBarrier(parties int) *Barrier {
	if parties < 1 {
		panic("asyncio: a Barrier needs parties")
	}
	return &Barrier{parties: parties}
}

// Wait suspends until all parties have called it, and returns the number of tasks that called
// it before this one. If the tasks of the previous round have not all left, it waits for them
// first. It returns ErrBrokenBarrier if the barrier is aborted, or is reset meanwhile; any
// other error is that of a cancellation. It is asyncio's wait.
func (b *Barrier) Wait(ctx context.Context) (index int, err error) {
	if b.parties == 0 {
		panic("asyncio: Barrier was not made by NewBarrier")
	}
	err = b.cond.With(ctx, func(ctx context.Context) error {
		if err := b.enter(ctx); err != nil {
			return err
		}
		index = b.count
		b.count++
		defer b.leave()
		if b.count == b.parties {
			b.state = barrierDraining
			b.cond.NotifyAll()
			return nil
		}
		return b.fill(ctx)
	})
	return valueUnless(err, index)
}

// enter waits until the tasks of the previous round have left.
func (b *Barrier) enter(ctx context.Context) error {
	err := b.cond.WaitFor(ctx, func() bool { return b.state == barrierFilling || b.state == barrierBroken })
	if err == nil && b.state == barrierBroken {
		return ErrBrokenBarrier
	}
	return err
}

// fill waits until the round is complete.
func (b *Barrier) fill(ctx context.Context) error {
	err := b.cond.WaitFor(ctx, func() bool { return b.state != barrierFilling })
	if err == nil && b.state != barrierDraining {
		return ErrBrokenBarrier
	}
	return err
}

// leave takes the running task out of the barrier. When the last task has left, the barrier
// fills again.
func (b *Barrier) leave() {
	b.count--
	if b.count == 0 {
		if b.state != barrierBroken {
			b.state = barrierFilling
		}
		b.cond.NotifyAll()
	}
}

// Reset makes all tasks that wait get ErrBrokenBarrier, and empties the barrier; a broken
// barrier can be used again. It suspends while other tasks hold the barrier's lock. It returns
// an error only if it is cancelled. It is asyncio's reset.
func (b *Barrier) Reset(ctx context.Context) error {
	return b.cond.With(ctx, func(context.Context) error {
		if b.count > 0 {
			b.state = barrierResetting
		} else {
			b.state = barrierFilling
		}
		b.cond.NotifyAll()
		return nil
	})
}

// Abort breaks the barrier: the tasks that wait, and later callers of Wait, get
// ErrBrokenBarrier. It suspends as Reset does. It is asyncio's abort.
func (b *Barrier) Abort(ctx context.Context) error {
	return b.cond.With(ctx, func(context.Context) error {
		b.state = barrierBroken
		b.cond.NotifyAll()
		return nil
	})
}

// SetName names b, as [Lock.SetName] names a lock.
func (b *Barrier) SetName(name string) { b.cond.SetName(name) }

// Parties returns the number of tasks that the barrier waits for.
func (b *Barrier) Parties() int { return b.parties }

// NWaiting returns the number of tasks that wait for the others to arrive.
func (b *Barrier) NWaiting() int {
	if b.state == barrierFilling {
		return b.count
	}
	return 0
}

// Broken reports whether the barrier was aborted and not reset since.
func (b *Barrier) Broken() bool { return b.state == barrierBroken }
