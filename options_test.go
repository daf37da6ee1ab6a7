package asyncio_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
)

func TestOptionsAndConstructorsRefuseNonsenseAtOnce(t *testing.T) {
	for name, make := range map[string]func(){
		"WithMaxThreads(0)":            func() { asyncio.WithMaxThreads(0) },
		"WithMaxThreads(-1)":           func() { asyncio.WithMaxThreads(-1) },
		"WithSlowCallbackDuration(-1)": func() { asyncio.WithSlowCallbackDuration(-1) },
		"ReturnWhen(-1)":               func() { asyncio.ReturnWhen(-1) },
		"ReturnWhen(3)":                func() { asyncio.ReturnWhen(3) },
		"WithPipeLimit(0)":             func() { asyncio.WithPipeLimit(0) },
		"WithPipeLimit(-1)":            func() { asyncio.WithPipeLimit(-1) },
		"WithWaitDelay(-1)":            func() { asyncio.WithWaitDelay(-1) },
		"WithCommand(nil)":             func() { asyncio.WithCommand(nil) },
		"File(nil)":                    func() { asyncio.File(nil) },
		"NewSemaphore(-1)":             func() { asyncio.NewSemaphore(-1) },
		"NewBoundedSemaphore(-1)":      func() { asyncio.NewBoundedSemaphore(-1) },
		"NewBarrier(0)":                func() { asyncio.NewBarrier(0) },
		"NewFuture(nil)":               func() { asyncio.NewFuture[int](nil) },
		"NewPriorityQueueFunc(nil)":    func() { asyncio.NewPriorityQueueFunc[int](0, nil) },
		"nil Option":                   func() { asyncio.NewLoop(nil) },
		"nil LimitOption":              func() { started(func(ctx context.Context) { asyncio.StreamPair(ctx, nil) }) },
		"nil TaskOption":               func() { started(func(ctx context.Context) { asyncio.CreateTask(ctx, asyncio.Do(giveWayOnce), nil) }) },
		"nil WaitOption": func() {
			started(func(ctx context.Context) {
				_, _, _ = asyncio.Wait(ctx, []asyncio.AnyTask{asyncio.CurrentTask(ctx)}, nil)
			})
		},
		"nil ProcessOption": func() {
			started(func(ctx context.Context) { _, _ = asyncio.CreateSubprocessExec(ctx, "true", nil, nil) })
		},
		"nil protocol factory": func() {
			started(func(ctx context.Context) {
				_, _, _ = asyncio.CreateConnection[asyncio.Protocol](ctx, nil, "127.0.0.1:1")
			})
		},
		"Run(nil)":                    func() { _, _ = asyncio.Run[int](context.Background(), nil) },
		"Run(Do(nil))":                func() { _, _ = asyncio.Run(context.Background(), asyncio.Do(nil)) },
		"Run(Bind(nil))":              func() { _, _ = asyncio.Run(context.Background(), asyncio.Bind[int, int](nil, 0)) },
		"RunCoroutineThreadsafe(nil)": func() { asyncio.RunCoroutineThreadsafe[int](asyncio.NewLoop(), nil) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() { require.Contains(t, recover(), "asyncio: ") }()
			make()
			t.Error("it was accepted")
		})
	}
}

func TestCallsRefuseNilAtOnce(t *testing.T) {
	var (
		future     *asyncio.Future[int]
		task       *asyncio.Task[int]
		concurrent *asyncio.ConcurrentFuture[int]
		noContext  context.Context
	)
	in := func(call func(ctx context.Context)) func() { return func() { started(call) } }
	for name, c := range map[string]struct {
		panics string
		call   func()
	}{
		"EnsureFuture(nil)":           {"nil awaitable", in(func(ctx context.Context) { asyncio.EnsureFuture[int](ctx, nil) })},
		"EnsureFuture(nil future)":    {"nil future", in(func(ctx context.Context) { asyncio.EnsureFuture[int](ctx, future) })},
		"EnsureFuture(nil task)":      {"nil task", in(func(ctx context.Context) { asyncio.EnsureFuture[int](ctx, task) })},
		"EnsureFuture(nil Coro)":      {"nil coroutine", in(func(ctx context.Context) { asyncio.EnsureFuture[int](ctx, asyncio.Coro[int](nil)) })},
		"EnsureFuture(Any(nil))":      {"nil awaitable", in(func(ctx context.Context) { asyncio.EnsureFuture(ctx, asyncio.Any[int](nil)) })},
		"Gather(nil)":                 {"nil awaitable", in(func(ctx context.Context) { asyncio.Gather[int](ctx, asyncio.Awaitable[int](nil)) })},
		"Gather(nil future)":          {"nil future", in(func(ctx context.Context) { asyncio.Gather(ctx, future) })},
		"GatherErr(nil)":              {"nil coroutine", in(func(ctx context.Context) { _ = asyncio.GatherErr(ctx, nil) })},
		"Shield(nil)":                 {"nil awaitable", in(func(ctx context.Context) { asyncio.Shield[int](ctx, nil) })},
		"Shield(nil task)":            {"nil task", in(func(ctx context.Context) { asyncio.Shield[int](ctx, task) })},
		"WrapFuture(nil)":             {"future was not made by RunCoroutineThreadsafe", in(func(ctx context.Context) { asyncio.WrapFuture(ctx, concurrent) })},
		"WrapFuture(zero)":            {"future was not made by RunCoroutineThreadsafe", in(func(ctx context.Context) { asyncio.WrapFuture(ctx, new(asyncio.ConcurrentFuture[int])) })},
		"Timeout(nil)":                {"nil body", in(func(ctx context.Context) { _ = asyncio.Timeout(ctx, 1, nil) })},
		"TimeoutValue(nil)":           {"nil body", in(func(ctx context.Context) { _, _ = asyncio.TimeoutValue[int](ctx, 1, nil) })},
		"WithContext(nil)":            {"nil context", func() { asyncio.WithContext(noContext) }},
		"CallSoonThreadsafeHandle":    {"nil callback", func() { _, _ = asyncio.NewLoop().CallSoonThreadsafeHandle(nil) }},
		"SetSlowCallbackDuration(-1)": {"a slow callback duration must not be negative", func() { asyncio.NewLoop().SetSlowCallbackDuration(-1) }},
		"NewThreadPoolExecutor(0)":    {"NewThreadPoolExecutor needs a positive number", func() { asyncio.NewThreadPoolExecutor(0) }},
	} {
		t.Run(name, func(t *testing.T) {
			assert.PanicsWithValue(t, "asyncio: "+c.panics, c.call)
		})
	}
}

func giveWayOnce(ctx context.Context) error { return asyncio.Sleep(ctx, 0) }

// started calls fn in a task, and panics if fn does.
func started(fn func(ctx context.Context)) {
	var panicked any
	_, _ = asyncio.Run(context.Background(), asyncio.Do(func(ctx context.Context) error {
		defer func() { panicked = recover() }()
		fn(ctx)
		return nil
	}))
	if panicked != nil {
		panic(panicked)
	}
}

func TestWithMaxTurnsPerInstantNeedsAPositiveNumber(t *testing.T) {
	for _, n := range []int{0, -1} {
		assert.PanicsWithValue(t, "asyncio: WithMaxTurnsPerInstant needs a positive number", func() { asyncio.WithMaxTurnsPerInstant(n) })
	}
}
