package asyncio

import (
	"context"
	"errors"
	"os"
	"os/signal"
)

// Run makes a loop, runs main in it on the calling goroutine, and closes it. When main
// has returned, the tasks that are left are cancelled in the order of their creation and
// waited for; what they fail with is reported. All goroutines that the run had are gone
// when Run returns, in whatever way it does.
//
// When ctx is done, main is cancelled, with the context's cause as its own; if it is
// done already, main is not called. A panic in main is returned as a *PanicError;
// runtime.Goexit in a task, which is what t.FailNow is, goes on in the caller of Run.
//
// Given the context of a task, Run returns ErrLoopRunning. Given another inside a task, it
// runs a second loop, and the first stands still. It is asyncio.run.
func Run[T any](ctx context.Context, main Coro[T], opts ...Option) (T, error) {
	r := NewRunner(opts...)
	defer r.loop.abandonUnlessClosed()
	v, err := RunIn(ctx, r, main)
	if closeErr := r.Close(); err == nil {
		err = closeErr
	} else if closeErr != nil {
		err = errors.Join(err, closeErr)
	}
	return v, err
}

// A Runner runs several coroutines one after the other in one loop. It is
// asyncio.Runner.
type Runner struct{ loop *Loop }

// NewRunner makes a runner and its loop. It must be closed.
func NewRunner(opts ...Option) *Runner { return &Runner{newLoop(opts)} }

// Loop returns the loop of the runner.
func (r *Runner) Loop() *Loop { return r.loop }

// RunIn runs main in the runner's loop, on the calling goroutine, until it is done.
// Tasks that are left then stand still until the next RunIn, or are cancelled by Close.
// It returns ErrLoopRunning if the loop is running or if ctx is that of a task, and
// ErrLoopClosed after Close. It is asyncio's Runner.run.
func RunIn[T any](ctx context.Context, r *Runner, main Coro[T]) (v T, err error) {
	if main == nil {
		panic("asyncio: nil coroutine")
	}
	l := r.loop
	if err := l.beginRun(ctx); err != nil {
		return v, err
	}
	defer l.endRun()
	task := CreateTask(l.Context(ctx), main)
	// The run itself cancels main when ctx is done.
	task.task.Context, task.task.watchesParent = ctx, false
	if l.interrupt && !interruptIgnored && !signal.Ignored(os.Interrupt) {
		defer task.task.cancelOnInterrupt(&err)()
	}
	if err := l.runUntilDone(ctx, &task.task.future); err != nil {
		return v, err
	}
	return task.Result()
}

// Close cancels the tasks that are left, in the order of their creation, waits
// for them, reports their errors, and closes the loop.
func (r *Runner) Close() error {
	l := r.loop
	if l.IsClosed() {
		return nil
	}
	if !l.stuck {
		if err := l.shutDown(); err != nil {
			if !l.running.Load() {
				l.abandon()
			}
			return err
		}
	} else {
		l.abandon()
	}
	return l.Close()
}

// RunUntilComplete runs loop on the calling goroutine until aw is done and returns its
// result. It makes a task of a coroutine. When ctx is done, what it waits for is
// cancelled, with the context's cause. It returns ErrLoopRunning, ErrLoopClosed, or
// ErrLoopStopped if Stop came first. It is asyncio's run_until_complete.
func RunUntilComplete[T any](ctx context.Context, loop *Loop, aw Awaitable[T]) (v T, err error) {
	if err := loop.beginRun(ctx); err != nil {
		return v, err
	}
	defer loop.endRun()
	f := aw.start(loop.Context(ctx))
	if t, ok := f.(*Task[T]); ok && FutureLike[T](t) != any(aw) {
		t.task.Context, t.task.watchesParent = ctx, false // the run itself cancels it
	}
	if f.core().loop != loop {
		return v, ErrForeignLoop
	}
	if err := loop.runUntilDone(ctx, f.core()); err != nil {
		return v, err
	}
	return valueUnless(f.core().consume(), f.result())
}

// runUntilDone runs the loop, which has been entered, until f is done.
func (l *Loop) runUntilDone(ctx context.Context, f *future) error {
	cancel := func() { f.cancel(contextCause(ctx)) }
	if ctx.Err() != nil {
		cancel()
	} else if ctx.Done() != nil {
		defer l.onDone(ctx, cancel)()
	}
	over := false
	stop := &doneCallback[*future]{fn: func(*future) {
		if !over { // or it would end the next run
			l.stopping.Store(true)
		}
	}}
	stop.node.run = stop
	f.whenDone(&stop.node)
	defer func() {
		over = true
		stop.unlink()
	}()
	if err := l.loop(); err != nil {
		return err
	}
	if f.state == pending {
		return ErrLoopStopped
	}
	return nil
}

// shutDown cancels all tasks and waits for them. Until they have ended other goroutines may still
// use the loop's Conns, for which it makes tasks of its own.
func (l *Loop) shutDown() error {
	if err := l.beginRun(context.Background()); err != nil {
		return err
	}
	defer l.endRun()
	if err := l.cancelAndWait(l.AllTasks()); err != nil {
		return err
	}
	if err := l.cancelAndWait(l.threads.foreign.close()); err != nil {
		return err
	}
	// asyncio now shuts down its asynchronous generators and its executor, in a task
	// each. What is ready still runs meanwhile.
	for range 2 {
		step := CreateTask(l.Context(context.Background()), Do(func(context.Context) error { return nil }))
		if err := l.runUntilDone(context.Background(), &step.task.future); err != nil {
			return err
		}
	}
	return nil
}

// cancelAndWait cancels tasks and runs the loop until they have ended.
func (l *Loop) cancelAndWait(tasks []AnyTask) error {
	if len(tasks) == 0 {
		return nil
	}
	all := &gathering{outer: &future{loop: l}, keepErrors: true, collect: func() {}, nodes: make([]gatherNode, 0, len(tasks))}
	for _, t := range tasks {
		t.Cancel()
		all.add(t.core())
	}
	all.begin()
	if err := l.runUntilDone(context.Background(), all.outer); err != nil {
		return err
	}
	for _, t := range tasks {
		if err := t.core().failed(); err != nil {
			l.report(ExceptionContext{Message: "unhandled exception during shutdown", Err: err, Task: t.Name()})
		}
	}
	return nil
}

// abandonUnlessClosed is for a run that ends by a panic or runtime.Goexit.
func (l *Loop) abandonUnlessClosed() {
	if !l.IsClosed() {
		l.abandon()
	}
}
