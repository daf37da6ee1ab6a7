package conformance

import (
	"context"

	"github.com/go-asyncio/asyncio"
)

// An object is an entry of a scenario's table of objects.
type object struct {
	name, kind string
	make       func(ctx context.Context, r *run, name string) error
}

// A condition keeps its lock, so that another condition can share it.
type condition struct {
	*asyncio.Condition
	lock *asyncio.Lock
}

// compileObject returns the function that makes an object of the given kind. If CPython finds a
// mistake while it makes the object, the error is main's.
func compileObject(kind string, a *args) func(ctx context.Context, r *run, name string) error {
	switch kind {
	case "Future":
		return makeFuture
	case "Condition":
		lock := a.optStr()
		return func(_ context.Context, r *run, name string) error { return r.makeCondition(name, lock) }
	}
	var build func() any
	switch kind {
	case "Lock":
		build = func() any { return new(asyncio.Lock) }
	case "Event":
		build = func() any { return new(asyncio.Event) }
	case "Semaphore":
		n := a.optInteger(1)
		build = func() any { return asyncio.NewSemaphore(n) }
	case "BoundedSemaphore":
		n := a.optInteger(1)
		build = func() any { return asyncio.NewBoundedSemaphore(n) }
	case "Barrier":
		n := a.integer()
		build = func() any { return asyncio.NewBarrier(n) }
	case "Queue":
		n := a.optInteger(0)
		build = func() any { return asyncio.NewQueue[any](n) }
	case "PriorityQueue":
		n := a.optInteger(0)
		build = func() any { return asyncio.NewPriorityQueueFunc(n, compare) }
	case "LifoQueue":
		n := a.optInteger(0)
		build = func() any { return asyncio.NewLifoQueue[any](n) }
	default:
		a.fail("unknown kind %q", kind)
	}
	return func(_ context.Context, r *run, name string) error {
		return misuse(errValue, func() error {
			r.objs[name] = build()
			return nil
		})
	}
}

func makeFuture(ctx context.Context, r *run, name string) error {
	r.put(name, futureVariable(asyncio.NewFuture[any](asyncio.RunningLoop(ctx))))
	return nil
}

// makeCondition makes a condition on the named lock, on the lock of the named condition, or on a
// lock of its own.
func (r *run) makeCondition(name string, lockName *string) error {
	lock := new(asyncio.Lock)
	if lockName != nil {
		obj, ok := r.objs[*lockName]
		if !ok {
			return keyError(*lockName)
		}
		switch obj := obj.(type) {
		case *asyncio.Lock:
			lock = obj
		case *condition:
			lock = obj.lock
		default:
			return errAttribute
		}
	}
	r.objs[name] = &condition{asyncio.NewCondition(lock), lock}
	return nil
}

// using returns a step that calls a method of an object. As in Python it is an error if there is no
// such object, and another error if the object lacks the method. M is an interface with the method.
func using[M any](name string, call func(ctx context.Context, f *frame, obj M) error) step {
	return func(ctx context.Context, f *frame) error {
		obj, ok := f.objs[name]
		if !ok {
			return keyError(name)
		}
		m, ok := obj.(M)
		if !ok {
			return errAttribute
		}
		return call(ctx, f, m)
	}
}
