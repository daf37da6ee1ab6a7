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

// runEager is like run, in a loop whose tasks start eagerly.
func runEager(t *testing.T, main func(ctx context.Context) error) {
	t.Helper()
	_, err := asyncio.Run(t.Context(), asyncio.Do(main), asyncio.WithVirtualTime(), asyncio.WithEagerTasks())
	require.NoError(t, err)
}

// Order is compared with CPython's in internal/conformance, features/eager_tasks.
func TestInAnEagerLoopEveryCallThatCreatesATaskStartsItAtOnce(t *testing.T) {
	runEager(t, func(ctx context.Context) error {
		n := 0
		count := asyncio.Coro[int](func(context.Context) (int, error) { n++; return n, nil })
		counts := func(name string, call func()) {
			before := n
			call()
			assert.Equal(t, before+1, n, name)
		}
		counts("CreateTask", func() { assert.True(t, asyncio.CreateTask(ctx, count).Done()) })
		counts("EnsureFuture", func() { assert.True(t, asyncio.EnsureFuture(ctx, count).Done()) })
		counts("Gather", func() { assert.True(t, asyncio.Gather(ctx, count).Done()) })
		counts("GatherResults", func() { assert.True(t, asyncio.GatherResults(ctx, count).Done()) })
		counts("GatherErr", func() {
			require.NoError(t, asyncio.GatherErr(ctx, func(context.Context) error { n++; return nil }))
		})
		counts("Shield", func() { assert.True(t, asyncio.Shield(ctx, count).Done()) })
		counts("AsCompleted", func() { asyncio.AsCompleted(ctx, count) })
		counts("WaitFor of no time", func() {
			_, err := asyncio.WaitFor(ctx, count, 0)
			require.NoError(t, err, "done in its first step")
		})
		return asyncio.WithTaskGroup(ctx, func(_ context.Context, tg *asyncio.TaskGroup) error {
			counts("GroupTask", func() { assert.True(t, asyncio.GroupTask(tg, count).Done()) })
			counts("TaskGroup.Go", func() { tg.Go(func(context.Context) error { n++; return nil }) })
			return nil
		})
	})
}

func TestMainOfAnEagerLoopStartsInTheLoop(t *testing.T) {
	inCallback := false
	loop := asyncio.NewLoop(asyncio.WithEagerTasks())
	defer loop.Close()
	loop.CallSoon(func() { inCallback = true })
	_, err := asyncio.RunUntilComplete(t.Context(), loop, asyncio.Do(func(context.Context) error {
		assert.True(t, inCallback, "main has begun before the loop")
		return nil
	}))
	require.NoError(t, err)
}

func TestEagerTasksCanBeTurnedOnAndOffAtRunTime(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		loop := asyncio.RunningLoop(ctx)
		at := answer(0, 1)
		assert.False(t, loop.EagerTasks())
		loop.SetEagerTasks(true)
		assert.True(t, loop.EagerTasks())
		began := false
		task := spawn(ctx, func(ctx context.Context) error { began = true; return asyncio.Sleep(ctx, 0) })
		assert.True(t, began)
		loop.SetEagerTasks(false)
		began = false
		other := spawn(ctx, func(context.Context) error { began = true; return nil })
		assert.False(t, began)
		join(ctx, task, other)
		_, err := at(ctx)
		require.NoError(t, err)
	})
}

// A coroutine that starts eagerly ends a future that Gather has been given before it. CPython has
// the future's callback scheduled then, so that the outer future is done in the next turn.
func TestAnEagerChildOfAGatherMayEndAFutureBeforeIt(t *testing.T) {
	runEager(t, func(ctx context.Context) error {
		f := asyncio.NewFuture[int](asyncio.RunningLoop(ctx))
		set := asyncio.Coro[int](func(context.Context) (int, error) { return 2, f.SetResult(1) })
		all := asyncio.Gather[int, asyncio.Awaitable[int]](ctx, f, set)
		assert.False(t, all.Done())
		giveWay(ctx, 1)
		assert.True(t, all.Done())
		values, err := all.Result()
		assert.Equal(t, []int{1, 2}, values)
		return err
	})
}

// As TestAnEagerChildOfAGatherMayEndAFutureBeforeIt, for a future that is gathered twice.
func TestAnEagerChildOfAGatherMayEndAFutureThatIsGatheredTwice(t *testing.T) {
	runEager(t, func(ctx context.Context) error {
		f := asyncio.NewFuture[int](asyncio.RunningLoop(ctx))
		fail := asyncio.Coro[int](func(context.Context) (int, error) { return 2, f.SetException(errBoom) })
		all := asyncio.Gather[int, asyncio.Awaitable[int]](ctx, f, fail, f)
		assert.False(t, all.Done())
		giveWay(ctx, 1)
		assert.True(t, all.Done())
		require.Equal(t, errBoom, all.Exception())
		return nil
	})
}

func TestAGatherThatPanicsLeavesItsChildrenAlone(t *testing.T) {
	runEager(t, func(ctx context.Context) error {
		f := asyncio.NewFuture[int](asyncio.RunningLoop(ctx))
		set := asyncio.Coro[int](func(context.Context) (int, error) { return 2, f.SetResult(1) })
		for _, second := range []asyncio.Awaitable[int]{set, answer(0, 1)} {
			assert.PanicsWithValue(t, "asyncio: nil coroutine", func() {
				asyncio.Gather[int, asyncio.Awaitable[int]](ctx, f, second, asyncio.Coro[int](nil))
			})
			giveWay(ctx, 3)
		}
		v, err := f.Await(ctx)
		assert.Equal(t, 1, v)
		return err
	})
}

func TestGoexitInAnEagerChildOfAGatherEndsTheRun(t *testing.T) {
	ended := make(chan bool)
	go func() {
		defer close(ended)
		_, _ = asyncio.Run(context.Background(), asyncio.Do(func(ctx context.Context) error {
			asyncio.Gather(ctx, answer(time.Hour, 1), func(context.Context) (int, error) {
				runtime.Goexit()
				return 0, nil
			})
			return nil
		}), asyncio.WithVirtualTime(), asyncio.WithEagerTasks())
		ended <- true
	}()
	assert.False(t, <-ended, "Goexit goes on in the caller of Run")
}

func TestACoroutineOfAnotherGoroutineMayCancelItselfInItsEagerFirstStep(t *testing.T) {
	loop := asyncio.NewLoop(asyncio.WithEagerTasks())
	defer loop.Close()
	var f *asyncio.ConcurrentFuture[int]
	f = asyncio.RunCoroutineThreadsafe(loop, func(ctx context.Context) (int, error) {
		assert.True(t, f.Cancel())
		defer loop.Stop()
		return 0, asyncio.Sleep(ctx, time.Hour)
	})
	require.NoError(t, loop.RunForever(t.Context()))
	_, err := f.Result(t.Context())
	require.ErrorIs(t, err, asyncio.ErrCancelled)
}

func TestTenThousandEagerTasks(t *testing.T) {
	runEager(t, func(ctx context.Context) error {
		coros := make([]asyncio.Coro[int], 10_000)
		for i := range coros {
			coros[i] = func(ctx context.Context) (int, error) { return i, asyncio.Sleep(ctx, time.Duration(i%7)) }
		}
		values, err := asyncio.Gather(ctx, coros...).Await(ctx)
		assert.Len(t, values, len(coros))
		var nest func(n int) asyncio.Coro[int]
		nest = func(n int) asyncio.Coro[int] {
			return func(ctx context.Context) (int, error) {
				if n == 0 {
					return 0, asyncio.Sleep(ctx, time.Second)
				}
				v, err := asyncio.CreateTask(ctx, nest(n-1)).Await(ctx)
				return v + 1, err
			}
		}
		v, nestErr := nest(10_000)(ctx)
		assert.Equal(t, 10_000, v, "each created within the first step of the one before")
		require.NoError(t, nestErr)
		return err
	})
}
