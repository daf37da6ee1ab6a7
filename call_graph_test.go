package asyncio_test

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
)

// awaitersOf returns the names of the tasks in g.AwaitedBy.
func awaitersOf(g *asyncio.FutureCallGraph) (names []string) {
	for _, a := range g.AwaitedBy {
		names = append(names, a.Future.(asyncio.AnyTask).Name())
	}
	return names
}

func TestACallGraphFindsTheAwaiterThroughEveryWayToAwait(t *testing.T) {
	ways := map[string]func(ctx context.Context, leaf *asyncio.Task[asyncio.None]) error{
		"Await": func(ctx context.Context, leaf *asyncio.Task[asyncio.None]) error { return errOf(ctx, leaf) },
		"Gather": func(ctx context.Context, leaf *asyncio.Task[asyncio.None]) error {
			return errOf(ctx, asyncio.Gather(ctx, leaf, leaf))
		},
		"GatherResults": func(ctx context.Context, leaf *asyncio.Task[asyncio.None]) error {
			return errOf(ctx, asyncio.GatherResults(ctx, leaf))
		},
		"Shield": func(ctx context.Context, leaf *asyncio.Task[asyncio.None]) error {
			return errOf(ctx, asyncio.Shield(ctx, leaf))
		},
		"Gather of a Shield": func(ctx context.Context, leaf *asyncio.Task[asyncio.None]) error {
			return errOf(ctx, asyncio.Gather(ctx, asyncio.Shield(ctx, leaf)))
		},
		"Wait": func(ctx context.Context, leaf *asyncio.Task[asyncio.None]) error {
			_, _, err := asyncio.Wait(ctx, []asyncio.AnyTask{leaf})
			return err
		},
		"WaitFor": func(ctx context.Context, leaf *asyncio.Task[asyncio.None]) error {
			_, err := asyncio.WaitFor(ctx, leaf, time.Hour)
			return err
		},
		"Timeout": func(ctx context.Context, leaf *asyncio.Task[asyncio.None]) error {
			return asyncio.Timeout(ctx, time.Hour, func(ctx context.Context, _ *asyncio.TimeoutScope) error { return errOf(ctx, leaf) })
		},
		"AsCompleted": func(ctx context.Context, leaf *asyncio.Task[asyncio.None]) error {
			for _, err := range asyncio.AsCompleted[asyncio.None](ctx, leaf) {
				return err
			}
			return nil
		},
		"Any": func(ctx context.Context, leaf *asyncio.Task[asyncio.None]) error { return errOf(ctx, leaf.Any()) },
	}
	for name, await := range ways {
		t.Run(name, func(t *testing.T) {
			inTurn(t, func(ctx context.Context) {
				var gate asyncio.Event
				leaf := spawn(ctx, gate.Wait, asyncio.WithName("leaf"))
				awaiter := spawn(ctx, func(ctx context.Context) error { return await(ctx, leaf) }, asyncio.WithName("awaiter"))
				giveWay(ctx, 2)
				g := asyncio.CaptureCallGraph(ctx, leaf)
				assert.Equal(t, []string{"awaiter"}, awaitersOf(g))
				assert.Equal(t, "Event", g.WaitsFor)
				assert.Equal(t, []string{"(*Event).Wait"}, functions(g.CallStack))
				assert.NotEmpty(t, g.AwaitedBy[0].CallStack)
				assert.Empty(t, g.AwaitedBy[0].AwaitedBy)
				gate.Set()
				join(ctx, awaiter)
				assert.Empty(t, asyncio.CaptureCallGraph(ctx, leaf).AwaitedBy, "when it is done")
			})
		})
	}
}

func TestTheParentOfAGroupAwaitsItsMembers(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		asyncio.CurrentTask(ctx).SetName("parent")
		assert.NoError(t, asyncio.WithTaskGroup(ctx, func(ctx context.Context, tg *asyncio.TaskGroup) error {
			member := tg.Go(func(ctx context.Context) error {
				return asyncio.WithTaskGroup(ctx, func(ctx context.Context, tg *asyncio.TaskGroup) error {
					tg.Go(func(ctx context.Context) error {
						g := asyncio.CaptureCallGraph(ctx, nil)
						assert.Equal(t, []string{"member"}, awaitersOf(g))
						assert.Equal(t, []string{"parent"}, awaitersOf(g.AwaitedBy[0]))
						assert.Equal(t, "task group", g.AwaitedBy[0].WaitsFor)
						assert.Equal(t, "WithTaskGroup", functions(g.AwaitedBy[0].CallStack)[0])
						assert.Contains(t, g.CallStack[0].Function, "TestTheParentOfAGroup")
						return nil
					})
					return nil
				})
			}, asyncio.WithName("member"))
			assert.Empty(t, asyncio.CaptureCallGraph(ctx, member).CallStack, "it has not begun")
			return nil
		}))
	})
}

func TestACallGraphOfTasksThatAwaitOneAnotherIsFinite(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		var a, b *asyncio.Task[asyncio.None]
		a = spawn(ctx, func(ctx context.Context) error { return errOf(ctx, b) }, asyncio.WithName("a"))
		b = spawn(ctx, func(ctx context.Context) error { return errOf(ctx, a) }, asyncio.WithName("b"))
		giveWay(ctx, 1)
		g := asyncio.CaptureCallGraph(ctx, a)
		assert.Equal(t, []string{"b"}, awaitersOf(g))
		assert.Equal(t, []string{"a"}, awaitersOf(g.AwaitedBy[0]))
		assert.Empty(t, g.AwaitedBy[0].AwaitedBy[0].AwaitedBy)
		assert.True(t, g.AwaitedBy[0].AwaitedBy[0].Again)
		assert.Contains(t, g.String(), "        * task a waits for task b (see above)\n")
		a.Cancel()
		giveWay(ctx, 5)
	})
}

func TestFormatCallGraphIsTheTextOfCPython(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		asyncio.CurrentTask(ctx).SetName("main")
		f := asyncio.NewFuture[int](asyncio.RunningLoop(ctx))
		task := asyncio.CreateTask(ctx, f.Await, asyncio.WithName("reader"))
		giveWay(ctx, 1)
		var out strings.Builder
		require.NoError(t, asyncio.PrintCallGraph(ctx, f, &out))
		lines := strings.Split(out.String(), "\n")
		require.Len(t, lines, 6)
		assert.Equal(t, "* future", lines[0])
		assert.Equal(t, "  + Awaited by:", lines[1])
		assert.Equal(t, "    * task reader waits for future", lines[2])
		assert.Equal(t, "      + Call stack:", lines[3])
		assert.Regexp(t, `^      \|   File "[^"]+future.go", line \d+, in github.com/go-asyncio/asyncio\.\(\*Future\[\.\.\.\]\)\.Await\(\)$`, lines[4])
		assert.Equal(t, out.String(), asyncio.FormatCallGraph(ctx, f))
		_ = f.SetResult(1)
		assert.NoError(t, errOf(ctx, task))
	})
}

func TestThereIsNoCallGraphOutsideOfATask(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		asyncio.RunningLoop(ctx).CallSoon(func() {
			assert.Nil(t, asyncio.CaptureCallGraph(ctx, nil))
			assert.Empty(t, asyncio.FormatCallGraph(ctx, nil))
		})
		giveWay(ctx, 2)
		other := asyncio.NewLoop()
		assert.PanicsWithValue(t, "asyncio: CaptureCallGraph of a future of a different loop", func() {
			asyncio.CaptureCallGraph(ctx, asyncio.NewFuture[int](other))
		})
		assert.NoError(t, other.Close())
	})
}

// The awaiters of a task may be awaited by one task in turn, and so on. Then the paths through the
// graph are as many as two to the power of its depth.
func TestACallGraphHasEachTaskInFullOnce(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		const depth = 100
		var gate asyncio.Event
		leaf := spawn(ctx, gate.Wait, asyncio.WithName("leaf"))
		top := leaf
		for i := range depth {
			below := top
			both := []asyncio.Awaitable[asyncio.None]{}
			for range 2 {
				both = append(both, spawn(ctx, func(ctx context.Context) error { return errOf(ctx, below) }))
			}
			top = spawn(ctx, func(ctx context.Context) error { return errOf(ctx, asyncio.Gather(ctx, both...)) }, asyncio.WithName(fmt.Sprint("top ", i)))
		}
		giveWay(ctx, 2)
		inFull, again := make(map[string]int), 0
		var count func(g *asyncio.FutureCallGraph)
		count = func(g *asyncio.FutureCallGraph) {
			if g.Again {
				again++
				assert.Empty(t, g.CallStack)
				assert.Empty(t, g.AwaitedBy)
				assert.NotEmpty(t, g.WaitsFor)
			} else {
				inFull[g.Future.(asyncio.AnyTask).Name()]++
				assert.NotEmpty(t, g.CallStack)
			}
			for _, a := range g.AwaitedBy {
				count(a)
			}
		}
		count(asyncio.CaptureCallGraph(ctx, leaf))
		assert.Len(t, inFull, 1+3*depth)
		assert.Equal(t, depth, again)
		text := asyncio.FormatCallGraph(ctx, leaf)
		assert.Equal(t, depth, strings.Count(text, " (see above)\n"))
		assert.Equal(t, 1, strings.Count(text, "* task top 9 waits for gather of 2\n"))
		assert.Less(t, len(text), 2_000_000, "the indent ends somewhere")
		gate.Set()
		join(ctx, top)
	})
}

// With the square of the number this test would not end.
func TestACallGraphOfManyAwaitersOrOfALongChainIsQuick(t *testing.T) {
	const n = 20_000
	inTurn(t, func(ctx context.Context) {
		f := asyncio.NewFuture[int](asyncio.RunningLoop(ctx))
		var last asyncio.Waitable = f
		var tasks []asyncio.AnyTask
		create := func(await func(ctx context.Context) error) {
			last = spawn(ctx, await)
			tasks = append(tasks, last.(asyncio.AnyTask))
		}
		for range n {
			create(func(ctx context.Context) error { return errOf(ctx, f) })
		}
		for range n {
			below := last.(*asyncio.Task[asyncio.None])
			create(func(ctx context.Context) error { return errOf(ctx, below) })
		}
		giveWay(ctx, 2)
		g := asyncio.CaptureCallGraph(ctx, f)
		assert.Len(t, g.AwaitedBy, n)
		depth := 0
		for g := g.AwaitedBy[n-1]; len(g.AwaitedBy) > 0; g = g.AwaitedBy[0] {
			depth++
		}
		assert.Equal(t, n, depth)
		assert.Less(t, len(g.String()), 4*n*1000)
		must(f.SetResult(1))
		_, _, err := asyncio.Wait(ctx, tasks)
		assert.NoError(t, err)
	})
}

func TestACallGraphAndAStackNeedAWriter(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		assert.PanicsWithValue(t, "asyncio: nil writer", func() { _ = asyncio.PrintCallGraph(ctx, nil, nil) })
		assert.PanicsWithValue(t, "asyncio: nil writer", func() { _ = asyncio.CurrentTask(ctx).PrintStack(nil) })
		reader, writer := io.Pipe()
		reader.CloseWithError(io.ErrShortWrite)
		assert.Equal(t, io.ErrShortWrite, asyncio.PrintCallGraph(ctx, nil, writer))
		assert.Equal(t, io.ErrShortWrite, asyncio.CurrentTask(ctx).PrintStack(writer))
	})
}
