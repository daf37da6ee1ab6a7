package asyncio

import (
	"container/list"
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// A threadContext is the context that a function of ToThread gets. It has the values and the
// deadline of the task's context, but not the task, so that awaiting with it fails clearly. It is
// done when the await is over: the await is cancelled first, and the function with it.
//
// Most functions never ask whether it is done. So package context's part in it is made for the
// first who asks, which saves the others a sixth of a call's time and half of its allocations.
type threadContext struct {
	context.Context // the task's
	loop            *Loop
	lane            *lane          // nil if an executor calls the function
	call            calledOnThread // of which this is a part

	mu          sync.Mutex
	inner       context.Context // that Done and Err are those of, once one of them was asked for
	cancelInner context.CancelCauseFunc
	cause       error // of the cancellation, if there was one

	goroutine atomic.Uintptr // gid.G of the function's goroutine

	// Guarded by loop.threads.mu.
	inLine    *list.Element // in lane.line, while there is no slot for the function
	index     int           // in threads.calls, while the function is there
	reported  bool          // as a function that holds up virtual time
	submitted bool          // to an executor, which has not called the function yet
	waits     []*threadWait
	since     time.Time // when it began, or went on after waiting; in virtual time
}

type threadKey struct{} // the *threadContext

func (c *threadContext) Done() <-chan struct{} { return c.cancellable().Done() }
func (c *threadContext) Err() error            { return c.cancellable().Err() }

func (c *threadContext) Value(key any) any {
	switch key {
	case taskKey{}, loopKey{}:
		return nil
	case threadKey{}:
		return c
	}
	return c.cancellable().Value(key) // package context looks for its own part by a key
}

// String and GoString keep fmt from looking into the running task.
func (c *threadContext) String() string   { return "asyncio.function " + c.call.describe() }
func (c *threadContext) GoString() string { return c.String() }

// cancellable makes inner if there is none.
func (c *threadContext) cancellable() context.Context {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.inner == nil {
		c.inner, c.cancelInner = context.WithCancelCause((*threadValues)(c))
		if c.cause != nil {
			c.cancelInner(c.cause)
		}
	}
	return c.inner
}

// cancel cancels the context, unless it is cancelled already. The cause must not be nil.
func (c *threadContext) cancel(cause error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cause != nil {
		return
	}
	c.cause = cause
	if c.inner != nil {
		c.cancelInner(cause)
	}
}

func (c *threadContext) isCancelled() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cause != nil
}

// threadValues is a threadContext as the parent of its inner context: with the values
// and the deadline alone.
type threadValues threadContext

func (c *threadValues) Done() <-chan struct{} { return nil }
func (c *threadValues) Err() error            { return nil }

// waitsForLoop reports whether the function waits for the loop, which it does until the
// context that it waits under is done.
func (c *threadContext) waitsForLoop() bool {
	return slices.ContainsFunc(c.waits, func(w *threadWait) bool { return w.ctx.Err() == nil })
}
