package asyncio_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
)

func TestZeroEventIsNotSet(t *testing.T) {
	var e asyncio.Event
	assert.False(t, e.IsSet())
	e.Set()
	assert.True(t, e.IsSet())
	e.Set()
	assert.True(t, e.IsSet(), "set twice")
	e.Clear()
	assert.False(t, e.IsSet())
	e.Clear()
	assert.False(t, e.IsSet(), "cleared twice")
}

func TestWaitingForASetEventDoesNotSuspend(t *testing.T) {
	var r trace
	run(t, func(ctx context.Context) error {
		asyncio.RunningLoop(ctx).CallSoon(func() { r.add("next turn") })
		var e asyncio.Event
		e.Set()
		require.NoError(t, e.Wait(ctx))
		require.NoError(t, e.Wait(ctx))
		r.add("waited")
		giveWay(ctx, 1)
		return nil
	})
	r.expect(t, "waited", "next turn")
}

func TestEventWakesAllWaitersInOrder(t *testing.T) {
	var r trace
	run(t, func(ctx context.Context) error {
		var e asyncio.Event
		a := spawnTraced(ctx, &r, "A", e.Wait)
		b := spawnTraced(ctx, &r, "B", e.Wait)
		c := spawnTraced(ctx, &r, "C", e.Wait)
		giveWay(ctx, 1)
		e.Set()
		r.add("set")
		join(ctx, a, b, c)
		return nil
	})
	r.expect(t, "set", "A ok", "B ok", "C ok")
}

func TestEventSetAndClearedInOneTurnWakesItsWaiters(t *testing.T) {
	var r trace
	run(t, func(ctx context.Context) error {
		var e asyncio.Event
		early := spawnTraced(ctx, &r, "early", e.Wait)
		giveWay(ctx, 1)
		e.Set()
		e.Clear()
		late := spawnTraced(ctx, &r, "late", e.Wait)
		join(ctx, early)
		settled(ctx)
		assert.False(t, late.Done(), "it came after Clear")
		e.Set()
		join(ctx, late)
		return nil
	})
	r.expect(t, "early ok", "late ok")
}

func TestACancelledEventWaiterDoesNotHinderTheOthers(t *testing.T) {
	for name, cancel := range map[string]func(e *asyncio.Event, b *asyncio.Task[asyncio.None]){
		"before Set": func(e *asyncio.Event, b *asyncio.Task[asyncio.None]) { b.Cancel(); e.Set() },
		"after Set":  func(e *asyncio.Event, b *asyncio.Task[asyncio.None]) { e.Set(); b.Cancel() },
	} {
		t.Run(name, func(t *testing.T) {
			var r trace
			run(t, func(ctx context.Context) error {
				var e asyncio.Event
				a := spawnTraced(ctx, &r, "A", e.Wait)
				b := spawnTraced(ctx, &r, "B", e.Wait)
				c := spawnTraced(ctx, &r, "C", e.Wait)
				giveWay(ctx, 1)
				cancel(&e, b)
				join(ctx, a, b, c)
				assert.True(t, b.Cancelled())
				return nil
			})
			assert.ElementsMatch(t, []string{"A ok", "B cancelled", "C ok"}, r)
		})
	}
}

func TestEventCanBeUsedAgain(t *testing.T) {
	var r trace
	run(t, func(ctx context.Context) error {
		var e asyncio.Event
		task := spawn(ctx, func(ctx context.Context) error {
			for range 3 {
				if err := e.Wait(ctx); err != nil {
					return err
				}
				r.at(ctx, "woken")
				e.Clear()
			}
			return nil
		})
		for range 3 {
			require.NoError(t, asyncio.Sleep(ctx, time.Second))
			e.Set()
		}
		join(ctx, task)
		return nil
	})
	r.expect(t, "1s woken", "2s woken", "3s woken")
}

func TestEventWakesTenThousandInOrder(t *testing.T) {
	const n = 10_000
	run(t, func(ctx context.Context) error {
		var e asyncio.Event
		var order, want []int
		tasks := make([]*asyncio.Task[asyncio.None], n)
		for i := range tasks {
			want = append(want, i)
			tasks[i] = spawn(ctx, func(ctx context.Context) error {
				err := e.Wait(ctx)
				order = append(order, i)
				return err
			})
		}
		giveWay(ctx, 1)
		e.Set()
		giveWay(ctx, 1)
		assert.Equal(t, want, order, "all in the turn after Set")
		join(ctx, tasks...)
		return nil
	})
}
