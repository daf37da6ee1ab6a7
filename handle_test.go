package asyncio_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
)

func TestACallbackOfAnotherGoroutineIsCancelledFromThere(t *testing.T) {
	run(t, func(ctx context.Context) error {
		loop := asyncio.RunningLoop(ctx)
		calls := 0
		kept, err := loop.CallSoonThreadsafeHandle(func() { calls++ })
		require.NoError(t, err)
		cancelled, err := loop.CallSoonThreadsafeHandle(func() { t.Error("called all the same") })
		require.NoError(t, err)
		done := make(chan struct{})
		go func() {
			defer close(done)
			assert.True(t, cancelled.Cancel())
			assert.True(t, cancelled.Cancel(), "again")
		}()
		<-done
		giveWay(ctx, 2)
		assert.Equal(t, 1, calls)
		assert.True(t, cancelled.Cancelled())
		assert.False(t, kept.Cancel(), "it was called")
		assert.False(t, kept.Cancelled())
		var self *asyncio.ThreadsafeHandle
		self, err = loop.CallSoonThreadsafeHandle(func() { assert.False(t, self.Cancel(), "the call has begun") })
		giveWay(ctx, 2)
		return err
	})
	loop := asyncio.NewLoop()
	require.NoError(t, loop.Close())
	h, err := loop.CallSoonThreadsafeHandle(func() {})
	assert.Nil(t, h)
	assert.Equal(t, asyncio.ErrLoopClosed, err)
	assert.PanicsWithValue(t, "asyncio: nil callback", func() { _, _ = loop.CallSoonThreadsafeHandle(nil) })
}

func TestACallbackIsEitherCalledOrCancelled(t *testing.T) {
	loop := asyncio.NewLoop()
	defer loop.Close()
	var calls, cancels atomic.Int64
	const n = 1000
	var wg sync.WaitGroup
	wg.Go(func() {
		for range n {
			h, err := loop.CallSoonThreadsafeHandle(func() { calls.Add(1) })
			if assert.NoError(t, err) && h.Cancel() {
				cancels.Add(1)
			}
		}
		_ = loop.CallSoonThreadsafe(loop.Stop)
	})
	require.NoError(t, loop.RunForever(t.Context()))
	wg.Wait()
	assert.EqualValues(t, n, calls.Load()+cancels.Load())
}
