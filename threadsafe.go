package asyncio

import (
	"context"
	"sync"
)

// A ConcurrentFuture is the result of a coroutine that another goroutine has started with
// RunCoroutineThreadsafe. Any goroutine may use it. It is asyncio's concurrent.futures.Future.
type ConcurrentFuture[T any] struct {
	loop *Loop
	done chan struct{}

	task *Task[T] // nil until the loop has created it; the loop's goroutine alone uses it

	mu        sync.Mutex
	ended     bool
	value     T
	err       error
	cancelled bool // err is a cancellation
	wraps     []*wrapping[T]
}

// A failer is a *ConcurrentFuture of any type.
type failer interface{ fail(err error) bool }

// RunCoroutineThreadsafe makes loop run coro as a task. Any goroutine may call it; it does not
// block. If the loop is closed before coro is done, the result is ErrLoopClosed. It panics if
// coro is nil. It is asyncio.run_coroutine_threadsafe.
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
	f.mu.Unlock() // the task may start eagerly and cancel f
	if ended {
		return
	}
	f.task = CreateTask(f.loop.Context(context.Background()), coro)
	f.task.AddDoneCallback(func(t *Task[T]) {
		v, err := t.Result()
		f.end(v, err, t.Cancelled())
	})
}

// end sets the result unless there is one already, and releases the goroutines that wait for
// it. From then on the functions of ToThread among them count as running.
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
// a function of ToThread receives from the channel, but not while it is in Result.
func (f *ConcurrentFuture[T]) Done() <-chan struct{} { return f.done }

// Result blocks the calling goroutine until the coroutine is done and returns its result or
// error, or until ctx is done and returns the cause of ctx. It must not be called on the loop's
// goroutine, which it would block forever: it panics if ctx belongs to a task of the loop. A
// function of ToThread should pass its own context; without it the loop does not know, in
// virtual time, that the function waits. The function should not lend that context to another
// goroutine, since the loop would take that goroutine for the function.
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

// Cancel ends f as cancelled and cancels its task. It reports false if there is a result
// already. It does not block.
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
	if f == nil || f.loop == nil {
		panic("asyncio: future was not made by RunCoroutineThreadsafe")
	}
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

// A wrapping ends the outer future like the inner one, on the loop of the outer future.
type wrapping[T any] struct {
	inner *ConcurrentFuture[T]
	outer *Future[T]
}

func (w *wrapping[T]) run(*Loop) {
	switch inner := w.inner; { // inner has ended, so its fields do not change any more
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
