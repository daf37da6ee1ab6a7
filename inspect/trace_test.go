package inspect_test

import (
	"bytes"
	"context"
	"encoding/json"
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

// traced traces a run of main and returns the text of the trace.
func traced(t *testing.T, main func(ctx context.Context) error, opts ...asyncio.Option) []byte {
	t.Helper()
	var out bytes.Buffer
	_, err := asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
		stop, err := inspect.Trace(asyncio.RunningLoop(ctx), &out)
		if err != nil {
			return err
		}
		if err := asyncio.Sleep(ctx, 0); err != nil { // until the loop is observed
			return err
		}
		return errors.Join(main(ctx), stop())
	}), opts...)
	require.NoError(t, err)
	return out.Bytes()
}

var virtualTime = asyncio.WithVirtualTime()

func TestATraceShowsStepsWaitsAndWhoWokeWhom(t *testing.T) {
	p := readTrace(t, traced(t, func(ctx context.Context) error {
		var lock asyncio.Lock
		lock.SetName("accounts")
		queue := asyncio.NewQueue[int](1)
		holder := spawn(ctx, "holder", func(ctx context.Context) error {
			return lock.With(ctx, func(ctx context.Context) error { return asyncio.Sleep(ctx, 3*time.Second) })
		})
		waiter := spawn(ctx, "waiter", func(ctx context.Context) error {
			if err := lock.Acquire(ctx); err != nil {
				return err
			}
			defer lock.Release()
			return errors.Join(queue.Put(ctx, 1), queue.Put(ctx, 2))
		})
		reader := spawn(ctx, "reader", func(ctx context.Context) error {
			for range 2 {
				if _, err := queue.Get(ctx); err != nil {
					return err
				}
				if err := asyncio.Sleep(ctx, time.Second); err != nil {
					return err
				}
			}
			return errors.New(`it said "no"`)
		})
		_, _, err := asyncio.Wait(ctx, []*asyncio.Task[asyncio.None]{holder, waiter, reader})
		_ = reader.Exception()
		return err
	}, virtualTime))
	assert.Equal(t, []string{"ready", "step", "sleep for sleep 3s", "ready", "step"}, p.on("holder"))
	assert.Equal(t, []string{"ready", "step", `sync for Lock "accounts" 3s`, "ready", "step", "queue for room in a Queue", "ready", "step"}, p.on("waiter"))
	assert.Equal(t, []string{
		"ready", "step", "queue for a value in a Queue 3s", "ready", "step", "sleep for sleep 1s", "ready", "step", "sleep for sleep 1s", "ready", `step: it said "no"`,
	}, p.on("reader"))
	assert.Equal(t, []string{"Task-1", "holder", "reader"}, p.wakers("waiter"))
	assert.Equal(t, []string{"Task-1", "loop"}, p.wakers("holder"), "created by main, and woken by a timer")
	assert.Equal(t, []string{"Task-1", "waiter", "loop", "loop"}, p.wakers("reader"))
	assert.Equal(t, "virtual time", p.labels)
	assert.Equal(t, "virtual", p.other["clock"])
	assert.Equal(t, 4, p.peaks["tasks"])
	assert.Contains(t, p.on("loop"), "idle 3s")
	assert.Contains(t, p.on("loop"), "timer of task holder")
}

func TestATraceInVirtualTimeIsTheSameEachTime(t *testing.T) {
	program := func(ctx context.Context) error {
		return asyncio.WithTaskGroup(ctx, func(ctx context.Context, group *asyncio.TaskGroup) error {
			queue := asyncio.NewQueue[int](3)
			for i := range 50 {
				group.Go(func(ctx context.Context) error {
					return errors.Join(asyncio.Sleep(ctx, time.Duration(i)*time.Millisecond), queue.Put(ctx, i))
				})
				group.Go(func(ctx context.Context) error { _, err := queue.Get(ctx); return err })
			}
			return nil
		})
	}
	first := traced(t, program, virtualTime)
	readTrace(t, first)
	for range 3 {
		assert.Equal(t, string(first), string(traced(t, program, virtualTime)))
	}
}

func TestTracesOfManyKindsOfProgramsAreValid(t *testing.T) {
	group := asyncio.WithTaskGroup
	stream := func(ctx context.Context) error {
		client, server := asyncio.StreamPair(ctx)
		return group(ctx, func(ctx context.Context, g *asyncio.TaskGroup) error {
			g.Go(func(ctx context.Context) error {
				for range 10 {
					if _, err := client.Writer.Write(bytes.Repeat([]byte("x"), 1<<17)); err != nil {
						return err
					}
					if err := client.Writer.Drain(ctx); err != nil {
						return err
					}
				}
				return client.Writer.WriteEOF()
			})
			g.Go(func(ctx context.Context) error { _, err := server.Reader.Read(ctx, -1); return err })
			return nil
		})
	}
	threads := func(ctx context.Context) error {
		_, err := asyncio.Gather(ctx, asyncio.Coro[int](func(ctx context.Context) (int, error) {
			return asyncio.ToThread(ctx, func(context.Context) (int, error) { return 1, asyncio.RunningLoop(ctx).CallSoonThreadsafe(func() {}) })
		}), asyncio.Coro[int](func(ctx context.Context) (int, error) { return 2, asyncio.Sleep(ctx, time.Millisecond) })).Await(ctx)
		return err
	}
	cancelled := func(ctx context.Context) error {
		err := asyncio.Timeout(ctx, time.Millisecond, func(ctx context.Context, _ *asyncio.TimeoutScope) error {
			return group(ctx, func(ctx context.Context, g *asyncio.TaskGroup) error {
				for range 5 {
					g.Go(forever)
				}
				return forever(ctx)
			})
		})
		if !errors.Is(err, asyncio.ErrTimeout) {
			return err
		}
		return nil
	}
	for name, test := range map[string]struct {
		main func(context.Context) error
		want []string // names of slices
		opts []asyncio.Option
	}{
		"streams":         {stream, []string{"network"}, nil},
		"threads":         {threads, []string{"thread", "future", "sleep"}, nil},
		"cancelled":       {cancelled, []string{"sync", "ready", "step"}, nil},
		"virtual threads": {threads, []string{"thread"}, []asyncio.Option{virtualTime}},
		"eager":           {cancelled, []string{"sync"}, []asyncio.Option{asyncio.WithEagerTasks(), virtualTime}},
		"eager streams":   {stream, []string{"network"}, []asyncio.Option{asyncio.WithEagerTasks()}},
		"debug":           {threads, []string{"thread"}, []asyncio.Option{asyncio.WithDebug()}},
	} {
		t.Run(name, func(t *testing.T) {
			p := readTrace(t, traced(t, test.main, test.opts...))
			seen := make(map[string]bool)
			for _, s := range p.shown {
				seen[s.name] = true
			}
			for _, want := range test.want {
				assert.True(t, seen[want], want)
			}
		})
	}
}

func TestATraceShowsCancellationsAndEagerStarts(t *testing.T) {
	p := readTrace(t, traced(t, func(ctx context.Context) error {
		victim := asyncio.CreateTask(ctx, asyncio.Do(forever), asyncio.WithName("victim"), asyncio.WithEagerStart())
		if err := asyncio.Sleep(ctx, time.Second); err != nil {
			return err
		}
		victim.Cancel()
		_, _, err := asyncio.Wait(ctx, []*asyncio.Task[asyncio.None]{victim})
		return err
	}, virtualTime))
	assert.Equal(t, []string{"step", "sync for Event 1s: cancelled", "ready", "step: cancelled"}, p.on("victim"))
	assert.Equal(t, []string{"Task-1", "Task-1"}, p.wakers("victim"), "the one that started it, and the one that cancelled it")
}

func TestTasksThatWereThereBeforeTheTraceAppearWhenTheyAct(t *testing.T) {
	var out bytes.Buffer
	_, err := asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
		sleeper := spawn(ctx, "sleeper", func(ctx context.Context) error { return asyncio.Sleep(ctx, time.Minute) })
		spawn(ctx, "idler", forever)
		if err := asyncio.Sleep(ctx, time.Second); err != nil {
			return err
		}
		stop, err := inspect.Trace(asyncio.RunningLoop(ctx), &out)
		_, awaited := sleeper.Await(ctx)
		return errors.Join(err, awaited, stop())
	}), virtualTime)
	require.NoError(t, err)
	p := readTrace(t, out.Bytes())
	assert.Equal(t, []string{"sleep 59s", "ready", "step"}, p.on("sleeper"))
	assert.Empty(t, p.of("idler"))
	assert.EqualValues(t, 1, p.other["tasks without a track"])
}

func TestTracksAreSharedOnceThereAreMany(t *testing.T) {
	p := readTrace(t, traced(t, func(ctx context.Context) error {
		for i := range 3000 {
			if _, err := spawn(ctx, fmt.Sprint("number ", i), func(context.Context) error { return nil }).Await(ctx); err != nil {
				return err
			}
		}
		return nil
	}, virtualTime))
	tracks := make(map[string]int)
	for _, s := range p.shown {
		tracks[s.track]++
	}
	assert.Equal(t, 1000, len(tracks))
	assert.Equal(t, []string{"ready", "step"}, p.on("number 5"))
	last := p.shown[len(p.shown)-2:]
	tasks := make(map[string]bool)
	for _, s := range p.shown {
		tasks[s.args["task"]] = true
	}
	assert.True(t, tasks["number 2999"], "%v", last)
}

// A blockedWriter blocks until it is released.
type blockedWriter struct {
	bytes.Buffer
	release chan struct{}
}

func (w *blockedWriter) Write(p []byte) (int, error) {
	<-w.release
	return w.Buffer.Write(p)
}

func TestASlowWriterDoesNotHoldTheLoopAndTheGapIsShown(t *testing.T) {
	out := &blockedWriter{release: make(chan struct{})}
	_, err := asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
		stop, err := inspect.Trace(asyncio.RunningLoop(ctx), out)
		if err != nil {
			return err
		}
		child := spawn(ctx, "child", func(ctx context.Context) error {
			for range 30000 { // more than 4 MB
				if err := asyncio.Sleep(ctx, 0); err != nil {
					return err
				}
			}
			return nil
		})
		if _, err := child.Await(ctx); err != nil {
			return err
		}
		close(out.release)
		return stop()
	}))
	require.NoError(t, err)
	p := readTrace(t, out.Bytes())
	assert.Less(t, out.Len(), 5<<20)
	require.Len(t, p.notes, 1)
	assert.Regexp(t, `^\d{4,} events left out before this: the writer was too slow$`, p.notes[0])
	assert.Greater(t, p.other["events left out"], 1000.0)
}

func TestATraceGoesOnWhenTheWriterHasCaughtUp(t *testing.T) {
	out := &blockedWriter{release: make(chan struct{})}
	_, err := asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
		stop, err := inspect.Trace(asyncio.RunningLoop(ctx), out)
		if err != nil {
			return err
		}
		yield := func(ctx context.Context) error {
			for range 30000 {
				if err := asyncio.Sleep(ctx, 0); err != nil {
					return err
				}
			}
			return nil
		}
		if _, err := spawn(ctx, "before", yield).Await(ctx); err != nil {
			return err
		}
		if _, err := asyncio.ToThread(ctx, func(context.Context) (int, error) { // the writer takes all but the last buffers
			for range 60 {
				out.release <- struct{}{}
			}
			return 0, nil
		}); err != nil {
			return err
		}
		if _, err := spawn(ctx, "after", func(ctx context.Context) error { return asyncio.Sleep(ctx, 0) }).Await(ctx); err != nil {
			return err
		}
		close(out.release)
		return stop()
	}))
	require.NoError(t, err)
	p := readTrace(t, out.Bytes())
	assert.Len(t, p.notes, 1)
	assert.Equal(t, "step", p.of("after")[len(p.of("after"))-1].name)
	assert.Equal(t, []string{"Task-1"}, p.wakers("after")[:1])
}

func TestTheErrorOfTheWriterEndsATrace(t *testing.T) {
	withLoop(t, func(ctx context.Context) error {
		for {
			if err := asyncio.Sleep(ctx, time.Millisecond); err != nil {
				return err
			}
		}
	}, func(t *testing.T, loop *asyncio.Loop) {
		stop, err := inspect.Trace(loop, brokenWriter{})
		require.NoError(t, err)
		time.Sleep(time.Minute)
		assert.ErrorIs(t, stop(), errBroken)
		assert.ErrorIs(t, stop(), errBroken)
	})
}

func TestATraceIsCompleteWhenTheLoopCloses(t *testing.T) {
	out := &notedTrace{complete: make(chan struct{})}
	loop := asyncio.NewLoop(asyncio.WithExceptionHandler(func(*asyncio.Loop, asyncio.ExceptionContext) {}))
	stop, err := inspect.Trace(loop, out) // before it runs
	require.NoError(t, err)
	_, err = asyncio.RunUntilComplete(t.Context(), loop, asyncio.Do(func(ctx context.Context) error {
		spawn(ctx, "left over", forever)
		return asyncio.Sleep(ctx, time.Millisecond)
	}))
	require.NoError(t, err)
	require.NoError(t, loop.Close())
	<-out.complete // without a call of stop
	p := readTrace(t, out.Bytes())
	assert.Equal(t, "ready", p.of("Task-1")[0].name, "from the first step on")
	assert.Equal(t, "cancelled", p.of("left over")[2].args["ended"])
	require.NoError(t, stop())
	_, err = inspect.Trace(loop, out)
	assert.ErrorIs(t, err, asyncio.ErrLoopClosed)
}

// A notedTrace notes when it is complete.
type notedTrace struct {
	bytes.Buffer
	complete chan struct{}
}

func (w *notedTrace) Write(p []byte) (int, error) {
	n, err := w.Buffer.Write(p)
	if strings.Contains(w.String(), `"otherData"`) {
		close(w.complete)
	}
	return n, err
}

func TestATraceMayBeStoppedWhileTheLoopIsBlockedOrDoesNotRun(t *testing.T) {
	var release chan struct{}
	withLoop(t, func(ctx context.Context) error {
		release = make(chan struct{})
		if err := asyncio.Sleep(ctx, time.Second); err != nil {
			return err
		}
		blocksTheLoop(release)
		return nil
	}, func(t *testing.T, loop *asyncio.Loop) {
		var out bytes.Buffer
		stop, err := inspect.Trace(loop, &out)
		require.NoError(t, err)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		require.NoError(t, stop())
		close(release)
		p := readTrace(t, out.Bytes())
		assert.Equal(t, "step", p.of("Task-1")[len(p.of("Task-1"))-1].name)
	})
	loop := asyncio.NewLoop()
	var out bytes.Buffer
	stop, err := inspect.Trace(loop, &out)
	require.NoError(t, err)
	require.NoError(t, stop())
	assert.Empty(t, readTrace(t, out.Bytes()).shown)
	require.NoError(t, loop.Close())
}

func TestHostileNamesStayTexts(t *testing.T) {
	const hostile = "a\"}],\n\x00\xff</script>\u2028"
	p := readTrace(t, traced(t, func(ctx context.Context) error {
		_, err := spawn(ctx, hostile, func(ctx context.Context) error {
			var e asyncio.Event
			e.SetName(hostile)
			return asyncio.Timeout(ctx, time.Second, func(ctx context.Context, _ *asyncio.TimeoutScope) error { return e.Wait(ctx) })
		}).Await(ctx)
		if errors.Is(err, asyncio.ErrTimeout) {
			return nil
		}
		return err
	}, virtualTime))
	assert.Equal(t, "step", p.of(strings.ToValidUTF8(hostile, "\ufffd"))[1].name)
}

func TestTracesAndSnapshotsDoNotDisturbEachOther(t *testing.T) {
	_, err := asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
		loop := asyncio.RunningLoop(ctx)
		left := 3
		for range left {
			go func() {
				for range 3 {
					var out bytes.Buffer
					stop, err := inspect.Trace(loop, &out)
					assert.NoError(t, err)
					assert.NoError(t, inspect.Dump(loop, io.Discard))
					assert.NoError(t, stop())
					assert.True(t, json.Valid(out.Bytes()))
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
