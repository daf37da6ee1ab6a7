package asyncio_test

import (
	"context"
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
