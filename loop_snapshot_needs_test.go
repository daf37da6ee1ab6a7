package asyncio_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
)

func TestSeveralReadersOfStatsSeeTheSameLateness(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		loop := asyncio.RunningLoop(ctx)
		loop.Inspect(true)
		loop.CallLater(time.Millisecond, func() {})
		time.Sleep(30 * time.Millisecond) // blocks the loop, so that the timer is late
		giveWay(ctx, 1)
		first, second := loop.Stats(), loop.Stats()
		assert.GreaterOrEqual(t, first.Lateness, 20*time.Millisecond)
		if second.Time-first.Time < time.Second/2 { // it is not too slow a machine
			assert.Equal(t, first.Lateness, second.Lateness)
		}
		if err := asyncio.Sleep(ctx, 2100*time.Millisecond); err != nil {
			return err
		}
		assert.Less(t, loop.Stats().Lateness, 20*time.Second, "it is forgotten")
		return nil
	})
}

func TestTaskInfosDescribesTheTasksThatAreAskedFor(t *testing.T) {
	run(t, func(ctx context.Context) error {
		loop := asyncio.RunningLoop(ctx)
		loop.Inspect(true)
		var lock asyncio.Lock
		must(lock.Acquire(ctx))
		for range 5 {
			spawn(ctx, lock.Acquire)
		}
		giveWay(ctx, 1)
		all := loop.Snapshot()
		require.Len(t, all, 6)
		assert.Equal(t, []asyncio.TaskInfo{all[2], all[4]}, loop.TaskInfos(all[4].ID, all[2].ID, all[2].ID, 12345))
		assert.Empty(t, loop.TaskInfos())
		all[2].Task.Cancel()
		giveWay(ctx, 2)
		assert.Empty(t, loop.TaskInfos(all[2].ID), "it is done")
		return nil
	})
}

func TestATaskThatWaitsForOneOfSeveralDoesNotNeedEach(t *testing.T) {
	run(t, func(ctx context.Context) error {
		loop := asyncio.RunningLoop(ctx)
		loop.Inspect(true)
		var never asyncio.Event
		one, other := spawn(ctx, never.Wait), spawn(ctx, never.Wait)
		spawn(ctx, func(ctx context.Context) error {
			_, _, err := asyncio.Wait(ctx, []asyncio.AnyTask{one, other}, asyncio.ReturnWhen(asyncio.FirstCompleted))
			return err
		})
		spawn(ctx, func(ctx context.Context) error { return errOf(ctx, one) })
		spawn(ctx, func(ctx context.Context) error {
			_, err := asyncio.Gather(ctx, one, one, other).Await(ctx)
			return err
		})
		giveWay(ctx, 2)
		infos := loop.Snapshot()
		waits, awaits, gathers := infos[3].ID, infos[4].ID, infos[5].ID
		assert.Equal(t, []uint64{waits, awaits, gathers}, infos[1].AwaitedBy)
		assert.Equal(t, []uint64{awaits, gathers}, infos[1].NeededBy)
		assert.Equal(t, []uint64{waits, gathers}, infos[2].AwaitedBy)
		assert.Equal(t, []uint64{gathers}, infos[2].NeededBy)
		assert.Equal(t, infos[4].AwaitedBy, infos[4].NeededBy)
		return nil
	})
}

func TestASnapshotNamesTheTaskThatAloneCanReleaseALock(t *testing.T) {
	run(t, func(ctx context.Context) error {
		loop := asyncio.RunningLoop(ctx)
		loop.Inspect(true)
		var lock asyncio.Lock
		single, double := asyncio.NewSemaphore(1), asyncio.NewSemaphore(2)
		must(lock.Acquire(ctx))
		must(single.Acquire(ctx))
		must(double.Acquire(ctx))
		must(double.Acquire(ctx))
		spawn(ctx, lock.Acquire)
		spawn(ctx, single.Acquire)
		spawn(ctx, double.Acquire)
		spawn(ctx, new(asyncio.Event).Wait)
		giveWay(ctx, 1)
		infos := loop.Snapshot()
		me := infos[0].ID
		var blocked []uint64
		for _, i := range infos[1:] {
			blocked = append(blocked, i.BlockedBy)
		}
		assert.Equal(t, []uint64{me, me, 0, 0}, blocked)
		return nil
	})
}
