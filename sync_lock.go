package asyncio

import "context"

// A Lock excludes tasks from one another across their suspension points. It is not
// owned: any task may release it. Those who wait get it in the order in which they
// came. The zero Lock is unlocked. It must not be copied after first use. It is asyncio.Lock.
//
// Between two suspension points a task is alone anyway, and needs no lock.
type Lock struct {
	locked  bool
	unowned int32 // releases to come from tasks that do not hold it; see hold
	waiters waitq
}

// Acquire locks l. It suspends while l is locked or others wait for it. The error is
// that of a cancellation, and then l is not acquired.
func (l *Lock) Acquire(ctx context.Context) error {
	if l.locked || l.waiters.live > 0 {
		return l.wait(nil, ctx)
	}
	l.locked = true
	return nil
}

// wait has the running task, which may be given as nil, wait until it holds l.
func (l *Lock) wait(t *task, ctx context.Context) error {
	if err := t.block(ctx, &wait{queue: &l.waiters, reason: waitLock}, 0); err != nil {
		if !l.locked {
			l.wakeFirst() // it may have been our turn
		}
		return err
	}
	l.locked = true
	return nil
}

// Release unlocks l and wakes the first who waits for it. It panics if l is not locked.
func (l *Lock) Release() {
	if !l.locked {
		l.releaseUnowned()
	} else {
		l.locked = false
		l.wakeFirst()
	}
}

// hold is for a task that had released l for a time, and is unwound before it could acquire it
// again: the functions that it has deferred will release l, though another task may hold it.
func (l *Lock) hold() {
	if l.locked {
		l.unowned++
	}
	l.locked = true
}

// wakeFirst wakes the first waiter. One that was cancelled and has not resumed yet
// will wake the next itself.
func (l *Lock) wakeFirst() {
	if w := l.waiters.head; w != nil {
		w.run.(*task).wake()
	}
}

func (l *Lock) releaseUnowned() {
	if l.unowned == 0 {
		panic("asyncio: release of an unlocked Lock")
	}
	l.unowned--
}

// Locked reports whether l is locked.
func (l *Lock) Locked() bool { return l.locked }

// With runs body while it holds l. It suspends as Acquire and body do. It is "async with
// lock".
func (l *Lock) With(ctx context.Context, body func(ctx context.Context) error) error {
	if err := l.Acquire(ctx); err != nil {
		return err
	}
	defer l.Release()
	return body(ctx)
}
