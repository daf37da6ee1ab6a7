package asyncio_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
)

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
