package conformance

import (
	"context"

	"github.com/go-asyncio/asyncio"
)

// futureOps are the statements about futures, including tasks.
var futureOps = map[string]func(a *args) step{
	"future":        compileFuture,
	"await":         compileAwait,
	"set_result":    compileSetResult,
	"set_exception": compileSetException,
	"on_done":       compileOnDone,
	"status":        compileStatus,
}

func compileFuture(a *args) step {
	name := a.str()
	return func(ctx context.Context, f *frame) error {
		f.put(name, futureVariable(asyncio.NewFuture[any](asyncio.RunningLoop(ctx))))
		return nil
	}
}

func compileAwait(a *args) step {
	name := a.target()
	return func(ctx context.Context, f *frame) error {
		v, err := f.vars[name].aw.Await(ctx)
		if err != nil {
			return err
		}
		return f.emit(ctx, name, " = ", v)
	}
}

func compileSetResult(a *args) step {
	name, v := a.target(), a.value()
	return func(_ context.Context, f *frame) error {
		if set := f.vars[name].setResult; set != nil {
			return set(v)
		}
		return errRuntime
	}
}

func compileSetException(a *args) step {
	name, kind, msg := a.target(), a.str(), a.optStr()
	return func(_ context.Context, f *frame) error {
		err, unknown := raising(kind, msg)
		if unknown != nil {
			return unknown
		}
		if set := f.vars[name].setException; set != nil {
			return set(err)
		}
		return errRuntime
	}
}

func compileOnDone(a *args) step {
	name, tag := a.target(), a.str()
	return func(ctx context.Context, f *frame) error {
		v := f.vars[name]
		// An error of emit would go to the loop's exception handler, which does nothing.
		v.onDone(func() { _ = f.emit(ctx, "on_done ", tag, " ", v.status()) })
		return nil
	}
}

func compileStatus(a *args) step {
	name := a.target()
	return func(ctx context.Context, f *frame) error {
		return f.emit(ctx, "status ", name, " ", f.vars[name].status())
	}
}
