package asyncio_test

import (
	"context"
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
