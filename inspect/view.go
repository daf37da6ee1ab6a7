package inspect

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/go-asyncio/asyncio"
)

// Bounds of a view.
const (
	maxRows   = 500
	maxText   = 300 // bytes of a name and of what a task waits for
	maxFilter = 200 // bytes of a filter
	maxViews  = 64  // of a snapshot that are kept
	maxRings  = 20
)

// An order is the order in which a view lists tasks.
type order string

const (
	byCreator order = "created" // as trees, each task below the one that created it
	byAwaiter order = "awaited" // as trees, each task below those that await it
	byWait    order = "longest" // those first that have waited the longest
)

// A query says which tasks a view lists, and how. Texts are in lower case.
type query struct {
	order  order
	name   string // part of the name, or the ID
	waits  string // part of what the task waits for
	rows   string // part of a row of a table of other things than tasks
	states string // the states that are wanted, with a comma after each, or "" for all
	limit  int    // of rows
}

// parseQuery reads a query from the parameters of a URL.
func parseQuery(from url.Values) (query, error) {
	q := query{order: byCreator, limit: maxRows}
	if v := from.Get("order"); v != "" {
		q.order = order(v)
	}
	switch q.order {
	case byCreator, byAwaiter, byWait:
	default:
		return q, fmt.Errorf("order must be %s, %s or %s", byCreator, byAwaiter, byWait)
	}
	for name, field := range map[string]*string{"name": &q.name, "waits": &q.waits, "rows": &q.rows} {
		*field = strings.ToLower(from.Get(name))
		if len(*field) > maxFilter {
			return q, fmt.Errorf("%s must not have more than %d bytes", name, maxFilter)
		}
	}
	for _, state := range from["state"] {
		if !slices.Contains(allStates, asyncio.TaskState(state)) {
			return q, fmt.Errorf("state must be one of %v", allStates)
		}
	}
	for _, state := range allStates { // in one order, so that equal queries share a view
		if slices.Contains(from["state"], string(state)) {
			q.states += string(state) + ","
		}
	}
	if v := from.Get("limit"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 || n > maxRows {
			return q, fmt.Errorf("limit must be a number from 1 to %d", maxRows)
		}
		q.limit = n
	}
	return q, nil
}

var allStates = []asyncio.TaskState{asyncio.TaskCreated, asyncio.TaskReady, asyncio.TaskRunning, asyncio.TaskWaiting}

// matches reports whether q wants t.
func (q *query) matches(t *asyncio.TaskInfo) bool {
	return (q.states == "" || strings.Contains(q.states, string(t.State)+",")) &&
		(q.name == "" || strings.Contains(strings.ToLower(t.Name), q.name) || strconv.FormatUint(t.ID, 10) == q.name) &&
		(q.waits == "" || strings.Contains(strings.ToLower(t.WaitsFor), q.waits))
}

// A view is a part of a snapshot, as a client gets it.
type view struct {
	Stats    stats      `json:"stats"`
	Held     seconds    `json:"held"`     // time that the snapshot took of the loop's
	Total    int        `json:"total"`    // tasks of the loop
	Matching int        `json:"matching"` // tasks that the query wants
	Shown    int        `json:"shown"`    // those of them that rows has
	Rows     []row      `json:"rows"`
	Rings    [][]member `json:"rings"` // tasks that wait for one another: each for the next, the last for the first
	Sections []section  `json:"sections"`
	counts
}

// Stats are the figures of a loop.
type stats struct {
	Time          seconds `json:"time"`
	Turns         uint64  `json:"turns"`
	Ready         int     `json:"ready"`
	Timers        int     `json:"timers"`
	Descriptors   int     `json:"descriptors"`
	Fibers        int     `json:"fibers"`
	Threads       int     `json:"threads"`
	ThreadsInLine int     `json:"threadsInLine"`
	Lateness      seconds `json:"lateness"`
}

// A row is a task at its place in a view.
type row struct {
	ID       uint64            `json:"id"`
	Name     string            `json:"name"`
	State    asyncio.TaskState `json:"state"`
	WaitsFor string            `json:"waitsFor"`
	Age      seconds           `json:"age"`      // since its creation
	Waiting  seconds           `json:"waiting"`  // since it began to wait
	Depth    int               `json:"depth"`    // in the tree
	Children int               `json:"children"` // tasks one step below
	Context  bool              `json:"context"`  // the query does not want it, but a task below
	Again    bool              `json:"again"`    // an earlier row has the task, and the tasks below
}

// Seconds are a duration in JSON: a number of seconds, or null if it is negative.
type seconds time.Duration

func (s seconds) MarshalJSON() ([]byte, error) {
	if s < 0 {
		return []byte("null"), nil
	}
	return strconv.AppendFloat(nil, time.Duration(s).Seconds(), 'f', -1, 64), nil
}

// Views are the views of a snapshot, in JSON, that a client has asked for already.
type views struct {
	mu sync.Mutex
	of map[query]json.RawMessage
}

// view returns the view of a query.
func (s *snapshot) view(q query) json.RawMessage {
	s.views.mu.Lock() // while it is made, too, so that the others wait for it instead of making it again
	defer s.views.mu.Unlock()
	if body, ok := s.views.of[q]; ok {
		return body
	}
	body, err := json.Marshal(s.makeView(&q))
	if err != nil {
		panic(err) // view has no value that JSON lacks
	}
	if s.views.of == nil || len(s.views.of) == maxViews {
		s.views.of = make(map[query]json.RawMessage)
	}
	s.views.of[q] = body
	return body
}

func (s *snapshot) makeView(q *query) *view {
	v := &view{
		Held: seconds(s.held), Total: len(s.tasks), Rows: []row{}, Rings: s.members(s.rings()), Sections: s.sections(q.rows), counts: s.counts(),
		Stats: stats{
			Time: seconds(s.stats.Time), Turns: s.stats.Turns, Ready: s.stats.Ready, Timers: s.stats.Timers,
			Descriptors: s.stats.Descriptors, Fibers: s.stats.Fibers, Threads: s.stats.Threads,
			ThreadsInLine: s.stats.ThreadsInLine, Lateness: seconds(s.stats.Lateness),
		},
	}
	matches := make([]bool, len(s.tasks))
	for i := range s.tasks {
		if matches[i] = q.matches(&s.tasks[i]); matches[i] {
			v.Matching++
		}
	}
	if q.order == byWait {
		s.addLongest(v, q, matches)
		return v
	}
	f := s.created()
	if q.order == byAwaiter {
		f = s.awaited()
	}
	f.walk(f.withAncestors(matches), func(p place) bool {
		if len(v.Rows) == q.limit {
			return false
		}
		r := s.row(p.task)
		r.Depth, r.Again, r.Children, r.Context = p.depth, p.again, len(f.below[p.task]), !matches[p.task]
		v.Rows = append(v.Rows, r)
		if matches[p.task] && !p.again {
			v.Shown++
		}
		return true
	})
	return v
}

// addLongest adds the rows of the tasks that match, those first that have waited the longest.
func (s *snapshot) addLongest(v *view, q *query, matches []bool) {
	order := make([]int32, 0, v.Matching)
	for i, m := range matches {
		if m {
			order = append(order, int32(i))
		}
	}
	waiting := func(i int32) time.Duration {
		if s.tasks[i].State != asyncio.TaskWaiting {
			return -2
		}
		return s.age(s.tasks[i].Since)
	}
	slices.SortStableFunc(order, func(a, b int32) int { return cmp.Compare(waiting(b), waiting(a)) })
	for _, i := range order[:min(len(order), q.limit)] {
		v.Rows = append(v.Rows, s.row(i))
	}
	v.Shown = len(v.Rows)
}

func (s *snapshot) row(i int32) row {
	t := &s.tasks[i]
	r := row{ID: t.ID, Name: shorten(t.Name), State: t.State, WaitsFor: shorten(t.WaitsFor), Age: seconds(s.age(t.Created)), Waiting: -1}
	if t.State == asyncio.TaskWaiting {
		r.Waiting = seconds(s.age(t.Since))
	}
	return r
}

// A member is a task in a ring.
type member struct {
	taskRef
	WaitsFor string `json:"waitsFor"`
}

// members returns the tasks of the first rings.
func (s *snapshot) members(rings [][]int32) [][]member {
	all := [][]member{}
	for _, ring := range rings[:min(len(rings), maxRings)] {
		var of []member
		for _, i := range ring[:min(len(ring), maxRings)] {
			t := &s.tasks[i]
			of = append(of, member{taskRef{t.ID, shorten(t.Name)}, shorten(t.WaitsFor)})
		}
		all = append(all, of)
	}
	return all
}

// shorten returns text, or its beginning and an ellipsis if it is too long.
func shorten(text string) string {
	if len(text) <= maxText {
		return text
	}
	end := maxText
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + "…"
}
