package asyncio_test

import (
	"context"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
)

func TestALoopDescribesItsQueues(t *testing.T) {
	withoutDebug(t)
	var before *asyncio.Queue[int]
	run(t, func(ctx context.Context) error {
		before = asyncio.NewQueue[int](0)
		before.SetName("made before the inspection")
		unknown := asyncio.NewQueue[int](0)
		loop := asyncio.RunningLoop(ctx)
		loop.Inspect(true)
		jobs := asyncio.NewQueue[int](2)
		jobs.SetName("jobs")
		urgent := asyncio.NewPriorityQueue[int](0)
		urgent.SetName("urgent")
		recent := asyncio.NewLifoQueue[string](-1)
		require.NoError(t, recent.PutNowait("a"))
		recent.Shutdown(false)
		for i := range 4 {
			spawn(ctx, func(ctx context.Context) error { return jobs.Put(ctx, i) })
		}
		for range 3 {
			asyncio.CreateTask(ctx, urgent.Get)
		}
		asyncio.CreateTask(ctx, before.Get)
		asyncio.CreateTask(ctx, unknown.Get)
		giveWay(ctx, 2)
		assert.Equal(t, []asyncio.QueueInfo{
			{Name: "jobs", Kind: "Queue", Size: 2, MaxSize: 2, Putters: 2, Unfinished: 2},
			{Name: "urgent", Kind: "PriorityQueue", Getters: 3},
			{Kind: "LifoQueue", Size: 1, Unfinished: 1, ShutDown: true},
			{Name: "made before the inspection", Kind: "Queue", Getters: 1},
		}, loop.Queues())
		runtime.KeepAlive([]any{jobs, urgent, recent})
		return nil
	})
}

func TestADroppedQueueIsForgotten(t *testing.T) {
	run(t, func(ctx context.Context) error {
		loop := asyncio.RunningLoop(ctx)
		loop.Inspect(true)
		kept := asyncio.NewQueue[int](0)
		kept.SetName("kept")
		for i := range 10_000 {
			asyncio.NewQueue[int](0).SetName(fmt.Sprint("dropped ", i))
		}
		for begin := time.Now(); len(loop.Queues()) > 1 && time.Since(begin) < time.Minute; {
			runtime.GC()
		}
		queues := loop.Queues()
		require.Len(t, queues, 1)
		assert.Equal(t, "kept", queues[0].Name)
		runtime.KeepAlive(kept)
		return nil
	})
}

// A loop lists the queues that its own tasks have made, and no others.
func TestAQueueIsListedInTheLoopThatHasMadeIt(t *testing.T) {
	run(t, func(ctx context.Context) error {
		loop := asyncio.RunningLoop(ctx)
		loop.Inspect(true)
		mine := asyncio.NewQueue[int](1)
		run(t, func(ctx context.Context) error {
			inner := asyncio.RunningLoop(ctx)
			inner.Inspect(true)
			theirs := asyncio.NewQueue[int](2)
			queues := inner.Queues()
			require.Len(t, queues, 1)
			assert.Equal(t, 2, queues[0].MaxSize)
			runtime.KeepAlive(theirs)
			return nil
		})
		_, err := asyncio.ToThread(ctx, func(context.Context) (int, error) {
			asyncio.NewQueue[int](3).SetName("of a thread")
			return 0, nil
		})
		require.NoError(t, err)
		queues := loop.Queues()
		require.Len(t, queues, 1)
		assert.Equal(t, 1, queues[0].MaxSize)
		runtime.KeepAlive(mine)
		return nil
	})
}
