package asyncio_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
)

// atBarrier creates tasks that wait at the barrier and record how the wait ended. It returns when
// all of them wait.
func atBarrier(ctx context.Context, r *trace, b *asyncio.Barrier, names ...string) []*asyncio.Task[asyncio.None] {
	tasks := make([]*asyncio.Task[asyncio.None], len(names))
	for i, name := range names {
		tasks[i] = spawn(ctx, func(ctx context.Context) error {
			index, err := b.Wait(ctx)
			switch {
			case errors.Is(err, asyncio.ErrBrokenBarrier):
				r.add("%s broken", name)
				return nil
			case err != nil:
				r.end(name, err)
			default:
				r.add("%s is %d", name, index)
			}
			return err
		})
	}
	settled(ctx)
	return tasks
}

func TestBarrierReleasesAllTasksWhenEnoughHaveArrived(t *testing.T) {
	var r trace
	run(t, func(ctx context.Context) error {
		b := asyncio.NewBarrier(3)
		assert.Equal(t, 3, b.Parties())
		first := atBarrier(ctx, &r, b, "A", "B")
		assert.Equal(t, 2, b.NWaiting())
		r.add("C comes")
		last := atBarrier(ctx, &r, b, "C")
		join(ctx, append(first, last...)...)
		assert.Zero(t, b.NWaiting())
		assert.False(t, b.Broken())
		return nil
	})
	r.expect(t, "C comes", "C is 2", "A is 0", "B is 1")
}

func TestBarrierCanBeUsedAgain(t *testing.T) {
	var r trace
	run(t, func(ctx context.Context) error {
		b := asyncio.NewBarrier(2)
		for _, names := range [][]string{{"A", "B"}, {"C", "D"}, {"E", "F"}} {
			join(ctx, atBarrier(ctx, &r, b, names...)...)
		}
		return nil
	})
	r.expect(t, "B is 1", "A is 0", "D is 1", "C is 0", "F is 1", "E is 0")
}

func TestBarrierHoldsTheNextRoundBackUntilTheLastTaskHasLeft(t *testing.T) {
	var r trace
	run(t, func(ctx context.Context) error {
		b := asyncio.NewBarrier(2)
		tasks := atBarrier(ctx, &r, b, "A", "B", "C", "D", "E")
		assert.Equal(t, 1, b.NWaiting(), "the fifth of two parties")
		tasks[4].Cancel()
		join(ctx, tasks...)
		return nil
	})
	r.expect(t, "B is 1", "A is 0", "D is 1", "C is 0", "E cancelled")
}

func TestBarrierOfOneDoesNotSuspend(t *testing.T) {
	var r trace
	run(t, func(ctx context.Context) error {
		asyncio.RunningLoop(ctx).CallSoon(func() { r.add("next turn") })
		b := asyncio.NewBarrier(1)
		for range 3 {
			index, err := b.Wait(ctx)
			require.NoError(t, err)
			r.add("is %d", index)
		}
		giveWay(ctx, 1)
		return nil
	})
	r.expect(t, "is 0", "is 0", "is 0", "next turn")
}

func TestBarrierWithoutPartiesPanics(t *testing.T) {
	for _, n := range []int{0, -1} {
		assert.PanicsWithValue(t, "asyncio: a Barrier needs parties", func() { asyncio.NewBarrier(n) })
	}
}

func TestACancelledBarrierWaiterDoesNotCount(t *testing.T) {
	var r trace
	run(t, func(ctx context.Context) error {
		b := asyncio.NewBarrier(3)
		tasks := atBarrier(ctx, &r, b, "A", "B")
		tasks[0].Cancel()
		settled(ctx)
		assert.Equal(t, 1, b.NWaiting())
		assert.False(t, b.Broken())
		tasks = append(tasks, atBarrier(ctx, &r, b, "C")...)
		assert.Equal(t, 2, b.NWaiting())
		tasks = append(tasks, atBarrier(ctx, &r, b, "D")...)
		join(ctx, tasks...)
		return nil
	})
	// As in asyncio, two tasks may get the same index then: it is the number of tasks that were
	// there.
	r.expect(t, "A cancelled", "D is 2", "B is 1", "C is 1")
}

func TestABarrierWaiterCancelledAfterTheLastArrivalDoesNotHinderTheOthers(t *testing.T) {
	var r trace
	run(t, func(ctx context.Context) error {
		b := asyncio.NewBarrier(3)
		tasks := atBarrier(ctx, &r, b, "A", "B")
		index, err := b.Wait(ctx)
		require.NoError(t, err)
		require.Equal(t, 2, index)
		tasks[0].Cancel()
		join(ctx, tasks...)
		join(ctx, atBarrier(ctx, &r, b, "C", "D", "E")...)
		return nil
	})
	r.expect(t, "A cancelled", "B is 1", "E is 2", "C is 0", "D is 1")
}

func TestBarrierAbortBreaksItForPresentAndFutureWaiters(t *testing.T) {
	var r trace
	run(t, func(ctx context.Context) error {
		b := asyncio.NewBarrier(3)
		tasks := atBarrier(ctx, &r, b, "A", "B")
		require.NoError(t, b.Abort(ctx))
		assert.True(t, b.Broken())
		assert.Zero(t, b.NWaiting())
		join(ctx, tasks...)
		_, err := b.Wait(ctx)
		assert.ErrorIs(t, err, asyncio.ErrBrokenBarrier)
		assert.True(t, b.Broken())

		require.NoError(t, b.Reset(ctx))
		assert.False(t, b.Broken(), "after a reset")
		join(ctx, atBarrier(ctx, &r, b, "C", "D", "E")...)
		return nil
	})
	r.expect(t, "A broken", "B broken", "E is 2", "C is 0", "D is 1")
}

func TestBarrierResetBreaksOnlyTheRound(t *testing.T) {
	var r trace
	run(t, func(ctx context.Context) error {
		b := asyncio.NewBarrier(3)
		tasks := atBarrier(ctx, &r, b, "A", "B")
		require.NoError(t, b.Reset(ctx))
		assert.False(t, b.Broken())
		join(ctx, tasks...)
		join(ctx, atBarrier(ctx, &r, b, "C", "D", "E")...)
		return nil
	})
	r.expect(t, "A broken", "B broken", "E is 2", "C is 0", "D is 1")
}

func TestBarrierResetWithoutWaitersDoesNothing(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		b := asyncio.NewBarrier(1)
		require.NoError(t, b.Reset(ctx))
		index, err := b.Wait(ctx)
		assert.NoError(t, err)
		assert.Zero(t, index)
	})
}

func TestBarrierWaiterWithADoneContextDoesNotCount(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		b := asyncio.NewBarrier(2)
		derived, cancel := context.WithCancel(ctx)
		task := spawn(ctx, func(context.Context) error {
			_, err := b.Wait(derived)
			return err
		})
		giveWay(ctx, 1)
		require.Equal(t, 1, b.NWaiting())
		cancel()
		join(ctx, task)
		assert.Zero(t, b.NWaiting())
		var r trace
		join(ctx, atBarrier(ctx, &r, b, "A", "B")...)
		r.expect(t, "B is 1", "A is 0")
	})
}

func TestBarrierReleasesTenThousandTasks(t *testing.T) {
	const n = 10_000
	inTurn(t, func(ctx context.Context) {
		b := asyncio.NewBarrier(n)
		seen := make([]bool, n)
		var tasks []*asyncio.Task[asyncio.None]
		for range n {
			tasks = append(tasks, spawn(ctx, func(ctx context.Context) error {
				index, err := b.Wait(ctx)
				if err == nil && !seen[index] {
					seen[index] = true
				}
				return err
			}))
		}
		join(ctx, tasks...)
		assert.NotContains(t, seen, false, "each index is given once")
		require.NoError(t, asyncio.Sleep(ctx, time.Second))
	})
}

func TestTasksAbandonedInABarrierLeaveIt(t *testing.T) {
	var messages []string
	loop := asyncio.NewLoop(asyncio.WithVirtualTime(), asyncio.WithExceptionHandler(func(_ *asyncio.Loop, c asyncio.ExceptionContext) {
		messages = append(messages, c.Message)
	}))
	barrier := asyncio.NewBarrier(3)
	_, err := asyncio.RunUntilComplete(t.Context(), loop, asyncio.Do(func(ctx context.Context) error {
		for range 2 {
			spawn(ctx, func(ctx context.Context) error {
				_, err := barrier.Wait(ctx)
				return err
			})
		}
		settled(ctx)
		return nil
	}))
	require.NoError(t, err)
	require.NoError(t, loop.Close())
	require.Equal(t, []string{"task was destroyed but it is pending", "task was destroyed but it is pending"}, messages)
	require.Zero(t, barrier.NWaiting())
}
