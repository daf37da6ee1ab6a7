package asyncio

import (
	"context"
	"errors"
	"time"

	"github.com/go-asyncio/asyncio/internal/timerq"
)

// A TimeoutScope is the time limit of a body of code. It belongs to the task that
// runs the body.
type TimeoutScope struct {
	task    *task
	cancels int32 // of the task, on entry
	state   timeoutState
	when    time.Duration
	timer   timerq.Timer[runnable]
	soon    bool // the scope itself is in the ready queue, to expire in the next turn
	revoked int  // number of its entries there, before that one, which do nothing
}

type timeoutState uint8

const (
	timeoutActive   timeoutState = iota
	timeoutExpiring              // the task was cancelled
	timeoutExpired               // and the body has ended since
	timeoutFinished              // the body has ended before the time
)

// Timeout runs body with a limit of d on its time, which may be Never. When the
// time is over the task is cancelled, once, and when body then returns that
// cancellation Timeout returns ErrTimeout. If body has wrapped the cancellation, or
// joined it to other errors, the error of body becomes the cause of an error that is
// ErrTimeout: its text follows, and errors.Is and errors.As find what it holds, save the
// cancellation. Any other error of body, or none, is returned as it is. A limit that is not
// positive is over in the next turn. The scope is given to body to move the limit.
// Timeout suspends when body does. It is asyncio.timeout.
func Timeout(ctx context.Context, d time.Duration, body func(ctx context.Context, scope *TimeoutScope) error) error {
	return TimeoutAt(ctx, running(ctx).loop.after(d), body)
}

// TimeoutValue is Timeout for a body with a result. The result is the zero value if there is an
// error. It suspends when body does.
func TimeoutValue[T any](ctx context.Context, d time.Duration, body func(ctx context.Context, scope *TimeoutScope) (T, error)) (v T, err error) {
	err = Timeout(ctx, d, func(ctx context.Context, scope *TimeoutScope) (err error) {
		v, err = body(ctx, scope)
		return err
	})
	return valueUnless(err, v)
}

// TimeoutAt is Timeout with a limit in the loop's time. It suspends when body does. It is
// asyncio.timeout_at.
func TimeoutAt(ctx context.Context, when time.Duration, body func(ctx context.Context, scope *TimeoutScope) error) (err error) {
	s := newTimeoutScope(ctx, when)
	defer s.exit(&err) // deferred for a panic in body
	return body(ctx, s)
}

func newTimeoutScope(ctx context.Context, when time.Duration) *TimeoutScope {
	t := running(ctx)
	s := &TimeoutScope{task: t, cancels: t.cancels}
	s.schedule(when)
	return s
}

// When returns the limit in the loop's time, or Never.
func (s *TimeoutScope) When() time.Duration { return s.when }

// Expired reports whether the time was over before the body ended.
func (s *TimeoutScope) Expired() bool {
	return s.state == timeoutExpiring || s.state == timeoutExpired
}

// Reschedule moves the limit to an instant of the loop's time, or to Never. It
// returns an error once the time is over or the body has ended.
func (s *TimeoutScope) Reschedule(when time.Duration) error {
	s.task.loop.check()
	switch s.state {
	case timeoutExpiring, timeoutExpired:
		return errors.New("asyncio: cannot reschedule an expired timeout")
	case timeoutFinished:
		return errors.New("asyncio: cannot reschedule a finished timeout")
	}
	s.stop()
	s.schedule(when)
	return nil
}

func (s *TimeoutScope) schedule(when time.Duration) {
	s.when = when
	switch l := s.task.loop; {
	case when == Never:
	case when <= l.Time():
		s.soon = true
		l.push(s)
	default:
		s.timer.Value = (*scopeTimer)(s)
		l.timers.Set(&s.timer, when)
	}
}

func (s *TimeoutScope) stop() {
	s.task.loop.timers.Stop(&s.timer)
	if s.soon {
		s.soon = false
		s.revoked++
	}
}

func (s *TimeoutScope) run(*Loop) {
	if s.revoked > 0 {
		s.revoked--
	} else {
		s.soon = false
		s.expire()
	}
}

// scopeTimer is a scope as the value of its timer.
type scopeTimer TimeoutScope

func (s *scopeTimer) run(*Loop) {
	if s.timer.Take() {
		(*TimeoutScope)(s).expire()
	}
}

func (s *scopeTimer) describe() string { return (*TimeoutScope)(s).describe() }

func (s *TimeoutScope) describe() string { return "timeout of " + s.task.describe() }

func (s *TimeoutScope) expire() {
	s.task.cancel(nil)
	s.state = timeoutExpiring
}

// exit ends the scope. The cancellation was the scope's own, and is over, if there
// are no more requests than on entry.
func (s *TimeoutScope) exit(err *error) {
	s.stop()
	if s.state != timeoutExpiring {
		s.state = timeoutFinished
		return
	}
	s.state = timeoutExpired
	if int32(s.task.uncancel()) <= s.cancels {
		*err = timedOut(*err)
	}
}

// WaitFor awaits aw for d at most, which may be Never. When the time is over, aw is
// cancelled, and WaitFor waits until it has ended and returns ErrTimeout, with the error
// of aw as its cause as [Timeout] has it; if aw ends with a result or an error of its own
// all the same, it returns that. A coroutine runs in the running task. It suspends unless
// aw is done already. It is asyncio.wait_for.
func WaitFor[T any](ctx context.Context, aw Awaitable[T], d time.Duration) (v T, err error) {
	if d <= 0 {
		return waitForNothing(ctx, aw.start(ctx))
	}
	s := newTimeoutScope(ctx, running(ctx).loop.after(d))
	defer s.exit(&err)
	return aw.Await(ctx)
}

// waitForNothing is WaitFor with no time at all: what is not done is cancelled. A
// coroutine does not even begin.
func waitForNothing[T any](ctx context.Context, f FutureLike[T]) (v T, err error) {
	if f.Done() {
		return f.Await(ctx)
	}
	t := running(ctx)
	if f.core().loop != t.loop {
		return v, ErrForeignLoop
	}
	c := newWaitScope(t, AllCompleted, 1)
	defer c.leave()
	c.add(f.core())
	f.core().cancel(nil)
	if err := c.wait(ctx); err != nil {
		return v, err
	}
	v, err = f.Await(ctx)
	return v, timedOut(err)
}
