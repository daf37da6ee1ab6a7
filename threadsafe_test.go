package asyncio_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
)

func TestRunCoroutineThreadsafe(t *testing.T) {
	loop := asyncio.NewLoop()
	stopped := make(chan error)
	go func() { stopped <- loop.RunForever(context.Background()) }()

	t.Run("returns results and errors to any goroutine", func(t *testing.T) {
		var wg sync.WaitGroup
		for i := range 50 {
			wg.Go(func() {
				f := asyncio.RunCoroutineThreadsafe(loop, answer(time.Millisecond, i))
				v, err := f.Result(t.Context())
				assert.NoError(t, err)
				assert.Equal(t, i, v)
				<-f.Done()
				assert.False(t, f.Cancel())
				_, err = asyncio.RunCoroutineThreadsafe(loop, failing(0, errBoom)).Result(t.Context())
				assert.ErrorIs(t, err, errBoom)
			})
		}
		wg.Wait()
	})
	t.Run("can be given up, and cancelled", func(t *testing.T) {
		cancelled := make(chan error)
		f := asyncio.RunCoroutineThreadsafe(loop, asyncio.Do(func(ctx context.Context) error {
			err := asyncio.Sleep(ctx, time.Hour)
			cancelled <- err
			return err
		}))
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		_, err := f.Result(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		giveLoopATurn(t, loop) // so that the task has begun
		assert.True(t, f.Cancel())
		_, err = f.Result(t.Context())
		require.ErrorIs(t, err, asyncio.ErrCancelled)
		require.ErrorIs(t, <-cancelled, asyncio.ErrCancelled)
	})
	t.Run("fails when the loop is closed", func(t *testing.T) {
		f := asyncio.RunCoroutineThreadsafe(loop, sleeper(time.Hour))
		giveLoopATurn(t, loop)
		loop.Stop()
		require.NoError(t, <-stopped)
		never := asyncio.RunCoroutineThreadsafe(loop, sleeper(0))
		require.NoError(t, loop.Close())
		_, err := f.Result(t.Context())
		require.ErrorIs(t, err, asyncio.ErrLoopClosed)
		_, err = never.Result(t.Context())
		require.ErrorIs(t, err, asyncio.ErrLoopClosed)
	})
	t.Run("Result on the loop's own goroutine panics instead of hanging", func(t *testing.T) {
		inTurn(t, func(ctx context.Context) {
			f := asyncio.RunCoroutineThreadsafe(asyncio.RunningLoop(ctx), sleeper(0))
			assert.PanicsWithValue(t, "asyncio: ConcurrentFuture.Result would block the event loop", func() { _, _ = f.Result(ctx) })
		})
	})
}

func giveLoopATurn(t *testing.T, loop *asyncio.Loop) {
	for range 3 {
		done := make(chan struct{})
		require.NoError(t, loop.CallSoonThreadsafe(func() { close(done) }))
		<-done
	}
}

var errOther = errors.New("of the other loop")

// otherLoop runs a loop on another goroutine until the test ends.
func otherLoop(t *testing.T, opts ...asyncio.LoopOption) *asyncio.Loop {
	loop := asyncio.NewLoop(opts...)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		assert.NoError(t, loop.RunForever(context.Background()))
	}()
	t.Cleanup(func() {
		loop.Stop()
		<-ended
		assert.NoError(t, loop.Close())
	})
	return loop
}

func TestAWrappedFutureGetsTheOutcomeOfTheOtherLoop(t *testing.T) {
	other := otherLoop(t)
	outcome := func(v int, err error) *asyncio.ConcurrentFuture[int] {
		return asyncio.RunCoroutineThreadsafe(other, func(ctx context.Context) (int, error) {
			assert.NoError(t, asyncio.Sleep(ctx, time.Millisecond))
			return v, err
		})
	}
	run(t, func(ctx context.Context) error { // in virtual time, which stands still while the other loop works
		v, err := asyncio.WrapFuture(ctx, outcome(42, nil)).Await(ctx)
		require.NoError(t, err)
		assert.Equal(t, 42, v)
		require.Equal(t, errOther, errOf(ctx, asyncio.WrapFuture(ctx, outcome(0, errOther))))
		f := asyncio.WrapFuture(ctx, outcome(0, asyncio.ErrCancelled))
		require.ErrorIs(t, errOf(ctx, f), asyncio.ErrCancelled)
		assert.True(t, f.Cancelled())
		_, err = asyncio.WaitFor(ctx, asyncio.WrapFuture(ctx, outcome(1, nil)), time.Second)
		require.NoError(t, err)
		return asyncio.Sleep(ctx, time.Hour)
	})
}

func TestCancellingAWrappedFutureCancelsTheOtherLoopsTask(t *testing.T) {
	other := otherLoop(t)
	cancelled := make(chan error)
	inner := asyncio.RunCoroutineThreadsafe(other, func(ctx context.Context) (int, error) {
		err := asyncio.Sleep(ctx, time.Hour)
		cancelled <- err
		return 0, err
	})
	run(t, func(ctx context.Context) error {
		task := asyncio.CreateTask(ctx, asyncio.Coro[int](asyncio.WrapFuture(ctx, inner).Await))
		giveWay(ctx, 1)
		_, err := asyncio.ToThread(ctx, func(context.Context) (int, error) { // until the other has begun
			return asyncio.RunCoroutineThreadsafe(other, func(ctx context.Context) (int, error) {
				return 0, asyncio.Sleep(ctx, 0)
			}).Result(context.Background())
		})
		task.Cancel()
		giveWay(ctx, 3)
		assert.True(t, task.Cancelled())
		require.NoError(t, asyncio.Sleep(ctx, time.Hour), "time stands still no more")
		return err
	})
	require.ErrorIs(t, <-cancelled, asyncio.ErrCancelled)
	_, err := inner.Result(t.Context())
	require.ErrorIs(t, err, asyncio.ErrCancelled)
}

func TestAFutureOfTheSameLoopAndOneThatIsDoneCanBeWrapped(t *testing.T) {
	run(t, func(ctx context.Context) error {
		loop := asyncio.RunningLoop(ctx)
		inner := asyncio.RunCoroutineThreadsafe(loop, answer(time.Hour, 42))
		v, err := asyncio.WrapFuture(ctx, inner).Await(ctx)
		require.NoError(t, err)
		assert.Equal(t, 42, v)
		done := asyncio.WrapFuture(ctx, inner)
		assert.False(t, done.Done(), "as in asyncio")
		giveWay(ctx, 1)
		assert.True(t, done.Done())
		v, err = done.Result()
		assert.Equal(t, 42, v)
		return err
	})
	closed := asyncio.NewLoop()
	require.NoError(t, closed.Close())
	run(t, func(ctx context.Context) error {
		_, err := asyncio.WrapFuture(ctx, asyncio.RunCoroutineThreadsafe(closed, answer(0, 1))).Await(ctx)
		require.Equal(t, asyncio.ErrLoopClosed, err)
		return nil
	})
}

// Nothing ends the wait by itself, so it is reported.
func TestALoopInVirtualTimeReportsThatAnotherLoopWaitsForIt(t *testing.T) {
	got := inStandstill(t, func(ctx context.Context) error {
		loop, other := asyncio.RunningLoop(ctx), asyncio.NewLoop()
		ended := make(chan error)
		go func() { ended <- other.RunForever(context.Background()) }()
		defer func() {
			other.Stop()
			require.NoError(t, <-ended)
			require.NoError(t, other.Close())
		}()
		inner := asyncio.RunCoroutineThreadsafe(other, func(ctx context.Context) (int, error) {
			back := asyncio.RunCoroutineThreadsafe(loop, answer(time.Second, 1)) // its second never comes
			return asyncio.WaitFor[int](ctx, asyncio.WrapFuture(ctx, back), time.Minute)
		})
		require.ErrorIs(t, errOf(ctx, asyncio.WrapFuture(ctx, inner)), asyncio.ErrTimeout)
		return nil
	})
	assert.Equal(t, []string{standstillMessage + "a coroutine of another loop, which WrapFuture awaits"}, got)
}
