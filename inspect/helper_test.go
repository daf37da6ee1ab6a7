package inspect_test

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
)

// withLoop runs main in an inspected loop, and meanwhile look on another goroutine, all in fake time:
// time moves on when everything waits. Main is cancelled when look returns.
func withLoop(t *testing.T, main func(ctx context.Context) error, look func(t *testing.T, loop *asyncio.Loop)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		begun, ended := make(chan *asyncio.Loop), make(chan struct{})
		go func() {
			defer close(ended)
			_, err := asyncio.Run(ctx, asyncio.Do(func(ctx context.Context) error {
				loop := asyncio.RunningLoop(ctx)
				loop.Inspect(true)
				begun <- loop
				return main(ctx)
			}))
			if ctx.Err() == nil {
				require.NoError(t, err)
			}
		}()
		loop := <-begun
		synctest.Wait()
		look(t, loop)
		cancel()
		<-ended
	})
}

// spawn creates a task with a name.
func spawn(ctx context.Context, name string, f func(ctx context.Context) error) *asyncio.Task[asyncio.None] {
	return asyncio.CreateTask(ctx, asyncio.Do(f), asyncio.WithName(name))
}

// forever waits until it is cancelled.
func forever(ctx context.Context) error {
	var never asyncio.Event
	return never.Wait(ctx)
}

// get has a handler serve a GET request.
func get(t *testing.T, h http.Handler, target string) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/debug/asyncio/"+target, nil))
	return w
}

// post has a handler serve a POST request with a form, after prepare has changed the request.
func post(t *testing.T, h http.Handler, target string, form url.Values, prepare func(*http.Request)) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/debug/asyncio/"+target, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	prepare(r)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// An answer is what a client reads of the JSON of tasks and events.
type answer struct {
	State  string
	Silent float64
	Taken  int64
	View   *struct {
		Stats                  map[string]float64
		Total, Matching, Shown int
		States                 map[string]int
		Groups                 []struct {
			WaitsFor string
			Tasks    int
		}
		Rings [][]struct {
			ID             uint64
			Name, WaitsFor string
		}
		Rows []row
	}
}

type row struct {
	ID                    uint64
	Name, State, WaitsFor string
	Age, Waiting          *float64
	Depth, Children       int
	Context, Again        bool
}

// getJSON returns the JSON that a handler serves.
func getJSON[T any](t *testing.T, h http.Handler, target string) (v T) {
	t.Helper()
	w := get(t, h, target)
	require.Equal(t, http.StatusOK, w.Code, w.Body)
	require.Equal(t, "application/json", w.Header().Get("Content-Type"))
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &v))
	return v
}

// tree returns the names of rows, each with a dot for each step of its depth, and marked if it is
// there for a task below, or has an earlier place.
func tree(rows []row) (lines []string) {
	for _, r := range rows {
		line := strings.Repeat(".", r.Depth) + r.Name
		if r.Context {
			line = "(" + line + ")"
		}
		if r.Again {
			line += " again"
		}
		lines = append(lines, line)
	}
	return lines
}

// loopback is an address of this machine.
var loopback = &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 80}

func id(r row) string { return strconv.FormatUint(r.ID, 10) }

// endsSoon waits until everything waits, and reports whether a task is done.
func endsSoon(task interface{ Done() bool }) bool {
	synctest.Wait()
	return task.Done()
}
