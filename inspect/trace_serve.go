package inspect

import (
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"
)

// maxTrace is the number of seconds that a trace from the handler may last.
const maxTrace = 60

// serveTrace sends what Trace writes in the seconds that the request says. The trace ends early when the
// client leaves, the loop closes or the server shuts down.
func (h *handler) serveTrace(w http.ResponseWriter, r *http.Request, s *source) {
	d, err := secondsOf(r, 1, maxTrace)
	if err != nil {
		fail(w, http.StatusBadRequest, err)
		return
	}
	if err := s.state().err(); err != nil && !errors.Is(err, errBlocked) {
		fail(w, http.StatusServiceUnavailable, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Disposition", `attachment; filename="trace.json"`)
	if r.Method == http.MethodHead {
		return
	}
	trace, err := startTrace(s.loop, &patientWriter{w, http.NewResponseController(w)})
	if err != nil { // the loop has closed meanwhile
		w.Header().Del("Content-Disposition")
		fail(w, http.StatusServiceUnavailable, err)
		return
	}
	end := time.NewTimer(d)
	defer end.Stop()
	select {
	case <-end.C:
	case <-trace.ended:
	case <-r.Context().Done():
	case <-h.shutdowns.of(r):
	}
	_ = trace.stop() // an error means that the client has gone
}

// secondsOf returns the duration that the parameter seconds of a request says: a whole number, the
// default if there is none, and at most most.
func secondsOf(r *http.Request, otherwise, most int) (time.Duration, error) {
	n := otherwise
	if text := r.FormValue("seconds"); text != "" {
		var err error
		if n, err = strconv.Atoi(text); err != nil || n < 1 || n > most {
			return 0, errors.New("seconds must be a number from 1 to " + strconv.Itoa(most))
		}
	}
	return time.Duration(n) * time.Second, nil
}

// A patientWriter waits for a client that reads slowly, but not for one that does not read at all.
type patientWriter struct {
	io.Writer
	client *http.ResponseController
}

func (w *patientWriter) Write(p []byte) (int, error) {
	_ = w.client.SetWriteDeadline(time.Now().Add(stalled)) // not every server supports it
	return w.Writer.Write(p)
}
