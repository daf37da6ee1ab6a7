package asyncio_test

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
)

// wrongly calls fn on another goroutine and reports whether that panics.
func wrongly(fn func()) (panicked bool) {
	done := make(chan bool)
	go func() {
		defer func() { done <- recover() != nil }()
		fn()
	}()
	return <-done
}

func TestDebugModeIsSwitchedWhileTheLoopRuns(t *testing.T) {
	withoutDebug(t)
	var log bytes.Buffer
	defer slog.SetDefault(slog.Default())
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	logged := func() bool {
		defer log.Reset()
		return strings.Contains(log.String(), "blocked")
	}
	run(t, func(ctx context.Context) error {
		loop := asyncio.RunningLoop(ctx)
		assert.Equal(t, 100*time.Millisecond, loop.SlowCallbackDuration())
		loop.SetSlowCallbackDuration(0)
		assert.Zero(t, loop.SlowCallbackDuration())
		assert.Panics(t, func() { loop.SetSlowCallbackDuration(-1) })
		// Two tasks that hand over to each other, so that one drives the other.
		q := asyncio.NewQueue[int](1)
		partner := spawn(ctx, func(ctx context.Context) error {
			for {
				if _, err := q.Get(ctx); err != nil {
					return err
				}
			}
		})
		handOver := func(n int) {
			for range n {
				require.NoError(t, q.Put(ctx, 1))
				giveWay(ctx, 1)
			}
		}
		handOver(10)
		assert.False(t, logged())
		for range 3 {
			loop.SetDebug(true)
			assert.True(t, loop.GetDebug())
			assert.True(t, wrongly(func() { loop.CallSoon(func() {}) }))
			handOver(300) // more turns than one task drives
			assert.True(t, logged())
			asyncio.CreateTask(ctx, asyncio.Do(func(context.Context) error {
				loop.SetDebug(false) // within an eager start
				return nil
			}), asyncio.WithEagerStart())
			assert.False(t, loop.GetDebug())
			giveWay(ctx, 2)
			logged()
			handOver(300)
			assert.False(t, logged())
		}
		_, err := asyncio.CreateTask(ctx, asyncio.Do(func(ctx context.Context) error {
			loop.SetDebug(true) // in a task that main drives
			loop.SetDebug(false)
			loop.SetDebug(true)
			assert.True(t, loop.HasDriver())
			return asyncio.Sleep(ctx, time.Second)
		})).Await(ctx)
		require.NoError(t, err)
		assert.False(t, loop.HasDriver())
		handOver(10)
		assert.True(t, logged())
		partner.Cancel()
		join(ctx, partner)
		return nil
	})
}

func TestDebugModeMayBeSwitchedOnWhileADriverPolls(t *testing.T) {
	withoutDebug(t)
	runReal(t, func(ctx context.Context) error {
		loop := asyncio.RunningLoop(ctx)
		r, w, err := os.Pipe()
		require.NoError(t, err)
		defer w.Close()
		in, err := asyncio.ConnectReadPipe(ctx, r)
		require.NoError(t, err)
		defer in.Close()
		reader := asyncio.CreateTask(ctx, func(ctx context.Context) ([]byte, error) { return in.ReadExactly(ctx, 1) })
		giveWay(ctx, 2)
		for _, suspend := range []bool{false, true} { // how the step ends that has switched
			_, err := spawn(ctx, func(ctx context.Context) error {
				giveWay(ctx, 1) // from now on main drives
				_, err := w.Write([]byte("x"))
				loop.SetDebug(true)
				assert.True(t, loop.HasDriver())
				if suspend {
					giveWay(ctx, 1)
				}
				return err
			}).Await(ctx)
			require.NoError(t, err)
			_, err = reader.Await(ctx)
			require.NoError(t, err)
			loop.SetDebug(false)
			giveWay(ctx, 2)
			reader = asyncio.CreateTask(ctx, func(ctx context.Context) ([]byte, error) { return in.ReadExactly(ctx, 1) })
			giveWay(ctx, 2)
		}
		reader.Cancel()
		return nil
	})
}

// A contextThatCalls calls a function each time it is asked whether it is done.
type contextThatCalls struct {
	context.Context
	fn func()
}

func (c contextThatCalls) Done() <-chan struct{} { return make(chan struct{}) }

func (c contextThatCalls) Err() error {
	c.fn()
	return nil
}

func TestDebugModeMayBeSwitchedOnWhileADriverLooksAtContexts(t *testing.T) {
	withoutDebug(t)
	run(t, func(ctx context.Context) error {
		loop := asyncio.RunningLoop(ctx)
		calls := 0
		sleeper := spawn(ctx, func(ctx context.Context) error {
			return asyncio.Sleep(contextThatCalls{ctx, func() { calls++; loop.AllTasks() }}, time.Hour)
		})
		_, err := spawn(ctx, func(ctx context.Context) error {
			giveWay(ctx, 1)
			assert.True(t, loop.HasDriver())
			calls = 0
			loop.SetDebug(true)
			return nil
		}).Await(ctx)
		require.NoError(t, err)
		assert.Positive(t, calls)
		sleeper.Cancel()
		require.ErrorIs(t, errOf(ctx, sleeper), asyncio.ErrCancelled, "the context has not panicked")
		return nil
	})
}

// In the turn in which debug mode is turned on, a task may still drive another: the step of the
// other is not its own.
func TestDebugModeDoesNotBlameATaskForTheStepOfAnotherThatItDrives(t *testing.T) {
	withoutDebug(t)
	var log bytes.Buffer
	defer slog.SetDefault(slog.Default())
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	inTurn(t, func(ctx context.Context) {
		loop := asyncio.RunningLoop(ctx)
		loop.SetSlowCallbackDuration(0)
		var event asyncio.Event
		loop.CallSoon(func() { loop.SetDebug(true) })
		waits := asyncio.CreateTask(ctx, asyncio.Do(event.Wait), asyncio.WithName("waits"))
		driven := spawn(ctx, func(ctx context.Context) error {
			assert.True(t, loop.HasDriver())
			giveWay(ctx, 3)
			loop.SetDebug(false)
			event.Set()
			return nil
		})
		join(ctx, waits, driven)
	})
	assert.Contains(t, log.String(), "blocked", "by the steps of later turns")
	assert.NotContains(t, log.String(), "waits")
}

func TestDebugModeThatIsSwitchedOnFromAWrongGoroutinePanics(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		assert.True(t, wrongly(func() { asyncio.RunningLoop(ctx).SetDebug(true) }))
	})
	loop := asyncio.NewLoop()
	assert.False(t, wrongly(func() { loop.SetDebug(true) }), "it does not run")
	assert.True(t, loop.GetDebug())
	require.NoError(t, loop.Close())
}

func TestAnEnvironmentVariableTurnsDebugModeOn(t *testing.T) {
	for value, want := range map[string]bool{"": false, "1": true} {
		t.Setenv("GOASYNCIODEBUG", value)
		inTurn(t, func(ctx context.Context) {
			assert.Equal(t, want, asyncio.RunningLoop(ctx).GetDebug(), value)
		})
	}
	t.Setenv("GOASYNCIODEBUG", "1")
	loop := asyncio.NewLoop()
	defer loop.Close()
	loop.SetDebug(false)
	assert.False(t, loop.GetDebug())
}

// primitives returns a wait for each primitive.
func primitives() map[string]func(ctx context.Context) error {
	var lock, held asyncio.Lock
	var event asyncio.Event
	var cond asyncio.Condition
	semaphore, bounded := asyncio.NewSemaphore(0), asyncio.NewBoundedSemaphore(0)
	barrier := asyncio.NewBarrier(3)
	empty, full, unfinished := asyncio.NewQueue[int](0), asyncio.NewQueue[int](1), asyncio.NewQueue[int](0)
	_ = full.PutNowait(1)
	_ = unfinished.PutNowait(1)
	for _, l := range []*asyncio.Lock{&lock, &held} {
		_ = l.Acquire(context.Background())
	}
	return map[string]func(ctx context.Context) error{
		"Lock":             lock.Acquire,
		"Lock.With":        func(ctx context.Context) error { return held.With(ctx, func(context.Context) error { return nil }) },
		"Event":            event.Wait,
		"Condition":        func(ctx context.Context) error { return cond.With(ctx, cond.Wait) },
		"Semaphore":        semaphore.Acquire,
		"BoundedSemaphore": bounded.Acquire,
		"Barrier":          func(ctx context.Context) error { _, err := barrier.Wait(ctx); return err },
		"Queue.Get":        func(ctx context.Context) error { _, err := empty.Get(ctx); return err },
		"Queue.Put":        func(ctx context.Context) error { return full.Put(ctx, 1) },
		"Queue.Join":       unfinished.Join,
	}
}

// CPython raises RuntimeError, "is bound to a different event loop".
func TestInDebugModeAPrimitiveOfTwoLoopsPanics(t *testing.T) {
	for name, wait := range primitives() {
		outer := asyncio.NewLoop(asyncio.WithDebug())
		task := asyncio.CreateTask(outer.Context(t.Context()), asyncio.Do(wait))
		outer.Stop()
		require.NoError(t, outer.RunForever(t.Context()))
		require.False(t, task.Done(), "%s: the task waits", name)

		other := func() error {
			_, err := asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
				return asyncio.Timeout(ctx, time.Second, func(ctx context.Context, _ *asyncio.TimeoutScope) error { return wait(ctx) })
			}), asyncio.WithDebug(), asyncio.WithVirtualTime())
			return err
		}
		var panicked *asyncio.PanicError
		require.ErrorAs(t, other(), &panicked, name)
		assert.Contains(t, panicked.Value, "bound to a different event loop", name)
		task.Cancel()
		for !task.Done() {
			outer.Stop()
			require.NoError(t, outer.RunForever(t.Context()))
		}
		require.NoError(t, outer.Close())
		assert.Equal(t, asyncio.ErrTimeout, other(), "%s: a loop that is closed is no concern any more", name)
	}
}

func TestTwoLoopsMayUseAPrimitiveOneAfterTheOtherWithoutDebugMode(t *testing.T) {
	for name, wait := range primitives() {
		for range 2 {
			_, err := asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
				return asyncio.Timeout(ctx, time.Second, func(ctx context.Context, _ *asyncio.TimeoutScope) error { return wait(ctx) })
			}), asyncio.WithVirtualTime())
			assert.Equal(t, asyncio.ErrTimeout, err, name)
		}
	}
}
