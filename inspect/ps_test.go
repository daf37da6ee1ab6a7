package inspect_test

import (
	"context"
	"io"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
	"github.com/go-asyncio/asyncio/inspect"
)

// text returns what a function writes, without the folders and the numbers of lines.
func text(t *testing.T, loop *asyncio.Loop, write func(*asyncio.Loop, io.Writer) error) string {
	t.Helper()
	var out strings.Builder
	require.NoError(t, write(loop, &out))
	return regexp.MustCompile(`\S*/(\w+\.go):\d+`).ReplaceAllString(out.String(), "$1")
}

// album is a program of which the documentation of CPython 3.14 shows the tree.
func album(ctx context.Context) error { return group(ctx, "Sundowning", "TMBTE") }

func group(ctx context.Context, names ...string) error {
	return asyncio.WithTaskGroup(ctx, func(_ context.Context, g *asyncio.TaskGroup) error {
		for _, name := range names {
			g.Go(play, asyncio.WithName(name))
		}
		return nil
	})
}

func play(ctx context.Context) error { return forever(ctx) }

func TestPSTreeHasTheFormOfCPythons(t *testing.T) {
	withLoop(t, album, func(t *testing.T, loop *asyncio.Loop) {
		assert.Equal(t, `└── (T) Task-1
    └──  inspect_test.withLoop.func1.1.1 helper_test.go
        └──  inspect_test.album ps_test.go
            └──  inspect_test.group ps_test.go
                └──  asyncio.WithTaskGroup taskgroup.go
                    ├── (T) Sundowning
                    │   └──  inspect_test.play ps_test.go
                    │       └──  inspect_test.forever helper_test.go
                    │           └──  asyncio.(*Event).Wait sync_event.go
                    └── (T) TMBTE
                        └──  inspect_test.play ps_test.go
                            └──  inspect_test.forever helper_test.go
                                └──  asyncio.(*Event).Wait sync_event.go
`, text(t, loop, inspect.PSTree))
	})
}

func TestPSHasTheColumnsOfCPythons(t *testing.T) {
	withLoop(t, album, func(t *testing.T, loop *asyncio.Loop) {
		lines := strings.Split(text(t, loop, inspect.PS), "\n")
		require.Len(t, lines, 6)
		assert.Regexp(t, `^task id +task name +coroutine stack +awaiter chain +awaiter name +awaiter id$`, lines[0])
		assert.Regexp(t, `^-+$`, lines[1])
		assert.Regexp(t, `^0x2 +Task-1 +asyncio\.WithTaskGroup -> inspect_test\.group -> inspect_test\.album -> \S+ +0x0$`, lines[2])
		assert.Regexp(t, `^0x1 +Sundowning +asyncio\.\(\*Event\)\.Wait -> inspect_test\.forever -> inspect_test\.play +`+
			`asyncio\.WithTaskGroup -> inspect_test\.group -> inspect_test\.album -> \S+ +Task-1 +0x2$`, lines[3])
		assert.Regexp(t, `^0x3 +TMBTE `, lines[4])
	})
}

func TestPSTreeNamesARingAndShowsWhatStandsBelowManyOnce(t *testing.T) {
	withLoop(t, func(ctx context.Context) error {
		var ping, pong *asyncio.Task[asyncio.None]
		ping = spawn(ctx, "ping", func(ctx context.Context) error { _, err := pong.Await(ctx); return err })
		pong = spawn(ctx, "pong", func(ctx context.Context) error { _, err := ping.Await(ctx); return err })
		shared := spawn(ctx, "shared", func(ctx context.Context) error { return group(ctx, "leaf") })
		for _, name := range []string{"one", "two"} {
			spawn(ctx, name, func(ctx context.Context) error { _, err := shared.Await(ctx); return err })
		}
		return forever(ctx)
	}, func(t *testing.T, loop *asyncio.Loop) {
		tree := text(t, loop, inspect.PSTree)
		assert.True(t, strings.HasPrefix(tree, "cycle: ping → pong → ping\n"), tree)
		assert.Equal(t, 1, strings.Count(tree, "(T) leaf"))
		assert.Equal(t, 1, strings.Count(tree, "(T) shared\n"))
		assert.Equal(t, 1, strings.Count(tree, "(T) shared (see above)\n"))
		assert.Equal(t, 1, strings.Count(tree, "(T) ping (see above)\n"))
	})
}

func TestPSTreeOfALongChainIsNotHuge(t *testing.T) {
	withLoop(t, func(ctx context.Context) error {
		last := spawn(ctx, "last", forever)
		for range 2_000 {
			next := last
			last = spawn(ctx, "link", func(ctx context.Context) error { _, err := next.Await(ctx); return err })
		}
		return forever(ctx)
	}, func(t *testing.T, loop *asyncio.Loop) {
		var out strings.Builder
		require.NoError(t, inspect.PSTree(loop, &out))
		tree := out.String()
		assert.Equal(t, 2_000, strings.Count(tree, "(T) link\n"))
		assert.Less(t, len(tree), 3_000*1000)
	})
}
