package inspect_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
	"github.com/go-asyncio/asyncio/inspect"
)

// family runs a task that awaits two others, of which one has created a third.
func family(ctx context.Context) error {
	var lock asyncio.Lock
	lock.SetName("accounts")
	parent := spawn(ctx, "Parent", func(ctx context.Context) error {
		first := spawn(ctx, "first child", func(ctx context.Context) error {
			spawn(ctx, "grandchild", forever)
			return lock.With(ctx, forever)
		})
		second := spawn(ctx, "second child", func(ctx context.Context) error { return lock.Acquire(ctx) })
		_, err := asyncio.Gather(ctx, first, second).Await(ctx)
		return err
	})
	_, err := parent.Await(ctx)
	return err
}

func TestTasksStandBelowThoseThatCreatedThemOrAwaitThem(t *testing.T) {
	withLoop(t, family, func(t *testing.T, loop *asyncio.Loop) {
		h := inspect.Handler(loop)
		created := getJSON[answer](t, h, "tasks")
		assert.Equal(t, []string{"Task-1", ".Parent", "..first child", "...grandchild", "..second child"}, tree(created.View.Rows))
		awaited := getJSON[answer](t, h, "tasks?order=awaited")
		assert.Equal(t, []string{"Task-1", ".Parent", "..first child", "..second child", "grandchild"}, tree(awaited.View.Rows))
	})
}

func TestARowSaysWhatItsTaskWaitsForAndSinceWhen(t *testing.T) {
	withLoop(t, family, func(t *testing.T, loop *asyncio.Loop) {
		time.Sleep(3 * time.Second)
		a := getJSON[answer](t, inspect.Handler(loop), "tasks?name=SECOND&order=longest")
		require.Len(t, a.View.Rows, 1)
		second := a.View.Rows[0]
		assert.Equal(t, "waiting", second.State)
		assert.Contains(t, second.WaitsFor, `Lock "accounts", held by first child since `)
		assert.InDelta(t, 3, *second.Waiting, 0.1)
		assert.InDelta(t, 3, *second.Age, 0.1)
		assert.Equal(t, "running", a.State)
		assert.Equal(t, map[string]int{"waiting": 5}, a.View.States)
		assert.EqualValues(t, 0, a.View.Stats["ready"])
		assert.Positive(t, a.View.Stats["turns"])
	})
}

func TestAFilterKeepsTheTasksAboveThoseThatMatch(t *testing.T) {
	withLoop(t, family, func(t *testing.T, loop *asyncio.Loop) {
		h := inspect.Handler(loop)
		for _, test := range []struct {
			filter   string
			matching int
			want     []string
		}{
			{"name=grand", 1, []string{"(Task-1)", "(.Parent)", "(..first child)", "...grandchild"}},
			{"waits=lock", 1, []string{"(Task-1)", "(.Parent)", "..second child"}},
			{"waits=event&name=child", 2, []string{"(Task-1)", "(.Parent)", "..first child", "...grandchild"}},
			{"state=waiting&limit=2", 5, []string{"Task-1", ".Parent"}},
			{"state=ready&state=created", 0, nil},
			{"name=nobody", 0, nil},
		} {
			a := getJSON[answer](t, h, "tasks?"+test.filter)
			assert.Equal(t, test.want, tree(a.View.Rows), test.filter)
			assert.Equal(t, test.matching, a.View.Matching, test.filter)
			assert.Equal(t, 5, a.View.Total)
		}
	})
}

func TestATaskIsFoundByItsID(t *testing.T) {
	withLoop(t, family, func(t *testing.T, loop *asyncio.Loop) {
		h := inspect.Handler(loop)
		for _, r := range getJSON[answer](t, h, "tasks").View.Rows {
			found := getJSON[answer](t, h, fmt.Sprintf("tasks?order=longest&name=%d", r.ID)).View
			assert.Contains(t, tree(found.Rows), r.Name)
		}
	})
}

func TestTheLongestWaitComesFirst(t *testing.T) {
	withLoop(t, func(ctx context.Context) error {
		for i := range 3 {
			spawn(ctx, fmt.Sprint("waits ", i), func(ctx context.Context) error {
				if err := asyncio.Sleep(ctx, time.Duration(3-i)*10*time.Second); err != nil {
					return err
				}
				return forever(ctx)
			})
		}
		return forever(ctx)
	}, func(t *testing.T, loop *asyncio.Loop) {
		time.Sleep(time.Minute)
		rows := getJSON[answer](t, inspect.Handler(loop), "tasks?order=longest").View.Rows
		assert.Equal(t, []string{"Task-1", "waits 2", "waits 1", "waits 0"}, tree(rows))
	})
}

// Two tasks await each other. The first is a root, and comes back below the second.
func TestARingOfAwaitingTasksIsShown(t *testing.T) {
	withLoop(t, func(ctx context.Context) error {
		var ping, pong *asyncio.Task[asyncio.None]
		ping = spawn(ctx, "ping", func(ctx context.Context) error { _, err := pong.Await(ctx); return err })
		pong = spawn(ctx, "pong", func(ctx context.Context) error { _, err := ping.Await(ctx); return err })
		return forever(ctx)
	}, func(t *testing.T, loop *asyncio.Loop) {
		v := getJSON[answer](t, inspect.Handler(loop), "tasks?order=awaited").View
		assert.Equal(t, []string{"Task-1", "ping", ".pong", "..ping again"}, tree(v.Rows))
		assert.Equal(t, "[[{1 ping task pong} {3 pong task ping}]]", fmt.Sprint(v.Rings))
	})
}

// One task holds a lock and waits for the other; that waits for the lock.
func TestARingOverALockIsShown(t *testing.T) {
	withLoop(t, func(ctx context.Context) error {
		var lock asyncio.Lock
		lock.SetName("accounts")
		clerk := spawn(ctx, "clerk", func(ctx context.Context) error {
			return errors.Join(asyncio.Sleep(ctx, 0), lock.Acquire(ctx))
		})
		spawn(ctx, "payer", func(ctx context.Context) error {
			return lock.With(ctx, func(ctx context.Context) error { _, err := clerk.Await(ctx); return err })
		})
		return forever(ctx)
	}, func(t *testing.T, loop *asyncio.Loop) {
		rings := getJSON[answer](t, inspect.Handler(loop), "tasks").View.Rings
		assert.Regexp(t, `^\[\[\{1 clerk Lock "accounts", held by payer since \S+\} \{3 payer task clerk\}\]\]$`, fmt.Sprint(rings))
		assert.Regexp(t, `(?m)^Tasks wait for one another: clerk waits for Lock "accounts", held by payer since \S+, payer waits for task clerk$`,
			get(t, inspect.Handler(loop), "dump").Body.String())
		assert.NotContains(t, get(t, inspect.Handler(loop), "pstree").Body.String(), "cycle")
	})
}

func TestTasksThatWaitForTheSameAreCounted(t *testing.T) {
	withLoop(t, func(ctx context.Context) error {
		for range 20 {
			spawn(ctx, "", func(ctx context.Context) error { return asyncio.Sleep(ctx, time.Hour) })
		}
		return family(ctx)
	}, func(t *testing.T, loop *asyncio.Loop) {
		groups := getJSON[answer](t, inspect.Handler(loop), "tasks").View.Groups
		require.NotEmpty(t, groups)
		assert.Equal(t, "sleep", groups[0].WaitsFor)
		assert.Equal(t, 20, groups[0].Tasks)
		assert.Contains(t, fmt.Sprint(groups), `Lock "accounts" 1`, "without its holder")
	})
}

func TestAViewOfAHundredThousandTasksIsBounded(t *testing.T) {
	const n = 100_000
	withLoop(t, func(ctx context.Context) error {
		for i := range n {
			spawn(ctx, fmt.Sprint("task number ", i), forever)
		}
		return forever(ctx)
	}, func(t *testing.T, loop *asyncio.Loop) {
		h := inspect.Handler(loop)
		for _, order := range []string{"created", "awaited", "longest"} {
			w := get(t, h, "tasks?order="+order)
			assert.Less(t, w.Body.Len(), 200<<10)
			a := getJSON[answer](t, h, "tasks?order="+order)
			assert.Equal(t, n+1, a.View.Total)
			assert.Equal(t, n+1, a.View.Matching)
			assert.Equal(t, 500, a.View.Shown)
			assert.Len(t, a.View.Rows, 500)
		}
		last := getJSON[answer](t, h, "tasks?name=number+99999").View
		assert.Equal(t, 1, last.Shown, "a filter finds a task beyond the bound")
	})
}

func TestHostileNamesAreShortAndDoNotLeaveTheirText(t *testing.T) {
	withLoop(t, func(ctx context.Context) error {
		spawn(ctx, `</script><img src=x onerror=alert(1)>`, forever)
		spawn(ctx, "not \xff UTF-8", forever)
		spawn(ctx, strings.Repeat("ä", 1<<20), forever)
		return forever(ctx)
	}, func(t *testing.T, loop *asyncio.Loop) {
		h := inspect.Handler(loop)
		w := get(t, h, "tasks")
		assert.Less(t, w.Body.Len(), 10_000)
		assert.NotContains(t, w.Body.String(), "<")
		rows := getJSON[answer](t, h, "tasks").View.Rows
		assert.Equal(t, `</script><img src=x onerror=alert(1)>`, rows[1].Name)
		assert.Equal(t, "not \ufffd UTF-8", rows[2].Name)
		assert.Equal(t, strings.Repeat("ä", 150)+"…", rows[3].Name)
		assert.Equal(t, http.StatusOK, get(t, h, "dump").Code)
	})
}
