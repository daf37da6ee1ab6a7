package asyncio

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/go-asyncio/asyncio/internal/fiber"
	"github.com/go-asyncio/asyncio/internal/timerq"
)

// This file is how tasks wait. All suspension points come down to block. A task waits for one
// thing at a time, so that what it needs for that is a part of its fiber, and waiting
// allocates nothing. There are two kinds of wait:
//
//   - for a future: the task stands among the future's callbacks; cancelling the wait is
//     cancelling the future;
//   - for a wake-up, by a primitive, a stream or a timer: the task stands in a waitq, or
//     nowhere, until wake is called or the wait is cancelled. asyncio has a future for each
//     such wait.

// A suspension is what a task needs to wait.
type suspension struct {
	node     node    // in the future's callbacks or in the queue
	awaiting *future // nil while the task waits for a wake-up
	state    waitState
	reason   waitReason // for the wait for a wake-up
	queue    *waitq     // in which the task waits for a wake-up, if it is in one
	cause    error      // of the cancellation of the wait for a wake-up
	timer    timerq.Timer[runnable]
	watch    *watch    // of the context of this wait, if it has to be watched
	reporter *reporter // of a cancellation, to a library; see Loop.swallowed
}

// A reporter stands for a Dialer, or for a Conn that a Dialer has made.
type reporter struct {
	dialer *reporter // itself, or the Conn's; nil for a Conn that was made otherwise
}

// waitState is how far a task's wait for a wake-up has come, or how its last one ended.
type waitState uint8

const (
	waitPending   waitState = iota + 1 // nothing has happened yet
	waitWoken                          // wake was called; the task is ready
	waitCancelled                      // the wait was cancelled; the task is ready
	waitYields                         // no wake-up is awaited: the task gives way for a turn
)

func (s *suspension) yields() bool { return s.awaiting == nil && s.state == waitYields }

// A waitq is the queue of the tasks that wait for a primitive, in the order in which they came.
// One whose wait was cancelled stays in it until it has resumed: as in asyncio, that decides
// which task is woken next.
type waitq struct {
	_ noCopy
	nodeList
	loop atomic.Pointer[Loop] // in debug mode, the one whose tasks wait here
	live int                  // tasks that wait here, and tasks woken from here that have not resumed yet; cancelled ones do not count
}

// noCopy makes go vet report a copy of the primitive that has it as a field: tasks that wait would
// stand in the queue of the original.
type noCopy struct{}

func (*noCopy) Lock()   {}
func (*noCopy) Unlock() {}

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

// wait has the running task wait in q until it is woken. The error is that of a cancellation.
func (q *waitq) wait(ctx context.Context, reason waitReason) error {
	return (*task)(nil).block(ctx, wait{queue: q, delay: Never, reason: reason})
}

// wasWoken reports, when a wait has ended with an error, whether the running task had been
// woken before it was cancelled, so that another task has to get what it was woken for.
func wasWoken(ctx context.Context) bool { return running(ctx).fiber.State.state == waitWoken }

// A wait is what a task waits for: the end of a future, or else a wake-up. A delay that is not
// positive makes it wait for its next turn alone, in which it is ready anyway.
type wait struct {
	future *future
	queue  *waitq        // in which the task stands until it is woken, if there is one
	delay  time.Duration // after which a timer wakes the task, if it has no queue: Never for no timer
	reason waitReason
}

// block is the one way to wait: it arranges the wake-up, gives control away until the task
// resumes, and tidies up. t is the running task, or nil, and then block finds it; that leaves the
// callers small enough to be inlined. For all of this in one function see task.direct.
func (t *task) block(ctx context.Context, w wait) error {
	if t == nil {
		if c, ok := ctx.(*taskContext); ok && c.runs() {
			t = (*task)(c)
		} else {
			t = findRunning(ctx)
			if w.queue != nil && t.loop.debug { // not in the branch above, which does without the checks of debug mode
				w.queue.bind(t.loop, w.reason)
			}
		}
	}
	s := &t.fiber.State
	direct := t.direct(ctx)
	switch f := w.future; {
	case f != nil:
		if f.state != pending {
			return f.consume()
		}
		if f.loop != t.loop || f == &t.future || f.selfAwaited {
			return t.refuse(ctx, f)
		}
		s.node.run, s.awaiting = t, f
		f.callbacks.push(&s.node)
	case w.delay > 0:
		s.node.run = t
		s.state, s.reason, s.queue = waitPending, w.reason, w.queue
		if w.queue != nil {
			w.queue.push(&s.node)
			w.queue.live++
		} else if w.delay != Never {
			t.startTimer(w.delay)
		}
	default:
		s.state = waitYields
		if direct {
			t.loop.push(t)
		}
	}
	var fromContext error
	if direct {
		next := t.nextToResume()
		for ; next != nil && next != t.fiber; next = t.nextToResume() {
			next.Resume()
		}
		if next == nil && !t.fiber.Suspend() {
			t.unwind()
		}
	} else {
		fromContext = t.suspend(ctx)
	}
	var err error
	switch f := w.future; {
	case f != nil:
		s.awaiting = nil
		if f.state != pending { // else the wait was broken off, see task.breakOff
			err = f.consume()
		}
	case s.state == waitYields:
	case s.state == waitCancelled:
		t.loop.timers.Stop(&s.timer)
		s.node.unlink()
		err = newCancelled(s.cause)
	default:
		if w.queue != nil {
			w.queue.live--
		}
		s.node.unlink()
	}
	return t.settle(err, fromContext)
}

// startTimer has a timer wake t after d.
func (t *task) startTimer(d time.Duration) {
	if when := t.loop.after(d); when != Never {
		s := &t.fiber.State
		s.timer.Value = (*sleeper)(s)
		t.loop.timers.Set(&s.timer, when)
	}
}

// A sleeper is a suspension as the value of its timer. As in asyncio a timer that fires makes
// the task ready, and the task runs in the turn after.
type sleeper suspension

func (s *sleeper) run(*Loop) {
	if s.timer.Take() {
		s.node.run.(*task).wake()
	}
}

func (s *sleeper) describe() string { return s.node.run.(*task).describe() }

// refuse answers an await that cannot be. As in asyncio the task learns of it in the next turn.
func (t *task) refuse(ctx context.Context, f *future) error {
	reason := ErrAwaitSelf
	switch {
	case f.loop == nil:
		panic("asyncio: future was not made by NewFuture")
	case f.loop != t.loop:
		reason = ErrForeignLoop
	case f == &t.future && !f.selfAwaited:
		f.selfAwaited = true
	default: // its second await of itself, or another task's of it
		return reason
	}
	if err := t.block(ctx, wait{}); err != nil {
		return err
	}
	return reason
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
		if s.queue != nil {
			s.queue.live--
		}
		t.loop.push(t)
		return true
	default:
		return false
	}
}

// leaveQueue ends the wait of a task that does not resume, so that nothing is handed over to it.
func (t *task) leaveQueue() {
	s := &t.fiber.State
	if s.awaiting == nil && s.queue != nil && (s.state == waitPending || s.state == waitWoken) {
		s.queue.live--
	}
	s.state, s.awaiting = 0, nil
	s.node.unlink()
	t.loop.timers.Stop(&s.timer)
}

// unwind ends a task that was killed while it waited, or that waits in a deferred
// function after that.
func (t *task) unwind() {
	t.leaveQueue()
	fiber.Unwind()
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

// unwatched is the context of a wait that only Task.Cancel interrupts. It belongs to no task and no
// loop, so block must be given the running task along with it.
var unwatched = &taskContext{}

// direct reports whether the task can be suspended by t.fiber.Suspend alone, as it can in
// the common case. After a switch the processor's guess of where each function returns
// is wrong, so that every call between the switch and the task's own code costs as much
// as a mispredicted branch. That is why the callers, and Loop.turn, leave such calls out.
func (t *task) direct(ctx context.Context) bool {
	c, ok := ctx.(*taskContext)
	return ok && !c.watchesParent && !t.mustCancel
}

// suspend gives control to the loop until something makes t ready. If t only gives way, suspend
// makes it ready itself, once the methods of ctx have been called. The error is that of ctx if ctx
// is done and the wait was cancelled for it.
func (t *task) suspend(ctx context.Context) error {
	returned := false
	defer func() {
		if !returned { // a method of ctx has panicked
			t.leaveQueue()
		}
	}()
	var err error
	if t.mustCancel && t.cancelWait(t.cause) {
		t.mustCancel = false
		t.park()
	} else if watched := watchedBy(ctx); watched != nil {
		err = t.suspendWatching(watched)
	} else {
		if t.fiber.State.yields() {
			t.loop.push(t)
		}
		t.park()
	}
	returned = true
	return err
}

// park gives control away until t's step is due. (What is done in its stead where direct
// allows it says the same, without the call.)
func (t *task) park() {
	next := t.nextToResume()
	for ; next != nil && next != t.fiber; next = t.nextToResume() {
		next.Resume()
	}
	if next == nil && !t.fiber.Suspend() {
		t.unwind()
	}
}
