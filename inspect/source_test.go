package inspect_test

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
	"github.com/go-asyncio/asyncio/inspect"
)

func TestManyClientsShareASnapshotASecond(t *testing.T) {
	withLoop(t, forever, func(t *testing.T, loop *asyncio.Loop) {
		h := inspect.Handler(loop)
		taken := make(map[int64]bool)
		var mu sync.Mutex
		var clients sync.WaitGroup
		for i := range 10 {
			clients.Go(func() {
				time.Sleep(time.Duration(i) * 10 * time.Millisecond)
				for range 50 {
					a := getJSON[answer](t, h, "tasks")
					mu.Lock()
					taken[a.Taken] = true
					mu.Unlock()
					time.Sleep(100 * time.Millisecond)
				}
			})
		}
		clients.Wait()
		assert.LessOrEqual(t, len(taken), 6, "snapshots in 5 seconds")
		assert.GreaterOrEqual(t, len(taken), 5)
	})
}

func TestTheLoopDoesNothingWhileNobodyLooks(t *testing.T) {
	withLoop(t, forever, func(t *testing.T, loop *asyncio.Loop) {
		h := inspect.Handler(loop)
		turns := getJSON[answer](t, h, "tasks").View.Stats["turns"]
		time.Sleep(time.Hour)
		assert.InDelta(t, turns, getJSON[answer](t, h, "tasks").View.Stats["turns"], 2)
	})
}

func TestABlockedLoopIsShownAsBlockedWithItsLastSnapshot(t *testing.T) {
	var release chan struct{} // made in fake time
	withLoop(t, func(ctx context.Context) error {
		release = make(chan struct{})
		if err := asyncio.Sleep(ctx, 10*time.Second); err != nil {
			return err
		}
		<-release // blocks the loop
		return forever(ctx)
	}, func(t *testing.T, loop *asyncio.Loop) {
		h := inspect.Handler(loop)
		before := getJSON[answer](t, h, "tasks")
		assert.Equal(t, "running", before.State)
		time.Sleep(15 * time.Second)

		begin := time.Now()
		a := getJSON[answer](t, h, "tasks")
		assert.Equal(t, 2*time.Second, time.Since(begin), "it waits a little, but not for ever")
		assert.Equal(t, "blocked", a.State)
		assert.Equal(t, 2.0, a.Silent)
		assert.Equal(t, before.Taken, a.Taken)
		a = getJSON[answer](t, h, "tasks")
		assert.Equal(t, 2*time.Second, time.Since(begin), "it does not wait again")

		assert.Equal(t, http.StatusServiceUnavailable, get(t, h, "stack?task=2").Code)
		assert.Contains(t, get(t, h, "dump").Body.String(), "the loop does not answer")
		close(release)
		synctest.Wait()
		a = getJSON[answer](t, h, "tasks")
		assert.Equal(t, "running", a.State)
		assert.NotEqual(t, before.Taken, a.Taken)
	})
}

func TestALoopThatIsNotRunningOrClosedIsShownAsSuch(t *testing.T) {
	loop := asyncio.NewLoop()
	h := inspect.Handler(loop)
	assertState := func(want string) {
		t.Helper()
		assert.Equal(t, want, getJSON[answer](t, h, "tasks").State)
		w := get(t, h, "stack?task=2")
		assert.Equal(t, http.StatusServiceUnavailable, w.Code)
		assert.Contains(t, w.Body.String(), want)
		for _, text := range []string{"dump", "ps", "pstree"} {
			assert.Contains(t, get(t, h, text).Body.String(), want)
		}
	}
	assertState("not running")
	assert.Nil(t, getJSON[answer](t, h, "tasks").View)

	_, err := asyncio.RunUntilComplete(t.Context(), loop, asyncio.Do(func(context.Context) error { return nil }))
	require.NoError(t, err)
	assertState("not running")
	require.NoError(t, loop.Close())
	assertState("closed")
}

// A snapshot keeps the tasks that have ended since from being collected. It is forgotten in the end.
func TestASnapshotIsForgottenWhenNobodyLooks(t *testing.T) {
	withLoop(t, func(ctx context.Context) error { return asyncio.Sleep(ctx, time.Second) }, func(t *testing.T, loop *asyncio.Loop) {
		h := inspect.Handler(loop)
		assert.NotNil(t, getJSON[answer](t, h, "tasks").View)
		time.Sleep(30 * time.Second)
		assert.NotNil(t, getJSON[answer](t, h, "tasks").View, "of the loop, which is closed")
		time.Sleep(2 * time.Minute)
		assert.Nil(t, getJSON[answer](t, h, "tasks").View)
	})
}
