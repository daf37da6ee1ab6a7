package asyncio

import (
	"context"
	"sync"
)

// A ConcurrentFuture is the result of a coroutine that a goroutine other than the loop's
// has started. Any goroutine may use it. It is asyncio's concurrent.futures.Future.
type ConcurrentFuture[T any] struct {
	loop *Loop
	done chan struct{}

	task *Task[T] // the loop's goroutine alone uses it: nil until the loop has come round to creating it

	mu        sync.Mutex
	ended     bool
	value     T
	err       error
	cancelled bool // err is a cancellation
	wraps     []*wrapping[T]
}

// failer is a *ConcurrentFuture of any type.
type failer interface{ fail(err error) bool }

// RunCoroutineThreadsafe has loop run coro as a task. Any goroutine may call it;
// it does not block. If the loop is closed before coro is done, the result is
// ErrLoopClosed. It is asyncio.run_coroutine_threadsafe.
func RunCoroutineThreadsafe[T any](loop *Loop, coro Coro[T]) *ConcurrentFuture[T] {
	if coro == nil {
		panic("asyncio: nil coroutine")
	}
	f := &ConcurrentFuture[T]{loop: loop, done: make(chan struct{})}
	loop.threads.addFuture(f)
	if loop.CallSoonThreadsafe(func() { f.begin(coro) }) != nil {
		f.fail(ErrLoopClosed)
	}
	return f
}

// begin creates the task, on the loop's goroutine.
func (f *ConcurrentFuture[T]) begin(coro Coro[T]) {
	f.mu.Lock()
	ended := f.ended
	f.mu.Unlock() // since the task may start eagerly, and cancel f
	if ended {
		return
	}
	f.task = CreateTask(f.loop.Context(context.Background()), coro)
	f.task.AddDoneCallback(func(t *Task[T]) {
		v, err := t.Result()
		f.end(v, err, t.Cancelled())
	})
}

// end sets the result, unless there is one, and releases the goroutines that wait. From this
// instant the functions of ToThread among them count as running.
func (f *ConcurrentFuture[T]) end(v T, err error, cancelled bool) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ended {
		return false
	}
	f.ended, f.value, f.err, f.cancelled = true, v, err, cancelled
	f.loop.threads.endFuture(f)
	close(f.done)
	for _, w := range f.wraps {
		_ = w.outer.future.loop.post(w)
	}
	f.wraps = nil
	return true
}

func (f *ConcurrentFuture[T]) fail(err error) bool {
	var zero T
	return f.end(zero, err, err == ErrCancelled)
}

// Done returns a channel that is closed when there is a result. Virtual time stands still while
// a function of ToThread receives from it, which it does not during Result.
func (f *ConcurrentFuture[T]) Done() <-chan struct{} { return f.done }

// Result blocks the calling goroutine until the coroutine is done and returns its
// result or error, or until ctx is done and returns its cause. It must not be called
// on the loop's own goroutine, which it would block for ever: it panics if ctx is that
// of one of the loop's tasks. A function of ToThread should pass its own context, without
// which the loop does not know in virtual time that the function waits. It should not lend
// that context to another goroutine, which the loop would take for the function.
func (f *ConcurrentFuture[T]) Result(ctx context.Context) (T, error) {
	if loopOf(ctx) == f.loop {
		panic("asyncio: ConcurrentFuture.Result would block the event loop")
	}
	var w *threadWait
	if thread, ok := ctx.Value(threadKey{}).(*threadContext); ok && thread.loop == f.loop && f.loop.virtual {
		w = f.loop.threads.beginWait(thread, ctx, f)
	}
	select {
	case <-f.done:
		return f.value, f.err
	case <-ctx.Done():
	}
	f.loop.threads.endWait(w)
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

// WrapFuture returns a future of the loop of ctx that gets the result of f, which may belong to
// another loop. Cancelling that future, or a task that awaits it, cancels f. Virtual time stands
// still until f is done if f belongs to another loop. WrapFuture does not suspend. It is
// asyncio.wrap_future.
func WrapFuture[T any](ctx context.Context, f *ConcurrentFuture[T]) *Future[T] {
	l := RunningLoop(ctx)
	l.check()
	w := &wrapping[T]{inner: f, outer: NewFuture[T](l)}
	if f.loop != l {
		l.threads.awaitOther(1)
	}
	w.outer.OnDone(w.outerDone)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ended {
		_ = l.post(w) // as in asyncio the future is done in the next turn
	} else {
		f.wraps = append(f.wraps, w)
	}
	return w.outer
}

// wrapping ends the outer future as the inner has ended, on the loop of the outer.
type wrapping[T any] struct {
	inner *ConcurrentFuture[T]
	outer *Future[T]
}

func (w *wrapping[T]) run(*Loop) {
	switch inner := w.inner; { // which has ended, so that nobody writes to it any more
	case w.outer.Done():
	case inner.cancelled:
		w.outer.future.endCancelled(inner.err, nil)
	default:
		w.outer.value = inner.value
		w.outer.future.finish(inner.err)
	}
}

func (w *wrapping[T]) outerDone() {
	if w.inner.loop != w.outer.future.loop {
		w.outer.future.loop.threads.awaitOther(-1)
	}
	if w.outer.Cancelled() {
		w.inner.Cancel()
	}
}

func (w *wrapping[T]) describe() string { return "end of a wrapped future" }
