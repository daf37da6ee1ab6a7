package asyncio_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
)

func TestShieldReturnsTheResultOrErrorOfTheShieldedTask(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		v, err := asyncio.Shield(ctx, answer(time.Second, 42)).Await(ctx)
		require.NoError(t, err)
		assert.Equal(t, 42, v)

		_, err = asyncio.Shield(ctx, failing(time.Second, errBoom)).Await(ctx)
		assert.Equal(t, errBoom, err)

		f := asyncio.NewFuture[int](asyncio.RunningLoop(ctx))
		require.NoError(t, f.SetResult(7))
		shielded := asyncio.Shield(ctx, f)
		assert.True(t, shielded.Done(), "a shield of a finished task is done at once")
		v, err = shielded.Result()
		assert.NoError(t, err)
		assert.Equal(t, 7, v)
	})
}

func TestShieldProtectsFromTheCancellationOfTheAwaitingTask(t *testing.T) {
	var r trace
	run(t, func(ctx context.Context) error {
		inner := spawnTraced(ctx, &r, "inner", func(ctx context.Context) error { return asyncio.Sleep(ctx, time.Second) })
		outer := spawnTraced(ctx, &r, "outer", func(ctx context.Context) error {
			return errOf[asyncio.None](ctx, asyncio.Shield(ctx, inner))
		})
		giveWay(ctx, 1)
		outer.Cancel()
		join(ctx, outer)
		assert.True(t, outer.Cancelled())
		assert.False(t, inner.Done())
		assert.Zero(t, inner.Cancelling())
		join(ctx, inner)
		assert.Equal(t, time.Second, asyncio.RunningLoop(ctx).Time())
		return nil
	})
	r.expect(t, "outer cancelled", "inner ok")
}

func TestShieldItselfCanBeCancelled(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		inner := asyncio.CreateTask(ctx, answer(time.Second, 1))
		shielded := asyncio.Shield(ctx, inner)
		require.True(t, shielded.CancelCause(errBoom))
		assert.False(t, shielded.Cancel(), "cancelled already")
		assert.True(t, shielded.Cancelled())
		err := errOf[int](ctx, shielded)
		assert.ErrorIs(t, err, asyncio.ErrCancelled)
		assert.ErrorIs(t, err, errBoom)
		v, err := inner.Await(ctx)
		assert.NoError(t, err)
		assert.Equal(t, 1, v)
	})
}

func TestShieldIsCancelledWithTheShieldedTask(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		inner := asyncio.CreateTask(ctx, answer(time.Hour, 1))
		shielded := asyncio.Shield(ctx, inner)
		inner.CancelCause(errBoom)
		assert.ErrorIs(t, errOf[int](ctx, shielded), asyncio.ErrCancelled)
		assert.True(t, shielded.Cancelled())

		shielded = asyncio.Shield(ctx, inner)
		assert.True(t, shielded.Cancelled(), "a task that was cancelled already")
		err := errOf[int](ctx, shielded)
		assert.ErrorIs(t, err, asyncio.ErrCancelled)
		assert.ErrorIs(t, err, errBoom, "the cause")
	})
}

func TestShieldCancelledInTheTurnInWhichTheShieldedTaskEndsIsCancelled(t *testing.T) {
	run(t, func(ctx context.Context) error {
		f := asyncio.NewFuture[int](asyncio.RunningLoop(ctx))
		shielded := asyncio.Shield(ctx, f)
		require.NoError(t, f.SetResult(1))
		assert.True(t, shielded.Cancel())
		assert.ErrorIs(t, errOf[int](ctx, shielded), asyncio.ErrCancelled)
		v, err := f.Await(ctx)
		assert.Equal(t, 1, v)
		return err
	})
}

func TestACancelledShieldReportsALaterErrorOfTheShieldedTask(t *testing.T) {
	var reports []string
	_, err := asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
		shielded := asyncio.Shield(ctx, failing(time.Second, errBoom))
		shielded.Cancel()
		return asyncio.Sleep(ctx, time.Minute)
	}), asyncio.WithVirtualTime(), asyncio.WithExceptionHandler(func(_ *asyncio.Loop, c asyncio.ExceptionContext) {
		assert.Equal(t, errBoom, c.Err)
		reports = append(reports, c.Task)
	}))
	require.NoError(t, err)
	assert.Equal(t, []string{"Task-2"}, reports)
}

func TestShieldOfANilCoroutinePanics(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		assert.PanicsWithValue(t, "asyncio: nil coroutine", func() { asyncio.Shield[int](ctx, asyncio.Coro[int](nil)) })
	})
}

func TestAnErrorOfTheShieldedTaskInTheTurnOfTheCancellationIsRetrieved(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		inner := newFuture[int](ctx)
		outer := asyncio.Shield(ctx, inner)
		outer.Cancel()
		_ = inner.SetException(errBoom) // run would report it as never retrieved
		giveWay(ctx, 2)
	})
}
