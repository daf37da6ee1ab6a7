package inspect

import (
	"crypto/subtle"
	"errors"
	"net"
	"net/http"
	"slices"
	"strings"

	"github.com/go-asyncio/asyncio"
)

// A frame is an entry of a stack in JSON.
type frame struct {
	Function string `json:"function"`
	File     string `json:"file"`
	Line     int    `json:"line"`
}

func framesOf(stack []asyncio.Frame) []frame {
	frames := make([]frame, len(stack))
	for i, f := range stack {
		frames[i] = frame(f)
	}
	return frames
}

// A taskRef names a task in JSON.
type taskRef struct {
	ID   uint64 `json:"id"`
	Name string `json:"name"`
}

func (s *snapshot) ref(id uint64) taskRef {
	if t := s.task(id); t != nil {
		return taskRef{id, shorten(t.Name)}
	}
	return taskRef{ID: id} // it has ended
}

// Details are what is shown of one task.
type details struct {
	row
	Stack     []frame   `json:"stack"`     // the innermost first; empty if it has not begun
	Creation  []frame   `json:"creation"`  // the stack of its creation; empty if that is not known
	CreatedBy *taskRef  `json:"createdBy"` // without a name if that task has ended; null if it is not known
	AwaitedBy []taskRef `json:"awaitedBy"` // the first of them
	Awaiters  int       `json:"awaiters"`  // number of all
}

// maxAwaiters is the number of awaiters that are shown of a task.
const maxAwaiters = 100

// serveStack sends the details of a task.
func (h *handler) serveStack(w http.ResponseWriter, r *http.Request, s *source) {
	id, ok := taskID(w, r)
	if !ok {
		return
	}
	var d *details
	if err := s.call(r.Context(), func() { d = detailsOf(s.loop, id) }); err != nil {
		unavailable(w, err)
	} else if d == nil {
		fail(w, http.StatusNotFound, errEnded)
	} else {
		reply(w, http.StatusOK, d)
	}
}

// detailsOf returns the details of a task, or nil if it has ended. The loop calls it.
func detailsOf(loop *asyncio.Loop, id uint64) *details {
	found := loop.TaskInfos(id)
	if len(found) == 0 {
		return nil
	}
	t := found[0]
	awaiters := t.AwaitedBy[:min(len(t.AwaitedBy), maxAwaiters)]
	others := newSnapshot(loop, loop.TaskInfos(append(slices.Clone(awaiters), t.Parent)...))
	d := &details{
		row: newSnapshot(loop, found).row(0), Stack: framesOf(t.Task.GetStack()), Creation: framesOf(loop.CreationStack(t.Task)),
		AwaitedBy: []taskRef{}, Awaiters: len(t.AwaitedBy),
	}
	if t.Parent != 0 {
		by := others.ref(t.Parent)
		d.CreatedBy = &by
	}
	for _, id := range awaiters {
		d.AwaitedBy = append(d.AwaitedBy, others.ref(id))
	}
	return d
}

// maxForm is the number of bytes that a request to cancel may have.
const maxForm = 4 << 10

// sameOrigin rejects requests that a page of another origin has made.
var sameOrigin = http.NewCrossOriginProtection()

// serveCancel cancels a task.
func (h *handler) serveCancel(w http.ResponseWriter, r *http.Request, s *source) {
	if err := h.mayCancel(r); err != nil {
		fail(w, http.StatusForbidden, err)
		return
	}
	id, ok := taskID(w, r)
	if !ok {
		return
	}
	cancelled := false
	err := s.call(r.Context(), func() {
		for _, t := range s.loop.TaskInfos(id) {
			cancelled = t.Task.CancelCause(errFromPage)
		}
	})
	if err != nil {
		unavailable(w, err)
		return
	}
	reply(w, http.StatusOK, map[string]bool{"cancelled": cancelled})
}

// errFromPage is the cause of a cancellation that was asked for on the page.
var errFromPage = errors.New("inspect: cancelled from the page")

// mayCancel returns an error unless the request comes from the handler's own page.
func (h *handler) mayCancel(r *http.Request) error {
	if err := sameOrigin.Check(r); err != nil {
		return errors.New("the request comes from another site")
	}
	if !hostIsGenuine(r) {
		return errors.New("the name of the host is not one of this machine")
	}
	if subtle.ConstantTimeCompare([]byte(r.PostFormValue("token")), []byte(h.token)) != 1 {
		return errors.New("the token is wrong; reload the page")
	}
	return nil
}

// hostIsGenuine reports whether a request to a loopback address names a host that means this machine.
// A site that makes its own name mean a loopback address (DNS rebinding) has the page's origin and
// could read the token.
func hostIsGenuine(r *http.Request) bool {
	local, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	if !ok || !local.IP.IsLoopback() {
		return true
	}
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	return host == "localhost" || net.ParseIP(strings.Trim(host, "[]")) != nil
}
