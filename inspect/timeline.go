package inspect

import (
	"cmp"
	"encoding/json"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/go-asyncio/asyncio"
)

// Bounds of a timeline.
const (
	maxParts      = 1 << 15 // that are kept
	maxPartsShown = 6000
	maxArrows     = 2000 // that are kept
	maxArrowShown = 400
	maxRowsShown  = 40
	maxWindow     = 10 // seconds
	grain         = 5 * time.Millisecond
	timelineRests = 10 * time.Second // after this time without a client the loop is not observed any more
)

// A part is a part of a track: one activity, or several in quick succession, which are shown as the one
// that took the longest.
type part struct {
	row      rowKey
	what     string
	from, to time.Duration
	busy     time.Duration // the time of its steps or callbacks
}

// A rowKey is a row of a timeline: a task, or the loop.
type rowKey struct {
	track int
	task  uint64
	name  string
}

// An arrow leads from a step to the step that it has caused.
type arrow struct {
	from, to rowKey
	at       time.Duration
}

// A timeline is the last seconds of a loop. The loop is observed from when a client first looks until
// some time after the last has looked. Any goroutine may use it.
type timeline struct {
	loop *asyncio.Loop
	rest *time.Timer // forgets the record

	mu       sync.Mutex
	record   *record                            // nil unless a client has looked lately
	pictures map[time.Duration]*timelinePicture // that clients have asked for lately
}

// A record is what a timeline has observed without a break.
type record struct {
	timeline *timeline
	tracks   *tracks
	at       time.Duration // of the last event
	parts    ring[part]
	arrows   ring[arrow]
	blends   map[*track]*blend // of the tracks
	departed map[uint64]rowKey // where arrows that have not arrived begin
}

// An excerpt is a copy of a record.
type excerpt struct {
	parts   []part  // the oldest first, and last those that go on
	arrows  []arrow // the newest first
	at      time.Duration
	since   time.Duration // what was before is not known
	virtual bool
}

// A blend collects the activities of a track until they last for a grain.
type blend struct {
	part
	longest time.Duration // of its activities
}

// A ring keeps the last values.
type ring[T any] struct {
	values []T
	next   int
	full   bool
}

func (r *ring[T]) add(v T, most int) {
	if len(r.values) < most {
		r.values = append(r.values, v)
		return
	}
	r.values[r.next] = v
	r.next, r.full = (r.next+1)%most, true
}

func newTimeline(loop *asyncio.Loop) *timeline {
	l := &timeline{loop: loop}
	l.rest = time.AfterFunc(timelineRests, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.record, l.pictures = nil, nil
	})
	return l
}

// look returns the last seconds of the loop.
func (l *timeline) look(window time.Duration) (*timelinePicture, error) {
	x, p, err := l.excerpt(window)
	if p != nil || err != nil {
		return p, err
	}
	p = x.picture(window) // not while the loop may wait for the mutex
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.record != nil {
		l.pictures[window] = p
	}
	return p, nil
}

// excerpt returns what is known of the loop, or a picture that another client has asked for just now.
func (l *timeline) excerpt(window time.Duration) (*excerpt, *timelinePicture, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rest.Reset(timelineRests)
	if l.record == nil {
		r := &record{timeline: l, blends: make(map[*track]*blend), departed: make(map[uint64]rowKey)}
		r.tracks = newTracks(l.loop, r, false)
		if err := observe(l.loop, r.see); err != nil {
			return nil, nil, err
		}
		l.record, l.pictures = r, make(map[time.Duration]*timelinePicture)
	}
	if p := l.pictures[window]; p != nil && time.Since(p.made) < interval/2 {
		return nil, p, nil
	}
	return l.record.excerpt(), nil, nil
}

// see takes an event, and reports whether the record goes on.
func (r *record) see(e *asyncio.LoopEvent) bool {
	r.timeline.mu.Lock()
	defer r.timeline.mu.Unlock()
	if r.timeline.record != r {
		return false
	}
	r.at = e.Time
	r.tracks.see(e)
	return true
}

func keyOf(t *track) rowKey { return rowKey{t.number, t.task, t.name} }

// turn adds the activity that ends to the blend of its track.
func (r *record) turn(t *track, _ activity, at time.Duration, _ string) {
	if t.current.what == "" {
		return
	}
	b := r.blends[t]
	if b == nil {
		b = &blend{}
		r.blends[t] = b
	}
	apart := b.row != keyOf(t) || t.since > b.to
	if b.to > b.from && (apart || at-b.from > grain) {
		r.parts.add(b.part, maxParts)
		apart = true
	}
	if apart {
		*b = blend{part: part{row: keyOf(t), from: t.since, to: t.since}}
	}
	b.add(t.current.what, at-b.to, busyOf(t.current.what, at-b.to))
}

// add adds an activity, of which busy are steps.
func (b *blend) add(what string, d, busy time.Duration) {
	b.to += d
	b.busy += busy
	if b.what == "" || d > b.longest {
		b.what, b.longest = what, d
	}
}

func busyOf(what string, d time.Duration) time.Duration {
	if what == doesStep || what == doesCallback {
		return d
	}
	return 0
}

func (r *record) depart(t *track, id uint64, _ time.Duration) {
	if len(r.departed) < maxArrows {
		r.departed[id] = keyOf(t)
	}
}

func (r *record) arrive(t *track, id uint64, at time.Duration) {
	if from, ok := r.departed[id]; ok {
		delete(r.departed, id)
		if from != keyOf(t) {
			r.arrows.add(arrow{from, keyOf(t), at}, maxArrows)
		}
	}
}

// A timelinePicture is a timeline as a client gets it. Times are in seconds of the loop's time.
type timelinePicture struct {
	made time.Time

	From    float64       `json:"from"`
	To      float64       `json:"to"`
	Since   float64       `json:"since"` // what was before is not known
	Virtual bool          `json:"virtual"`
	Rows    []timelineRow `json:"rows"`
	Arrows  [][3]float64  `json:"arrows"` // from row, to row, time
	LeftOut struct {
		Rows   int `json:"rows"`
		Parts  int `json:"parts"`
		Arrows int `json:"arrows"`
	} `json:"leftOut"`
}

// A timelineRow is a row of a timeline in JSON.
type timelineRow struct {
	ID     uint64             `json:"id"` // of the task, or 0 for the loop
	Name   string             `json:"name"`
	Parts  []timelinePart     `json:"parts"`
	Totals map[string]float64 `json:"totals"` // seconds of each activity

	key  rowKey
	busy time.Duration
	last blend // the last of the parts
}

// A timelinePart is an activity in JSON.
type timelinePart struct {
	What string  `json:"what"`
	From float64 `json:"from"`
	To   float64 `json:"to"`
	Busy float64 `json:"busy"` // the share of steps in it
}

// excerpt copies the record. The caller holds the mutex.
func (r *record) excerpt() *excerpt {
	x := &excerpt{at: r.at, since: r.tracks.begin, virtual: r.tracks.virtual}
	if r.tracks.begun && !x.virtual {
		x.at = max(x.at, r.timeline.loop.Time())
	}
	x.parts = slices.Concat(r.parts.values[r.parts.next:], r.parts.values[:r.parts.next])
	x.arrows = slices.Concat(r.arrows.values[r.arrows.next:], r.arrows.values[:r.arrows.next])
	slices.Reverse(x.arrows)
	if r.parts.full {
		x.since = max(x.since, x.parts[0].to)
	}
	for _, t := range r.tracks.all {
		if b := r.blends[t]; b != nil && b.to > b.from {
			x.parts = append(x.parts, b.part)
		}
		if t.current.what != "" {
			open := &blend{part: part{row: keyOf(t), from: t.since, to: t.since}}
			open.add(t.current.what, x.at-t.since, busyOf(t.current.what, x.at-t.since))
			x.parts = append(x.parts, open.part)
		}
	}
	return x
}

// picture makes a picture of the last seconds.
func (x *excerpt) picture(window time.Duration) *timelinePicture {
	from := max(0, x.at-window)
	p := &timelinePicture{
		made: time.Now(), From: from.Seconds(), To: x.at.Seconds(), Since: x.since.Seconds(), Virtual: x.virtual,
		Rows: []timelineRow{}, Arrows: [][3]float64{},
	}
	rows := make(map[rowKey]*timelineRow)
	for i := range x.parts {
		part := &x.parts[i]
		if part.to <= from || part.to == part.from {
			continue
		}
		row := rows[part.row]
		if row == nil {
			row = &timelineRow{ID: part.row.task, Name: part.row.name, key: part.row, Totals: make(map[string]float64)}
			rows[part.row] = row
		}
		row.add(part, max(part.from, from), window/shades)
	}
	p.choose(rows)
	p.addArrows(x.arrows, from)
	return p
}

// shades is the number of parts, next to each other and none of them visible alone, into which a row is
// divided.
const shades = 600

// add adds a part, as far as it is in the picture. Parts that are too short to be seen are blended.
func (row *timelineRow) add(p *part, from, visible time.Duration) {
	span := p.to - from
	busy := min(p.busy, span)
	row.busy += busy
	row.Totals[p.what] += (span - busy).Seconds()
	if busy > 0 {
		row.Totals[doesStep] += busy.Seconds()
	}
	if row.last.to != from || p.to-row.last.from > visible {
		row.Parts = append(row.Parts, timelinePart{})
		row.last = blend{part: part{from: from, to: from}}
	}
	l := &row.last
	l.add(p.what, span, busy)
	row.Parts[len(row.Parts)-1] = timelinePart{l.what, l.from.Seconds(), l.to.Seconds(), float64(l.busy) / float64(l.to-l.from)}
}

// choose takes the rows that are shown: the loop and the busiest tasks, in the order of their tracks.
func (p *timelinePicture) choose(rows map[rowKey]*timelineRow) {
	for _, row := range rows {
		p.Rows = append(p.Rows, *row)
	}
	slices.SortFunc(p.Rows, func(a, b timelineRow) int {
		return cmp.Or(cmp.Compare(min(a.ID, 1), min(b.ID, 1)), cmp.Compare(b.busy, a.busy), cmp.Compare(a.key.track, b.key.track), cmp.Compare(a.ID, b.ID))
	})
	p.LeftOut.Rows = max(0, len(p.Rows)-maxRowsShown)
	p.Rows = p.Rows[:len(p.Rows)-p.LeftOut.Rows]
	slices.SortFunc(p.Rows, func(a, b timelineRow) int {
		return cmp.Or(cmp.Compare(a.key.track, b.key.track), cmp.Compare(a.ID, b.ID))
	})
	p.limitParts()
}

// limitParts leaves out the oldest parts of the rows that have the most.
func (p *timelinePicture) limitParts() {
	order := make([]*timelineRow, len(p.Rows))
	for i := range p.Rows {
		order[i] = &p.Rows[i]
	}
	slices.SortStableFunc(order, func(a, b *timelineRow) int { return cmp.Compare(len(a.Parts), len(b.Parts)) })
	room := maxPartsShown
	for i, row := range order {
		if more := len(row.Parts) - room/(len(order)-i); more > 0 {
			p.LeftOut.Parts += more
			row.Parts = row.Parts[more:]
		}
		room -= len(row.Parts)
	}
}

func (p *timelinePicture) addArrows(arrows []arrow, from time.Duration) {
	number := make(map[rowKey]int)
	for i, row := range p.Rows {
		number[row.key] = i
	}
	for _, a := range arrows {
		f, ok := number[a.from]
		t, shown := number[a.to]
		switch {
		case a.at < from || !ok || !shown:
		case len(p.Arrows) == maxArrowShown:
			p.LeftOut.Arrows++
		default:
			p.Arrows = append(p.Arrows, [3]float64{float64(f), float64(t), a.at.Seconds()})
		}
	}
}

// serveTimeline sends the last seconds of a loop as JSON.
func (h *handler) serveTimeline(w http.ResponseWriter, r *http.Request, s *source) {
	window, err := secondsOf(r, maxWindow, maxWindow)
	if err != nil {
		fail(w, http.StatusBadRequest, err)
		return
	}
	if err := s.state().err(); err != nil && err != errBlocked {
		fail(w, http.StatusServiceUnavailable, err)
		return
	}
	p, err := s.timeline.look(window)
	if err != nil {
		fail(w, http.StatusServiceUnavailable, err)
		return
	}
	body, err := json.Marshal(p)
	if err != nil {
		panic(err) // it has no value that JSON lacks
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(body) // an error means that the client has gone
}
