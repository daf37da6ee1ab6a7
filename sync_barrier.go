package asyncio

import "context"

// A Barrier holds tasks back until there are enough of them, and then lets them all go.
// It can be used again and again. It must be made by NewBarrier, and not be copied. It is
// asyncio.Barrier.
type Barrier struct {
	cond    Condition // the state has changed
	parties int
	count   int // tasks inside
	state   barrierState
}

type barrierState uint8

const (
	barrierFilling   barrierState = iota // tasks come and wait
	barrierDraining                      // there were enough: they leave
	barrierResetting                     // reset: they leave with an error
	barrierBroken                        // aborted
)

// NewBarrier makes a barrier for so many parties. It panics if there are none.
func NewBarrier(parties int) *Barrier {
	if parties < 1 {
		panic("asyncio: a Barrier needs parties")
	}
	return &Barrier{parties: parties}
}

// Wait suspends until all parties wait, and returns the number of those who came
// before. It returns ErrBrokenBarrier if the barrier is aborted, or is reset meanwhile,
// and otherwise the error of a cancellation.
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

// enter waits while those of the round before leave.
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

// leave counts a task out. With the last, the barrier fills again.
func (b *Barrier) leave() {
	b.count--
	if b.count == 0 {
		if b.state != barrierBroken {
			b.state = barrierFilling
		}
		b.cond.NotifyAll()
	}
}

// Reset gives all who wait ErrBrokenBarrier and makes the barrier new, a broken one too.
// It suspends while others are at work on the barrier; the error is that of a
// cancellation.
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

// Abort breaks the barrier: those who wait, and who come, get ErrBrokenBarrier. It
// suspends as Reset does.
func (b *Barrier) Abort(ctx context.Context) error {
	return b.cond.With(ctx, func(context.Context) error {
		b.state = barrierBroken
		b.cond.NotifyAll()
		return nil
	})
}

// Parties returns the number of tasks that the barrier needs.
func (b *Barrier) Parties() int { return b.parties }

// NWaiting returns the number of tasks that wait for the round to be complete.
func (b *Barrier) NWaiting() int {
	if b.state == barrierFilling {
		return b.count
	}
	return 0
}

// Broken reports whether the barrier was aborted.
func (b *Barrier) Broken() bool { return b.state == barrierBroken }
