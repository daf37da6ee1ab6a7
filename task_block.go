package asyncio

import (
	"context"

	"github.com/go-asyncio/asyncio/internal/fiber"
	"github.com/go-asyncio/asyncio/internal/timerq"
)

// This file is the one wait queue and the one blocking seam under all the
// primitives. A task waits for one thing at a time, so the waiter is a part of
// its coroutine, and waiting allocates nothing.
//
// Two kinds of waiting share it:
//
//   - for a future: the waiter stands among the future's callbacks; to cancel
//     the waiting is to cancel the future;
//   - privately, for a primitive or a timer: the waiter stands in the
//     primitive's queue, or nowhere, until wake is called or the waiting is
//     cancelled. It is what asyncio uses a future of its own for.

// runnable is what the ready queue holds.
type runnable interface{ run(l *Loop) }

// A waiter is a node of a waitq: a task that waits, or a callback of a future.
type waiter struct {
	next, prev *waiter
	q          *waitq   // the queue it stands in, or nil
	run        runnable // what becomes ready
}

// A suspension is what a task needs to wait, for one thing at a time.
type suspension struct {
	waiter     waiter
	awaiting   *future
	state      waitState
	cause      error  // of the cancellation of the private waiting
	waitingFor string // for the private waiting
	sleep      timerq.Timer[runnable]
	watch      *watch    // of the context of this waiting, if it has to be watched
	reporter   *reporter // of a cancellation, to a library; see Loop.swallowed
}

// A reporter stands for a Dialer, or for a Conn that a Dialer has made.
type reporter struct {
	dialer *reporter // itself, or the Conn's; nil for a Conn that was made otherwise
}

// waitState tells how a task's private waiting goes, or how its last one ended.
type waitState uint8

const (
	waitPending   waitState = iota + 1 // waits
	waitWoken                          // wake was called; the task is ready
	waitCancelled                      // the waiting was cancelled; the task is ready
)

// A waitq is a queue of waiters in the order in which they came. A waiter that
// was cancelled stays in it until its task has resumed, as in asyncio, where
// that decides who is woken next.
type waitq struct {
	_          noCopy
	head, tail *waiter
	live       int // tasks that wait privately here and were not cancelled, until they have resumed
}

// noCopy has go vet report a copy of the primitive that has it as a field: tasks that wait would
// stand in the queue of the original.
type noCopy struct{}

func (*noCopy) Lock()   {}
func (*noCopy) Unlock() {}

func (q *waitq) push(w *waiter) {
	w.q, w.prev, w.next = q, q.tail, nil
	if q.tail == nil {
		q.head = w
	} else {
		q.tail.next = w
	}
	q.tail = w
}

// unlink takes w out of its queue, if it stands in one.
func (w *waiter) unlink() {
	q := w.q
	if q == nil {
		return
	}
	if w.prev == nil {
		q.head = w.next
	} else {
		w.prev.next = w.next
	}
	if w.next == nil {
		q.tail = w.prev
	} else {
		w.next.prev = w.prev
	}
	w.q, w.prev, w.next = nil, nil, nil
}

// wakeNext takes out and wakes the first waiter that is still pending, and
// reports whether there was one.
func (q *waitq) wakeNext() bool {
	for w := q.head; w != nil; w = q.head {
		w.unlink()
		if w.run.(*task).wake() {
			return true
		}
	}
	return false
}

// wakeAll takes out all waiters and wakes those that are pending.
func (q *waitq) wakeAll() {
	for q.wakeNext() {
	}
}

// wake ends the private waiting of t, and reports whether it had not ended already.
// The task runs in the next turn.
func (t *task) wake() bool {
	s := &t.fiber.State
	if s.state != waitPending {
		return false
	}
	t.loop.check()
	s.state = waitWoken
	t.loop.push(t)
	return true
}

// wait has the running task wait privately in q until it is woken. The error is that of a
// cancellation. what names the thing that is waited for. (To find the task is left to
// task.wait, so that this can be inlined: see task.direct.)
func (q *waitq) wait(ctx context.Context, what string) error {
	return (*task)(nil).wait(ctx, q, what)
}

// wasWoken reports, when a wait has ended with an error, whether the running task had been
// woken before it was cancelled, so that somebody else has to have what it was woken for.
func wasWoken(ctx context.Context) bool { return running(ctx).fiber.State.state == waitWoken }

// wait is waitq.wait for the task that runs, which may be given as nil, and for no queue if
// q is nil.
func (t *task) wait(ctx context.Context, q *waitq, what string) error {
	if t == nil {
		t = running(ctx)
	}
	s := &t.fiber.State
	s.waiter.run = t
	s.state = waitPending
	s.waitingFor = what
	if q != nil {
		q.push(&s.waiter)
		q.live++
	}
	var fromContext error
	if t.direct(ctx) {
		next := t.ahead()
		for ; next != nil && next != t.fiber; next = t.ahead() {
			next.Resume()
		}
		if next == nil && !t.fiber.Suspend() {
			t.unwind()
		}
	} else {
		fromContext = t.suspend(ctx, false)
	}
	var err error
	if s.state == waitCancelled {
		err = newCancelled(s.cause)
	} else if q != nil {
		q.live--
	}
	s.waiter.unlink()
	return t.settle(err, fromContext)
}

// cancelWait cancels what t waits for, and reports whether there was something
// to cancel.
func (t *task) cancelWait(cause error) bool {
	if t.fiber == nil {
		return false
	}
	switch s := &t.fiber.State; {
	case s.awaiting != nil:
		return s.awaiting.cancel(cause)
	case s.state == waitPending:
		s.state = waitCancelled
		s.cause = cause
		if q := s.waiter.q; q != nil {
			q.live--
		}
		t.loop.push(t)
		return true
	default:
		return false
	}
}

// leaveQueue ends the waiting of a task that does not resume, so that nobody hands
// anything over to it.
func (t *task) leaveQueue() {
	s := &t.fiber.State
	if q := s.waiter.q; q != nil && s.awaiting == nil && s.state != waitCancelled {
		q.live--
	}
	s.state, s.awaiting = 0, nil
	s.waiter.unlink()
}

// unwind ends a task that was killed while it waited, or that waits in a deferred
// function after that.
func (t *task) unwind() {
	t.leaveQueue()
	fiber.Unwind()
}

// await waits until f is done and returns its error. A future that is done
// already does not suspend the task.
func (t *task) await(ctx context.Context, f *future) error {
	if f.state != pending {
		return f.take()
	}
	switch {
	case f.loop == nil:
		panic("asyncio: future was not made by NewFuture")
	case f.loop != t.loop:
		return refuse(ctx, ErrForeignLoop)
	case f == &t.future && !f.selfAwaited:
		f.selfAwaited = true
		return refuse(ctx, ErrAwaitSelf)
	case f.selfAwaited:
		return ErrAwaitSelf
	}
	s := &t.fiber.State
	s.waiter.run = t
	s.awaiting = f
	f.callbacks.push(&s.waiter)
	var fromContext error
	if t.direct(ctx) {
		next := t.ahead()
		for ; next != nil && next != t.fiber; next = t.ahead() {
			next.Resume()
		}
		if next == nil && !t.fiber.Suspend() {
			t.unwind()
		}
	} else {
		fromContext = t.suspend(ctx, false)
	}
	s.awaiting = nil
	if f.state == pending { // the waiting was broken off, see task.cancel
		return t.settle(nil, fromContext)
	}
	return t.settle(f.take(), fromContext)
}

// refuse answers an await that cannot be. As in asyncio the task learns of it in the
// next turn.
func refuse(ctx context.Context, reason error) error {
	if err := Sleep(ctx, 0); err != nil {
		return err
	}
	return reason
}

// settle tells how a suspension ended: err is the outcome of the waiting,
// fromContext the error of the context that cancelled it, if one did. A Cancel
// of the task that found nothing to cancel is delivered here, unless the waiting
// was cancelled anyway; and it goes before the context's error.
func (t *task) settle(err, fromContext error) error {
	if t.mustCancel || fromContext != nil {
		return t.settleCancelled(err, fromContext)
	}
	return err
}

func (t *task) settleCancelled(err, fromContext error) error {
	cancelled := isCancelled(err)
	if t.mustCancel {
		t.mustCancel = false
		if !cancelled || fromContext != nil {
			return newCancelled(t.cause)
		}
		return err
	}
	if cancelled {
		return fromContext
	}
	return err
}

// unwatched is the context of a suspension that only Task.Cancel interrupts.
var unwatched = &taskContext{}

// direct reports whether the task can be suspended by t.fiber.Suspend alone, as it can in
// the common case. After a switch the processor's guess of where each function returns
// is wrong, so that every call between the switch and the task's own code costs as much
// as a mispredicted branch. That is why the callers, and Loop.turn, leave such calls out.
func (t *task) direct(ctx context.Context) bool {
	c, ok := ctx.(*taskContext)
	return ok && !c.watches && !t.mustCancel
}

// suspend gives control to the loop until something makes t ready; t is ready already, or
// rather after the methods of ctx were called, if it only gives way. The error is that of
// ctx if ctx is done and the waiting was cancelled for it.
func (t *task) suspend(ctx context.Context, ready bool) error {
	returned := false
	defer func() {
		if !returned { // a method of ctx has panicked
			t.leaveQueue()
		}
	}()
	var err error
	if t.mustCancel && t.cancelWait(t.cause) {
		t.mustCancel = false
		t.stand()
	} else if watched := watchedBy(ctx); watched != nil {
		err = t.suspendWatching(watched, ready)
	} else {
		if ready {
			t.loop.push(t)
		}
		t.stand()
	}
	returned = true
	return err
}

// stand gives control away until t's step is due. (What is done in its stead where direct
// allows it says the same, without the call.)
func (t *task) stand() {
	next := t.ahead()
	for ; next != nil && next != t.fiber; next = t.ahead() {
		next.Resume()
	}
	if next == nil && !t.fiber.Suspend() {
		t.unwind()
	}
}
