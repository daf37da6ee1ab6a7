package asyncio

import (
	"context"
	"sync/atomic"
)

// A Lock makes tasks exclude one another across their suspension points. It has no owner: any
// task may release it. Waiting tasks get it in the order in which they began to wait. The zero
// Lock is unlocked. It must not be copied after first use. It is asyncio.Lock.
//
// Between two suspension points a task runs alone and needs no lock.
type Lock struct {
	locked  bool
	unowned int32 // releases to come from tasks that do not hold the lock; see hold
	waiters waitq
}

// Acquire locks l. It suspends while l is locked or other tasks wait for it. It returns an
// error only if it is cancelled, and then it has not acquired l.
func (l *Lock) Acquire(ctx context.Context) error {
	if l.locked || l.waiters.live > atomic.LoadInt32(&notRecording) {
		return l.acquire(nil, ctx)
	}
	l.locked = true
	return nil
}

// acquire is Acquire where the task has to wait, or holders are recorded. t is the running task, or
// nil.
func (l *Lock) acquire(t *task, ctx context.Context) error {
	if l.locked || l.waiters.live > 0 {
		if err := t.block(ctx, &wait{queue: &l.waiters, reason: waitLock}, 0); err != nil {
			if !l.locked {
				l.wakeFirst() // t may have been woken to take l
			}
			return err
		}
	}
	l.locked = true
	if recording() {
		l.waiters.acquired(ctx)
	}
	return nil
}

// Release unlocks l and wakes the first task that waits for it. It panics if l is not locked.
// It does not suspend.
func (l *Lock) Release() {
	if l.locked && l.waiters.head == nil && l.waiters.primitive == nil {
		l.locked = false
	} else {
		l.release()
	}
}

// release is Release where a task waits or the holder is recorded. It is kept out of Release, so that
// Release is inlined.
//
//go:noinline
func (l *Lock) release() {
	if !l.locked {
		l.releaseUnowned()
		return
	}
	l.locked = false
	l.waiters.released()
	l.wakeFirst()
}

// hold is called for a task that had released l for a time and is unwound before it could
// acquire l again: the task's deferred functions will release l, though another task may hold
// it by then.
func (l *Lock) hold() {
	if l.locked {
		l.unowned++
	}
	l.locked = true
}

// wakeFirst wakes the first waiter. A waiter that was cancelled and has not resumed yet will
// wake the next one itself.
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

// SetName names l in a DeadlockError, in call graphs and in other descriptions of the tasks that
// wait for it.
func (l *Lock) SetName(name string) { l.waiters.details().name = name }

// Locked reports whether l is locked.
func (l *Lock) Locked() bool { return l.locked }

// With runs body with l held. It suspends as Acquire and body do. It is "async with lock".
func (l *Lock) With(ctx context.Context, body func(ctx context.Context) error) error {
	if err := l.Acquire(ctx); err != nil {
		return err
	}
	defer l.Release()
	return body(ctx)
}
