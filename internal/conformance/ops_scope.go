package conformance

import (
	"context"

	"github.com/go-asyncio/asyncio"
)

// scopeOps are the statements with bodies: timeouts, task groups, and objects that are held for a
// while.
var scopeOps = map[string]func(a *args) step{
	"timeout":     compileTimeout,
	"reschedule":  compileReschedule,
	"group":       compileGroup,
	"group_spawn": compileGroupSpawn,
	"with":        compileWith,
}

func compileTimeout(a *args) step {
	limit, body, name := a.units(), a.block(), a.optStr()
	return func(ctx context.Context, f *frame) error {
		var scope *asyncio.TimeoutScope
		err := asyncio.Timeout(ctx, delay(limit), func(ctx context.Context, s *asyncio.TimeoutScope) error {
			scope = s
			if name != nil && *name != "" {
				f.handles[*name] = s
			}
			return body.run(ctx, f)
		})
		if err := f.emit(ctx, "timeout expired=", scope.Expired()); err != nil {
			return err
		}
		return err
	}
}

// handle returns the timeout, task group or timer of the given name. As in Python it is an error if
// there is none, and another error if it is of another kind.
func handle[H any](r *run, name string) (h H, err error) {
	v, ok := r.handles[name]
	if !ok {
		return h, keyError(name)
	}
	if h, ok = v.(H); !ok {
		return h, errAttribute
	}
	return h, nil
}

func compileReschedule(a *args) step {
	name, limit := a.str(), a.units()
	return func(ctx context.Context, f *frame) error {
		scope, err := handle[*asyncio.TimeoutScope](f.run, name)
		if err != nil {
			return err
		}
		when := delay(limit)
		if limit != nil {
			when += asyncio.RunningLoop(ctx).Time()
		}
		if scope.Reschedule(when) != nil {
			return errRuntime
		}
		return nil
	}
}

func compileGroup(a *args) step {
	name, body := a.str(), a.block()
	return func(ctx context.Context, f *frame) error {
		err := asyncio.WithTaskGroup(ctx, func(ctx context.Context, tg *asyncio.TaskGroup) error {
			f.handles[name] = tg
			return body.run(ctx, f)
		})
		if err != nil {
			return err
		}
		return f.emit(ctx, "group ", name, " done")
	}
}

func compileGroupSpawn(a *args) step {
	group, name, coro := a.str(), a.str(), a.str()
	return func(_ context.Context, f *frame) error {
		tg, err := handle[*asyncio.TaskGroup](f.run, group)
		if err != nil {
			return err
		}
		return misuse(errRuntime, func() error {
			f.put(name, taskVariable(asyncio.GroupTask(tg, f.coro(coro, 0), asyncio.WithName(name))))
			return nil
		})
	}
}

// compileWith holds a lock, condition or semaphore around its body. Python also allows a barrier:
// the statement waits at it and releases nothing.
func compileWith(a *args) step {
	name, body := a.str(), a.block()
	return func(ctx context.Context, f *frame) error {
		obj, ok := f.objs[name]
		if !ok {
			return keyError(name)
		}
		switch obj := obj.(type) {
		case *asyncio.Barrier:
			if _, err := obj.Wait(ctx); err != nil {
				return err
			}
			return body.run(ctx, f)
		case holder:
			return hold(ctx, obj, func(ctx context.Context) error { return body.run(ctx, f) })
		default:
			return errType
		}
	}
}

type holder interface {
	With(ctx context.Context, body func(ctx context.Context) error) error
}

// hold calls obj.With. If the body has released the object already, the release is an error. But if
// a panic left the body, the panic goes on and the error of the release is lost.
func hold(ctx context.Context, obj holder, body func(ctx context.Context) error) (err error) {
	within := false
	defer func() {
		if p := recover(); p != nil {
			if within || !isMisuse(p) {
				panic(p)
			}
			err = errRuntime
		}
	}()
	return obj.With(ctx, func(ctx context.Context) error {
		within = true
		err := body(ctx)
		within = false
		return err
	})
}
