package asyncio_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
)

func TestASnapshotNamesTheHoldersOfWhatATaskWaitsFor(t *testing.T) {
	run(t, func(ctx context.Context) error {
		loop := asyncio.RunningLoop(ctx)
		loop.Inspect(true)
		room := asyncio.NewSemaphore(5)
		room.SetName("room")
		for range 7 {
			spawn(ctx, func(ctx context.Context) error {
				return room.With(ctx, func(ctx context.Context) error { return asyncio.Sleep(ctx, time.Hour) })
			})
		}
		if err := asyncio.Sleep(ctx, time.Second); err != nil {
			return err
		}
		infos := loop.Snapshot()
		require.Len(t, infos, 8)
		var holders []uint64
		for _, i := range infos[1:6] {
			assert.Equal(t, "sleep", i.WaitsFor)
			holders = append(holders, i.ID)
		}
		for _, i := range infos[6:] {
			assert.Equal(t, holders, i.HeldBy)
			assert.Regexp(t, `^Semaphore "room", held by Task-2 since \S+ and Task-3 since \S+ and Task-4 since \S+ and 2 others$`, i.WaitsFor)
		}
		return nil
	})
}

// A snapshot of n tasks takes time in proportion to n, even if all wait for one lock or await one
// task. With the square of n this test would not end.
func TestASnapshotOfManyTasksThatWaitForOneThingIsQuick(t *testing.T) {
	const n = 50_000
	run(t, func(ctx context.Context) error {
		loop := asyncio.RunningLoop(ctx)
		loop.Inspect(true)
		var lock asyncio.Lock
		awaited := asyncio.CreateTask(ctx, sleeper(time.Hour))
		for i := range n {
			asyncio.CreateTask(ctx, asyncio.Do(lock.Acquire), asyncio.WithName(fmt.Sprint("acquires ", i)))
			asyncio.CreateTask(ctx, asyncio.Do(func(ctx context.Context) error { _, err := awaited.Await(ctx); return err }))
		}
		if err := asyncio.Sleep(ctx, time.Second); err != nil {
			return err
		}
		infos := loop.Snapshot()
		assert.Len(t, infos, 2*n+1)
		assert.Len(t, infos[1].AwaitedBy, n)
		assert.Len(t, infos[len(infos)-2].HeldBy, 1)
		return nil
	})
}
