package asyncio

import (
	"context"
	"errors"
	"runtime"
	"runtime/debug"
	"sync"

	"golang.org/x/sync/semaphore"
)

// ToThread runs fn on a goroutine of its own, while the loop goes on, and
// suspends until it has returned. Only so many functions run at a time; see
// WithMaxThreads. A panic in fn comes back as a *PanicError.
//
// If the await is cancelled it returns at once, and the context that fn got is
// cancelled; fn goes on until it returns, and Run or Close waits for that. With
// its context fn cannot await, but it may call RunCoroutineThreadsafe and
// CallSoonThreadsafe. It is asyncio.to_thread.
func ToThread[T any](ctx context.Context, fn func(ctx context.Context) (T, error)) (T, error) {
	l := running(ctx).loop
	th := &l.threads
	done := NewFuture[T](l)
	call := &threadContext{Context: ctx, loop: l}
	fnCtx, cancelCtx := context.WithCancelCause(call)
	cancel := func(err error) {
		th.cancelled(call)
		cancelCtx(err)
	}
	defer cancel(context.Canceled) // the task may be unwound
	slot := th.slots.TryAcquire(1) // here, so that the first to call are the first to run
	th.enqueue(slot)
	th.running.Go(func() {
		var v T
		err := errGoexit
		defer func() {
			l.CallSoonThreadsafe(func() {
				th.finished(slot)
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
			slot, err = true, errGoexit
			th.begin()
		}
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

	// Guarded by loop.threads.mu.
	waits     int  // calls of Result in which the function waits for the loop
	cancelled bool // it counts as running even so
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

	// Virtual time stands still while a function runs, or is about to.
	mu     sync.Mutex
	free   int // slots
	queued int // functions that wait for a slot
	active int // functions that got one, and whose results the loop has not seen, but for those that wait for the loop

	foreign map[failer]struct{} // pending ConcurrentFutures; guarded by mu
}

func (th *threads) init(max int) {
	if max == 0 {
		max = min(32, runtime.NumCPU()+4)
	}
	th.slots = semaphore.NewWeighted(int64(max))
	th.free = max
}

// busy reports whether virtual time has to stand still.
func (th *threads) busy() bool {
	th.mu.Lock()
	defer th.mu.Unlock()
	return th.active > 0 || th.queued > 0 && th.free > 0
}

// enqueue counts a function that has a slot or is going to wait for one.
func (th *threads) enqueue(slot bool) {
	th.mu.Lock()
	th.queued++
	th.mu.Unlock()
	if slot {
		th.begin()
	}
}

// begin counts a function that got its slot.
func (th *threads) begin() {
	th.mu.Lock()
	defer th.mu.Unlock()
	th.queued--
	th.free--
	th.active++
}

// release gives a slot back.
func (th *threads) release() {
	th.mu.Lock()
	th.free++
	th.mu.Unlock()
	th.slots.Release(1)
}

// finished counts out a function whose result the loop has seen.
func (th *threads) finished(slot bool) {
	th.mu.Lock()
	defer th.mu.Unlock()
	if slot {
		th.active--
	} else {
		th.queued--
	}
}

// pause counts a function that begins to wait for the loop; resume takes that back.
func (th *threads) pause(c *threadContext) {
	th.mu.Lock()
	defer th.mu.Unlock()
	if c.waits++; c.waits == 1 && !c.cancelled {
		th.active--
	}
}

func (th *threads) resume(c *threadContext) {
	th.mu.Lock()
	defer th.mu.Unlock()
	if c.waits--; c.waits == 0 && !c.cancelled {
		th.active++
	}
}

// cancelled counts a function as running from now on, since its waiting is over.
func (th *threads) cancelled(c *threadContext) {
	th.mu.Lock()
	defer th.mu.Unlock()
	if c.waits > 0 && !c.cancelled {
		th.active++
	}
	c.cancelled = true
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
