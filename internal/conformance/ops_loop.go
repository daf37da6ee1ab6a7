package conformance

import (
	"context"

	"github.com/go-asyncio/asyncio"
)

// loopOps are the statements about callbacks and timers. An error of emit in a callback would go to
// the loop's exception handler, which does nothing.
var loopOps = map[string]func(a *args) step{
	"call_soon":     compileCallSoon,
	"call_later":    compileCallLater,
	"cancel_handle": compileCancelHandle,
}

func compileCallSoon(a *args) step {
	tag := a.str()
	return func(ctx context.Context, f *frame) error {
		asyncio.RunningLoop(ctx).CallSoon(func() { _ = f.emit(ctx, "callback ", tag) })
		return nil
	}
}

func compileCallLater(a *args) step {
	tag, n := a.str(), a.integer()
	return func(ctx context.Context, f *frame) error {
		f.handles[tag] = asyncio.RunningLoop(ctx).CallLater(delay(&n), func() { _ = f.emit(ctx, "callback ", tag) })
		return nil
	}
}

func compileCancelHandle(a *args) step {
	tag := a.str()
	return func(_ context.Context, f *frame) error {
		timer, err := handle[*asyncio.TimerHandle](f.run, tag)
		if err != nil {
			return err
		}
		timer.Cancel()
		return nil
	}
}
