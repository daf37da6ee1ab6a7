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
