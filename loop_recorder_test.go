package asyncio_test

import (
	"context"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
)

// infoOf returns what a snapshot says of the task with this name.
func infoOf(t *testing.T, loop *asyncio.Loop, name string) asyncio.TaskInfo {
	t.Helper()
	for _, info := range loop.Snapshot() {
		if info.Name == name {
			return info
		}
	}
	require.Fail(t, "no such task", name)
	return asyncio.TaskInfo{}
}

// waitsForEver is a coroutine that waits until it is cancelled.
func waitsForEver(ctx context.Context) error { return new(asyncio.Event).Wait(ctx) }

func TestOnlyTasksThatWereCreatedDuringTheInspectionHaveACreator(t *testing.T) {
	withoutDebug(t)
	inTurn(t, func(ctx context.Context) {
		loop := asyncio.RunningLoop(ctx)
		create := func(name string) { spawn(ctx, waitsForEver, asyncio.WithName(name)) }
		create("before")
		loop.Inspect(true)
		create("first")
		assert.NotZero(t, infoOf(t, loop, "first").Parent)
		loop.Inspect(false)
		create("between")
		loop.Inspect(true)
		create("second")
		create("third")
		for _, task := range loop.AllTasks()[1:] {
			known := task.Name() == "second" || task.Name() == "third"
			info := infoOf(t, loop, task.Name())
			assert.Equal(t, known, info.Parent != 0, task.Name())
			assert.Equal(t, known, info.Created != asyncio.Never, task.Name())
			assert.Equal(t, known, loop.CreationStack(task) != nil, task.Name())
		}
		for _, task := range loop.AllTasks()[1:4] { // the end of the others leaves second and third known
			task.Cancel()
		}
		giveWay(ctx, 2)
		create("fourth")
		for _, name := range []string{"second", "third", "fourth"} {
			assert.NotZero(t, infoOf(t, loop, name).Parent, name)
		}
	})
}

// The records of creations are reused when tasks end. Each task must find its own.
func TestATaskFindsItsOwnCreationWhateverOthersEnd(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		loop := asyncio.RunningLoop(ctx)
		loop.Inspect(true)
		r := rand.New(rand.NewPCG(1, 2))
		creator := make(map[uint64]uint64)
		create := func(ctx context.Context) {
			task := spawn(ctx, waitsForEver)
			all := loop.Snapshot()
			require.Equal(t, task.Name(), all[len(all)-1].Name)
			for _, info := range all {
				if info.Task == asyncio.AnyTask(asyncio.CurrentTask(ctx)) {
					creator[all[len(all)-1].ID] = info.ID
				}
			}
		}
		for range 300 {
			switch all := loop.AllTasks(); {
			case r.IntN(2) == 0 && len(all) > 1:
				all[1+r.IntN(len(all)-1)].Cancel()
			case r.IntN(2) == 0:
				create(ctx)
			default:
				join(ctx, spawn(ctx, func(ctx context.Context) error { create(ctx); return nil }))
			}
			giveWay(ctx, r.IntN(2))
			for _, info := range loop.Snapshot()[1:] {
				require.Equal(t, creator[info.ID], info.Parent)
			}
		}
	})
}

func TestALoopThatDoesNotRunRecordsNoHolders(t *testing.T) {
	withoutDebug(t)
	before := asyncio.RecordingLoops()
	recording := func() int { return int(asyncio.RecordingLoops() - before) }
	loop := asyncio.NewLoop()
	loop.Inspect(true)
	assert.Zero(t, recording(), "it does not run yet")
	inLoop := func(body func(ctx context.Context)) {
		t.Helper()
		_, err := asyncio.RunUntilComplete(t.Context(), loop, asyncio.Do(func(ctx context.Context) error { body(ctx); return nil }))
		assert.NoError(t, err)
	}
	inLoop(func(context.Context) {
		assert.Equal(t, 1, recording())
		loop.SetDebug(true)
		loop.Inspect(true)
		loop.Inspect(false)
		assert.Equal(t, 1, recording(), "debug mode is on")
		loop.SetDebug(false)
		assert.Zero(t, recording())
		loop.Inspect(false)
		assert.Zero(t, recording())
		loop.SetDebug(true)
		loop.SetDebug(true)
		assert.Equal(t, 1, recording())
	})
	assert.Zero(t, recording(), "the run is over")
	inLoop(func(context.Context) { assert.Equal(t, 1, recording(), "the second run") })
	loop.Inspect(true)
	require.NoError(t, loop.Close())
	loop.Inspect(true)
	loop.SetDebug(true)
	assert.Empty(t, loop.Snapshot(), "of a closed loop")
	assert.NotZero(t, loop.Stats().Turns)
	assert.Zero(t, recording())
}

func TestARunThatEndsByGoexitRecordsNoHoldersAnyMore(t *testing.T) {
	withoutDebug(t)
	before := asyncio.RecordingLoops()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
			assert.Equal(t, before+1, asyncio.RecordingLoops())
			runtime.Goexit()
			return nil
		}), asyncio.WithDebug())
	}()
	<-done
	assert.Equal(t, before, asyncio.RecordingLoops())
}

// The time of a turn is that of the turn itself or of an earlier one, however many turns there were.
func TestTheTimeOfATurnIsNeverLate(t *testing.T) {
	for seed := range uint64(5) {
		r := rand.New(rand.NewPCG(seed, 3))
		var clock asyncio.TurnClock
		times := make(map[uint64]time.Duration) // of each turn
		now, turn := time.Duration(0), uint64(0)
		first := uint64(1 + r.IntN(100))
		turns := 1 + r.IntN(12_000)
		for range turns {
			turn++
			now += time.Duration(r.IntN(3))
			times[turn] = now
			if turn == first || turn > first && r.IntN(2) == 0 {
				clock.Add(turn, now)
				require.LessOrEqual(t, clock.Entries(), 4096)
			}
		}
		last := time.Duration(0)
		for i := uint64(0); i <= turn+10; i++ {
			at := clock.At(i)
			if i < first {
				require.Equal(t, asyncio.Never, at)
				continue
			}
			if i <= turn {
				require.LessOrEqual(t, at, times[i])
			}
			require.GreaterOrEqual(t, at, last, "the times ascend")
			last = at
		}
	}
}
