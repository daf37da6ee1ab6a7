package asyncio_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
)

func TestAnotherGoroutineCanCancelTheCallbackThatItHasScheduled(t *testing.T) {
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

func TestTimersFireByDeadlineAndThenInTheOrderOfSetting(t *testing.T) {
	var tr trace
	loop := asyncio.NewLoop(asyncio.WithVirtualTime())
	defer loop.Close()
	at := func(d time.Duration, text string) *asyncio.TimerHandle {
		return loop.CallLater(d, func() { tr.add("%v %s", loop.Time(), text) })
	}
	at(2*time.Second, "late")
	at(time.Second, "first")
	cancelled := at(time.Second, "cancelled")
	at(time.Second, "second")
	at(-time.Second, "overdue")
	h := loop.CallAt(time.Second, func() { tr.add("%v third", loop.Time()) })
	assert.Equal(t, time.Second, h.When())
	cancelled.Cancel()
	cancelled.Cancel()
	assert.True(t, cancelled.Cancelled())
	never := loop.CallAt(asyncio.Never, func() { tr.add("never") })
	assert.Equal(t, asyncio.Never, never.When())
	require.ErrorIs(t, loop.RunForever(t.Context()), asyncio.ErrDeadlock)
	assert.Equal(t, trace{"0s overdue", "1s first", "1s second", "1s third", "2s late"}, tr)
	never.Cancel()
	h.Cancel() // after its call
}

func TestAReadyHandleCanStillBeCancelled(t *testing.T) {
	var tr trace
	loop := asyncio.NewLoop(asyncio.WithVirtualTime())
	defer loop.Close()
	var soon *asyncio.Handle
	var later *asyncio.TimerHandle
	loop.CallLater(time.Second, func() { soon.Cancel(); later.Cancel() })
	later = loop.CallLater(time.Second, func() { tr.add("later") })
	loop.CallLater(time.Second/2, func() {
		loop.CallLater(time.Second/2, func() { tr.add("last"); loop.Stop() })
	})
	loop.CallLater(time.Second, func() { soon = loop.CallSoon(func() { tr.add("soon") }) })
	soon = loop.CallSoon(func() {})
	require.NoError(t, loop.RunForever(t.Context()))
	assert.Equal(t, trace{"last"}, tr)
}

func TestHalfOfManyTimersCanBeCancelled(t *testing.T) {
	loop := asyncio.NewLoop(asyncio.WithVirtualTime())
	defer loop.Close()
	const n = 20_000
	fired, last := 0, time.Duration(0)
	for i := range n {
		h := loop.CallLater(time.Duration(i*7919%n)*time.Millisecond, func() {
			assert.GreaterOrEqual(t, loop.Time(), last)
			last = loop.Time()
			fired++
		})
		if i%2 == 0 {
			h.Cancel()
		}
	}
	require.ErrorIs(t, loop.RunForever(t.Context()), asyncio.ErrDeadlock)
	assert.Equal(t, n/2, fired)
}

func TestConcurrentCancelsOfAThreadsafeHandleAllReportTrue(t *testing.T) {
	loop := asyncio.NewLoop()
	defer loop.Close()
	for range 2000 {
		h, err := loop.CallSoonThreadsafeHandle(func() { t.Error("called all the same") })
		require.NoError(t, err)
		var began, ended sync.WaitGroup
		began.Add(1)
		for range 4 {
			ended.Go(func() {
				began.Wait()
				assert.True(t, h.Cancel())
				assert.True(t, h.Cancelled())
			})
		}
		began.Done()
		ended.Wait()
	}
	loop.Stop()
	require.NoError(t, loop.RunForever(t.Context()))
}
