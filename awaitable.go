package asyncio

import "context"

// None is the result of a coroutine that returns nothing but an error.
type None = struct{}

// A Coro is a coroutine: a function that may suspend the task that runs it.
// Calling it is asyncio's "await f()"; handing it to CreateTask runs it
// concurrently. Any function of this form is one.
type Coro[T any] func(ctx context.Context) (T, error)

// Await calls the coroutine in the running task. It suspends when the coroutine
// does.
func (c Coro[T]) Await(ctx context.Context) (T, error) {
	if c == nil {
		panic("asyncio: nil coroutine")
	}
	return c(ctx)
}

func (c Coro[T]) start(ctx context.Context) FutureLike[T] { return CreateTask(ctx, c) }

// Bind binds the argument of a coroutine function. Bind(f, a) is what asyncio
// writes f(a): a coroutine that has not begun.
func Bind[A, T any](f func(context.Context, A) (T, error), a A) Coro[T] {
	if f == nil {
		return nil
	}
	return func(ctx context.Context) (T, error) { return f(ctx, a) }
}

// Do makes a coroutine of a function that returns nothing but an error.
func Do(f func(ctx context.Context) error) Coro[None] {
	if f == nil {
		return nil
	}
	return func(ctx context.Context) (None, error) { return None{}, f(ctx) }
}

// An Awaitable is a *Future[T], a *Task[T] or a Coro[T], or such a one through Any.
type Awaitable[T any] interface {
	// Await suspends the running task until the result is there, and returns
	// it. It does not suspend if the result is there already.
	Await(ctx context.Context) (T, error)

	// start gives the future or task itself, and makes a task of a coroutine.
	start(ctx context.Context) FutureLike[T]
}

// A FutureLike is a *Future[T] or a *Task[T], or the result of its Any method.
type FutureLike[T any] interface {
	Awaitable[T]
	Waitable
	// Result returns the value or the error of what is done, and ErrInvalidState
	// before. It never suspends.
	Result() (T, error)

	result() T // the value, without its error
}

// EnsureFuture returns aw itself if it is a future or a task, and otherwise makes a task
// of the coroutine, as CreateTask does. It does not suspend. It is asyncio.ensure_future.
func EnsureFuture[T any](ctx context.Context, aw Awaitable[T]) FutureLike[T] { return aw.start(ctx) }

// Any gives the results of aw as values of type any, so that awaitables of different
// types can be gathered:
//
//	values, err := asyncio.Gather(ctx, asyncio.Any(user), asyncio.Any(posts)).Await(ctx)
//
// It is the same future or task all the same, or a coroutine again.
func Any[T any](aw Awaitable[T]) Awaitable[any] { return untyped[T]{aw} }

type untyped[T any] struct{ Awaitable[T] }

func (u untyped[T]) Await(ctx context.Context) (any, error) { return u.Awaitable.Await(ctx) }

func (u untyped[T]) start(ctx context.Context) FutureLike[any] {
	return untypedFuture[T]{u.Awaitable.start(ctx)}
}

type untypedFuture[T any] struct{ FutureLike[T] }

func (u untypedFuture[T]) Await(ctx context.Context) (any, error) { return u.FutureLike.Await(ctx) }
func (u untypedFuture[T]) Result() (any, error)                   { return u.FutureLike.Result() }
func (u untypedFuture[T]) start(context.Context) FutureLike[any]  { return u }
func (u untypedFuture[T]) result() any                            { return u.FutureLike.result() }

// A Waitable is a *Future or a *Task of whatever type.
type Waitable interface {
	// Any gives the future or task with a result of type any, to await it, ask for its
	// result, or gather it with others:
	//
	//	v, err := w.Any().Await(ctx)
	Any() FutureLike[any]
	// OnDone has the loop call fn once it is done, in the turn after, as AddDoneCallback
	// does. Calling remove before fn was scheduled takes it back, and reports whether it
	// did.
	OnDone(fn func()) (remove func() bool)
	// Loop returns the loop that it belongs to.
	Loop() *Loop
	// Done reports whether there is a result, an error or a cancellation.
	Done() bool
	// Cancelled reports whether it ended as cancelled.
	Cancelled() bool
	// Exception returns the error of what is done, which may be nil, and
	// ErrInvalidState before.
	Exception() error
	// Cancel asks for cancellation. It reports false if it is done already.
	Cancel() bool
	// CancelCause is Cancel with a cause for the CancelledError.
	CancelCause(cause error) bool

	core() *future
}

// AnyTask is a *Task of whatever type.
type AnyTask interface {
	Waitable
	Name() string
	SetName(name string)
	Cancelling() int
	Uncancel() int

	futureBehavior
	invoke(ctx context.Context) error // runs the coroutine and keeps its value
}
