package asyncio_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
)

func TestCoroutineIsCalledInTheRunningTask(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		self := asyncio.CurrentTask(ctx)
		calls := 0
		coro := asyncio.Coro[int](func(inner context.Context) (int, error) {
			assert.Equal(t, self, asyncio.CurrentTask(inner))
			calls++
			return calls, asyncio.Sleep(inner, time.Second)
		})
		assert.Zero(t, calls, "a coroutine has not begun")
		for want := 1; want <= 2; want++ { // unlike asyncio's, a coroutine can be called again
			v, err := coro.Await(ctx)
			require.NoError(t, err)
			assert.Equal(t, want, v)
		}
		v, err := coro(ctx)
		require.NoError(t, err)
		assert.Equal(t, 3, v)
		assert.Equal(t, 3*time.Second, asyncio.RunningLoop(ctx).Time())
	})
}

func TestACoroutineThatDoesNotSuspendIsNotInterrupted(t *testing.T) {
	var r trace
	run(t, func(ctx context.Context) error {
		spawn(ctx, func(context.Context) error { r.add("other"); return nil })
		v, err := asyncio.Bind(func(_ context.Context, n int) (int, error) { return 2 * n, nil }, 21).Await(ctx)
		r.add("main got %d", v)
		giveWay(ctx, 1)
		return err
	})
	r.expect(t, "main got 42", "other")
}

func TestBindBindsTheArgument(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		double := func(ctx context.Context, s string) (string, error) { return s + s, asyncio.Sleep(ctx, 0) }
		var coros []asyncio.Coro[string]
		for _, s := range []string{"a", "b", "c"} {
			coros = append(coros, asyncio.Bind(double, s))
		}
		got, err := asyncio.Gather(ctx, coros...).Await(ctx)
		require.NoError(t, err)
		assert.Equal(t, []string{"aa", "bb", "cc"}, got)
	})
}

func TestBindPassesErrorsOn(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		_, err := asyncio.Bind(func(_ context.Context, err error) (int, error) { return 1, err }, errBoom).Await(ctx)
		assert.Equal(t, errBoom, err)
	})
}

func TestDoMakesACoroutineOfAFunctionWithoutAResult(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		v, err := asyncio.Do(func(ctx context.Context) error { return asyncio.Sleep(ctx, time.Second) }).Await(ctx)
		require.NoError(t, err)
		assert.Equal(t, asyncio.None{}, v)
		_, err = asyncio.Do(func(context.Context) error { return errBoom }).Await(ctx)
		assert.Equal(t, errBoom, err)
	})
}

func TestNilCoroutinePanics(t *testing.T) {
	const want = "asyncio: nil coroutine"
	var coro asyncio.Coro[int]
	inTurn(t, func(ctx context.Context) {
		for name, call := range map[string]func(){
			"CreateTask":    func() { asyncio.CreateTask(ctx, coro) },
			"Gather":        func() { asyncio.Gather(ctx, answer(0, 1), coro) },
			"GatherResults": func() { asyncio.GatherResults(ctx, coro) },
			"Gather of a mixture": func() {
				asyncio.Gather(ctx, []asyncio.Awaitable[int]{coro}...)
			},
			"Shield": func() { asyncio.Shield[int](ctx, coro) },
			"AsCompleted": func() {
				for range asyncio.AsCompleted(ctx, coro) {
				}
			},
			"RunCoroutineThreadsafe": func() { asyncio.RunCoroutineThreadsafe(asyncio.RunningLoop(ctx), coro) },
		} {
			assert.PanicsWithValue(t, want, call, name)
		}
	})
	assert.PanicsWithValue(t, want, func() { _, _ = asyncio.Run(t.Context(), coro) })
}

func TestCancellationGoesThroughPlainCallsToTheInnermostAwait(t *testing.T) {
	var r trace
	run(t, func(ctx context.Context) error {
		var nested func(depth int) asyncio.Coro[int]
		nested = func(depth int) asyncio.Coro[int] {
			return func(ctx context.Context) (int, error) {
				if depth == 0 {
					err := asyncio.Sleep(ctx, time.Hour)
					r.end("innermost", err)
					return 0, err
				}
				v, err := nested(depth - 1).Await(ctx)
				if depth == 2 {
					r.end("outermost", err)
				}
				return v, err
			}
		}
		task := asyncio.CreateTask(ctx, nested(2))
		giveWay(ctx, 1)
		task.Cancel()
		assert.ErrorIs(t, errOf[int](ctx, task), asyncio.ErrCancelled)
		return nil
	})
	r.expect(t, "innermost cancelled", "outermost cancelled")
}

func TestAwaitablesAndTasksCanBeUsedWithoutTheirTypes(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		f := asyncio.NewFuture[string](asyncio.RunningLoop(ctx))
		tasks := []asyncio.AnyTask{
			asyncio.CreateTask(ctx, answer(time.Second, 1)),
			asyncio.CreateTask(ctx, answer(time.Second, "one")),
		}
		waitables := []asyncio.Waitable{f, tasks[0], tasks[1]}
		for _, w := range waitables {
			assert.False(t, w.Done())
			assert.ErrorIs(t, w.Exception(), asyncio.ErrInvalidState)
			assert.True(t, w.CancelCause(errBoom))
		}
		tasks[0].SetName("zero")
		assert.Equal(t, "zero", tasks[0].Name())
		assert.Equal(t, 1, tasks[0].Cancelling())
		assert.Zero(t, tasks[1].Uncancel())
		done, _, err := asyncio.Wait(ctx, waitables)
		require.NoError(t, err)
		assert.Len(t, done, 3)
		assert.True(t, waitables[0].Cancelled())
		assert.True(t, waitables[1].Cancelled())
		assert.False(t, waitables[2].Cancelled(), "its cancellation was withdrawn")
		assert.ErrorIs(t, waitables[0].Exception(), errBoom)
		assert.False(t, waitables[0].Cancel())
	})
}

func TestAnyLetsAwaitablesOfDifferentTypesBeGathered(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		f := asyncio.NewFuture[bool](asyncio.RunningLoop(ctx))
		task := asyncio.CreateTask(ctx, answer(time.Second, "one"))
		task.AddDoneCallback(func(*asyncio.Task[string]) { _ = f.SetResult(true) })
		got, err := asyncio.Gather(ctx, asyncio.Any(f), asyncio.Any(task), asyncio.Any(answer(0, 1))).Await(ctx)
		require.NoError(t, err)
		assert.Equal(t, []any{true, "one", 1}, got)

		v, err := asyncio.Any(answer(0, 1)).Await(ctx)
		require.NoError(t, err)
		assert.Equal(t, any(1), v)
		v, err = asyncio.WaitFor(ctx, asyncio.Any(answer(0, "two")), time.Second)
		require.NoError(t, err)
		assert.Equal(t, any("two"), v)
	})
}

func TestAnyWrapsTheTaskItself(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		task := asyncio.CreateTask(ctx, answer(time.Hour, 1))
		gathered := asyncio.GatherResults(ctx, asyncio.Any(task), asyncio.Any(failing(0, errBoom)), asyncio.Any(task))
		giveWay(ctx, 1)
		task.Cancel()
		got, err := gathered.Await(ctx)
		require.NoError(t, err)
		assert.ErrorIs(t, got[0].Err, asyncio.ErrCancelled)
		assert.Equal(t, errBoom, got[1].Err)
		assert.ErrorIs(t, got[2].Err, asyncio.ErrCancelled)
		assert.Nil(t, got[1].Value)
	})
}

func TestEnsureFutureReturnsAFutureItselfAndATaskForACoroutine(t *testing.T) {
	run(t, func(ctx context.Context) error {
		loop := asyncio.RunningLoop(ctx)
		f := asyncio.NewFuture[int](loop)
		task := asyncio.CreateTask(ctx, answer(0, 1))
		assert.Equal(t, asyncio.FutureLike[int](f), asyncio.EnsureFuture(ctx, f))
		assert.Equal(t, asyncio.FutureLike[int](task), asyncio.EnsureFuture(ctx, task))
		made := asyncio.EnsureFuture(ctx, answer(time.Second, 2))
		assert.IsType(t, task, made)
		for _, w := range []asyncio.Waitable{f, task, made} {
			assert.Same(t, loop, w.Loop())
		}
		_, err := made.Result()
		require.ErrorIs(t, err, asyncio.ErrInvalidState)
		v, err := made.Await(ctx)
		require.NoError(t, err)
		assert.Equal(t, 2, v)
		v, err = made.Result()
		assert.Equal(t, 2, v)
		assert.Panics(t, func() { asyncio.EnsureFuture(ctx, asyncio.Coro[int](nil)) })
		return err
	})
}

func TestWaitablesOfDifferentTypesAreAwaitedAndGathered(t *testing.T) {
	run(t, func(ctx context.Context) error {
		number := asyncio.NewFuture[int](asyncio.RunningLoop(ctx))
		require.NoError(t, number.SetResult(1))
		text := asyncio.CreateTask(ctx, answer(time.Second, "one"))
		broken := asyncio.CreateTask(ctx, failing(time.Second, errBoom))
		var got []any
		for _, w := range []asyncio.Waitable{number, text, broken} {
			v, err := w.Any().Await(ctx)
			again, errAgain := w.Any().Result()
			assert.Equal(t, v, again)
			assert.Equal(t, err, errAgain)
			got = append(got, v, err)
		}
		assert.Equal(t, []any{1, nil, "one", nil, 0, errBoom}, got)
		values, err := asyncio.Gather(ctx, number.Any(), text.Any().Any()).Await(ctx)
		assert.Equal(t, []any{1, "one"}, values)
		assert.True(t, number.Any() == number.Any(), "the same future twice")
		return err
	})
}

func TestOnDoneIsCalledInTheTurnAfterInTheOrderOfAllCallbacks(t *testing.T) {
	var r trace
	run(t, func(ctx context.Context) error {
		f := asyncio.NewFuture[int](asyncio.RunningLoop(ctx))
		task := asyncio.CreateTask(ctx, asyncio.Coro[int](f.Await))
		for name, w := range map[string]asyncio.Waitable{"future": f, "task": task} {
			remove := w.OnDone(func() { r.add("never") })
			w.OnDone(func() {
				assert.Nil(t, asyncio.CurrentTask(ctx))
				r.add("%s", name)
			})
			assert.True(t, remove())
			assert.False(t, remove())
			assert.PanicsWithValue(t, "asyncio: nil callback", func() { w.OnDone(nil) })
		}
		f.AddDoneCallback(func(*asyncio.Future[int]) { r.add("typed") })
		giveWay(ctx, 1)
		require.NoError(t, f.SetResult(1))
		r.add("set")
		_, err := task.Await(ctx)
		late := f.OnDone(func() { r.add("late") })
		r.add("added")
		giveWay(ctx, 2)
		assert.False(t, late(), "it was scheduled")
		return err
	})
	r.expect(t, "set", "future", "typed", "task", "added", "late")
}
