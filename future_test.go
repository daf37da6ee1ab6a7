package asyncio_test

import (
	"context"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
)

func newFuture[T any](ctx context.Context) *asyncio.Future[T] {
	return asyncio.NewFuture[T](asyncio.RunningLoop(ctx))
}

func TestAFutureIsSetOnce(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		f := newFuture[int](ctx)
		_, err := f.Result()
		assert.ErrorIs(t, err, asyncio.ErrInvalidState)
		assert.ErrorIs(t, f.Exception(), asyncio.ErrInvalidState)
		assert.NoError(t, f.SetResult(1))
		assert.ErrorIs(t, f.SetResult(2), asyncio.ErrInvalidState)
		assert.ErrorIs(t, f.SetException(errBoom), asyncio.ErrInvalidState)
		assert.False(t, f.Cancel())
		v, err := f.Result()
		assert.NoError(t, err)
		assert.Equal(t, 1, v)

		failed := newFuture[int](ctx)
		assert.PanicsWithValue(t, "asyncio: SetException of a nil error", func() { _ = failed.SetException(nil) })
		assert.NoError(t, failed.SetException(errBoom))
		assert.ErrorIs(t, failed.SetResult(2), asyncio.ErrInvalidState)
		_, err = failed.Await(ctx)
		assert.Same(t, errBoom, err)

		cancelled := newFuture[int](ctx)
		assert.True(t, cancelled.CancelCause(errBoom))
		assert.ErrorIs(t, cancelled.SetResult(2), asyncio.ErrInvalidState)
		assert.True(t, cancelled.Cancelled())
		assert.ErrorIs(t, cancelled.Exception(), errBoom)
		assert.ErrorIs(t, cancelled.Exception(), asyncio.ErrCancelled, "asked again")
	})
}

func TestSetResultDoesNotRunTheWaiter(t *testing.T) {
	var tr trace
	inTurn(t, func(ctx context.Context) {
		f := newFuture[string](ctx)
		for _, name := range []string{"a", "b"} {
			spawn(ctx, func(ctx context.Context) error {
				v, err := f.Await(ctx)
				tr.add("%s got %s", name, v)
				return err
			})
			f.AddDoneCallback(func(*asyncio.Future[string]) { tr.add("callback after %s", name) })
		}
		giveWay(ctx, 1)
		_ = f.SetResult("x")
		tr.add("set")
		settled(ctx)
	})
	// The callbacks were added before the tasks began to wait.
	tr.expect(t, "set", "callback after a", "callback after b", "a got x", "b got x")
}

func TestAwaitingADoneFutureDoesNotSuspend(t *testing.T) {
	var tr trace
	inTurn(t, func(ctx context.Context) {
		f := newFuture[int](ctx)
		_ = f.SetResult(1)
		asyncio.RunningLoop(ctx).CallSoon(func() { tr.add("turn") })
		_, _ = f.Await(ctx)
		tr.add("awaited")
		giveWay(ctx, 1)
	})
	tr.expect(t, "awaited", "turn")
}

func TestCancellingATaskCancelsTheFutureThatItAwaits(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		f := newFuture[int](ctx)
		a, b := asyncio.CreateTask(ctx, f.Await), asyncio.CreateTask(ctx, f.Await)
		giveWay(ctx, 1)
		a.Cancel()
		assert.True(t, f.Cancelled())
		_, err := b.Await(ctx)
		assert.ErrorIs(t, err, asyncio.ErrCancelled)
	})
}

func TestAFutureThatWasNotMadeByNewFuturePanics(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		assert.PanicsWithValue(t, "asyncio: future was not made by NewFuture", func() { _, _ = new(asyncio.Future[int]).Await(ctx) })
	})
	assert.PanicsWithValue(t, "asyncio: nil loop", func() { asyncio.NewFuture[int](nil) })
}

func TestAwaitingAnotherLoopsFutureIsAnError(t *testing.T) {
	other := asyncio.NewLoop()
	defer other.Close()
	inTurn(t, func(ctx context.Context) {
		f := asyncio.NewFuture[int](other)
		_, err := f.Await(ctx)
		assert.ErrorIs(t, err, asyncio.ErrForeignLoop)
		_, err = asyncio.Gather(ctx, f).Await(ctx)
		assert.ErrorIs(t, err, asyncio.ErrForeignLoop)
		_, err = asyncio.Shield(ctx, f).Await(ctx)
		assert.ErrorIs(t, err, asyncio.ErrForeignLoop)
		_, _, err = asyncio.Wait(ctx, []asyncio.Waitable{newFuture[int](ctx), f})
		assert.ErrorIs(t, err, asyncio.ErrForeignLoop)
		for _, d := range []time.Duration{0, time.Second} {
			_, err = asyncio.WaitFor(ctx, f, d)
			assert.ErrorIs(t, err, asyncio.ErrForeignLoop)
		}
		for _, err = range asyncio.AsCompleted(ctx, f) {
			assert.ErrorIs(t, err, asyncio.ErrForeignLoop)
		}
		assert.False(t, f.Done(), "it is left alone")
	})
}

func TestAPanicInADoneCallbackIsReportedAndTheOthersRun(t *testing.T) {
	var seen reports
	var tr trace
	_, err := asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
		f := newFuture[int](ctx)
		f.AddDoneCallback(func(*asyncio.Future[int]) { panic("no good") })
		f.AddDoneCallback(func(*asyncio.Future[int]) { tr.add("second") })
		_ = f.SetResult(1)
		giveWay(ctx, 1)
		return nil
	}), seen.handler())
	require.NoError(t, err)
	tr.expect(t, "second")
	require.Len(t, seen, 1)
	assert.Equal(t, "panic in callback", seen[0].Message)
}

func TestErrorsThatAreNeverRetrievedAreReported(t *testing.T) {
	cases := map[string]struct {
		main func(ctx context.Context)
		want []string
	}{
		"of a task": {func(ctx context.Context) {
			asyncio.CreateTask(ctx, failing(0, errBoom), asyncio.WithName("worker"))
		}, []string{"worker: task exception was never retrieved: boom"}},
		"of a future": {func(ctx context.Context) {
			_ = newFuture[int](ctx).SetException(errBoom)
		}, []string{": future exception was never retrieved: boom"}},
		"but not if they were awaited": {func(ctx context.Context) {
			_, _ = asyncio.CreateTask(ctx, failing(0, errBoom)).Await(ctx)
		}, nil},
		"nor if Exception was called": {func(ctx context.Context) {
			f := newFuture[int](ctx)
			_ = f.SetException(errBoom)
			_ = f.Exception()
		}, nil},
		"nor if they were cancelled since": {func(ctx context.Context) {
			f := newFuture[int](ctx)
			_ = f.SetException(errBoom)
			f.Cancel()
		}, nil},
		"nor cancellations": {func(ctx context.Context) {
			asyncio.CreateTask(ctx, sleeper(time.Hour)).Cancel()
		}, nil},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			var seen reports
			_, err := asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
				c.main(ctx)
				giveWay(ctx, 3)
				return nil
			}), asyncio.WithVirtualTime(), seen.handler())
			require.NoError(t, err)
			assert.Equal(t, c.want, seen.texts())
		})
	}
}

func TestAnErrorIsReportedOnceItsFutureIsGarbage(t *testing.T) {
	var seen reports
	_, err := asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
		asyncio.CreateTask(ctx, failing(0, errBoom), asyncio.WithName("worker"))
		giveWay(ctx, 5)
		for i := 0; len(seen) == 0 && i < 1000; i++ {
			runtime.GC()
			giveWay(ctx, 1)
		}
		assert.Equal(t, []string{"worker: task exception was never retrieved: boom"}, seen.texts(), "before the loop closes")
		return nil
	}), seen.handler())
	require.NoError(t, err)
	assert.Len(t, seen, 1, "and once")
}
