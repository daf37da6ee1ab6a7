package inspect

import (
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// stalled is the time after which a client that does not read its stream is dropped.
const stalled = 10 * time.Second

// serveEvents sends an answer a second until the client leaves or the server shuts down.
func (h *handler) serveEvents(w http.ResponseWriter, r *http.Request, s *source) {
	q, err := parseQuery(r.URL.Query())
	if err != nil {
		fail(w, http.StatusBadRequest, err)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no") // nginx would keep the events back
	if r.Method == http.MethodHead {
		return
	}
	shutdown := h.shutdowns.of(r)
	client := http.NewResponseController(w)
	for {
		begin := time.Now()
		look := s.look(r.Context())
		data, err := json.Marshal(answerOf(look, q, s.loop.SlowSteps()))
		if err != nil {
			panic(err) // answer has no value that JSON lacks
		}
		_ = client.SetWriteDeadline(time.Now().Add(stalled)) // not every server supports it
		if _, err := fmt.Fprintf(w, "data: %s\n\n", data); err != nil {
			return
		}
		if client.Flush() != nil {
			return
		}
		if look.state == running && look.snapshot != nil {
			begin = look.at // so that all clients wait for the same snapshot
		}
		next := time.NewTimer(time.Until(begin.Add(interval)))
		select {
		case <-next.C:
		case <-r.Context().Done():
		case <-shutdown:
		}
		next.Stop()
		if r.Context().Err() != nil || isClosed(shutdown) {
			return
		}
	}
}

func isClosed(ch <-chan struct{}) bool {
	select {
	case <-ch:
		return true
	default:
		return false
	}
}

// Shutdowns are channels that are closed when an http.Server shuts down. Shutdown waits for all
// requests, but does not end the context of any.
type shutdowns struct {
	mu   sync.Mutex
	with map[*http.Server]chan struct{}
}

// of returns the channel of the server of a request, or nil if it does not say which that is.
func (s *shutdowns) of(r *http.Request) <-chan struct{} {
	server, _ := r.Context().Value(http.ServerContextKey).(*http.Server)
	if server == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if ch, ok := s.with[server]; ok {
		return ch
	}
	ch := make(chan struct{})
	server.RegisterOnShutdown(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.with, server)
		close(ch)
	})
	if s.with == nil {
		s.with = make(map[*http.Server]chan struct{})
	}
	s.with[server] = ch
	return ch
}
