package asyncio_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
)

func TestGatherReturnsTheResultsInTheOrderOfItsArguments(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		got, err := asyncio.Gather(ctx, answer(3*time.Second, "a"), answer(time.Second, "b"), answer(2*time.Second, "c")).Await(ctx)
		require.NoError(t, err)
		assert.Equal(t, []string{"a", "b", "c"}, got)
		assert.Equal(t, 3*time.Second, asyncio.RunningLoop(ctx).Time(), "they ran concurrently")
	})
}

func TestGatherOfNothingIsDone(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		f := asyncio.Gather[int, asyncio.Coro[int]](ctx)
		assert.True(t, f.Done())
		got, err := f.Await(ctx)
		assert.NoError(t, err)
		assert.Empty(t, got)
		assert.False(t, f.Cancel())

		results, err := asyncio.GatherResults[int, asyncio.Coro[int]](ctx).Await(ctx)
		assert.NoError(t, err)
		assert.Empty(t, results)
	})
}

func TestGatherTakesAMixtureOfAwaitables(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		f := asyncio.NewFuture[int](asyncio.RunningLoop(ctx))
		task := asyncio.CreateTask(ctx, answer(time.Second, 2))
		task.AddDoneCallback(func(*asyncio.Task[int]) { _ = f.SetResult(1) })
		got, err := asyncio.Gather(ctx, []asyncio.Awaitable[int]{f, task, answer(0, 3)}...).Await(ctx)
		require.NoError(t, err)
		assert.Equal(t, []int{1, 2, 3}, got)
	})
}

func TestGatherOfTheSameAwaitableTwiceReturnsItsResultTwice(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		tasks := answers(ctx, 1, 2)
		got, err := asyncio.Gather(ctx, tasks[0], tasks[1], tasks[0]).Await(ctx)
		require.NoError(t, err)
		assert.Equal(t, []int{1, 2, 1}, got)

		got, err = asyncio.Gather(ctx, tasks[1], tasks[0], tasks[1]).Await(ctx)
		require.NoError(t, err, "once they are done")
		assert.Equal(t, []int{2, 1, 2}, got)
	})
}

func TestGatherFailsWithTheFirstErrorAndTheOthersGoOn(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		tasks := answers(ctx, 3, -1, -2)
		_, err := asyncio.Gather(ctx, tasks...).Await(ctx)
		assert.Equal(t, errBoom, err)
		assert.Equal(t, time.Second, asyncio.RunningLoop(ctx).Time(), "at once")
		assert.False(t, tasks[0].Done())
		assert.Zero(t, tasks[0].Cancelling())
		v, err := tasks[0].Await(ctx)
		assert.NoError(t, err)
		assert.Equal(t, 1, v)
		// The run ends without a report: gather has retrieved the second error.
	})
}

func TestGatherFailsWithErrCancelledWhenAChildIsCancelled(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		tasks := answers(ctx, 3, 2)
		f := asyncio.Gather(ctx, tasks...)
		tasks[1].CancelCause(errBoom)
		_, err := f.Await(ctx)
		assert.ErrorIs(t, err, asyncio.ErrCancelled)
		assert.ErrorIs(t, err, errBoom)
		assert.False(t, f.Cancelled(), "it failed, as in asyncio")
		assert.False(t, tasks[0].Done())
		assert.Zero(t, asyncio.CurrentTask(ctx).Cancelling())
		joinAll(ctx, tasks)
	})
}

// joinAll waits for tasks that return a value.
func joinAll[T any](ctx context.Context, tasks []*asyncio.Task[T]) {
	if _, _, err := asyncio.Wait(ctx, tasks); err != nil {
		panic(err)
	}
}

func TestACancelledGatherCancelsItsUnfinishedChildren(t *testing.T) {
	for name, cancel := range map[string]func(outer *asyncio.Task[[]int], f *asyncio.Future[[]int]) bool{
		"by its future":        func(_ *asyncio.Task[[]int], f *asyncio.Future[[]int]) bool { return f.CancelCause(errBoom) },
		"by the awaiting task": func(outer *asyncio.Task[[]int], _ *asyncio.Future[[]int]) bool { return outer.CancelCause(errBoom) },
	} {
		t.Run(name, func(t *testing.T) {
			inTurn(t, func(ctx context.Context) {
				tasks := answers(ctx, 0, 5, 6)
				f := asyncio.Gather(ctx, tasks...)
				outer := asyncio.CreateTask(ctx, f.Await)
				require.NoError(t, asyncio.Sleep(ctx, time.Second))
				assert.True(t, cancel(outer, f))
				assert.False(t, f.Done(), "it waits for the children")
				_, err := outer.Await(ctx)
				assert.ErrorIs(t, err, asyncio.ErrCancelled)
				assert.ErrorIs(t, err, errBoom)
				assert.NoError(t, tasks[0].Exception())
				assert.True(t, tasks[1].Cancelled())
				assert.True(t, tasks[2].Cancelled())
				assert.False(t, f.Cancel(), "it is done")
				assert.Equal(t, time.Second, asyncio.RunningLoop(ctx).Time())
			})
		})
	}
}

func TestACancelledGatherWaitsForAChildThatRefuses(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		refusing := asyncio.CreateTask(ctx, func(ctx context.Context) (int, error) {
			_ = asyncio.Sleep(ctx, time.Hour)
			return 7, asyncio.Sleep(ctx, time.Second)
		})
		f := asyncio.GatherResults(ctx, refusing, asyncio.CreateTask(ctx, answer(time.Hour, 1)))
		giveWay(ctx, 1)
		require.True(t, f.Cancel())
		_, err := f.Await(ctx)
		assert.ErrorIs(t, err, asyncio.ErrCancelled, "though every child has ended somehow")
		assert.Equal(t, time.Second, asyncio.RunningLoop(ctx).Time())
		v, err := refusing.Result()
		assert.NoError(t, err)
		assert.Equal(t, 7, v)
	})
}

func TestGatherCancelledBeforeTheFirstStepsOfItsChildrenRunsNone(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		began := false
		f := asyncio.Gather(ctx, asyncio.Do(func(context.Context) error { began = true; return nil }))
		require.True(t, f.Cancel())
		assert.ErrorIs(t, errOf[[]asyncio.None](ctx, f), asyncio.ErrCancelled)
		assert.False(t, began)
	})
}

func TestGatherCannotBeCancelledOnceItsChildrenAreDone(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		child := asyncio.NewFuture[int](asyncio.RunningLoop(ctx))
		f := asyncio.Gather(ctx, child)
		require.NoError(t, child.SetResult(1))
		assert.False(t, f.Done(), "the callback comes in the next turn")
		assert.False(t, f.Cancel(), "there is no child to cancel")
		got, err := f.Await(ctx)
		assert.NoError(t, err)
		assert.Equal(t, []int{1}, got)
	})
}

func TestGatherResultsReturnsErrorsAsResults(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		tasks := answers(ctx, 1, -2, 3)
		tasks[2].CancelCause(errBoom)
		f := asyncio.NewFuture[int](asyncio.RunningLoop(ctx))
		f.CancelCause(errBoom)
		got, err := asyncio.GatherResults(ctx, []asyncio.Awaitable[int]{tasks[0], tasks[1], tasks[2], f}...).Await(ctx)
		require.NoError(t, err)
		require.Len(t, got, 4)
		assert.Equal(t, asyncio.Result[int]{Value: 1}, got[0])
		assert.Equal(t, asyncio.Result[int]{Err: errBoom}, got[1])
		assert.Zero(t, got[2].Value)
		assert.ErrorIs(t, got[2].Err, asyncio.ErrCancelled)
		assert.Equal(t, "asyncio: cancelled", got[2].Err.Error(), "a task's cause is gone, as in asyncio")
		assert.ErrorIs(t, got[3].Err, asyncio.ErrCancelled)
		assert.ErrorIs(t, got[3].Err, errBoom, "a future's cause")
	})
}

func TestGatherOfFailedTasksFailsAtOnce(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		l := asyncio.RunningLoop(ctx)
		failed, open := asyncio.NewFuture[int](l), asyncio.NewFuture[int](l)
		require.NoError(t, failed.SetException(errBoom))
		f := asyncio.Gather(ctx, open, failed)
		assert.True(t, f.Done())
		assert.Equal(t, errBoom, f.Exception())
	})
}

func TestGatherGoesOnWhenAChildPanics(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		_, err := asyncio.Gather(ctx, asyncio.Coro[int](func(context.Context) (int, error) { panic("no") }), answer(time.Second, 1)).Await(ctx)
		var p *asyncio.PanicError
		require.ErrorAs(t, err, &p)
		assert.Equal(t, "no", p.Value)
	})
}

func TestGatherOfANilCoroutinePanics(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		assert.PanicsWithValue(t, "asyncio: nil coroutine", func() { asyncio.Gather(ctx, asyncio.Coro[int](nil)) })
	})
}

func TestGatherOutsideAnyLoopPanics(t *testing.T) {
	assert.Panics(t, func() { asyncio.Gather(t.Context(), answer(0, 1)) })
}

// asyncigo, an earlier port, ran the waiter inside SetResult.
func TestSetResultReturnsBeforeAnyWaiterRuns(t *testing.T) {
	var r trace
	run(t, func(ctx context.Context) error {
		f := asyncio.NewFuture[int](asyncio.RunningLoop(ctx))
		task := spawnTraced(ctx, &r, "awaits", awaitOf[int](f))
		group := spawnTraced(ctx, &r, "gathers", func(ctx context.Context) error { return errOf[[]int](ctx, asyncio.Gather(ctx, f)) })
		shield := spawnTraced(ctx, &r, "shields", func(ctx context.Context) error { return errOf[int](ctx, asyncio.Shield(ctx, f)) })
		wait := spawnTraced(ctx, &r, "waits", func(ctx context.Context) error {
			_, _, err := asyncio.Wait(ctx, []*asyncio.Future[int]{f})
			return err
		})
		f.AddDoneCallback(func(*asyncio.Future[int]) { r.add("callback") })
		settled(ctx)
		require.NoError(t, f.SetResult(1))
		r.add("SetResult has returned")
		join(ctx, task, group, shield, wait)
		return nil
	})
	// The callback was added before the tasks began. A task that awaits f through another future
	// takes one turn more, in the order of f's callbacks.
	r.expect(t, "SetResult has returned", "callback", "awaits ok", "gathers ok", "shields ok", "waits ok")
}

func TestGatherTakesTenThousandTasks(t *testing.T) {
	const n = 10_000
	inTurn(t, func(ctx context.Context) {
		coros := make([]asyncio.Coro[int], n)
		want := make([]int, n)
		for i := range coros {
			want[i] = i
			coros[i] = answer(time.Duration(n-i)*time.Second, i)
		}
		got, err := asyncio.Gather(ctx, coros...).Await(ctx)
		require.NoError(t, err)
		assert.Equal(t, want, got)
	})
}

func TestGatherErrWaitsForAllOrTheFirstError(t *testing.T) {
	run(t, func(ctx context.Context) error {
		loop := asyncio.RunningLoop(ctx)
		after := func(d time.Duration, err error) func(context.Context) error {
			return func(ctx context.Context) error {
				if slept := asyncio.Sleep(ctx, d); slept != nil {
					return slept
				}
				return err
			}
		}
		require.NoError(t, asyncio.GatherErr(ctx))
		require.NoError(t, asyncio.GatherErr(ctx, after(time.Second, nil), after(2*time.Second, nil)))
		assert.Equal(t, 2*time.Second, loop.Time(), "both at once")
		require.Equal(t, errBoom, asyncio.GatherErr(ctx, after(time.Hour, nil), after(time.Second, errBoom)))
		assert.Equal(t, 3*time.Second, loop.Time())
		assert.Len(t, loop.AllTasks(), 2, "the other goes on")
		var panicked *asyncio.PanicError
		require.ErrorAs(t, asyncio.GatherErr(ctx, func(context.Context) error { panic("no") }), &panicked)
		assert.Panics(t, func() { _ = asyncio.GatherErr(ctx, nil) })
		return nil
	})
}
