package asyncio_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
)

func TestVirtualTimeJumps(t *testing.T) {
	start := time.Now()
	inTurn(t, func(ctx context.Context) {
		loop := asyncio.RunningLoop(ctx)
		assert.Zero(t, loop.Time())
		_ = asyncio.Sleep(ctx, 1000*time.Hour)
		assert.Equal(t, 1000*time.Hour, loop.Time())
	})
	assert.Less(t, time.Since(start), time.Hour)
}

func TestADeadlockNamesWhatEachTaskWaitsFor(t *testing.T) {
	var tr trace
	_, err := asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
		asyncio.CurrentTask(ctx).SetName("main")
		var lock asyncio.Lock
		_ = lock.Acquire(ctx)
		named := func(name string, wait func(ctx context.Context) error) *asyncio.Task[asyncio.None] {
			return asyncio.CreateTask(ctx, asyncio.Do(func(ctx context.Context) error {
				defer tr.add("%s unwound", name)
				err := wait(ctx)
				tr.add("%s resumed", name)
				return err
			}), asyncio.WithName(name))
		}
		a := named("a", lock.Acquire)
		named("b", func(ctx context.Context) error { _, err := asyncio.NewQueue[int](0).Get(ctx); return err })
		named("c", func(ctx context.Context) error { _, err := newFuture[int](ctx).Await(ctx); return err })
		named("d", func(ctx context.Context) error { return asyncio.Sleep(ctx, asyncio.Never) })
		_, err := asyncio.Shield(ctx, a).Await(ctx)
		return err
	}), asyncio.WithVirtualTime())
	require.ErrorIs(t, err, asyncio.ErrDeadlock)
	var deadlock *asyncio.DeadlockError
	require.ErrorAs(t, err, &deadlock)
	assert.Equal(t, []asyncio.WaitingTask{
		{Name: "main", For: "shielded task a"},
		{Name: "a", For: "Lock"},
		{Name: "b", For: "a value in a Queue"},
		{Name: "c", For: "future"},
		{Name: "d", For: "sleep"},
	}, deadlock.Waiting)
	assert.EqualError(t, err, "asyncio: deadlock: main waits for shielded task a, a waits for Lock, "+
		"b waits for a value in a Queue, c waits for future, d waits for sleep")
	tr.expect(t, "a unwound", "b unwound", "c unwound", "d unwound")
}

func TestADeadlockInTheCleanUpIsAnErrorToo(t *testing.T) {
	_, err := asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
		spawn(ctx, func(ctx context.Context) error {
			_ = asyncio.Sleep(ctx, time.Hour)
			return new(asyncio.Event).Wait(ctx)
		})
		giveWay(ctx, 1)
		return errBoom
	}), asyncio.WithVirtualTime())
	require.ErrorIs(t, err, errBoom)
	require.ErrorIs(t, err, asyncio.ErrDeadlock)
}

func TestVirtualTimeWaitsForTheDeadlineOfAContextBeforeItIsADeadlock(t *testing.T) {
	_, err := asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
		_ = asyncio.Sleep(ctx, time.Hour)
		ctx, cancel := context.WithTimeout(ctx, time.Millisecond)
		defer cancel()
		return new(asyncio.Event).Wait(ctx)
	}), asyncio.WithVirtualTime())
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

func TestTheRealClockIsNeverEarly(t *testing.T) {
	_, err := asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
		loop := asyncio.RunningLoop(ctx)
		for range 20 {
			want := loop.Time() + 100*time.Microsecond
			if err := asyncio.Sleep(ctx, 100*time.Microsecond); err != nil {
				return err
			}
			assert.GreaterOrEqual(t, loop.Time(), want)
		}
		return nil
	}))
	require.NoError(t, err)
}
