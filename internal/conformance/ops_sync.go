package conformance

import (
	"context"

	"github.com/go-asyncio/asyncio"
)

// syncOps are the statements about locks, events, conditions, semaphores and barriers. As in
// Python, a statement applies to any object that has the method, whatever its kind: cond_wait may
// wait for an event.
var syncOps = map[string]func(a *args) step{
	"acquire":       compileAcquire,
	"release":       compileRelease,
	"locked":        compileLocked,
	"set":           compileSet,
	"clear":         compileClear,
	"is_set":        compileIsSet,
	"wait_event":    compileObjectWait,
	"cond_wait":     compileObjectWait,
	"cond_wait_for": compileCondWaitFor,
	"notify":        compileNotify,
	"notify_all":    compileNotifyAll,
	"barrier_wait":  compileBarrierWait,
	"barrier_reset": compileBarrierReset,
	"barrier_abort": compileBarrierAbort,
}

func compileAcquire(a *args) step {
	name := a.str()
	type acquirer interface {
		Acquire(ctx context.Context) error
	}
	return using(name, func(ctx context.Context, f *frame, obj acquirer) error {
		if err := obj.Acquire(ctx); err != nil {
			return err
		}
		return f.emit(ctx, "acquired ", name)
	})
}

func compileRelease(a *args) step {
	return using(a.str(), func(_ context.Context, _ *frame, obj any) error {
		return misuse(errRuntime, func() error {
			switch obj := obj.(type) {
			case interface{ Release() }:
				obj.Release()
				return nil
			case interface{ Release() error }:
				return obj.Release()
			}
			return errAttribute
		})
	})
}

func compileLocked(a *args) step {
	name := a.str()
	type locker interface{ Locked() bool }
	return using(name, func(ctx context.Context, f *frame, obj locker) error {
		return f.emit(ctx, "locked ", name, " ", obj.Locked())
	})
}

func compileSet(a *args) step {
	return using(a.str(), func(_ context.Context, _ *frame, e *asyncio.Event) error {
		e.Set()
		return nil
	})
}

func compileClear(a *args) step {
	return using(a.str(), func(_ context.Context, _ *frame, e *asyncio.Event) error {
		e.Clear()
		return nil
	})
}

func compileIsSet(a *args) step {
	name := a.str()
	return using(name, func(ctx context.Context, f *frame, e *asyncio.Event) error {
		return f.emit(ctx, "is_set ", name, " ", e.IsSet())
	})
}

// A waiter is an event or a condition.
type waiter interface {
	Wait(ctx context.Context) error
}

// wait calls the wait method, which events, conditions and barriers have in Python. The result is
// printed in Python's format.
func wait(ctx context.Context, obj any) (any, error) {
	switch obj := obj.(type) {
	case waiter:
		return "True", misuse(errRuntime, func() error { return obj.Wait(ctx) })
	case *asyncio.Barrier:
		return obj.Wait(ctx)
	}
	return nil, errAttribute
}

func compileObjectWait(a *args) step {
	return using(a.str(), func(ctx context.Context, _ *frame, obj any) error {
		_, err := wait(ctx, obj)
		return err
	})
}

func compileBarrierWait(a *args) step {
	name := a.str()
	return using(name, func(ctx context.Context, f *frame, obj any) error {
		v, err := wait(ctx, obj)
		if err != nil {
			return err
		}
		return f.emit(ctx, "barrier ", name, " ", v)
	})
}

func compileCondWaitFor(a *args) step {
	name, counter, n := a.str(), a.str(), a.integer()
	return using(name, func(ctx context.Context, f *frame, c *condition) error {
		return misuse(errRuntime, func() error {
			return c.WaitFor(ctx, func() bool { return f.counters[counter] >= n })
		})
	})
}

func compileNotify(a *args) step {
	name, n := a.str(), a.integer()
	return using(name, func(_ context.Context, _ *frame, c *condition) error {
		return misuse(errRuntime, func() error {
			c.Notify(n)
			return nil
		})
	})
}

func compileNotifyAll(a *args) step {
	return using(a.str(), func(_ context.Context, _ *frame, c *condition) error {
		return misuse(errRuntime, func() error {
			c.NotifyAll()
			return nil
		})
	})
}

func compileBarrierReset(a *args) step {
	return using(a.str(), func(ctx context.Context, _ *frame, b *asyncio.Barrier) error {
		return b.Reset(ctx)
	})
}

func compileBarrierAbort(a *args) step {
	return using(a.str(), func(ctx context.Context, _ *frame, b *asyncio.Barrier) error {
		return b.Abort(ctx)
	})
}
