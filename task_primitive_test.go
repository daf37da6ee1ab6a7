package asyncio_test

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/go-asyncio/asyncio"
)

// waitsFor returns what a task waits for that has just tried to acquire a primitive.
func waitsFor(t *testing.T, ctx context.Context, acquire func(ctx context.Context) error) string {
	t.Helper()
	spawn(ctx, acquire, asyncio.WithName("asks"))
	giveWay(ctx, 2)
	info := infoOf(t, asyncio.RunningLoop(ctx), "asks")
	info.Task.Cancel()
	giveWay(ctx, 2)
	return info.WaitsFor
}

// heldSince returns the description of a wait for something that "holds" has acquired n lines before
// the caller.
func heldSince(thing string, n int) string {
	_, _, line, _ := runtime.Caller(1)
	return fmt.Sprintf("%s, held by holds since task_primitive_test.go:%d", thing, line-n)
}

func TestAWaitNamesTheHolderAndTheLineInWhichItAcquired(t *testing.T) {
	hold := func(ctx context.Context, acquire func(ctx context.Context) error) {
		spawn(ctx, acquire, asyncio.WithName("holds"))
		giveWay(ctx, 1)
	}
	inspected(t, func(ctx context.Context, _ *asyncio.Loop) {
		var l asyncio.Lock
		hold(ctx, func(ctx context.Context) error {
			must(l.Acquire(ctx))
			return waitsForEver(ctx)
		})
		assert.Equal(t, heldSince("Lock", 3), waitsFor(t, ctx, l.Acquire))
		l.SetName("accounts")
		assert.Equal(t, heldSince(`Lock "accounts"`, 5), waitsFor(t, ctx, func(ctx context.Context) error { return l.With(ctx, waitsForEver) }))
		l.Release()
		hold(ctx, func(ctx context.Context) error {
			return l.With(ctx, waitsForEver)
		})
		assert.Equal(t, heldSince(`Lock "accounts"`, 2), waitsFor(t, ctx, l.Acquire))
	})
	inspected(t, func(ctx context.Context, _ *asyncio.Loop) {
		s := asyncio.NewBoundedSemaphore(1)
		hold(ctx, func(ctx context.Context) error {
			return s.With(ctx, waitsForEver)
		})
		assert.Equal(t, heldSince("Semaphore", 2), waitsFor(t, ctx, s.Acquire))
		must(s.Release())
		hold(ctx, func(ctx context.Context) error { must(s.Acquire(ctx)); return waitsForEver(ctx) })
		assert.Equal(t, heldSince("Semaphore", 1), waitsFor(t, ctx, s.Acquire))
	})
	inspected(t, func(ctx context.Context, _ *asyncio.Loop) {
		var c asyncio.Condition
		c.SetName("stock")
		hold(ctx, func(ctx context.Context) error {
			return c.With(ctx, func(ctx context.Context) error {
				must(c.Wait(ctx))
				return waitsForEver(ctx)
			})
		})
		assert.Equal(t, `Condition "stock"`, infoOf(t, asyncio.RunningLoop(ctx), "holds").WaitsFor)
		must(c.With(ctx, func(context.Context) error { c.NotifyAll(); return nil }))
		giveWay(ctx, 2)
		assert.Equal(t, heldSince(`Lock "stock"`, 7), waitsFor(t, ctx, c.Acquire), "since Wait")
	})
}

func TestTheHoldersFollowWhatHappensToThePrimitive(t *testing.T) {
	withoutDebug(t)
	inspected(t, func(ctx context.Context, _ *asyncio.Loop) {
		var l asyncio.Lock
		holds := spawn(ctx, func(ctx context.Context) error { return l.With(ctx, waitsForEver) }, asyncio.WithName("first"))
		giveWay(ctx, 1)
		assert.Contains(t, waitsFor(t, ctx, l.Acquire), "Lock, held by first since")
		spawn(ctx, func(ctx context.Context) error { return l.With(ctx, waitsForEver) }, asyncio.WithName("second"))
		giveWay(ctx, 1)
		holds.Cancel()
		giveWay(ctx, 2)
		assert.Contains(t, waitsFor(t, ctx, l.Acquire), "Lock, held by second since", "the first was cancelled")
		l.Release() // by another task than its holder
		giveWay(ctx, 1)
		must(l.Acquire(ctx))
		assert.Contains(t, waitsFor(t, ctx, l.Acquire), "Lock, held by Task-1 since")
		asyncio.RunningLoop(ctx).Inspect(false)
		l.Release()
		must(l.Acquire(ctx))
		asyncio.RunningLoop(ctx).Inspect(true)
		assert.Equal(t, "Lock", waitsFor(t, ctx, l.Acquire), "it was acquired while nobody inspected")
	})
}

func TestALockThatServesTwoLoopsInTurnForgetsTheFirst(t *testing.T) {
	var l asyncio.Lock
	inspected(t, func(ctx context.Context, _ *asyncio.Loop) {
		asyncio.CurrentTask(ctx).SetName("of the first loop")
		must(l.Acquire(ctx))
		assert.Contains(t, waitsFor(t, ctx, l.Acquire), "Lock, held by of the first loop since")
	})
	inspected(t, func(ctx context.Context, _ *asyncio.Loop) {
		assert.Contains(t, waitsFor(t, ctx, l.Acquire), "Lock, held by of the first loop since", "it was not released")
		l.Release()
		asyncio.CurrentTask(ctx).SetName("of the second loop")
		must(l.Acquire(ctx))
		assert.Contains(t, waitsFor(t, ctx, l.Acquire), "Lock, held by of the second loop since")
		l.Release()
		assert.False(t, l.Locked())
	})
}

func TestASemaphoreRecordsAHundredHoldersAndCountsTheOthers(t *testing.T) {
	inspected(t, func(ctx context.Context, loop *asyncio.Loop) {
		const n = 250
		s := asyncio.NewSemaphore(n)
		var tasks []*asyncio.Task[asyncio.None]
		for range n {
			tasks = append(tasks, spawn(ctx, func(ctx context.Context) error { return s.With(ctx, waitsForEver) }))
		}
		giveWay(ctx, 1)
		others := func() (count int) {
			spawn(ctx, s.Acquire, asyncio.WithName("asks"))
			giveWay(ctx, 1)
			info := infoOf(t, loop, "asks")
			_, err := fmt.Sscanf(info.WaitsFor[strings.LastIndex(info.WaitsFor, " and "):], " and %d others", &count)
			assert.NoError(t, err, info.WaitsFor)
			info.Task.Cancel()
			giveWay(ctx, 2)
			assert.LessOrEqual(t, len(info.HeldBy), 100)
			return count
		}
		assert.Equal(t, n-3, others())
		for _, task := range []*asyncio.Task[asyncio.None]{tasks[n-1], tasks[0]} { // one of the others, and one of the hundred
			task.Cancel()
			giveWay(ctx, 2)
			must(s.Acquire(ctx))
			assert.Equal(t, n-3, others())
		}
		for _, task := range tasks {
			task.Cancel()
		}
		giveWay(ctx, 2)
		s.Release()
		s.Release()
		for range n {
			must(s.Acquire(ctx))
		}
		assert.Equal(t, n-3, others())
	})
}
