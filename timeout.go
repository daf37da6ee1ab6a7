package asyncio

import (
	"context"
	"errors"
	"time"

	"github.com/go-asyncio/asyncio/internal/timerq"
)

// A TimeoutScope is the time limit of a body of code. It belongs to the task that runs the
// body. It is asyncio.Timeout.
type TimeoutScope struct {
	task    *task
	cancels int32 // requests to cancel the task, on entry
	state   timeoutState
	when    time.Duration
	timer   timerq.Timer[runnable]
	soon    bool // the scope is in the ready queue and expires in the next turn
	revoked int  // entries of the scope in the ready queue that do nothing; they stand before a live one
}

type timeoutState uint8

const (
	timeoutActive   timeoutState = iota
	timeoutExpiring              // the time is up and the task was cancelled; body has not ended yet
	timeoutExpired               // the time was up before body ended
	timeoutFinished              // body ended in time
)

// Timeout runs body with a time limit of d, which may be Never. A limit that is not positive
// expires in the next turn. When the limit expires, the running task is cancelled, once. If
// body then returns that cancellation, Timeout returns ErrTimeout. If body has wrapped the
// cancellation or joined it to other errors, body's error becomes the cause of an error that is
// ErrTimeout: its text follows, and errors.Is and errors.As look into it, but do not find the
// cancellation. Timeout returns any other error of body, or nil, unchanged. body can move the
// limit through scope. Timeout suspends when body does. It is asyncio.timeout.
func Timeout(ctx context.Context, d time.Duration, body func(ctx context.Context, scope *TimeoutScope) error) error {
	return TimeoutAt(ctx, running(ctx).loop.after(d), body)
}

// TimeoutValue is Timeout for a body with a result. If it returns an error, the result is the zero
// value. It suspends when body does. It is asyncio.timeout around a body with a result.
func TimeoutValue[T any](ctx context.Context, d time.Duration, body func(ctx context.Context, scope *TimeoutScope) (T, error)) (v T, err error) {
	if body == nil {
		panic("asyncio: nil body")
	}
	err = Timeout(ctx, d, func(ctx context.Context, scope *TimeoutScope) (err error) {
		v, err = body(ctx, scope)
		return err
	})
	return valueUnless(err, v)
}

// TimeoutAt is Timeout with the limit at an instant of the loop's time; see [Loop.Time]. It
// suspends when body does. It is asyncio.timeout_at.
func TimeoutAt(ctx context.Context, when time.Duration, body func(ctx context.Context, scope *TimeoutScope) error) (err error) {
	if body == nil {
		panic("asyncio: nil body")
	}
	s := newTimeoutScope(ctx, when)
	defer s.exit(&err) // deferred, since body may panic
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

// Expired reports whether the limit expired before the body ended.
func (s *TimeoutScope) Expired() bool {
	return s.state == timeoutExpiring || s.state == timeoutExpired
}

// Reschedule moves the limit to an instant of the loop's time, or to Never. It returns an error
// once the limit has expired or the body has ended. It does not suspend. It is asyncio's
// reschedule.
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

// A scopeTimer is a TimeoutScope as the value of its timer.
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

// exit ends the scope. If the task has no more requests than on entry, the request of the scope
// was the only new one: the cancellation was the scope's own, and it is over.
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

// WaitFor awaits aw for at most d, which may be Never. When the time is up, WaitFor cancels aw,
// waits until it has ended, and returns ErrTimeout, with the error of aw as its cause as
// described at [Timeout]. If aw nevertheless ends with a result or an error of its own, WaitFor
// returns that. A coroutine runs in the running task. WaitFor suspends unless aw is done
// already. It is asyncio.wait_for.
func WaitFor[T any](ctx context.Context, aw Awaitable[T], d time.Duration) (v T, err error) {
	if d <= 0 {
		return waitForNothing(ctx, EnsureFuture(ctx, aw))
	}
	s := newTimeoutScope(ctx, running(ctx).loop.after(d))
	defer s.exit(&err)
	return aw.Await(ctx)
}

// waitForNothing is WaitFor with no time at all: it cancels f unless f is done. So the task of a
// coroutine ends before it begins, unless it starts eagerly.
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
