package inspect

import (
	"crypto/subtle"
	"errors"
	"net"
	"net/http"
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
	snap, t := s.find(w, r)
	if t == nil {
		return
	}
	var stack, creation []asyncio.Frame
	done := false
	err := s.call(r.Context(), func() {
		if done = t.Task.Done(); !done {
			stack, creation = t.Task.GetStack(), s.loop.CreationStack(t.Task)
		}
	})
	if err != nil {
		unavailable(w, err)
		return
	}
	if done {
		fail(w, http.StatusNotFound, errors.New("the task has ended"))
		return
	}
	d := details{row: snap.row(snap.index()[t.ID]), Stack: framesOf(stack), Creation: framesOf(creation), AwaitedBy: []taskRef{}, Awaiters: len(t.AwaitedBy)}
	if t.Parent != 0 {
		by := snap.ref(t.Parent)
		d.CreatedBy = &by
	}
	for _, id := range t.AwaitedBy[:min(len(t.AwaitedBy), maxAwaiters)] {
		d.AwaitedBy = append(d.AwaitedBy, snap.ref(id))
	}
	reply(w, http.StatusOK, d)
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
	_, t := s.find(w, r)
	if t == nil {
		return
	}
	cancelled := false
	if err := s.call(r.Context(), func() { cancelled = t.Task.CancelCause(errFromPage) }); err != nil {
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
