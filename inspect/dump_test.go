package inspect_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
	"github.com/go-asyncio/asyncio/inspect"
)

func TestDumpSaysWhatEachTaskDoes(t *testing.T) {
	withLoop(t, family, func(t *testing.T, loop *asyncio.Loop) {
		time.Sleep(90 * time.Second)
		var out strings.Builder
		require.NoError(t, inspect.Dump(loop, &out))
		text := out.String()
		assert.Contains(t, text, "5 tasks, 5 waiting\n")
		assert.Regexp(t, `(?m)^second child, waiting 1m30s for Lock "accounts", held by first child since \S*view_test\.go:\d+, created 1m30s ago by Parent, awaited by Parent$`, text)
		assert.Regexp(t, `(?m)^grandchild, waiting 1m30s for Event, created 1m30s ago by first child
	asyncio\.\(\*Event\)\.Wait \S*sync_event\.go:\d+
	inspect_test\.forever \S*helper_test\.go:\d+$`, text)
	})
}

// A task cannot wait for its own loop. Dump has to notice that it runs on it.
func TestATaskMayDumpItsOwnLoop(t *testing.T) {
	var fromTask, fromCallback strings.Builder
	withLoop(t, func(ctx context.Context) error {
		loop := asyncio.RunningLoop(ctx)
		spawn(ctx, "sleeper", forever)
		if err := asyncio.Sleep(ctx, time.Second); err != nil {
			return err
		}
		loop.CallSoon(func() { assert.NoError(t, inspect.Dump(loop, &fromCallback)) })
		err := inspect.Dump(loop, &fromTask)
		return errors.Join(err, forever(ctx))
	}, func(t *testing.T, loop *asyncio.Loop) {
		time.Sleep(2 * time.Second)
		synctest.Wait()
		assert.Contains(t, fromTask.String(), "Task-1, running")
		assert.Contains(t, fromTask.String(), "sleeper, waiting 1s for Event")
		assert.Contains(t, fromCallback.String(), "Task-1, waiting")
	})
}

func TestStacksInTextAreBounded(t *testing.T) {
	withLoop(t, func(ctx context.Context) error {
		for i := range 3000 {
			spawn(ctx, fmt.Sprint("number ", i), forever)
		}
		return forever(ctx)
	}, func(t *testing.T, loop *asyncio.Loop) {
		for name, write := range map[string]func(*asyncio.Loop, io.Writer) error{"dump": inspect.Dump, "ps": inspect.PS, "pstree": inspect.PSTree} {
			var out strings.Builder
			require.NoError(t, write(loop, &out))
			assert.Contains(t, out.String(), "The stacks of the first 1000 of 3001 tasks.\n", name)
			assert.Contains(t, out.String(), "number 2999", name)
			assert.Equal(t, 1000, strings.Count(out.String(), ".forever"), name)
		}
	})
}

func TestABlockedLoopIsDumpedAsTheGoroutinesOfTheProgram(t *testing.T) {
	var release chan struct{}
	withLoop(t, func(ctx context.Context) error {
		release = make(chan struct{})
		blocksTheLoop(release)
		return nil
	}, func(t *testing.T, loop *asyncio.Loop) {
		var out strings.Builder
		require.NoError(t, inspect.Dump(loop, &out))
		assert.Contains(t, out.String(), "the loop does not answer")
		assert.Contains(t, out.String(), "inspect_test.blocksTheLoop")
		close(release)
	})
}

//go:noinline
func blocksTheLoop(release chan struct{}) { <-release }

func TestAHostileNameStaysInItsLine(t *testing.T) {
	withLoop(t, func(ctx context.Context) error {
		spawn(ctx, "a\nTask-2, waiting for \x1b[31mGodot", forever)
		return forever(ctx)
	}, func(t *testing.T, loop *asyncio.Loop) {
		for _, write := range []func(*asyncio.Loop, io.Writer) error{inspect.Dump, inspect.PS, inspect.PSTree} {
			var out strings.Builder
			require.NoError(t, write(loop, &out))
			assert.NotContains(t, out.String(), "\nTask-2")
			assert.NotContains(t, out.String(), "\x1b")
			assert.Contains(t, out.String(), `"a\nTask-2, waiting for \x1b[31mGodot"`)
		}
	})
}

type brokenWriter struct{}

var errBroken = errors.New("broken")

func (brokenWriter) Write([]byte) (int, error) { return 0, errBroken }

func TestTheErrorOfTheWriterIsReturned(t *testing.T) {
	withLoop(t, family, func(t *testing.T, loop *asyncio.Loop) {
		assert.ErrorIs(t, inspect.Dump(loop, brokenWriter{}), errBroken)
		assert.ErrorIs(t, inspect.PS(loop, brokenWriter{}), errBroken)
		assert.ErrorIs(t, inspect.PSTree(loop, brokenWriter{}), errBroken)
	})
}

// Goroutines take snapshots and stacks while tasks are created, wait, hold locks and end. The race
// detector watches.
func TestABusyLoopIsInspectedWithoutARace(t *testing.T) {
	_, err := asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
		loop := asyncio.RunningLoop(ctx)
		h := inspect.Handler(loop)
		left := 4
		for i := range left {
			go func() {
				for range 15 {
					assert.NoError(t, inspect.Dump(loop, io.Discard))
					assert.NoError(t, inspect.PSTree(loop, io.Discard))
					get(t, h, "stack?task=2")
					get(t, h, fmt.Sprintf("tasks?name=%d", i))
				}
				assert.NoError(t, loop.CallSoonThreadsafe(func() { left-- }))
			}()
		}
		var lock asyncio.Lock
		queue := asyncio.NewQueue[int](2)
		for left > 0 {
			if err := churn(ctx, &lock, queue); err != nil {
				return err
			}
		}
		return nil
	}))
	require.NoError(t, err)
}

// churn has tasks pass a lock and values around.
func churn(ctx context.Context, lock *asyncio.Lock, queue *asyncio.Queue[int]) error {
	return asyncio.WithTaskGroup(ctx, func(ctx context.Context, group *asyncio.TaskGroup) error {
		for i := range 20 {
			group.Go(func(ctx context.Context) error {
				asyncio.CurrentTask(ctx).SetName(fmt.Sprint("churn ", i))
				return lock.With(ctx, func(ctx context.Context) error { return queue.Put(ctx, i) })
			})
			group.Go(func(ctx context.Context) error {
				_, err := queue.Get(ctx)
				return errors.Join(err, asyncio.Sleep(ctx, time.Microsecond))
			})
		}
		return nil
	})
}
