package asyncio

import (
	"context"
	"errors"
	"os"
	"os/signal"
)

// Run makes a loop, runs main in it on the calling goroutine, and closes it. When main has
// returned, Run cancels the tasks that are left, in the order of their creation, waits for them,
// and reports the errors with which they fail. However Run ends, no goroutine of the run is left.
//
// When ctx is done, main is cancelled with the context's cause. If ctx is done already, main is not
// called. A panic in main is returned as a *PanicError. A runtime.Goexit in a task, such as
// t.FailNow, goes on in the caller of Run.
//
// Called with the context of a task, Run returns ErrLoopRunning. Called inside a task with a
// context that carries no loop, it runs a second loop while the first stands still. It is
// asyncio.run.
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

// A Runner runs several coroutines, one after the other, in one loop. It is asyncio.Runner.
type Runner struct{ loop *Loop }

// NewRunner returns a new runner with a loop of its own. The caller must close it.
func NewRunner(opts ...Option) *Runner { return &Runner{newLoop(opts)} }

// Loop returns the loop of the runner.
func (r *Runner) Loop() *Loop { return r.loop }

// RunIn runs main in the runner's loop, on the calling goroutine, until main has returned. The
// tasks that are left then stand still until the next RunIn, or until Close cancels them. RunIn
// returns ErrLoopRunning if the loop is running or ctx belongs to a running loop, and ErrLoopClosed
// after Close. It is asyncio's Runner.run.
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

// Close cancels the tasks that are left, in the order of their creation, waits for them, reports
// their errors, and closes the loop.
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

// RunUntilComplete runs loop on the calling goroutine until aw is done and returns its result. If
// aw is a coroutine, it creates a task from it. When ctx is done, the future or task is cancelled
// with the context's cause. RunUntilComplete returns ErrLoopRunning, ErrLoopClosed, ErrForeignLoop
// if aw belongs to another loop, or ErrLoopStopped if Stop came first. It is asyncio's
// run_until_complete.
func RunUntilComplete[T any](ctx context.Context, loop *Loop, aw Awaitable[T]) (v T, err error) {
	if err := loop.beginRun(ctx); err != nil {
		return v, err
	}
	defer loop.endRun()
	f := aw.start(loop.Context(ctx))
	if t, ok := f.(*Task[T]); ok && FutureLike[T](t) != any(aw) {
		t.task.Context, t.task.watchesParent = ctx, false // the run itself cancels the task
	}
	if f.core().loop != loop {
		return v, ErrForeignLoop
	}
	if err := loop.runUntilDone(ctx, f.core()); err != nil {
		return v, err
	}
	return valueUnless(f.core().consume(), f.result())
}

// runUntilDone runs the loop until f is done. beginRun has been called.
func (l *Loop) runUntilDone(ctx context.Context, f *future) error {
	cancel := func() { f.cancel(contextCause(ctx)) }
	if ctx.Err() != nil {
		cancel()
	} else if ctx.Done() != nil {
		defer l.onDone(ctx, cancel)()
	}
	over := false
	stop := &doneCallback[*future]{fn: func(*future) {
		if !over { // a call left in the queue must not end the next run
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

// shutDown cancels all tasks and waits for them. Until they have ended, other goroutines may still
// use the loop's Conns, and the loop creates tasks for their calls.
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
	// asyncio now shuts down its executor, too, in a task of its own. Entries that are ready still
	// run during these two steps.
	nothing := func(context.Context) error { return nil }
	for _, f := range []func(context.Context) error{l.ShutdownAsyncgens, nothing} {
		step := CreateTask(l.Context(context.Background()), Do(f))
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

// abandonUnlessClosed cleans up after a run that ends by a panic or by runtime.Goexit.
func (l *Loop) abandonUnlessClosed() {
	if !l.IsClosed() {
		l.abandon()
	}
}
