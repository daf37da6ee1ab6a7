package inspect

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/go-asyncio/asyncio"
)

// A HandlerOption is an option of NewHandler: WithCancel.
type HandlerOption interface{ apply(*handler) }

type handlerOption func(*handler)

func (o handlerOption) apply(h *handler) { o(h) }

// WithCancel allows the page to cancel tasks. Whoever can open the page can then cancel any task of
// the loops, so serve it on a loopback address alone, or behind something that checks who asks. A
// request to cancel needs the token of the page and has to come from the page's own origin.
func WithCancel() HandlerOption { return handlerOption(func(h *handler) { h.token = rand.Text() }) }

// Handler returns a handler that shows the tasks of the loops. It is NewHandler without options.
func Handler(loops ...*asyncio.Loop) http.Handler { return NewHandler(loops) }

// NewHandler returns a handler that shows the tasks of the loops. It works under any path that ends in
// a slash, with or without http.StripPrefix:
//
//	mux.Handle("/debug/asyncio/", inspect.NewHandler(loops, inspect.WithCancel()))
//
// The last element of the path says what is served. Without one it is the page. The others are
//
//	tasks    figures, tasks, servers, streams, queues and slow steps of a loop, as JSON
//	events   the same as Server-Sent Events, one a second
//	stack    the stacks of the task with the ID of the parameter task, as JSON
//	dump     what Dump writes
//	ps       what PS writes
//	pstree   what PSTree writes
//	trace    what Trace writes in the number of seconds of the parameter seconds, 1 to 60; it ends
//	         early when the client leaves
//	timeline the last seconds of a loop, at most 10, as JSON
//	cancel   by POST, with WithCancel: cancels a task
//
// The parameter loop is the number of the loop, from 0. The parameters order (created, awaited or
// longest), name, waits, state and limit say which tasks are listed, at most 500. The parameter rows is
// a text that the rows of the tables of servers, streams and queues must have, of which at most 100 each
// are listed. Of everything that is not listed the number is given. The JSON is made for the page, and may
// get other fields in a later release.
//
// The handler takes a snapshot of a loop at most once a second, however many clients look at it, and
// none while nobody looks. It answers within seconds if the loop is closed, not running or blocked,
// and says so. Its streams end with http.Server.Shutdown. NewHandler panics if a loop is nil.
func NewHandler(loops []*asyncio.Loop, opts ...HandlerOption) http.Handler {
	mustHave(loops...)
	h := &handler{}
	for _, loop := range loops {
		h.sources = append(h.sources, newSource(loop))
	}
	for _, opt := range opts {
		if opt == nil {
			panic("inspect: nil option")
		}
		opt.apply(h)
	}
	h.page = strings.NewReplacer("{{loops}}", strconv.Itoa(len(loops)), "{{token}}", h.token).Replace(page)
	return h
}

type handler struct {
	sources []*source
	token   string // a request to cancel must have it; "" if cancelling is not allowed
	page    string
	shutdowns
}

//go:embed page.html
var page string

// policy allows the page its own script and its own style, and requests to where it came from.
var policy = "default-src 'none'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'" +
	"; script-src " + hashOf("script") + "; style-src " + hashOf("style")

// hashOf returns the hash of the text of an element of the page, in the form of a policy.
func hashOf(element string) string {
	text := regexp.MustCompile(`(?s)<` + element + `>(.*)</` + element + `>`).FindStringSubmatch(page)[1]
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Content-Security-Policy", policy)
	header.Set("Cross-Origin-Resource-Policy", "same-origin")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Cache-Control", "no-store")
	_, name := path.Split(r.URL.Path)
	serve, ok := map[string]func(http.ResponseWriter, *http.Request, *source){
		"tasks": h.serveTasks, "events": h.serveEvents, "stack": h.serveStack, "cancel": h.serveCancel,
		"trace": h.serveTrace, "timeline": h.serveTimeline,
		"dump": serveText(Dump), "ps": serveText(PS), "pstree": serveText(PSTree), "": h.servePage,
	}[name]
	if !ok || name == "cancel" && h.token == "" {
		http.NotFound(w, r)
		return
	}
	allowed := []string{http.MethodGet, http.MethodHead}
	if name == "cancel" {
		allowed = []string{http.MethodPost}
	}
	if !slices.Contains(allowed, r.Method) {
		header.Set("Allow", strings.Join(allowed, ", "))
		fail(w, http.StatusMethodNotAllowed, fmt.Errorf("the method must be %s", strings.Join(allowed, " or ")))
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	s, err := h.source(r)
	if err != nil && name != "" {
		fail(w, http.StatusNotFound, err)
		return
	}
	serve(w, r, s)
}

// source returns the source that a request means.
func (h *handler) source(r *http.Request) (*source, error) {
	n := 0
	if text := r.FormValue("loop"); text != "" {
		var err error
		if n, err = strconv.Atoi(text); err != nil {
			return nil, errors.New("loop must be a number")
		}
	}
	if n < 0 || n >= len(h.sources) {
		return nil, fmt.Errorf("there is no loop %d", n)
	}
	return h.sources[n], nil
}

func (h *handler) servePage(w http.ResponseWriter, _ *http.Request, _ *source) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = io.WriteString(w, h.page)
}

func (h *handler) serveTasks(w http.ResponseWriter, r *http.Request, s *source) {
	q, err := parseQuery(r.URL.Query())
	if err != nil {
		fail(w, http.StatusBadRequest, err)
		return
	}
	reply(w, http.StatusOK, answerOf(s.look(r.Context()), q, s.loop.SlowSteps()))
}

// An answer is the state of a loop and a view of its newest snapshot, as a client gets them.
type answer struct {
	State  string          `json:"state"`
	Silent seconds         `json:"silent"` // time for which a blocked loop has not answered
	Taken  int64           `json:"taken"`  // the time of the snapshot in milliseconds of Unix time; 0 without one
	View   json.RawMessage `json:"view"`   // null without a snapshot

	SlowSteps []slowStep `json:"slowSteps"` // the newest first; the first of them may go on
}

func answerOf(l look, q query, slow []asyncio.SlowStep) answer {
	a := answer{State: l.state, Silent: seconds(l.silent), SlowSteps: slowStepsOf(slow)}
	if l.snapshot != nil {
		a.Taken, a.View = l.at.UnixMilli(), l.view(q)
	}
	return a
}

// serveText serves what a function writes about a loop.
func serveText(write func(*asyncio.Loop, io.Writer) error) func(http.ResponseWriter, *http.Request, *source) {
	return func(w http.ResponseWriter, r *http.Request, s *source) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		if r.Method != http.MethodHead {
			_ = write(s.loop, w) // an error means that the client has gone
		}
	}
}

// taskID returns the ID of the task that a request means. It answers the request itself if there is none.
func taskID(w http.ResponseWriter, r *http.Request) (id uint64, ok bool) {
	id, err := strconv.ParseUint(r.FormValue("task"), 10, 64)
	if err != nil {
		fail(w, http.StatusBadRequest, errors.New("task must be the ID of a task"))
	}
	return id, err == nil
}

var errEnded = errors.New("the task has ended")

// err returns the reason for which the loop does not answer, or nil.
func (l look) err() error {
	switch l.state {
	case closed:
		return asyncio.ErrLoopClosed
	case notRunning:
		return errNotRunning
	case blocked:
		return errBlocked
	}
	return nil
}

// reply sends v as JSON.
func reply(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // an error means that the client has gone
}

// fail sends an error as JSON.
func fail(w http.ResponseWriter, status int, err error) {
	reply(w, status, map[string]string{"error": err.Error()})
}

// unavailable answers a request for which the loop was not called.
func unavailable(w http.ResponseWriter, err error) {
	if !errors.Is(err, context.Canceled) { // else the client has gone
		fail(w, http.StatusServiceUnavailable, err)
	}
}
