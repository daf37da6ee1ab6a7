package inspect_test

import (
	"encoding/json"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A picture is a trace in the Trace Event Format, as a viewer reads it.
type picture struct {
	shown  []slice // in the order of their beginnings
	arrows []flow
	notes  []string // instant events
	labels string   // of the process
	other  map[string]any
	peaks  map[string]int // the largest value of each counter
}

// A slice is something that lasts, on the track of a task or of the loop.
type slice struct {
	track, name, category string
	begin, end            time.Duration
	args                  map[string]string
}

// A flow leads from one slice to another.
type flow struct{ from, to *slice }

// A traceEvent is an event in JSON. Pointers tell what is there.
type traceEvent struct {
	Ph    string
	Pid   *int
	Tid   *int
	Ts    *json.Number
	Dur   *json.Number
	Name  *string
	Cat   string
	Cname *string
	ID    *uint64
	Bp    string
	S     string
	Args  map[string]any
}

// reserved are the names of colours that chrome://tracing knows.
var reserved = []string{
	"thread_state_uninterruptible", "thread_state_iowait", "thread_state_running", "thread_state_runnable", "thread_state_sleeping",
	"thread_state_unknown", "background_memory_dump", "light_memory_dump", "detailed_memory_dump", "vsync_highlight_color",
	"generic_work", "good", "bad", "terrible", "black", "grey", "white", "yellow", "olive", "rail_response", "rail_animation",
	"rail_idle", "rail_load", "startup", "heap_dump_stack_frame", "heap_dump_object_type", "heap_dump_child_node_arrow",
	"cq_build_running", "cq_build_passed", "cq_build_failed", "cq_build_abandoned",
}

// A traceReader checks a trace against the documentation of the format and makes a picture of it.
type traceReader struct {
	*testing.T
	picture
	names  map[int]string // of tracks
	sorted map[int]bool   // tracks that have a sort index
	tracks map[int][]int  // the slices of each track that are open, by their places
	last   map[int]time.Duration
	departed,
	arrived map[uint64]int // slices, by the number of the flow
	track []int // of each slice
}

// readTrace fails the test unless text is a valid trace.
func readTrace(t *testing.T, text []byte) *picture {
	t.Helper()
	var file struct {
		TraceEvents     []json.RawMessage
		DisplayTimeUnit string
		OtherData       map[string]any
	}
	require.NoError(t, json.Unmarshal(text, &file), "%s", text[:min(len(text), 2000)])
	require.Contains(t, []string{"ms", "ns"}, file.DisplayTimeUnit)
	r := &traceReader{
		T: t, names: map[int]string{}, sorted: map[int]bool{}, tracks: map[int][]int{}, last: map[int]time.Duration{},
		departed: map[uint64]int{}, arrived: map[uint64]int{},
	}
	r.other, r.peaks = file.OtherData, map[string]int{}
	for _, raw := range file.TraceEvents {
		var e traceEvent
		require.NoError(t, json.Unmarshal(raw, &e), "%s", raw)
		require.NotNil(t, e.Pid, "%s", raw)
		require.NotNil(t, e.Tid, "%s", raw)
		r.read(&e, string(raw))
	}
	for tid, open := range r.tracks {
		require.Empty(t, open, "slices of track %d do not end", tid)
	}
	for i := range r.shown {
		name, ok := r.names[r.track[i]]
		require.True(t, ok, "track %d has no name", r.track[i])
		require.True(t, r.sorted[r.track[i]], "track %d has no place", r.track[i])
		r.shown[i].track = name
	}
	for id, to := range r.arrived {
		from, ok := r.departed[id]
		require.True(t, ok, "flow %d has no beginning", id)
		r.arrows = append(r.arrows, flow{&r.shown[from], &r.shown[to]})
	}
	return &r.picture
}

func (r *traceReader) read(e *traceEvent, raw string) {
	if e.Cname != nil {
		require.True(r, slices.Contains(reserved, *e.Cname), raw)
	}
	if e.Ph == "M" {
		r.metadata(e, raw)
		return
	}
	require.NotNil(r, e.Ts, raw)
	micros, err := e.Ts.Float64()
	require.NoError(r, err)
	at := time.Duration(math.Round(micros * 1000))
	require.GreaterOrEqual(r, at, r.last[*e.Tid], "time goes back: %s", raw)
	r.last[*e.Tid] = at
	open := r.tracks[*e.Tid]
	switch e.Ph {
	case "B":
		require.NotNil(r, e.Name, raw)
		require.NotEmpty(r, *e.Name, raw)
		require.Empty(r, open, "a track does one thing at a time: %s", raw)
		r.tracks[*e.Tid] = append(open, len(r.shown))
		r.shown = append(r.shown, slice{name: *e.Name, category: e.Cat, begin: at, args: texts(e.Args)})
		r.track = append(r.track, *e.Tid)
	case "E":
		require.NotEmpty(r, open, "an end without a beginning: %s", raw)
		s := &r.shown[open[len(open)-1]]
		s.end = at
		require.Equal(r, s.name, *e.Name, raw)
		for name, text := range texts(e.Args) {
			s.args[name] = text
		}
		r.tracks[*e.Tid] = open[:len(open)-1]
	case "s", "f":
		require.NotNil(r, e.ID, raw)
		require.NotNil(r, e.Name, raw)
		require.NotEmpty(r, e.Cat, raw)
		require.NotEmpty(r, open, "a flow that no slice encloses: %s", raw)
		ends := r.departed
		if e.Ph == "f" {
			require.Equal(r, "e", e.Bp, raw)
			_, ok := r.departed[*e.ID]
			require.True(r, ok, "an arrow that has not departed: %s", raw)
			ends = r.arrived
		}
		_, twice := ends[*e.ID]
		require.False(r, twice, raw)
		ends[*e.ID] = open[len(open)-1]
	case "C":
		require.NotNil(r, e.Name, raw)
		require.NotEmpty(r, e.Args, raw)
		for _, v := range e.Args {
			require.IsType(r, 0.0, v, raw)
			r.peaks[*e.Name] = max(r.peaks[*e.Name], int(v.(float64)))
		}
	case "i":
		require.Contains(r, []string{"g", "p", "t"}, e.S, raw)
		r.notes = append(r.notes, *e.Name)
	default:
		require.Fail(r, "unknown phase", raw)
	}
}

func (r *traceReader) metadata(e *traceEvent, raw string) {
	require.NotNil(r, e.Name, raw)
	switch *e.Name {
	case "process_name", "thread_name":
		name, ok := e.Args["name"].(string)
		require.True(r, ok, raw)
		if *e.Name == "thread_name" {
			r.names[*e.Tid] = name
		}
	case "process_labels":
		r.labels = e.Args["labels"].(string)
	case "thread_sort_index":
		require.IsType(r, 0.0, e.Args["sort_index"], raw)
		require.False(r, r.sorted[*e.Tid], raw)
		r.sorted[*e.Tid] = true
	default:
		require.Fail(r, "unknown metadata", raw)
	}
}

func texts(args map[string]any) map[string]string {
	all := make(map[string]string)
	for name, v := range args {
		all[name], _ = v.(string)
	}
	return all
}

// of returns the slices of a track.
func (p *picture) of(track string) (all []slice) {
	for _, s := range p.shown {
		if s.track == track {
			all = append(all, s)
		}
	}
	return all
}

// on returns what a track shows, with the times that are not zero.
func (p *picture) on(track string) (all []string) {
	for _, s := range p.of(track) {
		text := s.name
		if s.args["for"] != "" {
			text += " for " + s.args["for"]
		}
		if d := s.end - s.begin; d > 0 {
			text += " " + d.String()
		}
		if s.args["ended"] != "" {
			text += ": " + s.args["ended"]
		}
		all = append(all, text)
	}
	return all
}

// wakers returns the tracks from which arrows lead to a track, in the order of its steps.
func (p *picture) wakers(track string) (all []string) {
	from := make(map[*slice]string)
	for _, a := range p.arrows {
		from[a.to] = a.from.track
	}
	for i := range p.shown {
		if s := &p.shown[i]; s.track == track && from[s] != "" {
			all = append(all, from[s])
		}
	}
	return all
}
