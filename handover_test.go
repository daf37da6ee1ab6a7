package asyncio_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
)

// A handover is a way to wait for something that only one task at a time gets.
type handover struct {
	take func(ctx context.Context) error
	give func() // wakes the first waiter
}

// handovers makes a handover of each kind, with nothing available.
func handovers(ctx context.Context) map[string]handover {
	var lock asyncio.Lock
	_ = lock.Acquire(ctx)
	semaphore := asyncio.NewSemaphore(0)
	bounded := asyncio.NewBoundedSemaphore(1)
	_ = bounded.Acquire(ctx)
	empty := asyncio.NewQueue[int](0)
	full := asyncio.NewQueue[int](1)
	_ = full.PutNowait(0)
	var cond asyncio.Condition
	return map[string]handover{
		"Lock":             {lock.Acquire, lock.Release},
		"Semaphore":        {semaphore.Acquire, semaphore.Release},
		"BoundedSemaphore": {bounded.Acquire, func() { _ = bounded.Release() }},
		"Queue, to get": {
			func(ctx context.Context) error {
				_, err := empty.Get(ctx)
				return err
			},
			func() { _ = empty.PutNowait(0) },
		},
		"Queue, to put": {
			func(ctx context.Context) error { return full.Put(ctx, 0) },
			func() { _, _ = full.GetNowait() },
		},
		"Condition": {
			func(ctx context.Context) error {
				return cond.With(ctx, func(ctx context.Context) error { return cond.Wait(ctx) })
			},
			func() {
				_ = cond.Acquire(ctx) // it is free
				cond.Notify(1)
				cond.Release()
			},
		},
	}
}

func TestAWaiterCancelledAfterItWasWokenWakesTheNext(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		for name, h := range handovers(ctx) {
			first := spawn(ctx, h.take)
			second := spawn(ctx, h.take)
			settled(ctx)
			h.give()
			first.Cancel()
			settled(ctx)
			require.True(t, first.Cancelled(), name)
			require.True(t, second.Done(), name)
			require.NoError(t, second.Exception(), name)
		}
	})
}

func TestAWaiterWokenUnderADoneContextWakesTheNext(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		for name, h := range handovers(ctx) {
			limited, cancel := context.WithCancel(ctx)
			first := spawn(ctx, func(context.Context) error { return h.take(limited) })
			second := spawn(ctx, h.take)
			settled(ctx)
			cancel()
			h.give()
			settled(ctx)
			if first.Exception() == nil { // it was woken first and kept the handover
				h.give()
				settled(ctx)
			}
			require.True(t, second.Done(), name)
			require.NoError(t, second.Exception(), name)
		}
	})
}
