package conformance

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-asyncio/asyncio"
)

// An exception is a Python exception for which package asyncio has no error. A scenario raises it,
// or Python does for a mistake in a scenario.
type exception struct {
	class string
	msg   *string // Python's args[0], or nil
}

func (e *exception) Error() string {
	if e.msg == nil {
		return e.class
	}
	return e.class + ": " + *e.msg
}

// Classes that have no other representation.
const (
	classValue     = "Value"
	classKey       = "Key"
	classTimeout   = "Timeout"
	classCancelled = "Cancelled"
	classGroup     = "Group"
	classRuntime   = "Runtime"
	classReturn    = "Return"
	classStop      = "Stop"
)

var (
	errRuntime   = &exception{class: classRuntime}
	errValue     = &exception{class: classValue}
	errAttribute = &exception{class: "AttributeError"}
	errType      = &exception{class: "TypeError"}
	errIndex     = &exception{class: "IndexError"}
)

func keyError(name string) error { return &exception{class: classKey, msg: &name} }

// returned carries the value of a return statement out of its coroutine. It is an exception of a
// class of its own, which no handler of Exception catches. A task group around the statement does
// catch it, and the trace shows that.
type returned struct{ value any }

func (*returned) Error() string { return classReturn }

// stop ends the trace of a runaway scenario. No handler catches it.
type stop struct{ why string }

func (s *stop) Error() string { return s.why }

// raising returns the error that a raise or set_exception statement of the given kind raises. The
// kind is looked up when the statement runs; unknown is the error if there is no such kind.
func raising(kind string, msg *string) (err, unknown error) {
	switch kind {
	case classValue, classKey:
		return &exception{class: kind, msg: msg}, nil
	case classTimeout:
		return asyncio.ErrTimeout, nil
	case classCancelled:
		return &asyncio.CancelledError{Cause: cause(msg)}, nil
	default:
		return nil, keyError(kind)
	}
}

// cause returns the cause of a cancellation with the given message.
func cause(msg *string) error {
	if msg == nil {
		return nil
	}
	return errors.New(*msg)
}

// sentinels maps the library's errors to their classes.
var sentinels = []struct {
	err   error
	class string
}{
	{asyncio.ErrTimeout, classTimeout},
	{asyncio.ErrInvalidState, "InvalidState"},
	{asyncio.ErrBrokenBarrier, "BrokenBarrier"},
	{asyncio.ErrQueueEmpty, "QueueEmpty"},
	{asyncio.ErrQueueFull, "QueueFull"},
	{asyncio.ErrQueueShutDown, "QueueShutDown"},
	{asyncio.ErrReleased, classValue},
	{asyncio.ErrNothingToWait, classValue},
	{asyncio.ErrAwaitSelf, classRuntime},
}

// classOf returns the class of an error. A group has its own class, whatever errors it holds, so
// errors.Is is not used for a group. An error that no scenario can raise is returned as its text,
// which makes the traces differ.
func classOf(err error) string {
	switch e := err.(type) {
	case *asyncio.CancelledError:
		return classCancelled
	case *asyncio.ExceptionGroup:
		return classGroup
	case *exception:
		return e.class
	case *returned:
		return classReturn
	case *stop:
		return classStop
	case *asyncio.PanicError:
		return fmt.Sprintf("panic: %v", e.Value)
	}
	for _, s := range sentinels {
		if errors.Is(err, s.err) {
			return s.class
		}
	}
	return err.Error()
}

// isException reports whether err is one of Python's Exceptions. The rest of BaseException is
// cancellations, the interpreter's own exceptions, and groups that hold one of these.
func isException(err error) bool {
	switch classOf(err) {
	case classCancelled, classReturn, classStop:
		return false
	case classGroup:
		return !slices.ContainsFunc(err.(*asyncio.ExceptionGroup).Errors,
			func(e error) bool { return !isException(e) })
	}
	return true
}

// matches reports whether a handler of the given kind catches err.
func matches(kind string, err error) (bool, error) {
	switch kind {
	case "Any":
		return true, nil
	case "Error":
		return isException(err), nil
	case classCancelled, classTimeout, classValue, classKey, classGroup:
		return classOf(err) == kind, nil
	}
	return false, keyError(kind)
}

// misuse calls fn. If package asyncio panics because of a bug of its caller, misuse returns the
// error otherwise, since CPython raises an exception there. If the panic value is an exception, it
// returns that. Any other panic goes on, including the panic by which the library unwinds an
// abandoned task.
func misuse(otherwise error, fn func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			switch e, ok := p.(*exception); {
			case ok:
				err = e
			case isMisuse(p):
				err = otherwise
			default:
				panic(p)
			}
		}
	}()
	return fn()
}

func isMisuse(p any) bool {
	s, ok := p.(string)
	return ok && strings.HasPrefix(s, "asyncio: ")
}
