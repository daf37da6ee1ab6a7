package asyncio

import (
	"context"
	"errors"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/semaphore"
)

// threads is the work that the loop has on other goroutines.
type threads struct {
	slots       *semaphore.Weighted
	running     sync.WaitGroup
	outstanding atomic.Int64 // functions whose results the loop has not seen, without those that wait for the loop

	mu      sync.Mutex
	foreign map[failer]struct{} // pending ConcurrentFutures
}

// failer is a *ConcurrentFuture of whatever type.
type failer interface{ fail(err error) bool }

// errGoexit is the error of a function that called runtime.Goexit on a goroutine
// of ToThread.
var errGoexit = errors.New("asyncio: function given to ToThread called runtime.Goexit")

func (th *threads) init(max int) {
	if max == 0 {
		max = min(32, runtime.NumCPU()+4)
	}
	th.slots = semaphore.NewWeighted(int64(max))
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
	done := NewFuture[T](l)
	fnCtx, cancel := context.WithCancelCause(&threadContext{ctx, l})
	defer cancel(context.Canceled) // the task may be unwound
	th := &l.threads
	th.outstanding.Add(1)
	slot := th.slots.TryAcquire(1) // here, so that the first to call are the first to run
	th.running.Go(func() {
		var v T
		err := errGoexit
		defer func() {
			l.CallSoonThreadsafe(func() {
				th.outstanding.Add(-1)
				if !done.Done() {
					done.value = v
					done.future.finish(err)
				}
			})
		}()
		v, err = callIn(fnCtx, th.slots, slot, fn)
	})
	v, err := done.Await(ctx)
	if isCancelled(err) {
		cancel(err)
	}
	return v, err
}

// callIn calls fn when it has a slot, if it has none yet.
func callIn[T any](ctx context.Context, slots *semaphore.Weighted, slot bool, fn func(context.Context) (T, error)) (v T, err error) {
	if !slot {
		if err := slots.Acquire(ctx, 1); err != nil {
			return v, err
		}
	}
	defer func() {
		slots.Release(1)
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
}

func (c *threadContext) Done() <-chan struct{} { return nil }
func (c *threadContext) Err() error            { return nil }

type threadKey struct{}

func (c *threadContext) Value(key any) any {
	switch key {
	case taskKey{}, loopKey{}:
		return nil
	case threadKey{}:
		return c.loop
	}
	return c.Context.Value(key)
}

// A ConcurrentFuture is the result of a coroutine that another goroutine has
// asked for. Any goroutine may use it. It is asyncio's
// concurrent.futures.Future.
type ConcurrentFuture[T any] struct {
	loop *Loop
	done chan struct{}

	mu      sync.Mutex
	ended   bool
	waiting int64 // goroutines of ToThread on the same loop that wait in Result
	task    *Task[T]
	value   T
	err     error
}

// RunCoroutineThreadsafe has loop run coro as a task. Any goroutine may call it;
// it does not block. If the loop is closed, before coro is done, the result is
// ErrLoopClosed. It is asyncio.run_coroutine_threadsafe.
func RunCoroutineThreadsafe[T any](loop *Loop, coro Coro[T]) *ConcurrentFuture[T] {
	if coro == nil {
		panic("asyncio: nil coroutine")
	}
	f := &ConcurrentFuture[T]{loop: loop, done: make(chan struct{})}
	loop.threads.add(f)
	if loop.CallSoonThreadsafe(func() { f.begin(coro) }) != nil {
		f.fail(ErrLoopClosed)
	}
	return f
}

func (th *threads) add(f failer) {
	th.mu.Lock()
	defer th.mu.Unlock()
	if th.foreign == nil {
		th.foreign = make(map[failer]struct{})
	}
	th.foreign[f] = struct{}{}
}

// begin creates the task, on the loop's goroutine.
func (f *ConcurrentFuture[T]) begin(coro Coro[T]) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ended {
		return
	}
	f.task = CreateTask(f.loop.Context(context.Background()), coro)
	f.task.AddDoneCallback(func(t *Task[T]) { f.end(t.Result()) })
}

func (f *ConcurrentFuture[T]) fail(err error) bool {
	var zero T
	return f.end(zero, err)
}

// end sets the result, unless there is one, and lets go those who wait. From this
// instant the loop counts those of them as running that it knows.
func (f *ConcurrentFuture[T]) end(v T, err error) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ended {
		return false
	}
	f.ended, f.value, f.err = true, v, err
	th := &f.loop.threads
	th.outstanding.Add(f.waiting)
	th.mu.Lock()
	delete(th.foreign, f)
	th.mu.Unlock()
	close(f.done)
	return true
}

// Done returns a channel that is closed when there is a result.
func (f *ConcurrentFuture[T]) Done() <-chan struct{} { return f.done }

// Result blocks the calling goroutine until the coroutine is done and returns its
// result or error, or until ctx is done and returns its cause. It must not be called
// on the loop's own goroutine, which it would block for ever: it panics if ctx is that
// of one of the loop's tasks.
func (f *ConcurrentFuture[T]) Result(ctx context.Context) (T, error) {
	if loopOf(ctx) == f.loop {
		panic("asyncio: ConcurrentFuture.Result would block the event loop")
	}
	f.mu.Lock()
	// In virtual time, time stands still for a function of ToThread, but not
	// while that waits for the loop.
	known := !f.ended && ctx.Err() == nil && ctx.Value(threadKey{}) == any(f.loop)
	if known {
		f.waiting++
		f.loop.threads.outstanding.Add(-1)
		f.loop.posted.wakeUp()
	}
	f.mu.Unlock()
	select {
	case <-f.done:
		return f.value, f.err
	case <-ctx.Done():
	}
	f.mu.Lock()
	if known && !f.ended {
		f.waiting--
		f.loop.threads.outstanding.Add(1)
	}
	f.mu.Unlock()
	var zero T
	return zero, contextCause(ctx)
}

// Cancel ends f as cancelled and has its task cancelled. It reports false if
// there is a result already.
func (f *ConcurrentFuture[T]) Cancel() bool {
	if !f.fail(ErrCancelled) {
		return false
	}
	f.loop.CallSoonThreadsafe(func() {
		if f.task != nil {
			f.task.Cancel()
		}
	})
	return true
}
