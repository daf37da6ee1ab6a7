package asyncio

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"
	"time"
)

// Errors that programs look for with errors.Is.
var (
	// ErrCancelled is wrapped by the error of a cancelled await, asyncio's CancelledError. It is
	// also context.Canceled.
	ErrCancelled error = &CancelledError{}

	// ErrTimeout is returned, or wrapped with a cause, by Timeout and WaitFor when the time is
	// over, and by an await when the deadline of a context derived in a task has passed. It is
	// asyncio's TimeoutError, and also context.DeadlineExceeded.
	ErrTimeout error = &timeoutError{}

	// ErrInvalidState is returned when the state of a future does not allow the operation: the
	// result is set twice, or asked for too early.
	ErrInvalidState = errors.New("asyncio: invalid state")

	// ErrAwaitSelf is returned to a task that awaits itself and, from then on, to every task that
	// awaits it before it is done.
	ErrAwaitSelf = errors.New("asyncio: task cannot await itself")

	// ErrForeignLoop is returned to a task that awaits a future of another loop.
	ErrForeignLoop = errors.New("asyncio: future belongs to a different loop")

	// ErrLoopClosed is returned by calls of a closed loop.
	ErrLoopClosed = errors.New("asyncio: event loop is closed")

	// ErrLoopRunning is returned by calls that need a loop that is not running, and by attempts to
	// run a loop inside a task of another.
	ErrLoopRunning = errors.New("asyncio: event loop is already running")

	// ErrLoopStopped is returned by RunUntilComplete when the loop was stopped before the future
	// was done.
	ErrLoopStopped = errors.New("asyncio: event loop stopped before the future completed")

	// ErrLoopBlocked is wrapped by the error of a call of a Conn, Listener or Dialer on a goroutine
	// other than the loop's, if the loop does nothing at all for a second: the running task
	// computes or blocks, or the loop is not running. Nothing has been read or written then. Most
	// often the task itself is waiting for the goroutine, inside a library that starts goroutines:
	// call such a library in ToThread. The error is temporary in the sense of net.Error.
	ErrLoopBlocked error = &loopBlockedError{}

	// ErrInterrupted is returned by a run that SIGINT ended; see WithInterrupt.
	ErrInterrupted = errors.New("asyncio: interrupted")

	// ErrDeadlock is wrapped by the *DeadlockError of a run in virtual time.
	ErrDeadlock = errors.New("asyncio: deadlock")

	// ErrLivelock is wrapped by the *LivelockError of a run in virtual time.
	ErrLivelock = errors.New("asyncio: livelock")

	// ErrReleased is returned by BoundedSemaphore.Release when all places are free already.
	ErrReleased = errors.New("asyncio: BoundedSemaphore released too many times")

	// ErrBrokenBarrier is returned by Barrier.Wait when the barrier has been aborted, or is aborted
	// or reset meanwhile.
	ErrBrokenBarrier = errors.New("asyncio: barrier is broken")

	// ErrNothingToWait is returned by Wait for an empty slice.
	ErrNothingToWait = errors.New("asyncio: nothing to wait for")

	// ErrNoPoller is returned by AddReader, AddWriter and the Sock methods on a system with neither
	// epoll nor kqueue. Streams and everything else work there, too.
	ErrNoPoller = errors.New("asyncio: no epoll and no kqueue on this system")

	// ErrVirtualIO is returned by calls that need a descriptor in virtual time. Use StreamPair
	// instead.
	ErrVirtualIO = errors.New("asyncio: descriptors cannot be polled in virtual time")

	// ErrReaderBusy is returned to a task that reads from a stream while another task is waiting to
	// read from it.
	ErrReaderBusy = errors.New("asyncio: another task is already reading from this stream")

	// ErrGeneratorRunning is returned to a task that calls Next or Close of a Generator whose body
	// another task is running, or that the body itself calls.
	ErrGeneratorRunning = errors.New("asyncio: generator is already running")

	// ErrExecutorShutDown is returned by ThreadPoolExecutor.Submit, and so by
	// RunInExecutor, after Shutdown.
	ErrExecutorShutDown = errors.New("asyncio: executor is shut down")

	// These are asyncio's QueueEmpty, QueueFull and QueueShutDown.
	ErrQueueEmpty    = errors.New("asyncio: queue is empty")
	ErrQueueFull     = errors.New("asyncio: queue is full")
	ErrQueueShutDown = errors.New("asyncio: queue is shut down")
)

// A CancelledError is the error of a cancelled await. A coroutine may return one, or an error that
// wraps one, to end its task as cancelled. If it joins one to other errors, by errors.Join or by
// fmt.Errorf with a second %w, the task fails: a task ends as cancelled only if its error holds
// nothing but cancellations, and never with an *ExceptionGroup or a *PanicError.
//
// To errors.Is a CancelledError is [ErrCancelled] and context.Canceled. The reverse does not hold:
// a plain context.Canceled, such as ctx.Err(), is an ordinary error, with which a task fails.
type CancelledError struct {
	Cause error // the cause given to CancelCause; nil for Cancel
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

// newCancelled returns the error of a cancellation. Without a cause it allocates nothing.
func newCancelled(cause error) error {
	if cause == nil {
		return ErrCancelled
	}
	return &CancelledError{Cause: cause}
}

// An extent says how much of an error is a cancellation.
type extent uint8

const (
	none  extent = iota
	part         // a cancellation is joined to other errors
	whole        // the error holds nothing else
)

// isCancelled reports whether err ends a task as cancelled: whether all of it is a cancellation.
func isCancelled(err error) bool { return cancellationIn(err) == whole }

// cancellationIn returns how much of err is a cancellation. An *ExceptionGroup and a *PanicError
// are failures, whatever they hold. So is a timeout, which has no Unwrap.
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

// timedOut returns the error of a timeout that has cancelled its body, which has ended with err.
// For a plain cancellation without a cause that is ErrTimeout itself; for any other err that is or
// holds a cancellation, ErrTimeout with err as its cause; and for an err without one, err.
func timedOut(err error) error {
	if c, ok := err.(*CancelledError); ok && c.Cause == nil {
		return ErrTimeout
	}
	if cancellationIn(err) == none {
		return err
	}
	return &timeoutError{err}
}

// A timeoutError is ErrTimeout, with or without a cause: the error of the body that was cut short,
// or the error of the context whose deadline has passed.
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

// contextError returns the error of an await whose context is done, with the context's cause: a
// timeout if its deadline has passed, and otherwise a cancellation.
func contextError(ctx context.Context) error {
	cause := contextCause(ctx)
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return &timeoutError{cause}
	}
	return &CancelledError{Cause: cause}
}

// contextCause is context.Cause, but errors.Is also finds the context's own error in the result.
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

// An ExceptionGroup is the error of a task group: the errors of its tasks, in the order in which
// they happened, and then the error of its body. Its text includes the first ten. Unlike Python's
// except, errors.Is and errors.As look into it.
type ExceptionGroup struct {
	Message string
	Errors  []error
}

func (g *ExceptionGroup) Error() string {
	var b strings.Builder
	g.write(&b)
	return b.String()
}

// write appends the text to b. Nested groups append theirs to the same b, so that the time for many
// levels depends only on the length of the text.
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

// enumerate appends the first ten items, after a colon, and the number of the others.
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

// A PanicError is a panic in a coroutine, in a callback or in a function given to ToThread, with
// the stack on which it happened. It travels like any error.
type PanicError struct {
	Value any
	Stack []byte // in the format of runtime/debug.Stack
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

// A DeadlockError ends a run in virtual time in which nothing is ready, no timer is set and main
// still waits. It is [ErrDeadlock] to errors.Is.
type DeadlockError struct {
	Waiting []WaitingTask   // in the order of their creation
	Rings   [][]WaitingTask // tasks that wait for one another: each for the next, and the last for the first
}

// A WaitingTask names a task and the thing that it waits for.
type WaitingTask struct {
	Name  string  // the task's name
	For   string  // the thing it waits for, such as "Lock" or "task Task-2"
	Stack []Frame // where it waits, the innermost frame first; empty from the thousandth task on
}

func (e *DeadlockError) Error() string {
	var b strings.Builder
	b.WriteString("asyncio: deadlock")
	enumerate(&b, e.Waiting, ", ", func(w WaitingTask) { b.WriteString(w.String()) })
	for _, ring := range e.Rings {
		b.WriteString("; a ring")
		enumerate(&b, ring, ", ", func(w WaitingTask) { b.WriteString(w.Name) })
	}
	return b.String()
}

// String returns the task's name, the thing that it waits for, and the line of the program in which
// it waits.
func (w WaitingTask) String() string {
	text := w.Name + " waits for " + w.For
	if len(w.Stack) > 1 { // the first frame is the call that waits
		text += fmt.Sprintf(" at %s:%d", path.Base(w.Stack[1].File), w.Stack[1].Line)
	}
	return text
}

func (e *DeadlockError) Unwrap() error { return ErrDeadlock }

// A LivelockError ends a run in virtual time in which tasks and callbacks keep each other
// going without time ever moving on; see [WithMaxTurnsPerInstant]. It is [ErrLivelock] to
// errors.Is.
type LivelockError struct {
	Time  time.Duration // the loop's time, which stands still
	Turns int           // the number of turns made at that time

	// Ran has the names of the tasks and callbacks that ran in the last of these turns, such as
	// "task Task-1", or "callback" and the name of a function. It has each name once, in the order
	// in which they first ran, and a hundred at most.
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
