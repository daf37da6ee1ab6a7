package inspect_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
	"github.com/go-asyncio/asyncio/inspect"
)

// A timeline is what a client reads of the JSON.
type timeline struct {
	From, To, Since float64
	Virtual         bool
	Rows            []struct {
		ID    uint64
		Name  string
		Parts []struct {
			What           string
			From, To, Busy float64
		}
		Totals map[string]float64
	}
	Arrows  [][3]float64
	LeftOut struct{ Rows, Parts, Arrows int }
}

// row returns the parts and the totals of a row.
func (l *timeline) row(name string) (parts []string, totals map[string]float64) {
	for _, r := range l.Rows {
		if r.Name == name {
			for _, p := range r.Parts {
				parts = append(parts, fmt.Sprintf("%s %.3g-%.3g", p.What, p.From, p.To))
			}
			return parts, r.Totals
		}
	}
	return nil, nil
}

func TestTheTimelineShowsTheLastSeconds(t *testing.T) {
	withLoop(t, func(ctx context.Context) error {
		var lock asyncio.Lock
		spawn(ctx, "waiter", func(ctx context.Context) error {
			for {
				if err := asyncio.Sleep(ctx, time.Second); err != nil {
					return err
				}
				if err := lock.Acquire(ctx); err != nil {
					return err
				}
				lock.Release()
			}
		})
		for {
			err := lock.With(ctx, func(ctx context.Context) error { return asyncio.Sleep(ctx, 3*time.Second) })
			if err != nil {
				return err
			}
			if err := asyncio.Sleep(ctx, time.Second); err != nil {
				return err
			}
		}
	}, func(t *testing.T, loop *asyncio.Loop) {
		h := inspect.Handler(loop)
		first := getJSON[timeline](t, h, "timeline")
		assert.Empty(t, first.Rows, "nothing has been observed yet")
		for range 5 {
			time.Sleep(5 * time.Second)
			getJSON[timeline](t, h, "timeline")
		}
		time.Sleep(time.Second)
		got := getJSON[timeline](t, h, "timeline")
		assert.InDelta(t, 10, got.To-got.From, 0.01)
		parts, totals := got.row("waiter")
		assert.Equal(t, []string{"sync 16-19", "sleep 19-20", "sync 20-23", "sleep 23-24", "sync 24-26"}, parts)
		assert.InDelta(t, 8, totals["sync"], 0.01)
		parts, _ = got.row("Task-1")
		assert.Contains(t, parts, "sleep 20-23")
		assert.Contains(t, got.Arrows, [3]float64{2, 1, 23}, "from the one that releases the lock")
		assert.Zero(t, got.LeftOut)

		short := getJSON[timeline](t, h, "timeline?seconds=2")
		assert.InDelta(t, 2, short.To-short.From, 0.01)
	})
}

func TestTheTimelineIsBoundedAndSaysSo(t *testing.T) {
	withLoop(t, func(ctx context.Context) error {
		for i := range 100 {
			spawn(ctx, fmt.Sprint("number ", i), func(ctx context.Context) error {
				for {
					if err := asyncio.Sleep(ctx, 6*time.Millisecond); err != nil {
						return err
					}
				}
			})
		}
		return forever(ctx)
	}, func(t *testing.T, loop *asyncio.Loop) {
		h := inspect.Handler(loop)
		getJSON[timeline](t, h, "timeline")
		time.Sleep(5 * time.Second)
		getJSON[timeline](t, h, "timeline")
		time.Sleep(5 * time.Second)
		got := getJSON[timeline](t, h, "timeline")
		assert.Len(t, got.Rows, 40)
		parts := 0
		for _, r := range got.Rows {
			parts += len(r.Parts)
		}
		assert.LessOrEqual(t, parts, 6000)
		assert.LessOrEqual(t, len(got.Arrows), 400)
		assert.GreaterOrEqual(t, got.LeftOut.Rows, 60)
		assert.Positive(t, got.LeftOut.Parts)
		assert.Positive(t, got.LeftOut.Arrows)
		assert.Greater(t, got.Since, got.From, "the ring has overflowed")
	})
}

func TestTheLoopIsNotObservedAnyMoreWhenNobodyLooksAtItsTimeline(t *testing.T) {
	withLoop(t, forever, func(t *testing.T, loop *asyncio.Loop) {
		h := inspect.Handler(loop)
		getJSON[timeline](t, h, "timeline")
		time.Sleep(time.Second)
		require.NoError(t, loop.CallSoonThreadsafe(func() {}))
		synctest.Wait()
		assert.NotEmpty(t, getJSON[timeline](t, h, "timeline").Rows)
		time.Sleep(time.Minute)
		require.NoError(t, loop.CallSoonThreadsafe(func() {})) // an event, with which the observer leaves
		synctest.Wait()
		assert.Empty(t, getJSON[timeline](t, h, "timeline").Rows, "it begins anew")
	})
}

func TestTimelinesAndTracesOfBadRequestsAreRefused(t *testing.T) {
	withLoop(t, forever, func(t *testing.T, loop *asyncio.Loop) {
		h := inspect.Handler(loop, asyncio.NewLoop())
		for _, what := range []string{"trace", "timeline"} {
			for _, seconds := range []string{"0", "-1", "61", "x", "1.5"} {
				assert.Equal(t, http.StatusBadRequest, get(t, h, what+"?seconds="+seconds).Code, "%s %s", what, seconds)
			}
			assert.Equal(t, http.StatusServiceUnavailable, get(t, h, what+"?loop=1").Code)
		}
	})
}

func TestTheHandlerSendsATrace(t *testing.T) {
	withLoop(t, func(ctx context.Context) error {
		for {
			if err := asyncio.Sleep(ctx, 100*time.Millisecond); err != nil {
				return err
			}
		}
	}, func(t *testing.T, loop *asyncio.Loop) {
		begin := time.Now()
		w := get(t, inspect.Handler(loop), "trace?seconds=3")
		assert.Equal(t, 3*time.Second, time.Since(begin))
		assert.Equal(t, http.StatusOK, w.Code)
		assert.Equal(t, `attachment; filename="trace.json"`, w.Header().Get("Content-Disposition"))
		p := readTrace(t, w.Body.Bytes())
		sleeps := 0
		for _, s := range p.of("Task-1") {
			if s.name == "sleep" && s.end-s.begin == 100*time.Millisecond {
				sleeps++
			}
		}
		assert.InDelta(t, 29, sleeps, 2)
	})
}

func TestATraceEndsWhenTheClientLeaves(t *testing.T) {
	withLoop(t, forever, func(t *testing.T, loop *asyncio.Loop) {
		ctx, cancel := context.WithCancel(t.Context())
		w := httptest.NewRecorder()
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			inspect.Handler(loop).ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodGet, "/trace?seconds=60", nil))
		}()
		time.Sleep(time.Second)
		cancel()
		begin := time.Now()
		<-ended
		assert.Zero(t, time.Since(begin))
		readTrace(t, w.Body.Bytes())
	})
}
