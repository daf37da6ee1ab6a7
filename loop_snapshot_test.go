package asyncio_test

import (
	"context"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
)

// inspected runs body in virtual time, in a loop that is inspected.
func inspected(t *testing.T, body func(ctx context.Context, loop *asyncio.Loop)) {
	t.Helper()
	inTurn(t, func(ctx context.Context) {
		loop := asyncio.RunningLoop(ctx)
		loop.Inspect(true)
		body(ctx, loop)
		for _, task := range loop.AllTasks()[1:] {
			task.Cancel()
		}
		giveWay(ctx, 5)
	})
}

func TestASnapshotHasTheStateOfEachTask(t *testing.T) {
	inspected(t, func(ctx context.Context, loop *asyncio.Loop) {
		var wakes asyncio.Event
		states := func() (s string) {
			for _, i := range loop.Snapshot() {
				s += i.Name + " " + string(i.State) + " " + i.WaitsFor + "; "
			}
			return s
		}
		asyncio.CurrentTask(ctx).SetName("main")
		spawn(ctx, wakes.Wait, asyncio.WithName("event"))
		spawn(ctx, func(ctx context.Context) error { return asyncio.Sleep(ctx, time.Hour) }, asyncio.WithName("sleeper"))
		done := asyncio.NewFuture[int](loop)
		spawn(ctx, func(ctx context.Context) error { return errOf(ctx, done) }, asyncio.WithName("future"))
		cancelled := spawn(ctx, waitsForEver, asyncio.WithName("cancelled"))
		assert.Equal(t, "main running ; event created ; sleeper created ; future created ; cancelled created ; ", states())
		giveWay(ctx, 1)
		assert.Equal(t, "main running ; event waiting Event; sleeper waiting sleep; future waiting future; cancelled waiting Event; ", states())
		wakes.Set()
		must(done.SetResult(1))
		cancelled.Cancel()
		assert.Equal(t, "main running ; event ready ; sleeper waiting sleep; future ready ; cancelled ready ; ", states())
		asyncio.CreateTask(ctx, asyncio.Do(func(context.Context) error {
			assert.Equal(t, 2, strings.Count(states(), "running"), "a task that starts another eagerly runs, too")
			return nil
		}), asyncio.WithEagerStart())
		loop.CallSoon(func() { assert.NotContains(t, states(), "running", "in a callback") })
		giveWay(ctx, 2)
		assert.Equal(t, "main running ; sleeper waiting sleep; ", states())
	})
}

func TestASnapshotHasTheTimesAndTheCreatorOfEachTask(t *testing.T) {
	withoutDebug(t)
	inspected(t, func(ctx context.Context, loop *asyncio.Loop) {
		main := infoOf(t, loop, asyncio.CurrentTask(ctx).Name())
		assert.Equal(t, asyncio.Never, main.Created, "it was created before the inspection")
		assert.Equal(t, asyncio.Never, main.Since, "it does not wait")
		must(asyncio.Sleep(ctx, time.Minute))
		var line int
		create := func(ctx context.Context) error {
			must(asyncio.Sleep(ctx, time.Second))
			_, _, line, _ = runtime.Caller(0)
			spawn(ctx, func(ctx context.Context) error {
				must(asyncio.Sleep(ctx, time.Second))
				return waitsForEver(ctx)
			}, asyncio.WithName("child"))
			return waitsForEver(ctx)
		}
		parent := spawn(ctx, create, asyncio.WithName("parent"))
		loop.CallSoon(func() { spawn(ctx, waitsForEver, asyncio.WithName("by a callback")) })
		must(asyncio.Sleep(ctx, time.Hour))
		child := infoOf(t, loop, "child")
		assert.Equal(t, infoOf(t, loop, parent.Name()).ID, child.Parent)
		assert.Equal(t, time.Minute+time.Second, child.Created)
		assert.Equal(t, time.Minute+2*time.Second, child.Since)
		assert.Equal(t, main.ID, infoOf(t, loop, "parent").Parent)
		assert.Zero(t, infoOf(t, loop, "by a callback").Parent)
		creation := loop.CreationStack(child.Task)
		require.GreaterOrEqual(t, len(creation), 2)
		assert.Contains(t, creation[1].File, "loop_snapshot_test.go")
		assert.Equal(t, line+1, creation[1].Line)
		child.Task.Cancel()
		giveWay(ctx, 2)
		assert.Nil(t, loop.CreationStack(child.Task), "when it is done")
	})
}

func TestASnapshotsIDsAreUnique(t *testing.T) {
	inspected(t, func(ctx context.Context, loop *asyncio.Loop) {
		seen := make(map[uint64]bool)
		for i := range 100 {
			if i%3 == 0 {
				spawn(ctx, waitsForEver)
			} else {
				spawn(ctx, waitsForEver, asyncio.WithName("the same"))
			}
		}
		for _, i := range loop.Snapshot() {
			assert.False(t, seen[i.ID])
			assert.NotZero(t, i.ID)
			seen[i.ID] = true
			if i.Name == "the same" {
				i.Task.SetName("another")
			}
		}
		for _, i := range loop.Snapshot() {
			assert.True(t, seen[i.ID], "the ID stays when the name changes")
		}
		assert.Equal(t, "Task-36", asyncio.CreateTask(ctx, asyncio.Do(waitsForEver)).Name(), "a name that was given uses up no number")
	})
}

func TestASnapshotKnowsWhoAwaitsATask(t *testing.T) {
	ways := map[string]func(ctx context.Context, leaf *asyncio.Task[asyncio.None]) error{
		"Await": func(ctx context.Context, leaf *asyncio.Task[asyncio.None]) error { return errOf(ctx, leaf) },
		"Gather": func(ctx context.Context, leaf *asyncio.Task[asyncio.None]) error {
			return errOf(ctx, asyncio.Gather(ctx, leaf, leaf))
		},
		"Shield": func(ctx context.Context, leaf *asyncio.Task[asyncio.None]) error {
			return errOf(ctx, asyncio.Shield(ctx, leaf))
		},
		"Wait": func(ctx context.Context, leaf *asyncio.Task[asyncio.None]) error {
			_, _, err := asyncio.Wait(ctx, []asyncio.AnyTask{leaf})
			return err
		},
		"WaitFor": func(ctx context.Context, leaf *asyncio.Task[asyncio.None]) error {
			_, err := asyncio.WaitFor(ctx, leaf, 10*time.Hour)
			return err
		},
		"AsCompleted": func(ctx context.Context, leaf *asyncio.Task[asyncio.None]) error {
			for _, err := range asyncio.AsCompleted[asyncio.None](ctx, leaf) {
				return err
			}
			return nil
		},
		"a generator": func(ctx context.Context, leaf *asyncio.Task[asyncio.None]) error {
			return readNumber(ctx, asyncio.Pull(ctx, func(yield func(int, error) bool) { yield(1, errOf(ctx, leaf)) }))
		},
	}
	for name, await := range ways {
		t.Run(name, func(t *testing.T) {
			inspected(t, func(ctx context.Context, loop *asyncio.Loop) {
				leaf := spawn(ctx, waitsForEver, asyncio.WithName("leaf"))
				spawn(ctx, func(ctx context.Context) error { return await(ctx, leaf) }, asyncio.WithName("awaiter"))
				must(asyncio.Sleep(ctx, time.Hour))
				assert.Equal(t, []uint64{infoOf(t, loop, "awaiter").ID}, infoOf(t, loop, "leaf").AwaitedBy)
				assert.Empty(t, infoOf(t, loop, "awaiter").AwaitedBy)
			})
		})
	}
	inspected(t, func(ctx context.Context, loop *asyncio.Loop) {
		spawn(ctx, func(ctx context.Context) error {
			return asyncio.WithTaskGroup(ctx, func(ctx context.Context, tg *asyncio.TaskGroup) error {
				tg.Go(waitsForEver, asyncio.WithName("member"))
				return asyncio.Sleep(ctx, time.Hour)
			})
		}, asyncio.WithName("parent"))
		for range 2 { // in the body of the group, and at its end
			must(asyncio.Sleep(ctx, time.Minute))
			assert.Equal(t, []uint64{infoOf(t, loop, "parent").ID}, infoOf(t, loop, "member").AwaitedBy)
			must(asyncio.Sleep(ctx, 2*time.Hour))
		}
	})
}
