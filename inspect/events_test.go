package inspect_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
	"github.com/go-asyncio/asyncio/inspect"
)

// events returns the answers in a stream of Server-Sent Events.
func events(t *testing.T, stream string) (answers []answer) {
	t.Helper()
	for event := range strings.SplitSeq(strings.TrimSuffix(stream, "\n\n"), "\n\n") {
		data, ok := strings.CutPrefix(event, "data: ")
		require.True(t, ok, event)
		var a answer
		require.NoError(t, json.Unmarshal([]byte(data), &a))
		answers = append(answers, a)
	}
	return answers
}

func TestTheStreamHasAnAnswerASecondUntilTheClientLeaves(t *testing.T) {
	withLoop(t, family, func(t *testing.T, loop *asyncio.Loop) {
		ctx, cancel := context.WithTimeout(t.Context(), 4500*time.Millisecond)
		defer cancel()
		w := httptest.NewRecorder()
		inspect.Handler(loop).ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodGet, "/events?name=grand", nil))
		assert.Equal(t, "text/event-stream", w.Header().Get("Content-Type"))
		got := events(t, w.Body.String())
		require.Len(t, got, 5)
		for i, a := range got {
			assert.Equal(t, "running", a.State)
			assert.Equal(t, int64(i)*1000, a.Taken-got[0].Taken)
			assert.Equal(t, 1, a.View.Matching)
		}
	})
}

func TestTheStreamSaysThatTheLoopIsBlockedOrClosed(t *testing.T) {
	var release chan struct{}
	withLoop(t, func(ctx context.Context) error {
		release = make(chan struct{})
		if err := asyncio.Sleep(ctx, 1500*time.Millisecond); err != nil {
			return err
		}
		<-release // blocks the loop
		return asyncio.Sleep(ctx, 1200*time.Millisecond)
	}, func(t *testing.T, loop *asyncio.Loop) {
		time.AfterFunc(6500*time.Millisecond, func() { close(release) })
		ctx, cancel := context.WithTimeout(t.Context(), 9900*time.Millisecond)
		defer cancel()
		w := httptest.NewRecorder()
		inspect.Handler(loop).ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodGet, "/events", nil))
		var states []string
		for _, a := range events(t, w.Body.String()) {
			if n := len(states); n == 0 || states[n-1] != a.State {
				states = append(states, a.State)
			}
		}
		assert.Equal(t, []string{"running", "blocked", "running", "closed"}, states)
	})
}

// The server's Shutdown waits for all requests, and a client may never leave by itself.
func TestStreamsEndWhenTheServerShutsDown(t *testing.T) {
	server := httptest.NewServer(inspect.Handler(asyncio.NewLoop()))
	defer server.Close()
	r, err := http.Get(server.URL + "/events")
	require.NoError(t, err)
	defer r.Body.Close()
	in := bufio.NewReader(r.Body)
	line, err := in.ReadString('\n')
	require.NoError(t, err)
	assert.Contains(t, line, "not running")
	require.NoError(t, server.Config.Shutdown(t.Context()))
	_, err = io.Copy(io.Discard, in)
	assert.NoError(t, err, "it ends, rather than break")
}

// A server with a short limit for an answer does not break the stream: each event has its own.
func TestTheStreamOutlivesTheWriteTimeoutOfTheServer(t *testing.T) {
	server := httptest.NewUnstartedServer(inspect.Handler(asyncio.NewLoop()))
	server.Config.WriteTimeout = 100 * time.Millisecond
	server.Start()
	defer server.Close()
	r, err := http.Get(server.URL + "/events")
	require.NoError(t, err)
	defer r.Body.Close()
	in := bufio.NewReader(r.Body)
	for range 2 {
		line, err := in.ReadString('\n')
		require.NoError(t, err)
		assert.Contains(t, line, "data: ")
		_, err = in.ReadString('\n')
		require.NoError(t, err)
	}
}
