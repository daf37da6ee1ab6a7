package asyncio_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
)

func TestATaskRunsInTheNextTurnAndReturnsItsResult(t *testing.T) {
	var tr trace
	inTurn(t, func(ctx context.Context) {
		task := asyncio.CreateTask(ctx, func(ctx context.Context) (int, error) {
			tr.add("runs as %s", asyncio.CurrentTask(ctx).Name())
			return 7, nil
		}, asyncio.WithName("seven"))
		tr.add("created")
		assert.False(t, task.Done())
		_, err := task.Result()
		assert.ErrorIs(t, err, asyncio.ErrInvalidState)
		v, err := task.Await(ctx)
		assert.NoError(t, err)
		assert.Equal(t, 7, v)
		assert.True(t, task.Done())
		assert.False(t, task.Cancelled())
		assert.NoError(t, task.Exception())
		v, _ = task.Await(ctx)
		assert.Equal(t, 7, v, "awaited again")
	})
	tr.expect(t, "created", "runs as seven")
}

func TestTaskNames(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		assert.Equal(t, "Task-1", asyncio.CurrentTask(ctx).Name())
		task := asyncio.CreateTask(ctx, sleeper(0))
		assert.Equal(t, "Task-2", task.Name())
		assert.Equal(t, "task Task-2", task.String())
		task.SetName("renamed")
		assert.Equal(t, "renamed", task.Name())
		assert.Equal(t, "named", asyncio.CreateTask(ctx, sleeper(0), asyncio.WithName("named")).Name())
	})
}

func TestAllTasksReturnsUnfinishedTasksInOrderOfCreation(t *testing.T) {
	names := func(ctx context.Context) (names []string) {
		for _, task := range asyncio.RunningLoop(ctx).AllTasks() {
			names = append(names, task.Name())
		}
		return names
	}
	inTurn(t, func(ctx context.Context) {
		asyncio.CurrentTask(ctx).SetName("main")
		for i := range 3 {
			asyncio.CreateTask(ctx, sleeper(time.Duration(i)*time.Second), asyncio.WithName(fmt.Sprint(i)))
		}
		assert.Equal(t, []string{"main", "0", "1", "2"}, names(ctx))
		_ = asyncio.Sleep(ctx, 1500*time.Millisecond)
		assert.Equal(t, []string{"main", "2"}, names(ctx))
	})
}

func TestCurrentTaskIsNilInCallbacks(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		called := false
		task := asyncio.CreateTask(ctx, sleeper(0))
		task.AddDoneCallback(func(done *asyncio.Task[asyncio.None]) {
			called = true
			assert.Nil(t, asyncio.CurrentTask(ctx))
			assert.Same(t, task, done)
			assert.PanicsWithValue(t, "asyncio: await outside of any task", func() { _ = asyncio.Sleep(ctx, 0) })
		})
		settled(ctx)
		assert.True(t, called)
	})
}

func TestAwaitingOutsideAnyTaskPanics(t *testing.T) {
	loop := asyncio.NewLoop()
	defer loop.Close()
	for text, ctx := range map[string]context.Context{
		"asyncio: await with a context that does not come from a task": t.Context(),
		"asyncio: await outside of any task":                           loop.Context(t.Context()),
	} {
		assert.PanicsWithValue(t, text, func() { _ = asyncio.Sleep(ctx, 0) })
		assert.PanicsWithValue(t, text, func() { _, _ = asyncio.NewFuture[int](loop).Await(ctx) })
	}
}

func TestCancel(t *testing.T) {
	t.Run("before the first step keeps the coroutine from beginning", func(t *testing.T) {
		inTurn(t, func(ctx context.Context) {
			task := spawn(ctx, func(context.Context) error { t.Error("began"); return nil })
			assert.True(t, task.CancelCause(errBoom))
			assert.False(t, task.Done())
			_, err := task.Await(ctx)
			assert.ErrorIs(t, err, asyncio.ErrCancelled)
			assert.ErrorIs(t, err, errBoom)
			assert.True(t, task.Cancelled())
			assert.False(t, task.Cancel(), "a task that is done")
		})
	})
	t.Run("is delivered at the suspension point, once", func(t *testing.T) {
		var tr trace
		inTurn(t, func(ctx context.Context) {
			task := spawn(ctx, func(ctx context.Context) error {
				tr.end("sleep", asyncio.Sleep(ctx, time.Hour))
				tr.end("again", asyncio.Sleep(ctx, time.Second))
				return nil
			})
			giveWay(ctx, 1)
			task.Cancel()
			_, err := task.Await(ctx)
			assert.NoError(t, err, "a task may refuse")
			assert.False(t, task.Cancelled())
			assert.Equal(t, 1, task.Cancelling())
		})
		tr.expect(t, "sleep cancelled", "again ok")
	})
	t.Run("of itself is delivered at the next suspension point", func(t *testing.T) {
		inTurn(t, func(ctx context.Context) {
			task := spawn(ctx, func(ctx context.Context) error {
				asyncio.CurrentTask(ctx).Cancel()
				return asyncio.Sleep(ctx, time.Hour)
			})
			_, err := task.Await(ctx)
			assert.ErrorIs(t, err, asyncio.ErrCancelled)
		})
	})
	t.Run("right before the coroutine returns wins over its result", func(t *testing.T) {
		inTurn(t, func(ctx context.Context) {
			task := asyncio.CreateTask(ctx, func(ctx context.Context) (int, error) {
				asyncio.CurrentTask(ctx).CancelCause(errBoom)
				return 1, nil
			})
			v, err := task.Await(ctx)
			assert.ErrorIs(t, err, errBoom)
			assert.Zero(t, v)
			assert.True(t, task.Cancelled())
		})
	})
	t.Run("of a task that was woken in the same turn is not lost", func(t *testing.T) {
		inTurn(t, func(ctx context.Context) {
			f := asyncio.NewFuture[int](asyncio.RunningLoop(ctx))
			task := asyncio.CreateTask(ctx, f.Await)
			giveWay(ctx, 1)
			_ = f.SetResult(1)
			assert.True(t, task.Cancel())
			_, err := task.Await(ctx)
			assert.ErrorIs(t, err, asyncio.ErrCancelled)
			assert.False(t, f.Cancelled())
		})
	})
	t.Run("goes down a chain of awaiting tasks and comes back up", func(t *testing.T) {
		var tr trace
		inTurn(t, func(ctx context.Context) {
			inner := spawnTraced(ctx, &tr, "inner", func(ctx context.Context) error { return asyncio.Sleep(ctx, time.Hour) })
			middle := spawnTraced(ctx, &tr, "middle", func(ctx context.Context) error { _, err := inner.Await(ctx); return err })
			outer := spawnTraced(ctx, &tr, "outer", func(ctx context.Context) error { _, err := middle.Await(ctx); return err })
			giveWay(ctx, 1)
			outer.CancelCause(errBoom)
			assert.Equal(t, []int{1, 1, 1}, []int{inner.Cancelling(), middle.Cancelling(), outer.Cancelling()})
			join(ctx, inner, middle, outer)
		})
		tr.expect(t, "inner cancelled", "middle cancelled", "outer cancelled")
	})
	t.Run("a wrapped cancellation counts, one among other errors, in a group or a panic does not", func(t *testing.T) {
		ends := []struct {
			err       error
			cancelled bool
		}{
			{asyncio.ErrCancelled, true},
			{&asyncio.CancelledError{Cause: errBoom}, true},
			{fmt.Errorf("fetch: %w", asyncio.ErrCancelled), true},
			{errors.Join(asyncio.ErrCancelled, errBoom), false},
			{&asyncio.ExceptionGroup{Errors: []error{asyncio.ErrCancelled}}, false},
			{&asyncio.PanicError{Value: asyncio.ErrCancelled}, false},
			{context.Canceled, false},
			{errBoom, false},
		}
		inTurn(t, func(ctx context.Context) {
			for _, end := range ends {
				task := spawn(ctx, func(context.Context) error { return end.err })
				join(ctx, task)
				assert.Equal(t, end.cancelled, task.Cancelled(), "%v", end.err)
			}
		})
	})
}

func TestUncancelWithdrawsRequests(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		me := asyncio.CurrentTask(ctx)
		assert.Zero(t, me.Uncancel())
		me.Cancel()
		me.Cancel()
		assert.Equal(t, 2, me.Cancelling())
		assert.Equal(t, 1, me.Uncancel())
		assert.ErrorIs(t, asyncio.Sleep(ctx, 0), asyncio.ErrCancelled, "one is left to deliver")
		me.Cancel()
		assert.Equal(t, 1, me.Uncancel())
		assert.Zero(t, me.Uncancel())
		assert.NoError(t, asyncio.Sleep(ctx, 0), "the last takes what was not delivered with it")
	})
}

func TestATaskThatAwaitsItselfGetsAnError(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		var self *asyncio.Task[int]
		self = asyncio.CreateTask(ctx, func(ctx context.Context) (int, error) { return self.Await(ctx) })
		_, err := self.Await(ctx)
		assert.ErrorIs(t, err, asyncio.ErrAwaitSelf)
	})
}

func TestCancellingARingOfTasksEndsThemAll(t *testing.T) {
	for _, n := range []int{2, 3, 1000} {
		t.Run(fmt.Sprintf("of %d", n), func(t *testing.T) {
			inTurn(t, func(ctx context.Context) {
				ring := make([]*asyncio.Task[asyncio.None], n)
				for i := range ring {
					ring[i] = spawn(ctx, func(ctx context.Context) error {
						_, err := ring[(i+1)%n].Await(ctx)
						return err
					})
				}
				giveWay(ctx, 2)
				assert.True(t, ring[0].Cancel())
				assert.True(t, ring[0].Cancel(), "a second time before the first is delivered")
				join(ctx, ring...)
				for i, task := range ring {
					assert.True(t, task.Cancelled(), "task %d", i)
				}
			})
		})
	}
	t.Run("through gather and shield", func(t *testing.T) {
		inTurn(t, func(ctx context.Context) {
			var a, b *asyncio.Task[asyncio.None]
			a = spawn(ctx, func(ctx context.Context) error { _, err := asyncio.Gather(ctx, b, b).Await(ctx); return err })
			b = spawn(ctx, func(ctx context.Context) error { _, err := asyncio.Shield(ctx, a).Await(ctx); return err })
			giveWay(ctx, 2)
			a.Cancel()
			join(ctx, a, b)
			assert.True(t, a.Cancelled() && b.Cancelled())
		})
	})
	t.Run("at the end of the run", func(t *testing.T) {
		run(t, func(ctx context.Context) error {
			var a, b *asyncio.Task[asyncio.None]
			a = spawn(ctx, func(ctx context.Context) error { _, err := b.Await(ctx); return err })
			b = spawn(ctx, func(ctx context.Context) error { _, err := a.Await(ctx); return err })
			giveWay(ctx, 2)
			return nil
		})
	})
}

func TestCancellingADeepChain(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		task := asyncio.CreateTask(ctx, sleeper(time.Hour))
		for range 10_000 {
			inner := task
			task = asyncio.CreateTask(ctx, inner.Await)
		}
		giveWay(ctx, 2)
		task.Cancel()
		_, err := task.Await(ctx)
		assert.ErrorIs(t, err, asyncio.ErrCancelled)
	})
}

func TestEagerStart(t *testing.T) {
	t.Run("runs the first step inside CreateTask", func(t *testing.T) {
		var tr trace
		inTurn(t, func(ctx context.Context) {
			me := asyncio.CurrentTask(ctx)
			task := asyncio.CreateTask(ctx, func(ctx context.Context) (int, error) {
				tr.add("first step of %s", asyncio.CurrentTask(ctx).Name())
				err := asyncio.Sleep(ctx, 0)
				tr.add("second step")
				return 1, err
			}, asyncio.WithEagerStart(), asyncio.WithName("eager"))
			tr.add("created")
			assert.Equal(t, me, asyncio.CurrentTask(ctx))
			v, err := task.Await(ctx)
			assert.NoError(t, err)
			assert.Equal(t, 1, v)
		})
		tr.expect(t, "first step of eager", "created", "second step")
	})
	t.Run("may end the task at once", func(t *testing.T) {
		inTurn(t, func(ctx context.Context) {
			task := asyncio.CreateTask(ctx, func(context.Context) (int, error) { return 1, nil }, asyncio.WithEagerStart())
			assert.True(t, task.Done())
			failed := asyncio.CreateTask(ctx, func(context.Context) (int, error) { panic(errBoom) }, asyncio.WithEagerStart())
			assert.ErrorIs(t, failed.Exception(), errBoom)
		})
	})
	t.Run("nests", func(t *testing.T) {
		inTurn(t, func(ctx context.Context) {
			depth, deepest := 0, 0
			var nest asyncio.Coro[int]
			nest = func(ctx context.Context) (int, error) {
				depth++
				if deepest = depth; depth < 100 {
					task := asyncio.CreateTask(ctx, nest, asyncio.WithEagerStart())
					assert.False(t, task.Done())
					return task.Await(ctx)
				}
				return 1, asyncio.Sleep(ctx, time.Second)
			}
			v, err := asyncio.CreateTask(ctx, nest, asyncio.WithEagerStart()).Await(ctx)
			assert.NoError(t, err)
			assert.Equal(t, 1, v)
			assert.Equal(t, 100, deepest)
		})
	})
	t.Run("waits for a loop that does not run yet", func(t *testing.T) {
		loop := asyncio.NewLoop()
		defer loop.Close()
		task := asyncio.CreateTask(loop.Context(t.Context()), sleeper(0), asyncio.WithEagerStart())
		assert.False(t, task.Done())
		_, err := asyncio.RunUntilComplete(t.Context(), loop, task)
		require.NoError(t, err)
	})
}

func TestAPanicInATaskIsReturnedToItsAwaiters(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		task := spawn(ctx, func(context.Context) error { panic("no good") })
		_, err := task.Await(ctx)
		var panicked *asyncio.PanicError
		assert.ErrorAs(t, err, &panicked)
		assert.Equal(t, "no good", panicked.Value)
		assert.Contains(t, string(panicked.Stack), "task_test.go")
		assert.Nil(t, errors.Unwrap(err))
		_, err = spawn(ctx, func(context.Context) error { panic(nil) }).Await(ctx)
		assert.ErrorAs(t, err, &panicked)
	})
}

func TestATaskThatUsesItsParentsContextStillSuspendsItself(t *testing.T) {
	var tr trace
	inTurn(t, func(outer context.Context) {
		child := spawn(outer, func(ctx context.Context) error {
			assert.Equal(t, asyncio.CurrentTask(ctx), asyncio.CurrentTask(outer))
			err := asyncio.Sleep(outer, time.Second)
			tr.at(outer, "child")
			return err
		})
		_ = asyncio.Sleep(outer, 2*time.Second)
		tr.at(outer, "parent")
		assert.True(t, child.Done())
	})
	tr.expect(t, "1s child", "2s parent")
}

func TestCallbacksOfATaskRunInOrderUnlessRemoved(t *testing.T) {
	var tr trace
	inTurn(t, func(ctx context.Context) {
		task := asyncio.CreateTask(ctx, answer(0, 5))
		var removes []func() bool
		for _, name := range []string{"a", "b", "c", "d"} {
			removes = append(removes, task.AddDoneCallback(func(task *asyncio.Task[int]) {
				v, _ := task.Result()
				tr.add("%s %d", name, v)
			}))
		}
		assert.True(t, removes[1]())
		assert.False(t, removes[1]())
		_, _ = task.Await(ctx)
		assert.False(t, removes[0](), "after it was scheduled")
		tr.add("awaited")
		task.AddDoneCallback(func(*asyncio.Task[int]) { tr.add("late") })
		settled(ctx)
	})
	tr.expect(t, "a 5", "c 5", "d 5", "awaited", "late")
}

func TestTenThousandTasks(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		sum := 0
		tasks := make([]*asyncio.Task[int], 10_000)
		for i := range tasks {
			tasks[i] = asyncio.CreateTask(ctx, answer(time.Duration(i%100)*time.Millisecond, i))
		}
		values, err := asyncio.Gather(ctx, tasks...).Await(ctx)
		assert.NoError(t, err)
		for _, v := range values {
			sum += v
		}
		assert.Equal(t, 10_000*9_999/2, sum)
	})
}

type brokenError struct{}

func (*brokenError) Error() string { return "broken" }
func (*brokenError) Unwrap() error { panic(errBoom) }

func TestAnErrorThatPanicsFailsOnlyItsTask(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		_, err := spawn(ctx, func(context.Context) error { return new(brokenError) }).Await(ctx)
		assert.ErrorIs(t, err, errBoom)
	})
}

func TestAnOptionThatPanicsLeavesNoTaskBehind(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		assert.Panics(t, func() { asyncio.CreateTask(ctx, sleeper(0), nil) })
		assert.Len(t, asyncio.RunningLoop(ctx).AllTasks(), 1)
	})
}

func TestGoexitInAnEagerTaskLeavesTheCurrentTaskRight(t *testing.T) {
	done := make(chan string, 1)
	go func() {
		_, _ = asyncio.Run(context.Background(), asyncio.Do(func(ctx context.Context) error {
			asyncio.CurrentTask(ctx).SetName("main")
			defer func() { done <- asyncio.CurrentTask(ctx).Name() }()
			asyncio.CreateTask(ctx, asyncio.Do(func(context.Context) error { runtime.Goexit(); return nil }), asyncio.WithEagerStart())
			return nil
		}))
	}()
	assert.Equal(t, "main", <-done)
}

// As in asyncio, a task with a name of its own uses none of the numbers of default names.
func TestDefaultNamesCountOnlyTasksWithoutAName(t *testing.T) {
	run(t, func(ctx context.Context) error {
		named := asyncio.CreateTask(ctx, answer(0, 1), asyncio.WithName("x"))
		unnamed := asyncio.CreateTask(ctx, answer(0, 2))
		assert.Equal(t, "x", named.Name())
		assert.Equal(t, "Task-2", unnamed.Name())
		return nil
	})
}
