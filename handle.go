package asyncio

import (
	"sync/atomic"
	"time"

	"github.com/go-asyncio/asyncio/internal/timerq"
)

// A Handle is a callback scheduled by CallSoon.
type Handle struct {
	loop      *Loop
	fn        func()
	cancelled bool
}

// Cancel keeps the callback from being called. It may be called more than once, and after the
// callback has run.
func (h *Handle) Cancel() {
	h.loop.check()
	h.cancelled = true
	h.fn = nil
}

// Cancelled reports whether Cancel was called.
func (h *Handle) Cancelled() bool { return h.cancelled }

func (h *Handle) run(l *Loop) {
	if fn := h.fn; fn != nil {
		h.fn = nil
		l.call(fn)
	}
}

func (h *Handle) describe() string {
	if h.fn == nil {
		return "cancelled callback"
	}
	return callbackName(h.fn)
}

// A ThreadsafeHandle is a callback scheduled by CallSoonThreadsafeHandle. Any goroutine may use it.
type ThreadsafeHandle struct {
	fn atomic.Pointer[func()] // nil once the call has begun; &cancelledCallback once it was cancelled
}

// cancelledCallback stands for a callback that was cancelled.
var cancelledCallback = func() {}

// Cancel keeps the callback from being called unless the call has begun, and reports whether it
// does. It may be called more than once.
func (h *ThreadsafeHandle) Cancel() bool {
	if fn := h.fn.Load(); fn != nil {
		h.fn.CompareAndSwap(fn, &cancelledCallback) // if it fails, the call has begun or another Cancel was first
	}
	return h.Cancelled()
}

// Cancelled reports whether Cancel has kept the callback from being called.
func (h *ThreadsafeHandle) Cancelled() bool { return h.fn.Load() == &cancelledCallback }

func (h *ThreadsafeHandle) run(l *Loop) {
	if fn := h.fn.Load(); fn != nil && fn != &cancelledCallback && h.fn.CompareAndSwap(fn, nil) {
		l.call(*fn)
	}
}

func (h *ThreadsafeHandle) describe() string {
	if fn := h.fn.Load(); fn != nil && fn != &cancelledCallback {
		return callbackName(*fn)
	}
	return "cancelled callback"
}

// callback is a callback scheduled without a Handle, so it cannot be cancelled.
type callback func()

func (fn callback) run(l *Loop)      { l.call(fn) }
func (fn callback) describe() string { return callbackName(fn) }

// A TimerHandle is a callback scheduled by CallLater or CallAt.
type TimerHandle struct {
	Handle
	when  time.Duration
	timer timerq.Timer[runnable]
}

// When returns the loop's time at which the callback is due.
func (h *TimerHandle) When() time.Duration { return h.when }

// Cancel keeps the callback from being called. It may be called more than once, and after the
// callback has run.
func (h *TimerHandle) Cancel() {
	h.Handle.Cancel()
	h.loop.timers.Stop(&h.timer)
}

func (h *TimerHandle) run(l *Loop) {
	if h.timer.Take() {
		h.Handle.run(l)
	}
}

// checkCallback panics if a callback is nil, and in debug mode if the caller is on the wrong
// goroutine.
func (l *Loop) checkCallback(isNil bool) {
	l.check()
	if isNil {
		panic("asyncio: nil callback")
	}
}

// handle returns a Handle for fn. It panics if fn is nil or the loop is closed.
func (l *Loop) handle(fn func()) Handle {
	l.checkCallback(fn == nil)
	if l.closed {
		panic("asyncio: event loop is closed")
	}
	return Handle{loop: l, fn: fn}
}
