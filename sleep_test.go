package asyncio_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
)

func TestSleepersWakeInTheOrderOfTheirTimes(t *testing.T) {
	var r trace
	run(t, func(ctx context.Context) error {
		var tasks []*asyncio.Task[asyncio.None]
		for _, d := range []time.Duration{3, 1, 2} {
			tasks = append(tasks, spawn(ctx, func(ctx context.Context) error {
				err := asyncio.Sleep(ctx, d*time.Second)
				r.at(ctx, "woken")
				return err
			}))
		}
		join(ctx, tasks...)
		return nil
	})
	r.expect(t, "1s woken", "2s woken", "3s woken")
}

func TestSleepersOfOneInstantWakeInTheOrderOfTheirCalls(t *testing.T) {
	const n = 10_000
	run(t, func(ctx context.Context) error {
		var order, want []int
		tasks := make([]*asyncio.Task[asyncio.None], n)
		for i := range tasks {
			want = append(want, i)
			tasks[i] = spawn(ctx, func(ctx context.Context) error {
				err := asyncio.Sleep(ctx, time.Second)
				order = append(order, i)
				return err
			})
		}
		join(ctx, tasks...)
		assert.Equal(t, want, order)
		return nil
	})
}

func TestSleepOfZeroOrLessYieldsOnce(t *testing.T) {
	for _, d := range []time.Duration{0, -1, -time.Hour, -1 << 63} {
		var r trace
		run(t, func(ctx context.Context) error {
			task := spawn(ctx, func(ctx context.Context) error {
				for i := range 3 {
					r.add("other %d", i)
					if err := asyncio.Sleep(ctx, d); err != nil {
						return err
					}
				}
				return nil
			})
			for i := range 3 {
				r.add("main %d", i)
				require.NoError(t, asyncio.Sleep(ctx, d))
			}
			join(ctx, task)
			assert.Zero(t, asyncio.RunningLoop(ctx).Time())
			return nil
		})
		r.expect(t, "main 0", "other 0", "main 1", "other 1", "main 2", "other 2")
	}
}

func TestSleepCancelledInTheTurnInWhichItsTimerFiresIsCancelled(t *testing.T) {
	var r trace
	run(t, func(ctx context.Context) error {
		task := spawnTraced(ctx, &r, "sleep", func(ctx context.Context) error { return asyncio.Sleep(ctx, time.Second) })
		giveWay(ctx, 1)
		// The callback is due at the same instant but was scheduled later, so it runs after the
		// timer.
		asyncio.RunningLoop(ctx).CallAt(time.Second, func() { assert.True(t, task.Cancel()) })
		join(ctx, task)
		assert.True(t, task.Cancelled())
		return nil
	})
	r.expect(t, "sleep cancelled")
}

func TestACancelledSleepOfZeroReturnsTheCancellation(t *testing.T) {
	var r trace
	run(t, func(ctx context.Context) error {
		task := spawnTraced(ctx, &r, "sleep", func(ctx context.Context) error { return asyncio.Sleep(ctx, 0) })
		giveWay(ctx, 1)
		task.Cancel()
		join(ctx, task)
		return nil
	})
	r.expect(t, "sleep cancelled")
}

func TestACancelledSleepLeavesNoTimerBehind(t *testing.T) {
	run(t, func(ctx context.Context) error {
		var event asyncio.Event
		task := spawn(ctx, func(ctx context.Context) error {
			if err := asyncio.Sleep(ctx, time.Second); err == nil {
				return errBoom
			}
			return event.Wait(ctx) // the timer must not end it
		})
		giveWay(ctx, 1)
		task.Cancel()
		require.NoError(t, asyncio.Sleep(ctx, time.Hour))
		assert.False(t, task.Done())
		event.Set()
		_, err := task.Await(ctx)
		return err
	})
}

func TestSleepBeyondTheEndOfTimeDoesNotWake(t *testing.T) {
	run(t, func(ctx context.Context) error {
		require.NoError(t, asyncio.Sleep(ctx, time.Hour))
		forever := spawn(ctx, func(ctx context.Context) error { return asyncio.Sleep(ctx, asyncio.Never-1) })
		require.NoError(t, asyncio.Sleep(ctx, 200*365*24*time.Hour))
		assert.False(t, forever.Done())
		return nil
	})
}

func TestSleepOutsideAnyTaskPanics(t *testing.T) {
	assert.PanicsWithValue(t, "asyncio: await with a context that does not come from a task", func() { _ = asyncio.Sleep(t.Context(), 0) })
}

func TestSleepInACallbackPanics(t *testing.T) {
	run(t, func(ctx context.Context) error {
		called := asyncio.NewFuture[asyncio.None](asyncio.RunningLoop(ctx))
		asyncio.RunningLoop(ctx).CallSoon(func() {
			assert.PanicsWithValue(t, "asyncio: await outside of any task", func() { _ = asyncio.Sleep(ctx, 0) })
			_ = called.SetResult(asyncio.None{})
		})
		return errOf[asyncio.None](ctx, called)
	})
}
