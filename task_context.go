package asyncio

// This file is about contexts: the one that a task is, how calls find their loop in
// it, and how one that was derived from it cancels a wait.

import (
	"context"
	"runtime/debug"
)

// taskContext is the context that a task's coroutine gets. It is the task
// itself under another set of methods, so that it costs no allocation.
//
// Deadline, Done and Err are those of the context that CreateTask was given.
// Cancelling the task does not show in them: a cancellation is delivered once
// and can be taken back, which a context cannot say.
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
	}
	return c.Context.Value(key)
}

// String, like all methods of a context, is for any goroutine. So is GoString, without which
// %#v would look into the running task.
func (c *taskContext) String() string   { return "asyncio." + (*task)(c).describe() }
func (c *taskContext) GoString() string { return c.String() }

// loopContext carries a loop to those who have no task yet.
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

// String and GoString keep fmt from looking into the loop.
func (c *loopContext) String() string   { return "asyncio.loop" }
func (c *loopContext) GoString() string { return c.String() }

// Context returns a copy of parent that carries the loop. It is for code outside
// of any task, which needs a context to create the first one:
//
//	task := asyncio.CreateTask(loop.Context(ctx), coro)
func (l *Loop) Context(parent context.Context) context.Context {
	if parent.Value(labelKey) != nil {
		l.labelled.Store(true)
	}
	return &loopContext{parent, l}
}

// loopOf finds the loop that ctx carries, or nil.
func loopOf(ctx context.Context) *Loop {
	if c, ok := ctx.(*taskContext); ok {
		return c.loop
	}
	l, _ := ctx.Value(loopKey{}).(*Loop)
	return l
}

// RunningLoop returns the loop that ctx carries: that of the task the context
// was given to, or that of [Loop.Context]. It panics if there is none. It is
// asyncio.get_running_loop.
func RunningLoop(ctx context.Context) *Loop {
	l := loopOf(ctx)
	if l == nil {
		panic("asyncio: no event loop: the context does not come from a task")
	}
	return l
}

// CurrentTask returns the task that the loop of ctx runs at the moment,
// whichever task ctx was made for, or nil if it runs none. It is
// asyncio.current_task.
func CurrentTask(ctx context.Context) AnyTask {
	if l := loopOf(ctx); l != nil && l.current != nil {
		return l.current.typed()
	}
	return nil
}

// running returns the task that makes the call. Every suspension point asks this first, before a
// switch; it is too large to be inlined.
func running(ctx context.Context) *task {
	if c, ok := ctx.(*taskContext); ok && c.runs() {
		return (*task)(c)
	}
	return findRunning(ctx)
}

// runs reports whether c is the running task's, without the checks of debug mode.
func (c *taskContext) runs() bool { return c.loop.current == (*task)(c) && !c.loop.debug }

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

// inherit gives a new task its context: that of its parent task itself, not the
// parent, which need not outlive its children's children.
func (t *task) inherit(ctx context.Context) {
	if parent, ok := ctx.(*taskContext); ok {
		t.Context, t.watchesParent = parent.Context, parent.watchesParent
		return
	}
	t.Context, t.watchesParent = ctx, watchedBy(ctx) != nil
}

// valuesContext is a context with the values of another.
type valuesContext struct {
	context.Context
	values context.Context
}

func (c *valuesContext) Value(key any) any {
	if key == causeKey { // by which package context finds who cancels c
		return c.Context.Value(key)
	}
	return c.values.Value(key)
}

// causeKey is the key by which package context asks a context for its own part in it.
var causeKey = func() any {
	done, cancel := context.WithCancel(context.Background())
	cancel()
	asked := keyRecorder{Context: done}
	context.Cause(&asked)
	return asked.key
}()

// takeValues gives t, which is new, the values of ctx.
func (t *task) takeValues(ctx context.Context) {
	if other, ok := ctx.(*taskContext); ok {
		ctx = other.Context // as in inherit
	}
	if ctx.Value(labelKey) != nil {
		t.loop.labelled.Store(true)
	}
	t.Context = &valuesContext{t.Context, ctx}
}

// watchedBy returns the context that cancels what is awaited under ctx, or nil.
// A task's own context does not: when the context given to Run is done, it is
// main that is cancelled. One that context.WithCancel, WithTimeout or
// WithDeadline derived from it does.
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

// A watch cancels one suspension of a task when a context is done.
type watch struct {
	node  // in the loop's list of watches, until the suspension is over
	task  *task
	ctx   context.Context
	hit   bool        // it cancelled the waiting
	panic *PanicError // of a method of ctx, which is no concern of the task that drives

	// Task.Cancel was called meanwhile, which goes before the context.
	cancelled bool
	cause     error
}

// suspendWatching is suspend under a context that has to be watched.
func (t *task) suspendWatching(ctx context.Context) error {
	w := &watch{task: t, ctx: ctx}
	w.node.run = w
	t.fiber.State.watch = w
	t.loop.watches.push(&w.node)
	yields := t.fiber.State.yields()
	var stop func() bool
	defer func() { // deferred, since the task may be unwound, and methods of ctx may panic
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

// run cancels the suspension if it still lasts and its context is done.
func (w *watch) run(*Loop) {
	defer w.cancelOnPanic()
	if w.list != nil && !w.hit && !w.cancelled && w.ctx.Err() != nil {
		w.hit = w.task.cancelWait(contextCause(w.ctx))
	}
}

// mayExpire reports whether the context's deadline will cancel the suspension.
func (w *watch) mayExpire() bool {
	defer w.cancelOnPanic()
	_, ok := w.ctx.Deadline()
	return ok && !w.hit && !w.cancelled && w.ctx.Err() == nil
}

// cancelOnPanic is deferred where methods of the context are called, perhaps on the stack of
// another task: the panic is the watching task's, and it gets it where it waits.
func (w *watch) cancelOnPanic() {
	if r := recover(); r != nil {
		w.panic = &PanicError{r, debug.Stack()}
		w.hit = w.task.cancelWait(nil)
	}
}

// lookAtWatches has the loop look at its watches. Any goroutine may call it. The
// watches of contexts that are done then act in the order in which they were set, not
// in that in which goroutines of package context come round.
func (l *Loop) lookAtWatches() {
	l.watchesDue.Store(true)
	l.posted.nudge()
}

func (l *Loop) fireWatches() {
	for w := l.watches.head; w != nil; {
		next := w.next
		w.run.run(l)
		w = next
	}
}
