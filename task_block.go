package asyncio

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/go-asyncio/asyncio/internal/fiber"
	"github.com/go-asyncio/asyncio/internal/timerq"
)

// This file is how tasks wait. Every suspension point calls block in the end. A task waits for one
// thing at a time, so the state of its wait is part of its fiber, and waiting allocates nothing.
// There are two kinds of wait:
//
//   - for a future: the task is among the future's callbacks, and cancelling the wait cancels the
//     future;
//   - for a wake-up, by a primitive, a stream or a timer: the task is in a waitq, or in no list,
//     until wake is called or the wait is cancelled. asyncio makes a future for each such wait.

// A suspension is the state of a task's wait.
type suspension struct {
	node     node    // in the future's callbacks or in queue
	awaiting *future // nil while the task waits for a wake-up
	state    waitState
	reason   waitReason // of a wait for a wake-up
	queue    *waitq     // the queue in which the task waits for a wake-up, or nil
	since    uint64     // the turn in which the last wait began
	cause    error      // of the cancellation of a wait for a wake-up
	timer    timerq.Timer[runnable]
	watch    *watch    // of the context of this wait, or nil if the context cannot cancel it
	reporter *reporter // the last to report a cancellation to a library; see Loop.swallowed
}

// A reporter stands for a Dialer, or for a Conn made by a Dialer.
type reporter struct {
	dialer *reporter // the reporter of the Dialer, which may be this one; nil for a Conn that no Dialer made
}

// A waitState is the state of a task's wait for a wake-up, or of its last one.
type waitState uint8

const (
	waitPending   waitState = iota + 1 // nothing has happened yet
	waitWoken                          // wake was called; the task is ready
	waitCancelled                      // the wait was cancelled; the task is ready
	waitYields                         // the task does not wait for a wake-up, but only for its next turn
)

func (s *suspension) yields() bool { return s.awaiting == nil && s.state == waitYields }

// A waitq is the queue of the tasks that wait for a primitive, in the order of their arrival. A
// task whose wait was cancelled stays in it until it has resumed, or until wakeNext passes over it: as
// in asyncio, that determines which task is woken next.
type waitq struct {
	_ noCopy
	nodeList
	loop      atomic.Pointer[Loop] // the loop whose tasks wait here; recorded in debug mode only
	primitive *primitive           // nil unless the primitive has a name or recorded holders
	live      int32                // tasks that wait here, and tasks woken from here that have not resumed yet; cancelled ones do not count
	single    bool                 // of a semaphore: it was made with one place
}

// noCopy makes go vet report a copy of a primitive that contains it. The waiting tasks would be in
// the queue of the original.
type noCopy struct{}

func (*noCopy) Lock()   {}
func (*noCopy) Unlock() {}

// wakeNext wakes the first waiter whose wait is still pending, and reports whether there was one.
// It removes that waiter and those before it.
func (q *waitq) wakeNext() bool {
	for w := q.head; w != nil; w = q.head {
		w.unlink()
		if w.run.(*task).wake() {
			return true
		}
	}
	return false
}

// wakeAll removes all waiters, and wakes those whose wait is still pending.
func (q *waitq) wakeAll() {
	for q.wakeNext() {
	}
}

// wake makes t ready if it is waiting for a wake-up, and reports whether it was. The task runs in
// the next turn.
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

// wait makes the running task wait in q until it is woken. It returns an error if the wait was
// cancelled.
func (q *waitq) wait(ctx context.Context, reason waitReason) error {
	return (*task)(nil).block(ctx, &wait{queue: q, reason: reason}, 0)
}

// wasWoken reports whether the running task, whose wait has ended with an error, had been woken
// before it was cancelled. Then the caller has to pass the wake-up on to another task.
func wasWoken(ctx context.Context) bool { return running(ctx).fiber.State.state == waitWoken }

// A wait describes what a task waits for: the end of a future or else a wake-up.
type wait struct {
	future *future
	queue  *waitq // the queue that holds the task until it is woken, or nil
	reason waitReason
}

// block is the only way to wait. It arranges the wake-up, gives control away until the task
// resumes, and tidies up. If w is nil, the task sleeps for d, or yields for a turn if d is not
// positive. t is the running task; if it is nil, block looks the task up, which keeps callers small
// enough to be inlined. See task.direct for why all of this is in one function.
func (t *task) block(ctx context.Context, w *wait, d time.Duration) error {
	if t == nil {
		c, ok := ctx.(*taskContext)
		if !ok || !c.runs() {
			return findRunningFor(ctx, w).block(ctx, w, d)
		}
		t = (*task)(c)
	}
	direct := t.direct(ctx)
	s := &t.fiber.State
	switch {
	case w != nil && w.future != nil:
		f := w.future
		if f.state != pending {
			return f.consume()
		}
		if f.loop != t.loop || f == &t.future || f.selfAwaited {
			return t.refuse(ctx, f)
		}
		s.node.run, s.awaiting, s.since = t, f, t.loop.turns
		f.callbacks.push(&s.node)
	case w != nil:
		s.node.run, s.since = t, t.loop.turns
		s.state, s.reason, s.queue = waitPending, w.reason, w.queue
		if w.queue != nil {
			w.queue.push(&s.node)
			w.queue.live++
		}
	case d > 0:
		t.startTimer(d)
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
			t.interrupted()
		}
	} else {
		fromContext = t.suspend(ctx)
	}
	var err error
	switch f := s.awaiting; {
	case f != nil:
		s.awaiting = nil
		err = f.consume()
	case s.state == waitYields:
	case s.state == waitCancelled:
		t.loop.timers.Stop(&s.timer)
		s.node.unlink()
		err = newCancelled(s.cause)
	default:
		if s.queue != nil {
			s.queue.live--
		}
		s.node.unlink()
	}
	return t.settle(err, fromContext)
}

// findRunningFor is findRunning for a task that is about to wait for w. In debug mode it panics if
// tasks of another loop have waited there.
func findRunningFor(ctx context.Context, w *wait) *task {
	t := findRunning(ctx)
	if t.loop.debug && w != nil && w.queue != nil {
		w.queue.bind(t.loop, w.reason)
	}
	return t
}

// startTimer makes a timer wake t after d.
func (t *task) startTimer(d time.Duration) {
	s := &t.fiber.State
	s.node.run, s.since = t, t.loop.turns
	s.state, s.reason, s.queue = waitPending, waitSleep, nil
	if when := t.loop.after(d); when != Never {
		s.timer.Value = (*sleeper)(s)
		t.loop.timers.Set(&s.timer, when)
	}
}

// A sleeper is a suspension as the value of its timer. As in asyncio, a timer that fires makes the
// task ready, and the task runs in the turn after.
type sleeper suspension

func (s *sleeper) run(*Loop) {
	if s.timer.Take() {
		s.node.run.(*task).wake()
	}
}

func (s *sleeper) describe() string { return s.node.run.(*task).describe() }

// refuse returns the error of an await of f that is not allowed. As in asyncio, the error comes in
// the next turn, but at once if f is a task that has awaited itself before.
func (t *task) refuse(ctx context.Context, f *future) error {
	reason := ErrAwaitSelf
	switch {
	case f.loop == nil:
		panic("asyncio: future was not made by NewFuture")
	case f.loop != t.loop:
		reason = ErrForeignLoop
	case f == &t.future && !f.selfAwaited:
		f.selfAwaited = true
	default: // f awaits itself again, or another task awaits it
		return reason
	}
	if err := t.block(ctx, nil, 0); err != nil {
		return err
	}
	return reason
}

// cancelWait cancels the wait of t, and reports whether there was one to cancel.
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

// leaveQueue ends the wait of a task that is not to resume, so that it takes no wake-up from
// others.
func (t *task) leaveQueue() {
	s := &t.fiber.State
	if s.awaiting == nil && s.queue != nil && (s.state == waitPending || s.state == waitWoken) {
		s.queue.live--
	}
	s.state, s.awaiting = 0, nil
	s.node.unlink()
	t.loop.timers.Stop(&s.timer)
}

// interrupted is called on the fiber of a suspended task that was killed or probed. A probe leaves
// the task suspended.
func (t *task) interrupted() {
	for {
		if t.fiber.Interrupted() {
			t.unwind()
		}
		if t.fiber.Suspend() {
			return
		}
	}
}

// unwind unwinds a task that was killed while it waited, or that would wait in a deferred function
// while it unwinds.
func (t *task) unwind() {
	t.leaveQueue()
	fiber.Unwind()
}

// settle returns the error of a suspension. err is the outcome of the wait itself, and fromContext
// the error of the context that cancelled the wait, if one did. A Cancel that found nothing to
// cancel while the task was suspended goes first: settle delivers it now, unless err is a
// cancellation already, and not the context's. The error of the context comes next, if err is a
// cancellation. Otherwise settle returns err.
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
// loop, so the caller of block must pass the running task with it.
var unwatched = &taskContext{}

// direct reports whether t.fiber.Suspend alone can suspend the task, as it can in the common case.
// A switch changes stacks, so the CPU's return predictor is wrong for every frame that was live
// across it: each return between the switch and the task's own code is mispredicted. That is why
// block and Loop.turn call no helper functions on this path.
func (t *task) direct(ctx context.Context) bool {
	c, ok := ctx.(*taskContext)
	return ok && !c.watchesParent && !t.mustCancel
}

// suspend gives control away until something makes t ready. If t only yields, suspend makes it
// ready itself, once it has called the methods of ctx. It returns the error of ctx if ctx is done
// and has cancelled the wait.
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

// park gives control away until t's step is due. For waits that are direct, block has a copy of
// this code, which saves the call.
func (t *task) park() {
	next := t.nextToResume()
	for ; next != nil && next != t.fiber; next = t.nextToResume() {
		next.Resume()
	}
	if next == nil && !t.fiber.Suspend() {
		t.interrupted()
	}
}
