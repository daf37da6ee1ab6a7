package asyncio

import (
	"context"
	"io"
)

// None is the result of a coroutine that returns only an error.
type None = struct{}

// A Coro is a coroutine: a function that may suspend the task that runs it. Any function of this
// form is one. Calling it is Python's "await f()"; passing it to CreateTask runs it concurrently.
type Coro[T any] func(ctx context.Context) (T, error)

// Await calls the coroutine in the running task. It suspends when the coroutine does.
func (c Coro[T]) Await(ctx context.Context) (T, error) {
	if c == nil {
		panic("asyncio: nil coroutine")
	}
	return c(ctx)
}

func (c Coro[T]) start(ctx context.Context) FutureLike[T] { return CreateTask(ctx, c) }

// Bind binds the argument of a coroutine function. Bind(f, a) is Python's f(a): a coroutine that
// has not begun.
func Bind[A, T any](f func(context.Context, A) (T, error), a A) Coro[T] {
	if f == nil {
		return nil
	}
	return func(ctx context.Context) (T, error) { return f(ctx, a) }
}

// Do makes a coroutine of a function that returns only an error.
func Do(f func(ctx context.Context) error) Coro[None] {
	if f == nil {
		return nil
	}
	return func(ctx context.Context) (None, error) { return None{}, f(ctx) }
}

// An Awaitable is a *Future[T], a *Task[T] or a Coro[T], or one of these wrapped by Any.
type Awaitable[T any] interface {
	// Await suspends the running task until the result is there, and returns it. It does not
	// suspend if the result is there already.
	Await(ctx context.Context) (T, error)

	// start returns a future or task itself, and creates a task from a coroutine.
	start(ctx context.Context) FutureLike[T]
}

// A FutureLike is a *Future[T] or a *Task[T], or the result of its Any method.
type FutureLike[T any] interface {
	Awaitable[T]
	Waitable
	// Result returns the value or the error of a future or task that is done, and
	// ErrInvalidState before. It never suspends.
	Result() (T, error)

	result() T // without the error
}

// EnsureFuture returns aw itself if it is a future or a task, and otherwise creates a task from the
// coroutine, as CreateTask does. It does not suspend. It panics if aw is nil. It is
// asyncio.ensure_future.
func EnsureFuture[T any](ctx context.Context, aw Awaitable[T]) FutureLike[T] {
	if aw == nil {
		panic("asyncio: nil awaitable")
	}
	return aw.start(ctx)
}

// Any returns aw with results of type any, so that awaitables of different types can be gathered:
//
//	values, err := asyncio.Gather(ctx, asyncio.Any(user), asyncio.Any(posts)).Await(ctx)
//
// Any starts nothing: it wraps the future, task or coroutine.
func Any[T any](aw Awaitable[T]) Awaitable[any] { return untyped[T]{aw} }

type untyped[T any] struct{ Awaitable[T] }

func (u untyped[T]) Await(ctx context.Context) (any, error) { return u.Awaitable.Await(ctx) }

func (u untyped[T]) start(ctx context.Context) FutureLike[any] {
	return untypedFuture[T]{EnsureFuture(ctx, u.Awaitable)}
}

type untypedFuture[T any] struct{ FutureLike[T] }

func (u untypedFuture[T]) Await(ctx context.Context) (any, error) { return u.FutureLike.Await(ctx) }
func (u untypedFuture[T]) Result() (any, error)                   { return u.FutureLike.Result() }
func (u untypedFuture[T]) start(context.Context) FutureLike[any]  { return u }
func (u untypedFuture[T]) result() any                            { return u.FutureLike.result() }

// A Waitable is a *Future or a *Task of any type.
type Waitable interface {
	// Any returns the future or task with a result of type any, to await it, read its
	// result, or gather it with others:
	//
	//	v, err := w.Any().Await(ctx)
	Any() FutureLike[any]
	// OnDone adds a callback that the loop runs in the turn after the future or task is
	// done, as AddDoneCallback does. Calling remove before fn was scheduled removes the
	// callback; remove reports whether it did.
	OnDone(fn func()) (remove func() bool)
	// Loop returns the loop of the future or task.
	Loop() *Loop
	// Done reports whether it has a result or an error or was cancelled.
	Done() bool
	// Cancelled reports whether it has ended as cancelled.
	Cancelled() bool
	// Exception returns the error of a future or task that is done, which may be nil, or
	// ErrInvalidState if it is not done.
	Exception() error
	// Cancel asks the future or task to end as cancelled. It reports false if that is done already.
	Cancel() bool
	// CancelCause is Cancel with a cause for the CancelledError.
	CancelCause(cause error) bool

	core() *future
}

// An AnyTask is a *Task of any type.
type AnyTask interface {
	Waitable
	Name() string
	SetName(name string)
	Cancelling() int
	Uncancel() int

	GetStack() []Frame
	PrintStack(out io.Writer) error

	futureBehavior
	base() *task
	invoke(ctx context.Context) error // runs the coroutine and keeps its value
}
