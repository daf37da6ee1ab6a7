package asyncio

import (
	"context"
	"fmt"
)

// A Future is a result that is not there yet. It belongs to one loop, and only that loop's
// goroutine may use it. Make it with NewFuture. It is asyncio.Future.
//
// A future is pending until SetResult, SetException or Cancel ends it. Then its callbacks are
// scheduled, in the order in which they were added, and run in the loop's next turn. A task that
// awaits the future resumes in the place of its callback.
type Future[T any] struct {
	future future
	value  T
}

// NewFuture returns a pending future of loop. It is asyncio's loop.create_future.
func NewFuture[T any](loop *Loop) *Future[T] {
	if loop == nil {
		panic("asyncio: nil loop")
	}
	return &Future[T]{future: future{loop: loop}}
}

// Await suspends the running task until f is done and returns f's result or error. It does not
// suspend if f is done already. Cancelling the task meanwhile cancels f; see [Shield].
func (f *Future[T]) Await(ctx context.Context) (T, error) {
	err := (*task)(nil).block(ctx, &wait{future: &f.future}, 0)
	return valueUnless(err, f.value)
}

// SetResult ends f with a value. It returns ErrInvalidState if f is done.
func (f *Future[T]) SetResult(v T) error {
	if err := f.future.checkPending(); err != nil {
		return err
	}
	f.value = v
	f.future.finish(nil)
	return nil
}

// SetException ends f with err, which must not be nil. It returns ErrInvalidState if f is done.
func (f *Future[T]) SetException(err error) error {
	if err == nil {
		panic("asyncio: SetException of a nil error")
	}
	if err := f.future.checkPending(); err != nil {
		return err
	}
	f.future.finish(err)
	return nil
}

// Cancel ends f as cancelled. It reports false if f is done already. If f is the future of a
// Gather, Cancel cancels the children instead, and f ends when they have ended.
func (f *Future[T]) Cancel() bool { return f.CancelCause(nil) }

// CancelCause is Cancel with a cause for the CancelledError.
func (f *Future[T]) CancelCause(cause error) bool {
	f.future.loop.check()
	return f.future.cancel(cause)
}

// Done reports whether f has a result or an error or was cancelled.
func (f *Future[T]) Done() bool { return f.future.state != pending }

// Cancelled reports whether f was cancelled.
func (f *Future[T]) Cancelled() bool { return f.future.state == cancelled }

// Result returns the value or the error of f, or ErrInvalidState if f is pending. It never
// suspends.
func (f *Future[T]) Result() (T, error) {
	err := f.Exception()
	return valueUnless(err, f.value)
}

// Exception returns the error of f, nil if f has a result, or ErrInvalidState if f is pending. It
// never suspends.
func (f *Future[T]) Exception() error { return f.future.exception() }

// AddDoneCallback has the loop call fn in the turn after f is done. Callbacks run outside of any
// task. remove takes the callback back, unless fn has been scheduled already, and reports whether
// it did.
func (f *Future[T]) AddDoneCallback(fn func(*Future[T])) (remove func() bool) {
	f.future.loop.checkCallback(fn == nil)
	return addCallback(&f.future, f, fn)
}

// OnDone is AddDoneCallback for a callback without arguments. It serves futures and tasks of
// any type; see [Waitable].
func (f *Future[T]) OnDone(fn func()) (remove func() bool) {
	return f.future.onDone(fn)
}

// Any returns f with a result of type any; see [Waitable].
func (f *Future[T]) Any() FutureLike[any] { return untypedFuture[T]{f} }

// Loop returns the loop that f belongs to. It is asyncio's get_loop.
func (f *Future[T]) Loop() *Loop { return f.future.loop }

// String describes the kind of future, such as "gather of 3".
func (f *Future[T]) String() string { return f.future.describe() }

func (f *Future[T]) start(context.Context) FutureLike[T] {
	if f == nil {
		panic("asyncio: nil future")
	}
	return f
}

func (f *Future[T]) core() *future { return &f.future }
func (f *Future[T]) result() T     { return f.value }

func valueUnless[T any](err error, v T) (T, error) {
	if err != nil {
		var zero T
		return zero, err
	}
	return v, nil
}

type futureState uint8

const (
	pending futureState = iota
	finished
	cancelled
)

// A future is the part of a Future or Task that does not depend on its type.
type future struct {
	loop  *Loop
	state futureState

	// selfAwaited is set for good when a task has awaited itself. Until that task is done, every
	// await of it returns an error at once, as in CPython.
	selfAwaited bool

	// err is the error of a finished future or, in a cancelled task, of its coroutine. As in
	// asyncio, the latter goes to the first caller that asks, and later callers get a new one.
	err   error
	cause error // the cause given to CancelCause, unless it was passed on to another future

	callbacks nodeList
	behavior  futureBehavior
	unseen    *unseen // the report of an error that nobody has looked at
}

// futureBehavior has the methods in which tasks and the futures of Gather and Shield differ from
// plain futures.
type futureBehavior interface {
	cancel(cause error) bool
	describe() string
}

func (f *future) checkPending() error {
	f.loop.check()
	if f.state != pending {
		return fmt.Errorf("%w: %s is done", ErrInvalidState, f.describe())
	}
	return nil
}

// finish ends f with err, which may be nil. The value is in place already.
func (f *future) finish(err error) {
	f.state, f.err = finished, err
	f.scheduleCallbacks()
	if err != nil {
		f.unseen = f.loop.track(f, err)
	}
}

func (f *future) cancel(cause error) bool {
	if f.behavior != nil {
		return f.behavior.cancel(cause)
	}
	return f.cancelPlain(cause)
}

// cancelPlain cancels f itself, whatever its behavior.
func (f *future) cancelPlain(cause error) bool {
	f.seen()
	if f.state != pending {
		return false
	}
	f.endCancelled(nil, cause)
	return true
}

// endCancelled ends f as cancelled: with err, the error of its coroutine, or, if that is nil, with
// a new error for cause.
func (f *future) endCancelled(err, cause error) {
	f.state, f.err, f.cause = cancelled, err, cause
	f.scheduleCallbacks()
}

func (f *future) scheduleCallbacks() {
	for w := f.callbacks.head; w != nil; w = f.callbacks.head {
		w.unlink()
		f.loop.push(w.run)
	}
}

// consume returns the error of a future that is done, and counts as looking at it.
func (f *future) consume() error {
	f.seen()
	if f.state != cancelled {
		return f.err
	}
	if err := f.err; err != nil {
		f.err = nil
		return err
	}
	return newCancelled(f.cause)
}

func (f *future) exception() error {
	if f.state == pending {
		return fmt.Errorf("%w: %s is not done", ErrInvalidState, f.describe())
	}
	return f.consume()
}

// failed returns the error of a future that has failed, and nil for any other.
func (f *future) failed() error {
	if f.state != finished {
		return nil
	}
	f.seen()
	return f.err
}

// seen notes that somebody has looked at the error of f.
func (f *future) seen() {
	if f.unseen != nil {
		f.unseen.unlink()
		f.unseen = nil
	}
}

// whenDone schedules w.run when f is done, or at once if it is done already.
func (f *future) whenDone(w *node) {
	if f.state != pending {
		f.loop.push(w.run)
		return
	}
	f.callbacks.push(w)
}

// A doneCallback is a callback that a user has added to a *Future or a *Task.
type doneCallback[F any] struct {
	node
	future F
	fn     func(F)
}

func (c *doneCallback[F]) run(l *Loop)      { l.call(func() { c.fn(c.future) }) }
func (c *doneCallback[F]) describe() string { return callbackName(c.fn) }

func addCallback[F any](f *future, typed F, fn func(F)) (remove func() bool) {
	c := &doneCallback[F]{future: typed, fn: fn}
	c.node.run = c
	f.whenDone(&c.node)
	return c.node.takeBack
}

func (f *future) onDone(fn func()) (remove func() bool) {
	f.loop.checkCallback(fn == nil)
	n := &node{run: callback(fn)}
	f.whenDone(n)
	return n.takeBack
}

func (f *future) describe() string {
	if f.behavior != nil {
		return f.behavior.describe()
	}
	return "future"
}
