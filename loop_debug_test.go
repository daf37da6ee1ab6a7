package asyncio_test

import (
	"bytes"
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
)

// wrong is the panic of debug mode for a call from another goroutine.
const wrong = "asyncio: call from a goroutine that is not the event loop's; use CallSoonThreadsafe or RunCoroutineThreadsafe, " +
	"or ToThread for a library that starts goroutines"

func TestInDebugModeCallsFromAWrongGoroutinePanic(t *testing.T) {
	_, err := asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
		loop := asyncio.RunningLoop(ctx)
		f := asyncio.NewFuture[int](loop)
		task := asyncio.CreateTask(ctx, sleeper(0))
		elsewhere := asyncio.RunCoroutineThreadsafe(loop, answer(0, 1))
		var event asyncio.Event
		spawn(ctx, event.Wait)
		giveWay(ctx, 1)
		calls := map[string]func(){
			"CallSoon":        func() { loop.CallSoon(func() {}) },
			"CallLater":       func() { loop.CallLater(0, func() {}) },
			"CreateTask":      func() { asyncio.CreateTask(ctx, sleeper(0)) },
			"Sleep":           func() { _ = asyncio.Sleep(ctx, 0) },
			"SetResult":       func() { _ = f.SetResult(1) },
			"Future.Cancel":   func() { f.Cancel() },
			"Task.Cancel":     func() { task.Cancel() },
			"AddDoneCallback": func() { f.AddDoneCallback(func(*asyncio.Future[int]) {}) },
			"Task.Uncancel":   func() { task.Uncancel() },
			"Task.SetName":    func() { task.SetName("x") },
			"AllTasks":        func() { loop.AllTasks() },
			"Event.Set":       event.Set,
			"Gather":          func() { asyncio.Gather(ctx, sleeper(0)) },

			"OnDone":                  func() { f.OnDone(func() {}) },
			"EnsureFuture":            func() { asyncio.EnsureFuture(ctx, sleeper(0)) },
			"GatherErr":               func() { _ = asyncio.GatherErr(ctx, event.Wait) },
			"WrapFuture":              func() { asyncio.WrapFuture(ctx, elsewhere) },
			"RunInExecutor":           func() { _, _ = asyncio.RunInExecutor(ctx, inPlace{}, sleeper(0)) },
			"SetDebug":                func() { loop.SetDebug(false) },
			"SetEagerTasks":           func() { loop.SetEagerTasks(true) },
			"SetDefaultExecutor":      func() { loop.SetDefaultExecutor(nil) },
			"SetExceptionHandler":     func() { loop.SetExceptionHandler(nil) },
			"CallExceptionHandler":    func() { loop.CallExceptionHandler(asyncio.ExceptionContext{}) },
			"SetSlowCallbackDuration": func() { loop.SetSlowCallbackDuration(0) },
		}
		for name, call := range calls {
			done := make(chan struct{})
			go func() {
				defer close(done)
				assert.PanicsWithValue(t, wrong, call, name)
			}()
			<-done
		}
		// Calls on the loop's own goroutine, in tasks that start eagerly and in callbacks, do not
		// panic.
		asyncio.CreateTask(ctx, asyncio.Do(func(ctx context.Context) error {
			loop.CallSoon(func() { _ = f.SetResult(2) })
			return nil
		}), asyncio.WithEagerStart())
		v, err := f.Await(ctx)
		assert.Equal(t, 2, v)
		return err
	}), asyncio.WithDebug())
	require.NoError(t, err)
}

func TestDebugModeLogsCallbacksThatBlockTheLoop(t *testing.T) {
	var log bytes.Buffer
	defer slog.SetDefault(slog.Default())
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	block := func() {
		for start := time.Now(); time.Since(start) == 0; { // a clock may move in steps of 15 ms
		}
	}
	_, err := asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
		asyncio.CurrentTask(ctx).SetName("hog")
		asyncio.RunningLoop(ctx).CallSoon(block)
		block()
		return nil
	}), asyncio.WithDebug(), asyncio.WithSlowCallbackDuration(time.Nanosecond))
	require.NoError(t, err)
	assert.Contains(t, log.String(), `by="task hog"`)
	assert.Contains(t, log.String(), "by=callback")
}

func TestASlowCallbackDurationOfZeroLogsEverything(t *testing.T) {
	var log bytes.Buffer
	defer slog.SetDefault(slog.Default())
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	_, err := asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
		asyncio.CurrentTask(ctx).SetName("quick")
		return asyncio.Sleep(ctx, 0)
	}), asyncio.WithDebug(), asyncio.WithSlowCallbackDuration(0))
	require.NoError(t, err)
	assert.Contains(t, log.String(), `by="task quick"`)
}

func TestALoopIsCurrentInItsTasksAndCallbacksAlone(t *testing.T) {
	other := asyncio.NewLoop()
	defer other.Close()
	run(t, func(ctx context.Context) error {
		loop := asyncio.RunningLoop(ctx)
		assert.True(t, loop.IsCurrent())
		assert.False(t, other.IsCurrent())
		called := asyncio.NewFuture[asyncio.None](loop)
		loop.CallSoon(func() {
			assert.True(t, loop.IsCurrent())
			_ = called.SetResult(asyncio.None{})
		})
		_, err := called.Await(ctx)
		require.NoError(t, err)
		_, err = asyncio.ToThread(ctx, func(context.Context) (asyncio.None, error) {
			assert.False(t, loop.IsCurrent(), "on another goroutine, while the loop runs")
			return asyncio.None{}, nil
		})
		return err
	})
	assert.False(t, other.IsCurrent())
}
