package asyncio

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Errors that programs look for with errors.Is.
var (
	// ErrCancelled is wrapped by what a cancelled await returns, asyncio's
	// CancelledError. It is also context.Canceled.
	ErrCancelled error = &CancelledError{}

	// ErrTimeout is returned, or wrapped with a cause, by Timeout and WaitFor when the
	// time is over, and by an await when the deadline of a context that was derived in a
	// task has passed. It is asyncio's TimeoutError, and also context.DeadlineExceeded.
	ErrTimeout error = &timeoutError{}

	// ErrInvalidState answers an operation that a future's state does not
	// allow: a result set twice, or asked for too early.
	ErrInvalidState = errors.New("asyncio: invalid state")

	// ErrAwaitSelf is returned to a task that awaits itself, and after that to all
	// who await this task while it is not done.
	ErrAwaitSelf = errors.New("asyncio: task cannot await itself")

	// ErrForeignLoop is returned to a task that awaits a future of another loop.
	ErrForeignLoop = errors.New("asyncio: future belongs to a different loop")

	// ErrLoopClosed answers calls to a closed loop.
	ErrLoopClosed = errors.New("asyncio: event loop is closed")

	// ErrLoopRunning answers calls that need a loop at rest, and the attempt
	// to run a loop inside a task of another.
	ErrLoopRunning = errors.New("asyncio: event loop is already running")

	// ErrLoopStopped is returned by RunUntilComplete when the loop was
	// stopped before the future was done.
	ErrLoopStopped = errors.New("asyncio: event loop stopped before the future completed")

	// ErrLoopBlocked is wrapped by the error of a call of a Conn, Listener or Dialer on a
	// goroutine other than the loop's, if the loop does nothing at all for a second: the running
	// task computes or blocks, or the loop is not running. Nothing was read or written then. Most
	// often the task itself waits for the goroutine, inside a library that starts goroutines: call
	// such a library in ToThread. The error is temporary in the sense of net.Error.
	ErrLoopBlocked error = &loopBlockedError{}

	// ErrInterrupted is returned by a run that SIGINT ended; see WithInterrupt.
	ErrInterrupted = errors.New("asyncio: interrupted")

	// ErrDeadlock is wrapped by the *DeadlockError of a run in virtual time.
	ErrDeadlock = errors.New("asyncio: deadlock")

	// ErrLivelock is wrapped by the *LivelockError of a run in virtual time.
	ErrLivelock = errors.New("asyncio: livelock")

	// ErrReleased is returned by BoundedSemaphore.Release.
	ErrReleased = errors.New("asyncio: BoundedSemaphore released too many times")

	// ErrBrokenBarrier is returned by Barrier.Wait when the barrier is, or is
	// being, aborted or reset.
	ErrBrokenBarrier = errors.New("asyncio: barrier is broken")

	// ErrNothingToWait is returned by Wait for an empty slice.
	ErrNothingToWait = errors.New("asyncio: nothing to wait for")

	// ErrNoPoller answers the use of a descriptor on a system that has neither epoll
	// nor kqueue.
	ErrNoPoller = errors.New("asyncio: no epoll and no kqueue on this system")

	// ErrVirtualIO answers the use of a descriptor in virtual time. StreamPair serves
	// instead.
	ErrVirtualIO = errors.New("asyncio: descriptors cannot be polled in virtual time")

	// ErrReaderBusy is returned to a task that reads from a stream that another task
	// waits to read from.
	ErrReaderBusy = errors.New("asyncio: another task is already reading from this stream")

	// ErrExecutorShutDown is returned by ThreadPoolExecutor.Submit, and so by
	// RunInExecutor, after Shutdown.
	ErrExecutorShutDown = errors.New("asyncio: executor is shut down")

	// These are asyncio's QueueEmpty, QueueFull and QueueShutDown.
	ErrQueueEmpty    = errors.New("asyncio: queue is empty")
	ErrQueueFull     = errors.New("asyncio: queue is full")
	ErrQueueShutDown = errors.New("asyncio: queue is shut down")
)

// A CancelledError is what a cancelled await returns. A coroutine may return
// one, or an error that wraps one, to end its task as cancelled. One that is joined to
// other errors, by errors.Join or by fmt.Errorf with a second %w, is a failure: a task
// ends as cancelled only if its error holds nothing but cancellations, and never with
// an *ExceptionGroup or a *PanicError. A CancelledError is [ErrCancelled] and
// context.Canceled to errors.Is. Not the other way round: a plain context.Canceled, such
// as ctx.Err(), is an ordinary error, with which a task fails.
type CancelledError struct {
	Cause error // what CancelCause was given; nil for Cancel
}

func (e *CancelledError) Error() string {
	if e.Cause == nil || e.Cause.Error() == "" {
		return "asyncio: cancelled"
	}
	return "asyncio: cancelled: " + e.Cause.Error()
}

func (e *CancelledError) Unwrap() error { return e.Cause }

func (e *CancelledError) Is(target error) bool {
	return target == ErrCancelled || target == context.Canceled
}

// newCancelled makes the error of a cancellation. Without a cause it allocates
// nothing.
func newCancelled(cause error) error {
	if cause == nil {
		return ErrCancelled
	}
	return &CancelledError{Cause: cause}
}

// extent is how much of an error is a cancellation.
type extent uint8

const (
	none  extent = iota
	part         // a cancellation is joined to other errors
	whole        // there is nothing else
)

// isCancelled reports whether err ends a task as cancelled: whether it is a cancellation as
// a whole.
func isCancelled(err error) bool { return cancellationIn(err) == whole }

// cancellationIn returns how much of err is a cancellation. An *ExceptionGroup and a
// *PanicError are failures whatever they hold, as is a timeout, which does not unwrap.
func cancellationIn(err error) extent {
	for err != nil {
		switch e := err.(type) {
		case *CancelledError:
			return whole
		case *ExceptionGroup, *PanicError:
			return none
		case interface{ Unwrap() error }:
			err = e.Unwrap()
		case interface{ Unwrap() []error }:
			return cancellationAmong(e.Unwrap())
		default:
			return none
		}
	}
	return none
}

func cancellationAmong(errs []error) extent {
	least, most := whole, none
	for _, err := range errs {
		x := cancellationIn(err)
		least, most = min(least, x), max(most, x)
	}
	if most == none {
		return none
	}
	return max(least, part)
}

// timedOut is for a timeout that has cancelled a body, which has ended with err. If err is or
// holds a cancellation, it returns ErrTimeout with err as its cause, and ErrTimeout itself
// for a plain one; any other error it returns as it is.
func timedOut(err error) error {
	if c, ok := err.(*CancelledError); ok && c.Cause == nil {
		return ErrTimeout
	}
	if cancellationIn(err) == none {
		return err
	}
	return &timeoutError{err}
}

// A timeoutError is ErrTimeout with a cause: the error of the body that was cut short, or that
// of the context whose deadline has passed.
type timeoutError struct{ cause error }

func (e *timeoutError) Error() string {
	if e.cause == nil {
		return "asyncio: timed out"
	}
	return "asyncio: timed out: " + e.cause.Error()
}

// Is and As look into the cause, but do not find the cancellation there: the timeout caused
// it, and a caller that gets the timeout has not been cancelled. That is why there is no
// Unwrap.

func (e *timeoutError) Is(target error) bool {
	switch target {
	case ErrTimeout, context.DeadlineExceeded:
		return true
	case ErrCancelled, context.Canceled:
		return false
	default:
		return errors.Is(e.cause, target)
	}
}

func (e *timeoutError) As(target any) bool {
	if _, ok := target.(**CancelledError); ok {
		return false
	}
	return errors.As(e.cause, target)
}

func (e *timeoutError) Timeout() bool   { return true }
func (e *timeoutError) Temporary() bool { return true } // makes it a net.Error, as context.DeadlineExceeded is

// contextError is the error of an await whose context is done: a timeout if
// its deadline has passed, a cancellation otherwise, and in both cases the
// context's cause.
func contextError(ctx context.Context) error {
	cause := contextCause(ctx)
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return &timeoutError{cause}
	}
	return &CancelledError{Cause: cause}
}

// contextCause is context.Cause, save that errors.Is finds the context's own
// error in it, too.
func contextCause(ctx context.Context) error {
	err, cause := ctx.Err(), context.Cause(ctx)
	if errors.Is(cause, err) {
		return cause
	}
	return &causeError{cause, err}
}

type causeError struct{ cause, err error }

func (e *causeError) Error() string   { return e.cause.Error() }
func (e *causeError) Unwrap() []error { return []error{e.cause, e.err} }

// An ExceptionGroup is what a task group returns: the errors of its tasks, in
// the order in which they happened, and that of its body at the end. Its text has the
// first ten. errors.Is and errors.As look into it, unlike Python's except.
type ExceptionGroup struct {
	Message string
	Errors  []error
}

func (g *ExceptionGroup) Error() string {
	var b strings.Builder
	g.write(&b)
	return b.String()
}

// write appends the text. Groups in groups append theirs to the same, so that many levels take
// no more time than their text is long.
func (g *ExceptionGroup) write(b *strings.Builder) {
	s := "s"
	if len(g.Errors) == 1 {
		s = ""
	}
	fmt.Fprintf(b, "%s (%d sub-exception%s)", g.Message, len(g.Errors), s)
	enumerate(b, g.Errors, "; ", func(err error) {
		if inner, ok := err.(*ExceptionGroup); ok {
			inner.write(b)
		} else {
			b.WriteString(err.Error())
		}
	})
}

// enumerate appends the first items, after a colon, and the number of the others.
func enumerate[T any](b *strings.Builder, items []T, separator string, write func(T)) {
	const most = 10
	for i, item := range items[:min(len(items), most)] {
		if i == 0 {
			b.WriteString(": ")
		} else {
			b.WriteString(separator)
		}
		write(item)
	}
	if n := len(items) - most; n > 0 {
		fmt.Fprintf(b, "%sand %d more", separator, n)
	}
}

func (g *ExceptionGroup) Unwrap() []error { return g.Errors }

// A PanicError is a panic in a coroutine, in a callback or in a function given
// to ToThread, caught with the stack on which it happened. It travels like any
// error.
type PanicError struct {
	Value any
	Stack []byte // as runtime/debug.Stack formats it
}

// Error returns the panic's value and, in the lines that follow, the stack.
func (e *PanicError) Error() string {
	return fmt.Sprintf("asyncio: panic: %v\n\n%s", e.Value, e.Stack)
}

// Unwrap returns the panic's value if it is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// A DeadlockError ends a run in virtual time in which nothing is ready, no
// timer is set and main still waits. It is [ErrDeadlock] to errors.Is.
type DeadlockError struct {
	Waiting []WaitingTask // in order of creation
}

// A WaitingTask tells what a task waits for.
type WaitingTask struct {
	Name string // the task's name
	For  string // such as "Lock" or "task Task-2"
}

func (e *DeadlockError) Error() string {
	var b strings.Builder
	b.WriteString("asyncio: deadlock")
	enumerate(&b, e.Waiting, ", ", func(w WaitingTask) { b.WriteString(w.Name + " waits for " + w.For) })
	return b.String()
}

func (e *DeadlockError) Unwrap() error { return ErrDeadlock }

// A LivelockError ends a run in virtual time in which tasks and callbacks keep each other
// going without time ever moving on; see [WithMaxTurnsPerInstant]. It is [ErrLivelock] to
// errors.Is.
type LivelockError struct {
	Time  time.Duration // of the loop, at which it stands still
	Turns int           // that the loop made at that time

	// Ran names the tasks and callbacks that ran in the last of these turns, each once, in
	// the order in which they ran, and a hundred at most: "task Task-1", or "callback"
	// and the function's name.
	Ran []string
}

func (e *LivelockError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "asyncio: livelock: %d turns at %v (see WithMaxTurnsPerInstant) ran", e.Turns, e.Time)
	enumerate(&b, e.Ran, ", ", func(name string) { b.WriteString(name) })
	return b.String()
}

func (e *LivelockError) Unwrap() error { return ErrLivelock }

// loopBlockedError is ErrLoopBlocked.
type loopBlockedError struct{}

func (*loopBlockedError) Error() string {
	return "asyncio: the event loop has been blocked for a second, or is not running; " +
		"if the task that blocks it waits for this goroutine, call the library in ToThread"
}
func (*loopBlockedError) Timeout() bool   { return false }
func (*loopBlockedError) Temporary() bool { return true }
