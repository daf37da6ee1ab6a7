package asyncio

import "context"

// A Condition lets tasks wait, with a lock released meanwhile, until another task notifies
// them. The zero Condition has a lock of its own. It must not be copied after first use. It is
// asyncio.Condition.
//
// A wait may end without a notification, so the caller must check its predicate again; WaitFor
// does that.
type Condition struct {
	lock    *Lock // nil for own
	own     Lock
	waiters waitq
}

// NewCondition makes a condition on lock, which may have other uses, too.
func NewCondition(lock *Lock) *Condition { return &Condition{lock: lock} }

func (c *Condition) mutex() *Lock {
	if c.lock != nil {
		return c.lock
	}
	return &c.own
}

// SetName names c and, unless the lock was given to NewCondition, its lock, as [Lock.SetName] does.
func (c *Condition) SetName(name string) {
	c.waiters.details().name = name
	if c.lock == nil {
		c.own.SetName(name)
	}
}

// Acquire acquires the lock. It suspends as [Lock.Acquire] does.
func (c *Condition) Acquire(ctx context.Context) error { return c.mutex().Acquire(ctx) }

// Release releases the lock; see [Lock.Release].
func (c *Condition) Release() { c.mutex().Release() }

// Locked reports whether the lock is locked.
func (c *Condition) Locked() bool { return c.mutex().Locked() }

// With runs body with the lock held. It suspends as Acquire and body do. It is "async with
// condition".
func (c *Condition) With(ctx context.Context, body func(ctx context.Context) error) error {
	return c.mutex().With(ctx, body)
}

// Wait releases the lock, suspends until it is notified, and acquires the lock again, even when
// it is cancelled. It returns an error only if it is cancelled. It panics if the lock is not
// held. It is asyncio's wait.
func (c *Condition) Wait(ctx context.Context) error {
	c.mustHold("Wait")
	t, lock := running(ctx), c.mutex()
	if t.loop.debug {
		c.waiters.bind(t.loop, waitCondition)
	}
	lock.Release()
	held := false
	defer func() {
		if !held { // the task unwinds, and its deferred functions will release the lock
			lock.hold()
			c.notify(1) // it may have used up a notification
		}
	}()
	err := t.block(ctx, &wait{queue: &c.waiters, reason: waitCondition}, 0)
	for lock.locked || lock.waiters.live > 0 { // even if ctx is done: only Task.Cancel interrupts it
		again := lock.acquire(t, unwatched)
		if again == nil {
			break
		}
		err = again
	}
	lock.locked, held = true, true
	if recording() {
		lock.waiters.acquired(ctx)
	}
	if err != nil {
		// The wait may have used up a notification that another task needs.
		c.notify(1)
	}
	return err
}

// WaitFor suspends until pred returns true; it does not suspend if pred does so at once. It
// calls pred with the lock held. It returns an error only if it is cancelled. It is asyncio's
// wait_for.
func (c *Condition) WaitFor(ctx context.Context, pred func() bool) error {
	for !pred() {
		if err := c.Wait(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Notify wakes up to n of the waiting tasks, in the order in which they began to wait. They go
// on once they have acquired the lock, which the caller has to release. It panics if the lock
// is not held. It does not suspend. It is asyncio's notify.
func (c *Condition) Notify(n int) {
	c.mustHold("Notify")
	c.notify(n)
}

// NotifyAll wakes all waiting tasks. It panics if the lock is not held. It does not suspend. It
// is asyncio's notify_all.
func (c *Condition) NotifyAll() {
	c.mustHold("NotifyAll")
	c.waiters.wakeAll()
}

func (c *Condition) notify(n int) {
	for ; n > 0 && c.waiters.wakeNext(); n-- {
	}
}

func (c *Condition) mustHold(method string) {
	if !c.Locked() {
		panic("asyncio: " + method + " of a Condition whose lock is not held")
	}
}
