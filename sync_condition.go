package asyncio

import "context"

// A Condition lets tasks wait, with a lock released meanwhile, until another notifies
// them. The zero Condition has a lock of its own. It must not be copied after first use. It is
// asyncio.Condition.
//
// A wait may end without a notification, so what is waited for has to be looked at
// again; WaitFor does that.
type Condition struct {
	lock    *Lock // nil: own
	own     Lock
	waiters waitq
}

// NewCondition makes a condition on a lock that may have other uses.
func NewCondition(lock *Lock) *Condition { return &Condition{lock: lock} }

func (c *Condition) mutex() *Lock {
	if c.lock != nil {
		return c.lock
	}
	return &c.own
}

// Acquire acquires the lock. It suspends as [Lock.Acquire] does.
func (c *Condition) Acquire(ctx context.Context) error { return c.mutex().Acquire(ctx) }

// Release releases the lock; see [Lock.Release].
func (c *Condition) Release() { c.mutex().Release() }

// Locked reports whether the lock is locked.
func (c *Condition) Locked() bool { return c.mutex().Locked() }

// With runs body while it holds the lock. It suspends as Acquire and body do. It is "async
// with condition".
func (c *Condition) With(ctx context.Context, body func(ctx context.Context) error) error {
	return c.mutex().With(ctx, body)
}

// Wait releases the lock, suspends until it is notified, and acquires the lock again,
// which it does even when it is cancelled. The error is that of a cancellation. It
// panics if the lock is not held.
func (c *Condition) Wait(ctx context.Context) error {
	c.mustHold("Wait")
	t, lock := running(ctx), c.mutex()
	if t.loop.debug {
		c.waiters.bind(t.loop, waitCondition)
	}
	lock.Release()
	held := false
	defer func() {
		if !held { // the task is unwound, and its deferred functions release the lock
			lock.hold()
			c.notify(1) // it may have been notified before
		}
	}()
	err := t.block(ctx, wait{queue: &c.waiters, delay: Never, reason: waitCondition})
	for lock.locked || lock.waiters.live > 0 { // whatever the context says: only Task.Cancel interrupts it
		again := lock.wait(t, unwatched)
		if again == nil {
			break
		}
		err = again
	}
	lock.locked, held = true, true
	if err != nil {
		// The notification may have been meant for this wait.
		c.notify(1)
	}
	return err
}

// WaitFor suspends until pred holds, and does not if it holds at once. It calls pred with
// the lock held.
func (c *Condition) WaitFor(ctx context.Context, pred func() bool) error {
	for !pred() {
		if err := c.Wait(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Notify wakes n of those who wait, the first ones first. They go on when they have
// the lock, which the caller has to release. It panics if the lock is not held.
func (c *Condition) Notify(n int) {
	c.mustHold("Notify")
	c.notify(n)
}

// NotifyAll wakes all who wait. It panics if the lock is not held.
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
