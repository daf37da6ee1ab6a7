package asyncio_test

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
)

func TestCallSoonRunsCallbacksInOrderAndNewOnesInTheNextTurn(t *testing.T) {
	var tr trace
	loop := asyncio.NewLoop()
	defer loop.Close()
	loop.CallSoon(func() {
		tr.add("a")
		loop.CallSoon(func() { tr.add("c"); loop.Stop() })
		loop.CallSoon(func() { tr.add("d") })
	})
	loop.CallSoon(func() { tr.add("b") })
	require.NoError(t, loop.RunForever(t.Context()))
	assert.Equal(t, trace{"a", "b", "c", "d"}, tr)
}

func TestStop(t *testing.T) {
	newLoop := func(t *testing.T) (*asyncio.Loop, *trace) {
		loop := asyncio.NewLoop()
		t.Cleanup(func() { loop.Close() })
		return loop, new(trace)
	}
	t.Run("before the run lets it make one turn", func(t *testing.T) {
		loop, tr := newLoop(t)
		loop.CallSoon(func() { tr.add("turn 1"); loop.CallSoon(func() { tr.add("turn 2") }) })
		loop.Stop()
		loop.Stop()
		require.NoError(t, loop.RunForever(t.Context()))
		assert.Equal(t, trace{"turn 1"}, *tr)
		loop.CallSoon(loop.Stop)
		require.NoError(t, loop.RunForever(t.Context()))
		assert.Equal(t, trace{"turn 1", "turn 2"}, *tr)
	})
	t.Run("twice from inside lets the turn end", func(t *testing.T) {
		loop, tr := newLoop(t)
		loop.CallSoon(func() { loop.Stop(); loop.Stop() })
		loop.CallSoon(func() { tr.add("same turn") })
		require.NoError(t, loop.RunForever(t.Context()))
		assert.Equal(t, trace{"same turn"}, *tr)
	})
	t.Run("from another goroutine wakes a loop that waits", func(t *testing.T) {
		loop, _ := newLoop(t)
		loop.CallLater(time.Hour, func() {})
		loop.CallSoon(func() { go func() { loop.Stop(); loop.Stop() }() })
		require.NoError(t, loop.RunForever(t.Context()))
	})
	t.Run("before the future is done makes RunUntilComplete fail", func(t *testing.T) {
		loop, _ := newLoop(t)
		f := asyncio.NewFuture[int](loop)
		loop.CallSoon(loop.Stop)
		_, err := asyncio.RunUntilComplete(t.Context(), loop, f)
		require.ErrorIs(t, err, asyncio.ErrLoopStopped)
		loop.CallSoon(func() { f.SetResult(7) })
		v, err := asyncio.RunUntilComplete(t.Context(), loop, f)
		require.NoError(t, err)
		assert.Equal(t, 7, v)
	})
}

func TestRunForeverEndsWithTheContextsCause(t *testing.T) {
	loop := asyncio.NewLoop()
	defer loop.Close()
	cause := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	loop.CallLater(time.Hour, func() {})
	loop.CallSoon(func() { cancel(cause) })
	err := loop.RunForever(ctx)
	require.ErrorIs(t, err, cause)
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, loop.RunForever(ctx), cause, "a context that is done already")
}

func TestClose(t *testing.T) {
	t.Run("may be repeated", func(t *testing.T) {
		loop := asyncio.NewLoop()
		require.NoError(t, loop.Close())
		require.NoError(t, loop.Close())
		assert.True(t, loop.IsClosed())
	})
	t.Run("is refused while the loop runs", func(t *testing.T) {
		loop := asyncio.NewLoop()
		defer loop.Close()
		loop.CallSoon(func() {
			assert.True(t, loop.IsRunning())
			assert.ErrorIs(t, loop.Close(), asyncio.ErrLoopRunning)
			loop.Stop()
		})
		require.NoError(t, loop.RunForever(t.Context()))
		assert.False(t, loop.IsRunning())
		assert.False(t, loop.IsClosed())
	})
	t.Run("makes every later call fail clearly", func(t *testing.T) {
		loop := asyncio.NewLoop()
		f := asyncio.NewFuture[int](loop)
		require.NoError(t, loop.Close())
		assert.ErrorIs(t, loop.CallSoonThreadsafe(func() {}), asyncio.ErrLoopClosed)
		assert.ErrorIs(t, loop.RunForever(t.Context()), asyncio.ErrLoopClosed)
		_, err := asyncio.RunUntilComplete(t.Context(), loop, f)
		assert.ErrorIs(t, err, asyncio.ErrLoopClosed)
		_, err = asyncio.RunCoroutineThreadsafe(loop, sleeper(0)).Result(t.Context())
		assert.ErrorIs(t, err, asyncio.ErrLoopClosed)
		assert.PanicsWithValue(t, "asyncio: event loop is closed", func() { loop.CallSoon(func() {}) })
		assert.PanicsWithValue(t, "asyncio: event loop is closed", func() { loop.CallLater(0, func() {}) })
		assert.PanicsWithValue(t, "asyncio: event loop is closed", func() { loop.CallAt(0, func() {}) })
		assert.PanicsWithValue(t, "asyncio: event loop is closed", func() { asyncio.Gather(loop.Context(t.Context()), sleeper(0)) })
		assert.PanicsWithValue(t, "asyncio: event loop is closed", func() { asyncio.CreateTask(loop.Context(t.Context()), sleeper(0)) })
		loop.Stop()
	})
	t.Run("abandons the remaining tasks, and reports them", func(t *testing.T) {
		var tr trace
		var seen reports
		loop := asyncio.NewLoop(seen.handler())
		task := asyncio.CreateTask(loop.Context(t.Context()), asyncio.Do(func(ctx context.Context) error {
			defer tr.add("deferred")
			asyncio.Sleep(ctx, time.Hour)
			tr.add("never")
			return nil
		}), asyncio.WithName("left"))
		var unborn *asyncio.Task[asyncio.None]
		loop.CallSoon(func() {
			unborn = asyncio.CreateTask(loop.Context(t.Context()), sleeper(0), asyncio.WithName("unborn"))
			loop.Stop()
		})
		before := goroutines()
		require.NoError(t, loop.RunForever(t.Context()))
		require.NoError(t, loop.Close())
		assert.Equal(t, trace{"deferred"}, tr)
		assert.Equal(t, []string{
			"left: task was destroyed but it is pending: <nil>",
			"unborn: task was destroyed but it is pending: <nil>",
		}, seen.texts())
		assert.True(t, task.Cancelled())
		assert.True(t, unborn.Cancelled())
		assert.ErrorIs(t, task.Exception(), asyncio.ErrLoopClosed)
		assertNoMoreGoroutines(t, before)
	})
}

func TestALockOutlivesTheTasksThatALoopAbandons(t *testing.T) {
	var lock asyncio.Lock
	sem := asyncio.NewSemaphore(0)
	loop := asyncio.NewLoop(asyncio.WithExceptionHandler(func(*asyncio.Loop, asyncio.ExceptionContext) {}))
	ctx := loop.Context(t.Context())
	asyncio.CreateTask(ctx, asyncio.Do(func(ctx context.Context) error {
		return lock.With(ctx, func(ctx context.Context) error { return asyncio.Sleep(ctx, time.Hour) })
	}))
	asyncio.CreateTask(ctx, asyncio.Do(lock.Acquire))
	asyncio.CreateTask(ctx, asyncio.Do(sem.Acquire))
	loop.CallSoon(loop.Stop)
	require.NoError(t, loop.RunForever(t.Context()))
	require.NoError(t, loop.Close())
	inTurn(t, func(ctx context.Context) {
		assert.NoError(t, lock.Acquire(ctx))
		sem.Release()
		assert.NoError(t, sem.Acquire(ctx))
	})
}

func TestALoopRunsOnceAtATime(t *testing.T) {
	t.Run("a second run from inside is refused", func(t *testing.T) {
		r := asyncio.NewRunner()
		defer r.Close()
		_, err := asyncio.RunIn(t.Context(), r, asyncio.Do(func(ctx context.Context) error {
			assert.ErrorIs(t, r.Loop().RunForever(context.Background()), asyncio.ErrLoopRunning)
			_, err := asyncio.RunIn(context.Background(), r, sleeper(0))
			assert.ErrorIs(t, err, asyncio.ErrLoopRunning)
			_, err = asyncio.Run(ctx, sleeper(0))
			assert.ErrorIs(t, err, asyncio.ErrLoopRunning, "another loop inside a task")
			assert.ErrorIs(t, r.Close(), asyncio.ErrLoopRunning)
			return nil
		}))
		require.NoError(t, err)
	})
	t.Run("a second run from another goroutine is refused", func(t *testing.T) {
		loop := asyncio.NewLoop()
		defer loop.Close()
		second := make(chan error)
		loop.CallSoon(func() {
			go func() { second <- loop.RunForever(context.Background()) }()
			assert.ErrorIs(t, <-second, asyncio.ErrLoopRunning)
			loop.Stop()
		})
		require.NoError(t, loop.RunForever(t.Context()))
	})
	t.Run("another loop may run in a function of ToThread", func(t *testing.T) {
		_, err := asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
			_, err := asyncio.ToThread(ctx, func(ctx context.Context) (asyncio.None, error) {
				return asyncio.Run(ctx, sleeper(0))
			})
			return err
		}))
		require.NoError(t, err)
	})
}

func TestCallSoonThreadsafe(t *testing.T) {
	t.Run("loses nothing and wakes the loop each time", func(t *testing.T) {
		loop := asyncio.NewLoop()
		defer loop.Close()
		const goroutines, each = 8, 1000
		left := goroutines * each
		var wg sync.WaitGroup
		for range goroutines {
			wg.Go(func() {
				for range each {
					assert.NoError(t, loop.CallSoonThreadsafe(func() {
						if left--; left == 0 {
							loop.Stop()
						}
					}))
				}
			})
		}
		require.NoError(t, loop.RunForever(t.Context()))
		wg.Wait()
		assert.Zero(t, left)
	})
	t.Run("keeps its place among CallSoon on the loop's goroutine", func(t *testing.T) {
		var tr trace
		loop := asyncio.NewLoop()
		defer loop.Close()
		loop.CallSoon(func() {
			loop.CallSoonThreadsafe(func() { tr.add("a") })
			loop.CallSoon(func() { tr.add("b") })
			loop.CallSoonThreadsafe(func() { tr.add("c"); loop.Stop() })
		})
		require.NoError(t, loop.RunForever(t.Context()))
		assert.Equal(t, trace{"a", "b", "c"}, tr)
	})
	t.Run("before the run is kept for it", func(t *testing.T) {
		loop := asyncio.NewLoop()
		defer loop.Close()
		require.NoError(t, loop.CallSoonThreadsafe(loop.Stop))
		require.NoError(t, loop.RunForever(t.Context()))
	})
}

func TestNilCallbacksAndCoroutinesPanic(t *testing.T) {
	loop := asyncio.NewLoop()
	defer loop.Close()
	ctx := loop.Context(t.Context())
	for name, call := range map[string]func(){
		"CallSoon":           func() { loop.CallSoon(nil) },
		"CallLater":          func() { loop.CallLater(0, nil) },
		"CallSoonThreadsafe": func() { _ = loop.CallSoonThreadsafe(nil) },
		"AddDoneCallback":    func() { asyncio.NewFuture[int](loop).AddDoneCallback(nil) },
	} {
		assert.PanicsWithValue(t, "asyncio: nil callback", call, name)
	}
	for name, call := range map[string]func(){
		"CreateTask":             func() { asyncio.CreateTask[int](ctx, nil) },
		"CreateTask of Do":       func() { asyncio.CreateTask(ctx, asyncio.Do(nil)) },
		"RunCoroutineThreadsafe": func() { asyncio.RunCoroutineThreadsafe[int](loop, nil) },
		"RunUntilComplete":       func() { _, _ = asyncio.RunUntilComplete(t.Context(), loop, asyncio.Coro[int](nil)) },
		"Run":                    func() { _, _ = asyncio.Run[int](t.Context(), nil) },
		"Gather":                 func() { asyncio.Gather(ctx, asyncio.Coro[int](nil)) },
		"Shield":                 func() { asyncio.Shield(ctx, asyncio.Coro[int](nil)) },
	} {
		assert.PanicsWithValue(t, "asyncio: nil coroutine", call, name)
	}
}

// early is made while the main goroutine is locked to its thread, as it is during init.
var early *asyncio.Loop

func init() { early = asyncio.NewLoop() }

func TestALoopMadeInInitRunsOnAnotherGoroutine(t *testing.T) {
	_, err := asyncio.RunUntilComplete(t.Context(), early, sleeper(0))
	require.NoError(t, err)
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		_, err := asyncio.RunUntilComplete(t.Context(), early, asyncio.Do(func(ctx context.Context) error {
			_, err := asyncio.Gather(ctx, sleeper(time.Millisecond), sleeper(0)).Await(ctx)
			return err
		}))
		done <- err
	}()
	require.NoError(t, <-done)
}

func TestRunningLoopWithoutALoopPanics(t *testing.T) {
	assert.PanicsWithValue(t, "asyncio: no event loop: the context does not come from a task",
		func() { asyncio.RunningLoop(t.Context()) })
	assert.Nil(t, asyncio.CurrentTask(t.Context()))
	loop := asyncio.NewLoop()
	defer loop.Close()
	assert.Same(t, loop, asyncio.RunningLoop(loop.Context(t.Context())))
	assert.Nil(t, asyncio.CurrentTask(loop.Context(t.Context())))
}
