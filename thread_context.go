package asyncio

import (
	"container/list"
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// A threadContext is the context of a function of ToThread. It has the values and the deadline
// of the task's context, but does not lead to the task, so that awaiting with it panics with a
// clear message. It is done when the await is over; cancelling the await cancels it.
//
// Most functions never ask whether their context is done. So the part of it that package
// context provides is made on demand, which saves the other functions a sixth of the time of a
// call and half of its allocations.
type threadContext struct {
	context.Context // the task's
	loop            *Loop
	lane            *lane               // nil if an executor calls the function
	submission      *submission         // nil if no executor does
	pool            *ThreadPoolExecutor // the executor, if it is one
	call            calledOnThread      // the call that this context is part of

	mu          sync.Mutex
	inner       context.Context // provides Done and Err; nil until it is needed
	cancelInner context.CancelCauseFunc
	cause       error // the cause of the cancellation, if there was one

	goroutine atomic.Uintptr // gid.G of the function's goroutine

	// Guarded by loop.threads.mu.
	inLine   *list.Element // the element of lane.line while the function waits for a slot
	index    int           // the position in threads.calls while the function is there
	reported bool          // it was reported that the function holds up virtual time
	waits    []*threadWait
	since    time.Time // when the function began, or went on after waiting; in virtual time only
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

// String and GoString keep fmt from reading the fields of the running task.
func (c *threadContext) String() string   { return "asyncio.function " + c.call.describe() }
func (c *threadContext) GoString() string { return c.String() }

// cancellable returns inner, and makes it if there is none.
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

// cancel cancels the context unless it is cancelled already. cause must not be nil.
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

func (c *threadContext) isOutside() bool { return c.lane != nil && c.lane.outside }

// threadValues is a threadContext as the parent of its inner context: it has the values and the
// deadline, but is never done itself.
type threadValues threadContext

func (c *threadValues) Done() <-chan struct{} { return nil }
func (c *threadValues) Err() error            { return nil }

// waitsForLoop reports whether the function waits for the loop. A wait whose context is done
// does not count.
func (c *threadContext) waitsForLoop() bool {
	return slices.ContainsFunc(c.waits, func(w *threadWait) bool { return w.ctx.Err() == nil })
}

// describe names the function in a report.
func (c *threadContext) describe() string {
	if !c.hasBegun() {
		return c.call.describe() + " (not begun by its executor)"
	}
	return c.call.describe()
}

// hasBegun reports whether the function, which has a slot or was submitted to an executor, has begun.
func (c *threadContext) hasBegun() bool {
	return c.submission == nil || c.submission.thread.Load() == nil
}
