package asyncio_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
)

func TestAsCompletedYieldsInTheOrderOfCompletion(t *testing.T) {
	var r trace
	inTurn(t, func(ctx context.Context) {
		for aw, err := range asyncio.AsCompleted(ctx, answer(3*time.Second, "c"), answer(time.Second, "a"), answer(2*time.Second, "b")) {
			require.NoError(t, err)
			v, err := aw.Await(ctx)
			require.NoError(t, err)
			r.at(ctx, "%s", v)
		}
	})
	r.expect(t, "1s a", "2s b", "3s c")
}

func TestAsCompletedYieldsEachTaskItselfOnce(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		tasks := answers(ctx, 2, 1)
		var got intTasks
		for aw, err := range asyncio.AsCompleted(ctx, tasks[0], tasks[1], tasks[0]) {
			require.NoError(t, err)
			require.IsType(t, tasks[0], aw)
			got = append(got, aw.(*asyncio.Task[int]))
		}
		assert.Equal(t, []int{1, 0}, indexes(tasks, got))
	})
}

func TestAsCompletedYieldsErrorsWithTheirTasks(t *testing.T) {
	var r trace
	inTurn(t, func(ctx context.Context) {
		tasks := answers(ctx, 1, -2, 3)
		tasks[2].Cancel()
		for aw, err := range asyncio.AsCompleted(ctx, tasks...) {
			require.NoError(t, err)
			r.end("task", errOf(ctx, aw))
		}
	})
	r.expect(t, "task cancelled", "task ok", "task: boom")
}

func TestAsCompletedOfNothingEndsAtOnce(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		for range asyncio.AsCompleted[int, asyncio.Coro[int]](ctx) {
			t.Error("yielded")
		}
		for range asyncio.AsCompletedTimeout[int, asyncio.Coro[int]](ctx, 0) {
			t.Error("yielded")
		}
	})
}

func TestAsCompletedYieldsATaskThatIsAlreadyDone(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		f := asyncio.NewFuture[int](asyncio.RunningLoop(ctx))
		require.NoError(t, f.SetResult(1))
		n := 0
		for aw, err := range asyncio.AsCompleted(ctx, f) {
			require.NoError(t, err)
			assert.Same(t, f, aw)
			n++
		}
		assert.Equal(t, 1, n)
	})
}

func TestBreakingOutOfAsCompletedLeavesTheOtherTasksRunning(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		tasks := answers(ctx, 1, 2, 3)
		for aw, err := range asyncio.AsCompleted(ctx, tasks...) {
			require.NoError(t, err)
			assert.Same(t, tasks[0], aw)
			break
		}
		done, pending, err := asyncio.Wait(ctx, tasks)
		require.NoError(t, err)
		assert.Equal(t, tasks, done)
		assert.Empty(t, pending)
		assert.Equal(t, 3*time.Second, asyncio.RunningLoop(ctx).Time())
	})
}

func TestACancelledAsCompletedYieldsTheErrorAndEnds(t *testing.T) {
	var r trace
	inTurn(t, func(ctx context.Context) {
		tasks := answers(ctx, 1, 3)
		waiter := spawn(ctx, func(ctx context.Context) error {
			for aw, err := range asyncio.AsCompleted(ctx, tasks...) {
				if aw == nil {
					r.end("iteration", err)
					continue // the loop ends nevertheless
				}
				r.add("one")
			}
			r.add("ended")
			return nil
		})
		require.NoError(t, asyncio.Sleep(ctx, 2*time.Second))
		waiter.Cancel()
		join(ctx, waiter)
		assert.False(t, tasks[1].Done())
		assert.Zero(t, tasks[1].Cancelling())
	})
	r.expect(t, "one", "iteration cancelled", "ended")
}

func TestAsCompletedYieldsFinishedTasksBeforeErrTimeout(t *testing.T) {
	var r trace
	inTurn(t, func(ctx context.Context) {
		tasks := answers(ctx, 1, 2, 9)
		for aw, err := range asyncio.AsCompletedTimeout(ctx, 3*time.Second, tasks...) {
			if aw == nil {
				assert.ErrorIs(t, err, asyncio.ErrTimeout)
				assert.ErrorIs(t, err, context.DeadlineExceeded)
				r.at(ctx, "timeout")
				continue
			}
			require.NoError(t, err)
			v, err := aw.Await(ctx)
			require.NoError(t, err)
			r.at(ctx, "%d", v)
		}
		assert.False(t, tasks[2].Done())
		assert.Zero(t, tasks[2].Cancelling(), "nothing is cancelled")
	})
	r.expect(t, "1s 1", "2s 2", "3s timeout")
}

func TestAsCompletedYieldsFinishedTasksBeforeATimeoutInTheLoopBody(t *testing.T) {
	var r trace
	inTurn(t, func(ctx context.Context) {
		tasks := answers(ctx, 1, 2, 9)
		for aw, err := range asyncio.AsCompletedTimeout(ctx, 3*time.Second, tasks...) {
			if aw == nil {
				r.end("end", err)
				continue
			}
			r.at(ctx, "one")
			require.NoError(t, asyncio.Sleep(ctx, 5*time.Second))
		}
	})
	r.expect(t, "1s one", "6s one", "end: asyncio: timed out")
}

func TestAnUnneededAsCompletedTimeoutDoesNotFire(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		n := 0
		for _, err := range asyncio.AsCompletedTimeout(ctx, time.Minute, answers(ctx, 1, 2)...) {
			require.NoError(t, err)
			require.NoError(t, asyncio.Sleep(ctx, time.Hour))
			n++
		}
		assert.Equal(t, 2, n)
	})
}

func TestAsCompletedYieldsTenThousandTasks(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		tasks := answers(ctx, make([]int, 10_000)...)
		var got intTasks
		for aw, err := range asyncio.AsCompleted(ctx, tasks...) {
			require.NoError(t, err)
			got = append(got, aw.(*asyncio.Task[int]))
		}
		assert.Equal(t, tasks, got)
	})
}
