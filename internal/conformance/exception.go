package conformance

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-asyncio/asyncio"
)

// An exception is one of Python's that package asyncio has no error for: raised
// by a scenario, or by Python itself for a mistake in one.
type exception struct {
	class string
	msg   *string // Python's args[0], if there is one
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

// returned is how a return statement leaves its coroutine: as an exception of a
// class of its own, which no handler of an Exception catches. A task group
// around the statement does, and that is part of the trace.
type returned struct{ value any }

func (*returned) Error() string { return classReturn }

// stop ends the trace of a scenario that ran away. No handler catches it.
type stop struct{ why string }

func (s *stop) Error() string { return s.why }

// raising gives what a raise or set_exception statement of that kind raises. The
// kind is looked up when the statement runs: unknown is the answer to one that
// does not exist.
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

// cause makes the cause of a cancellation from its message.
func cause(msg *string) error {
	if msg == nil {
		return nil
	}
	return errors.New(*msg)
}

// sentinels tells the class of the library's errors.
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

// classOf names the class of an error. The class of a group is that of the group
// itself, whatever it holds, and so errors.Is is not asked about one. An error
// that no scenario can mean shows as its text, so that the traces differ.
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

// isException tells Python's Exception from the rest of BaseException:
// cancellations, the interpreter's own, and groups that hold one of these.
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

// matches reports whether a handler of that kind catches err.
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

// misuse calls fn and turns the panic by which package asyncio answers a bug of
// its caller into otherwise: CPython raises an exception for these. An exception
// that was panicked with is the error itself. Any other panic goes on, that by
// which the library unwinds an abandoned task among them.
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
