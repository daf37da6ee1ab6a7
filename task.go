package asyncio

import (
	"context"
	"runtime/debug"
	"strconv"
	"sync/atomic"

	"github.com/go-asyncio/asyncio/internal/fiber"
)

// A Task is a coroutine that its loop runs, and the future of its result. Only the goroutine of its
// loop, that is, the loop's tasks and callbacks, may use it. It is asyncio.Task.
//
// The loop keeps a reference to each of its tasks: a task that nothing else refers to goes on.
type Task[T any] struct {
	task  task
	coro  Coro[T]
	value T
}

// A TaskOption is an option of CreateTask, GroupTask and TaskGroup.Go.
type TaskOption func(*taskOptions)

type taskOptions struct {
	name   *string
	eager  bool
	values context.Context // nil: those of the context that the task is created with
}

// WithName names the task. The default names are "Task-1", "Task-2" and so on.
func WithName(name string) TaskOption { return func(o *taskOptions) { o.name = &name } }

// WithEagerStart runs the task's first step at once, inside CreateTask, until it suspends or
// returns. If the loop is not running, the option has no effect.
//
// [WithEagerTasks] does so for all tasks of a loop.
func WithEagerStart() TaskOption { return func(o *taskOptions) { o.eager = true } }

// startLater makes the task start in the next turn, even if the loop's tasks are eager.
func startLater(o *taskOptions) { o.eager = false }

// WithContext gives the task the values and the profiler labels of ctx. Its cancellation and its
// deadline still come from the context that it is created with, which for a task of a group is
// the group's. So a task of a group can have the values that the group's body has set. It is
// asyncio's context= of create_task. It panics if ctx is nil.
func WithContext(ctx context.Context) TaskOption {
	if ctx == nil {
		panic("asyncio: nil context")
	}
	return func(o *taskOptions) { o.values = ctx }
}

// CreateTask has the loop of ctx run coro concurrently. The first step runs in the next turn. The
// context passed to coro descends from ctx, and the task has the profiler labels of ctx (see
// package runtime/pprof). CreateTask does not suspend. It panics if coro is nil, if ctx carries no
// loop or if the loop is closed. It is asyncio.create_task.
func CreateTask[T any](ctx context.Context, coro Coro[T], opts ...TaskOption) *Task[T] {
	if coro == nil {
		panic("asyncio: nil coroutine")
	}
	t := &Task[T]{coro: coro}
	t.task.begin(RunningLoop(ctx), ctx, t, opts)
	return t
}

// Await suspends the running task until t is done and returns t's result or error. It does not
// suspend if t is done already. Cancelling the running task meanwhile cancels t; see [Shield]. A
// task that awaits itself gets ErrAwaitSelf.
func (t *Task[T]) Await(ctx context.Context) (T, error) {
	err := (*task)(nil).block(ctx, &wait{future: &t.task.future}, 0)
	return valueUnless(err, t.value)
}

// Cancel asks t to end. The call at t's suspension point, or at the next one that t reaches,
// returns an error that is ErrCancelled. The coroutine may clean up, and may refuse by returning
// something else. A coroutine that has not begun is not called. If t awaits a future or a task,
// Cancel cancels that instead. Cancel counts the request; see Cancelling. It reports false if t is
// done already.
func (t *Task[T]) Cancel() bool { return t.CancelCause(nil) }

// CancelCause is Cancel with a cause for the CancelledError. It is asyncio's cancel(msg).
func (t *Task[T]) CancelCause(cause error) bool {
	t.task.loop.check()
	return t.task.cancel(cause)
}

// Cancelling returns the number of requests to cancel t that were not taken back.
func (t *Task[T]) Cancelling() int { return int(t.task.cancels) }

// Uncancel takes back one request to cancel t and returns the number of requests left. Taking back
// the last one also takes back a cancellation that was not delivered yet.
func (t *Task[T]) Uncancel() int {
	t.task.loop.check()
	return t.task.uncancel()
}

// Done reports whether t has returned or was cancelled.
func (t *Task[T]) Done() bool { return t.task.state != pending }

// Cancelled reports whether t ended as cancelled. It did if its coroutine returned a
// [CancelledError], or an error that wraps one and nothing else; if it was cancelled before its
// coroutine began, or during a last step that returned no error; or if runtime.Goexit or
// [Loop.Close] ended it.
func (t *Task[T]) Cancelled() bool { return t.task.state == cancelled }

// Result returns what the coroutine returned, or ErrInvalidState if t is not done. It never
// suspends.
func (t *Task[T]) Result() (T, error) {
	err := t.Exception()
	return valueUnless(err, t.value)
}

// Exception returns the error of t, nil if t has a result, or ErrInvalidState if t is not done. It
// never suspends.
func (t *Task[T]) Exception() error { return t.task.exception() }

// AddDoneCallback has the loop call fn in the turn after t is done. Callbacks run outside of any
// task. remove takes the callback back, unless fn has been scheduled already, and reports whether
// it did.
func (t *Task[T]) AddDoneCallback(fn func(*Task[T])) (remove func() bool) {
	t.task.loop.checkCallback(fn == nil)
	return addCallback(&t.task.future, t, fn)
}

// OnDone is AddDoneCallback for a callback without arguments. It serves futures and tasks of
// any type; see [Waitable].
func (t *Task[T]) OnDone(fn func()) (remove func() bool) {
	return t.task.onDone(fn)
}

// Any returns t with a result of type any; see [Waitable].
func (t *Task[T]) Any() FutureLike[any] { return untypedFuture[T]{t} }

// Loop returns the loop that t belongs to. It is asyncio's get_loop.
func (t *Task[T]) Loop() *Loop { return t.task.loop }

// Name returns the task's name.
func (t *Task[T]) Name() string { return t.task.Name() }

// SetName changes the task's name.
func (t *Task[T]) SetName(name string) {
	t.task.loop.check()
	t.task.name.Store(&name)
}

// String returns "task" and the name.
func (t *Task[T]) String() string { return t.task.describe() }

func (t *Task[T]) cancel(cause error) bool { return t.task.cancel(cause) }
func (t *Task[T]) describe() string        { return t.task.describe() }

func (t *Task[T]) start(context.Context) FutureLike[T] {
	if t == nil {
		panic("asyncio: nil task")
	}
	return t
}

func (t *Task[T]) core() *future { return &t.task.future }
func (t *Task[T]) base() *task   { return &t.task }
func (t *Task[T]) result() T     { return t.value }

func (t *Task[T]) invoke(ctx context.Context) (err error) {
	coro := t.coro
	t.coro = nil // so that the variables that it has captured may become garbage while it waits
	t.value, err = coro(ctx)
	return err
}

// A task is the part of a Task that does not depend on its type.
type task struct {
	future
	context.Context // given to CreateTask; if that was a task's own context, the Context of that task

	fiber *taskFiber             // nil before the first step, and after the end
	name  atomic.Pointer[string] // nil for the default name; atomic, since the context shows it to any goroutine
	id    uint64                 // unique in its loop: twice the number in the default name, or odd if a name was given

	prev, next *task // neighbours in the loop's list of tasks

	// Cancellation.
	cancels       int32 // requests that were not taken back
	mustCancel    bool  // the next suspension delivers a cancellation, with the future's cause
	inCancel      bool  // cancel is on the stack
	starting      bool  // an eager start of another task is on its stack
	watchesParent bool  // a done context of CreateTask cancels the waits of this task
	unwinding     unwinding
	born          int32 // the place of the record of its creation in the recorder's births, or 0
}

// An unwinding is the reason why a task unwinds. From then on the task must not wait.
type unwinding uint8

const (
	notUnwinding unwinding = iota
	killed                 // by Loop.kill
	byGoexit               // by the runtime.Goexit of a task that it had resumed
)

// A taskFiber carries the state that a waiting task needs. The state is part of the fiber and not
// of the task, so that a task that never waits has none.
type taskFiber = fiber.Fiber[suspension]

// typed returns the *Task[T] that t is part of.
func (t *task) typed() AnyTask { return t.behavior.(AnyTask) }

func (t *task) begin(l *Loop, ctx context.Context, typed AnyTask, opts []TaskOption) {
	l.check()
	if l.closed {
		panic("asyncio: event loop is closed")
	}
	t.loop, t.behavior = l, typed
	t.inherit(ctx)
	eager := t.configure(opts)
	if t.name.Load() == nil {
		l.lastID += 2
		t.id = l.lastID
	} else { // as in asyncio, a task that was given a name uses up no number
		l.named += 2
		t.id = l.named - 1
	}
	if l.recorder != nil {
		l.recorder.created(t)
	}
	l.tasks.add(t)
	if !eager || !l.turning {
		l.push(t)
		return
	}
	l.undriven++
	outer := l.current
	if outer != nil {
		outer.starting = true
	}
	defer func() { // deferred for runtime.Goexit
		if outer != nil {
			outer.starting = false
		}
		l.current = outer
		l.undriven--
	}()
	l.runEagerly(t)
	if t.state == pending {
		// asyncio registers it only now, after the tasks that its first step has created.
		l.tasks.remove(t)
		l.tasks.add(t)
	}
}

// configure applies the options and reports whether the task is to start eagerly.
func (t *task) configure(opts []TaskOption) (eager bool) {
	if len(opts) == 0 {
		return t.loop.eager
	}
	o := taskOptions{eager: t.loop.eager}
	for _, opt := range opts {
		if opt == nil {
			panic("asyncio: nil TaskOption")
		}
		opt(&o)
	}
	if o.name != nil && *o.name != "" {
		t.name.Store(o.name)
	}
	if o.values != nil {
		t.takeValues(o.values)
	}
	return o.eager
}

// run makes a step of the task. A task is its own entry in the ready queue.
func (t *task) run(l *Loop) {
	if t.fiber == nil && !t.takeFiber() {
		return
	}
	outer := l.current // a task if this is an eager start, and otherwise nil
	l.current = t
	t.fiber.Resume()
	l.current = outer
}

// takeFiber gets a fiber for the first step of t. It reports false if t makes no step, either
// because t was cancelled, and takeFiber ends it, or because a Goexit unwound and ended t while it
// was ready.
func (t *task) takeFiber() bool {
	if t.state != pending {
		return false
	}
	if t.mustCancel {
		t.mustCancel = false
		t.end(newCancelled(t.cause), true)
		return false
	}
	t.fiber = t.loop.fibers.Get(t)
	return true
}

// Run runs the coroutine on the task's fiber. It is for package fiber.
func (t *task) Run() {
	returned := false
	defer func() {
		if returned {
			return
		}
		switch r := recover(); {
		case r == nil: // runtime.Goexit
			t.endByGoexit()
		case t.unwinding != notUnwinding:
			t.loop.report(ExceptionContext{Message: "panic in a task that was abandoned", Err: &PanicError{r, debug.Stack()}, Task: t.Name()})
			t.endByGoexit()
		default:
			t.end(&PanicError{r, debug.Stack()}, false)
			t.loop.setLabels(context.Background())
		}
	}()
	t.loop.setLabels((*taskContext)(t)) // calls a method of the context that t was created with, which may panic
	err := t.typed().invoke((*taskContext)(t))
	cancelled := isCancelled(err) // calls methods of err, which may panic
	returned = true
	t.end(err, cancelled)
	t.loop.setLabels(context.Background())
}

// endByGoexit ends t, which runtime.Goexit unwinds, as cancelled, unless Loop.kill is unwinding it:
// then kill ends it.
func (t *task) endByGoexit() {
	if t.unwinding != killed {
		t.end(ErrCancelled, true)
	}
}

// end ends the task. err is the error that its coroutine returned.
func (t *task) end(err error, isCancelled bool) {
	if r := t.loop.recorder; r != nil {
		r.ended(t)
	}
	t.loop.tasks.remove(t)
	if f := t.fiber; f != nil {
		t.fiber = nil
		if s := &f.State; s.node.run != nil || s.state != 0 || s.reporter != nil { // t has waited
			f.State = suspension{}
		}
	}
	switch {
	case err == nil && t.mustCancel:
		t.mustCancel = false
		t.endCancelled(nil, t.cause)
	case err == nil:
		t.finish(nil)
	case isCancelled:
		t.endCancelled(err, nil)
	default:
		t.finish(err)
	}
}

func (t *task) cancel(cause error) bool {
	t.seen()
	if t.state != pending {
		return false
	}
	if t.inCancel {
		t.breakOff(cause)
		return true
	}
	t.cancels++
	t.inCancel = true
	waited := t.cancelWait(cause)
	t.inCancel = false
	if !waited {
		t.mustCancel, t.cause = true, cause
	} else if w := t.fiber.State.watch; w != nil {
		w.cancelled, w.cause = true, cause
	}
	return true
}

// breakOff ends t's wait for a task that itself waits for t, directly or through others. CPython
// recurses without end when a task in such a ring is cancelled.
func (t *task) breakOff(cause error) {
	s := &t.fiber.State
	if s.awaiting == nil {
		return
	}
	s.awaiting, s.state = nil, waitYields
	s.node.unlink()
	t.mustCancel, t.cause = true, cause
	t.loop.push(t)
}

func (t *task) uncancel() int {
	if t.cancels > 0 {
		t.cancels--
		if t.cancels == 0 {
			t.mustCancel = false
		}
	}
	return int(t.cancels)
}

// delivered returns the number of requests to cancel t that waits of t have returned.
func (t *task) delivered() int32 {
	if t.mustCancel {
		return t.cancels - 1
	}
	return t.cancels
}

// Name returns the task's name. Any goroutine may call it.
func (t *task) Name() string {
	return taskName(t.name.Load(), t.id)
}

// taskName returns the name of a task: the one that it was given, or else the default name.
func taskName(given *string, id uint64) string {
	if given != nil {
		return *given
	}
	return string(appendDefaultName(nil, id))
}

// appendDefaultName appends the name of a task that was given none: at most maxDefaultName bytes.
func appendDefaultName(b []byte, id uint64) []byte {
	return strconv.AppendUint(append(b, "Task-"...), id/2, 10)
}

const maxDefaultName = len("Task-") + 20

func (t *task) describe() string { return "task " + t.Name() }

// waitsFor describes the thing that t waits for. It returns "" if t does not wait.
func (t *task) waitsFor() string {
	if t.fiber == nil || !t.waits() {
		return ""
	}
	s := &t.fiber.State
	if s.awaiting != nil {
		return s.awaiting.describe()
	}
	return s.queue.describe(s.reason)
}

// waits reports whether t, which has begun, is suspended and not ready.
func (t *task) waits() bool {
	s := &t.fiber.State
	if s.awaiting != nil {
		return s.awaiting.state == pending
	}
	return s.state == waitPending
}

// taskList holds the tasks that are not done, in the order of their creation.
type taskList struct {
	head, tail *task
	n          int
}

func (l *taskList) add(t *task) {
	t.prev, t.next = l.tail, nil
	if l.tail == nil {
		l.head = t
	} else {
		l.tail.next = t
	}
	l.tail = t
	l.n++
}

func (l *taskList) remove(t *task) {
	if t.prev == nil {
		l.head = t.next
	} else {
		t.prev.next = t.next
	}
	if t.next == nil {
		l.tail = t.prev
	} else {
		t.next.prev = t.prev
	}
	t.prev, t.next = nil, nil
	l.n--
}
