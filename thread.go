package asyncio

import (
	"context"
	"errors"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/semaphore"

	"github.com/go-asyncio/asyncio/internal/gid"
)

// ToThread runs fn on a goroutine of its own, while the loop goes on, and
// suspends until it has returned. Only so many functions run at a time; see
// WithMaxThreads. A panic in fn comes back as a *PanicError.
//
// If the await is cancelled it returns at once, and the context that fn got is
// cancelled; fn goes on until it returns, and Run or Close waits for that. With its
// context fn cannot await, but it may call RunCoroutineThreadsafe, to whose Result it
// should hand its context, and CallSoonThreadsafe. It is asyncio.to_thread.
func ToThread[T any](ctx context.Context, fn func(ctx context.Context) (T, error)) (T, error) {
	l := running(ctx).loop
	th := &l.threads
	done := NewFuture[T](l)
	call := &threadContext{Context: ctx, loop: l}
	fnCtx, cancel := context.WithCancelCause(call)
	defer cancel(context.Canceled) // the task may be unwound
	slot := th.slots.TryAcquire(1) // here, so that the first to call are the first to run
	th.enqueue(call, slot)
	th.running.Go(func() {
		var v T
		err := errGoexit
		defer func() {
			l.CallSoonThreadsafe(func() {
				th.finished(call)
				if !done.Done() {
					done.value = v
					done.future.finish(err)
				}
			})
		}()
		if !slot {
			if err = th.slots.Acquire(fnCtx, 1); err != nil {
				return
			}
			err = errGoexit
			th.begin(call)
		}
		call.goroutine.Store(gid.G())
		defer call.goroutine.Store(0)
		v, err = callIn(fnCtx, th, fn)
	})
	v, err := done.Await(ctx)
	if isCancelled(err) {
		cancel(err)
	}
	return v, err
}

// errGoexit is the error of a function that called runtime.Goexit.
var errGoexit = errors.New("asyncio: function given to ToThread called runtime.Goexit")

// callIn calls fn, which has a slot.
func callIn[T any](ctx context.Context, th *threads, fn func(context.Context) (T, error)) (v T, err error) {
	defer func() {
		th.release()
		if r := recover(); r != nil {
			err = &PanicError{r, debug.Stack()}
		}
	}()
	if err := ctx.Err(); err != nil {
		return v, err
	}
	return fn(ctx)
}

// threadContext is what the context of a function of ToThread descends from. It has
// the values of the task's context, but not the task, so that awaiting with it fails
// clearly; and its deadline, but it is never done: the await is cancelled first, and
// the function with it.
type threadContext struct {
	context.Context
	loop *Loop

	goroutine atomic.Uintptr // that runs the function, as gid.G has it; 0 when that does not run

	// Guarded by loop.threads.mu.
	begun bool
	waits []*threadWait
}

type threadKey struct{} // the *threadContext

func (c *threadContext) Done() <-chan struct{} { return nil }
func (c *threadContext) Err() error            { return nil }

func (c *threadContext) Value(key any) any {
	switch key {
	case taskKey{}, loopKey{}:
		return nil
	case threadKey{}:
		return c
	}
	return c.Context.Value(key)
}

// threads is the work that the loop has on other goroutines.
type threads struct {
	slots   *semaphore.Weighted
	running sync.WaitGroup

	mu      sync.Mutex
	free    int                         // slots
	queued  int                         // functions that wait for a slot
	calls   map[*threadContext]struct{} // functions that got one, until the loop has seen their results
	foreign map[failer]struct{}         // pending ConcurrentFutures
}

func (th *threads) init(max int) {
	if max == 0 {
		max = min(32, runtime.NumCPU()+4)
	}
	th.slots = semaphore.NewWeighted(int64(max))
	th.free = max
	th.calls = make(map[*threadContext]struct{})
}

// busy reports whether a function runs, or is about to: virtual time stands still then.
// One that waits for the loop does not, until the context that it waits under is done.
func (th *threads) busy() bool {
	th.mu.Lock()
	defer th.mu.Unlock()
	for c := range th.calls {
		if !slices.ContainsFunc(c.waits, func(w *threadWait) bool { return w.ctx.Err() == nil }) {
			return true
		}
	}
	return th.queued > 0 && th.free > 0
}

// enqueue counts a function that has a slot or is going to wait for one.
func (th *threads) enqueue(c *threadContext, slot bool) {
	th.mu.Lock()
	th.queued++
	th.mu.Unlock()
	if slot {
		th.begin(c)
	}
}

// begin counts a function that got its slot.
func (th *threads) begin(c *threadContext) {
	th.mu.Lock()
	defer th.mu.Unlock()
	th.queued--
	th.free--
	c.begun = true
	th.calls[c] = struct{}{}
}

// release gives a slot back.
func (th *threads) release() {
	th.mu.Lock()
	th.free++
	th.mu.Unlock()
	th.slots.Release(1)
}

// finished counts out a function whose result the loop has seen.
func (th *threads) finished(c *threadContext) {
	th.mu.Lock()
	defer th.mu.Unlock()
	if !c.begun {
		th.queued--
	}
	delete(th.calls, c)
}

// pause notes that a function begins to wait for the loop; resume takes that back.
func (th *threads) pause(w *threadWait) {
	th.mu.Lock()
	defer th.mu.Unlock()
	w.call.waits = append(w.call.waits, w)
}

func (th *threads) resume(w *threadWait) {
	th.mu.Lock()
	defer th.mu.Unlock()
	i := slices.Index(w.call.waits, w)
	w.call.waits = slices.Delete(w.call.waits, i, i+1)
}

// calling returns the call whose function runs on the goroutine g, or nil.
func (th *threads) calling(g uintptr) *threadContext {
	th.mu.Lock()
	defer th.mu.Unlock()
	for c := range th.calls {
		if c.goroutine.Load() == g {
			return c
		}
	}
	return nil
}

// A threadWait is a call, such as ConcurrentFuture.Result, in which a function of ToThread waits
// for the loop.
type threadWait struct {
	call *threadContext
	ctx  context.Context
}

// shutDown waits for the functions, whose contexts have been cancelled, and fails
// what other goroutines still wait for.
func (th *threads) shutDown() {
	th.mu.Lock()
	foreign := th.foreign
	th.foreign = nil
	th.mu.Unlock()
	for f := range foreign {
		f.fail(ErrLoopClosed)
	}
	th.running.Wait()
}
