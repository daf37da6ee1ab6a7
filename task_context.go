package asyncio

// This file is about contexts: the one that a task is, how calls find their loop in it, and how a
// context derived from it cancels a wait.

import (
	"context"
	"runtime/debug"
)

// A taskContext is the context that a task's coroutine gets. It is the task itself with another set
// of methods, so it costs no allocation.
//
// Deadline, Done and Err are those of the context given to CreateTask. They do not show that the
// task is cancelled: a cancellation is delivered once and can be taken back, which a context cannot
// express.
type taskContext task

type (
	taskKey struct{} // the *taskContext nearest above
	loopKey struct{} // the *Loop
)

func (c *taskContext) Value(key any) any {
	switch key {
	case taskKey{}:
		return c
	case loopKey{}:
		return c.loop
	case labelKey:
		c.loop.labelled.Store(true)
		if c.loop.taskLabels {
			return (*task)(c).labels()
		}
	}
	return c.Context.Value(key)
}

// String and GoString may be called by any goroutine, as all methods of a context may. Without
// GoString, %#v would read the fields of the running task.
func (c *taskContext) String() string   { return "asyncio." + (*task)(c).describe() }
func (c *taskContext) GoString() string { return c.String() }

// A loopContext carries a loop to code outside of any task.
type loopContext struct {
	context.Context
	loop *Loop
}

func (c *loopContext) Value(key any) any {
	switch key {
	case taskKey{}:
		return nil
	case loopKey{}:
		return c.loop
	case labelKey:
		c.loop.labelled.Store(true)
	}
	return c.Context.Value(key)
}

// String and GoString keep package fmt from reading the fields of the loop.
func (c *loopContext) String() string   { return "asyncio.loop" }
func (c *loopContext) GoString() string { return c.String() }

// Context returns a copy of parent that carries the loop. Code outside of any task needs it to
// create the first one:
//
//	task := asyncio.CreateTask(loop.Context(ctx), coro)
func (l *Loop) Context(parent context.Context) context.Context {
	if parent.Value(labelKey) != nil {
		l.labelled.Store(true)
	}
	return &loopContext{parent, l}
}

// loopOf returns the loop that ctx carries, or nil.
func loopOf(ctx context.Context) *Loop {
	if c, ok := ctx.(*taskContext); ok {
		return c.loop
	}
	l, _ := ctx.Value(loopKey{}).(*Loop)
	return l
}

// RunningLoop returns the loop that ctx carries: the loop of the task to which ctx was passed, or
// the loop whose [Loop.Context] returned ctx. It panics if there is none. It is
// asyncio.get_running_loop.
func RunningLoop(ctx context.Context) *Loop {
	l := loopOf(ctx)
	if l == nil {
		panic("asyncio: no event loop: the context does not come from a task")
	}
	return l
}

// CurrentTask returns the task that the loop of ctx is running, even if ctx is another task's, or
// nil if it is running none. It is asyncio.current_task.
func CurrentTask(ctx context.Context) AnyTask {
	if l := loopOf(ctx); l != nil && l.current != nil {
		return l.current.typed()
	}
	return nil
}

// running returns the task that makes the call. It is too large to be inlined, so callers on the
// hot path call it before a switch, or do without it as block does.
func running(ctx context.Context) *task {
	if c, ok := ctx.(*taskContext); ok && c.runs() {
		return (*task)(c)
	}
	return findRunning(ctx)
}

// runs reports whether c is the running task's, without the checks of debug mode.
func (c *taskContext) runs() bool { return c.loop.current == (*task)(c) && !c.loop.debug }

// findRunning is running for other contexts and for debug mode.
func findRunning(ctx context.Context) *task {
	l := loopOf(ctx)
	if l == nil {
		panic("asyncio: await with a context that does not come from a task")
	}
	if l.running.Load() && !l.here() {
		panic(wrongGoroutine)
	}
	if l.current == nil {
		panic("asyncio: await outside of any task")
	}
	return l.current
}

// inherit gives a new task its context. If ctx is a task's own, that is the context within it, so
// that a task does not keep its ancestors in memory.
func (t *task) inherit(ctx context.Context) {
	if parent, ok := ctx.(*taskContext); ok {
		t.Context, t.watchesParent = parent.Context, parent.watchesParent
		return
	}
	t.Context, t.watchesParent = ctx, watchedBy(ctx) != nil
}

// A valuesContext is a context with the values of another.
type valuesContext struct {
	context.Context
	values context.Context
}

func (c *valuesContext) Value(key any) any {
	if key == causeKey { // package context asks for its own context, which cancels c
		return c.Context.Value(key)
	}
	return c.values.Value(key)
}

// causeKey is the key with which package context asks a context for the context of its own that
// cancels it.
var causeKey = func() any {
	done, cancel := context.WithCancel(context.Background())
	cancel()
	asked := keyRecorder{Context: done}
	context.Cause(&asked)
	return asked.key
}()

// takeValues gives t the values of ctx. t must be new.
func (t *task) takeValues(ctx context.Context) {
	if other, ok := ctx.(*taskContext); ok {
		ctx = other.Context // as in inherit
	}
	if ctx.Value(labelKey) != nil {
		t.loop.labelled.Store(true)
	}
	t.Context = &valuesContext{t.Context, ctx}
}

// watchedBy returns the context that cancels waits under ctx, or nil. A context that
// context.WithCancel, WithTimeout or WithDeadline derived from a task's own cancels them. The
// task's own does not, but the context given to CreateTask does if the task watches it. main does
// not watch the context given to Run: when that is done, it is main that is cancelled.
func watchedBy(ctx context.Context) context.Context {
	base, ok := ctx.(*taskContext)
	if !ok {
		base, ok = ctx.Value(taskKey{}).(*taskContext)
	}
	switch done := ctx.Done(); {
	case ok && done == base.Done():
		if base.watchesParent {
			return base.Context
		}
		return nil
	case done == nil:
		return nil
	default:
		return ctx
	}
}

// A watch cancels one wait of a task when a context is done.
type watch struct {
	node  // in the loop's list of watches, until the wait is over
	task  *task
	ctx   context.Context
	hit   bool        // the watch has cancelled the wait
	panic *PanicError // of a method of ctx; raised in task, and not in the task that drives

	// Task.Cancel was called meanwhile. It goes before the context.
	cancelled bool
	cause     error
}

// suspendWatching is suspend under a context that can cancel the wait.
func (t *task) suspendWatching(ctx context.Context) error {
	w := &watch{task: t, ctx: ctx}
	w.node.run = w
	t.fiber.State.watch = w
	t.loop.watches.push(&w.node)
	yields := t.fiber.State.yields()
	var stop func() bool
	defer func() { // since the task may be unwound, and methods of ctx may panic
		t.fiber.State.watch = nil
		w.unlink()
		if stop != nil {
			stop()
		}
	}()
	if ctx.Err() == nil {
		stop = context.AfterFunc(ctx, t.loop.lookAtWatches)
	} else {
		w.run(t.loop)
		w.hit = true
		if yields { // there was nothing to cancel
			t.fiber.State.state = waitCancelled
		}
	}
	if yields {
		t.loop.push(t)
	}
	t.park()
	switch {
	case w.panic != nil:
		panic(w.panic.Value)
	case !w.hit:
		return nil
	case w.cancelled:
		return newCancelled(w.cause)
	default:
		return contextError(ctx)
	}
}

// run cancels the wait if it is not over and its context is done.
func (w *watch) run(*Loop) {
	defer w.cancelOnPanic()
	if w.list != nil && !w.hit && !w.cancelled && w.ctx.Err() != nil {
		w.hit = w.task.cancelWait(contextCause(w.ctx))
	}
}

// mayExpire reports whether the deadline of the context can still cancel the wait.
func (w *watch) mayExpire() bool {
	defer w.cancelOnPanic()
	_, ok := w.ctx.Deadline()
	return ok && !w.hit && !w.cancelled && w.ctx.Err() == nil
}

// cancelOnPanic is deferred around calls of the context's methods, which may be made on the stack
// of another task. The panic belongs to the task that waits under the context, and is raised there.
func (w *watch) cancelOnPanic() {
	if r := recover(); r != nil {
		w.panic = &PanicError{r, debug.Stack()}
		w.hit = w.task.cancelWait(nil)
	}
}

// lookAtWatches makes the loop look at its watches. Any goroutine may call it. The watches of
// contexts that are done then act in the order in which they were set, whatever the order in which
// the goroutines of package context run.
func (l *Loop) lookAtWatches() {
	l.watchesDue.Store(true)
	l.posted.nudge()
}

// fireWatches runs all watches. Those whose contexts are not done do nothing.
func (l *Loop) fireWatches() {
	for w := l.watches.head; w != nil; {
		next := w.next
		w.run.run(l)
		w = next
	}
}
