package inspect

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/go-asyncio/asyncio"
)

// Bounds of the memory of a trace that waits to be written.
const (
	traceBuffer  = 64 << 10 // bytes that are written at once, or a little more
	traceBuffers = 64       // of them that may wait
)

// Trace writes what the loop does from now on to w, as a trace that https://ui.perfetto.dev and
// chrome://tracing open, until stop is called or the loop closes. Any goroutine may call Trace and
// stop, and so may the tasks and callbacks of the loop.
//
// Each task has a track, and so has the loop. The track of a task shows its steps, the times at which it
// is ready but other steps are made first, and its waits, each kind in its colour: sleep, sync, queue,
// task, future, network, thread, process, channel and context. The arguments of a wait say what the task
// waits for. An arrow leads from the step that makes a task ready to the step that the task then makes;
// a wait that no arrow ends was ended by a timer, a descriptor, another goroutine or a context. The track
// of the loop shows the callbacks, and when the loop is idle. A task that does nothing all the time has
// no track. Once there are 1,000 tracks, new tasks share those of tasks that have ended. The times are
// the loop's: in virtual time steps take no time, and two runs of a program that is deterministic give
// the same trace.
//
// The trace is complete JSON once stop has returned, or once the loop has closed and w has got all. stop
// waits until w has got all, and returns the first error of w; it may be called more than once. The loop
// does not wait for w, which another goroutine writes to. If w is so slow that 4 MB wait for it, the
// trace leaves events out until half of that is written, and says how many.
//
// A loop that does not run is traced from its next run on. Trace returns ErrLoopClosed if the loop is
// closed.
func Trace(loop *asyncio.Loop, w io.Writer) (stop func() error, err error) {
	t, err := startTrace(loop, w)
	if err != nil {
		return nil, err
	}
	return t.stop, nil
}

func startTrace(loop *asyncio.Loop, w io.Writer) (*tracer, error) {
	mustHave(loop)
	if w == nil {
		panic("inspect: nil writer")
	}
	t := &tracer{full: make(chan []byte, traceBuffers+1), spare: make(chan []byte, traceBuffers), ended: make(chan struct{})}
	t.tracks = newTracks(loop, t, true)
	t.buffer = append(make([]byte, 0, traceBuffer+traceBuffer/8), traceHeader...)
	if err := observe(loop, t.see); err != nil {
		return nil, err
	}
	go t.write(w)
	return t, nil
}

// A tracer writes a trace in the Trace Event Format. It makes the text on the loop's goroutine, and
// another goroutine writes it.
type tracer struct {
	mu       sync.Mutex // the loop and stop use what follows
	tracks   *tracks
	finished bool
	buffer   []byte
	named    []naming // how the trace names the tracks, by their numbers
	counted  counters
	last     time.Duration // the time of the last event
	alive    int           // tasks that were not done then

	paused  bool // w is too slow, and events are left out
	lost    int  // events left out since then
	lostAll int  // events left out in all

	full    chan []byte // to be written; closed at the end
	spare   chan []byte // written
	waiting atomic.Int32
	failed  atomic.Bool // w has returned an error
	ended   chan struct{}
	err     error // of w; read once ended is closed
}

// Counters are the figures that a trace shows as curves.
type counters struct {
	ready, tasks int
	at           time.Duration
}

const (
	traceHeader = `{"traceEvents":[` + "\n" +
		`{"ph":"M","pid":1,"tid":0,"name":"process_name","args":{"name":"asyncio loop"}}`
	counterPeriod = 100 * time.Microsecond // the least time between two values of a counter
)

// write writes the buffers that are full.
func (t *tracer) write(w io.Writer) {
	defer close(t.ended)
	for b := range t.full {
		if t.err == nil {
			if _, err := w.Write(b); err != nil {
				t.err = err
				t.failed.Store(true)
			}
		}
		t.waiting.Add(-1)
		select {
		case t.spare <- b[:0]:
		default:
		}
	}
}

func (t *tracer) stop() error {
	t.mu.Lock()
	t.finish() // the observation ends with the next event
	t.mu.Unlock()
	<-t.ended
	return t.err
}

// finish completes the trace. The caller holds mu.
func (t *tracer) finish() {
	if t.finished {
		return
	}
	t.finished = true
	if t.paused {
		t.resume()
	}
	t.closeAll()
	clock, idle := "monotonic", max(0, t.alive-len(t.tracks.of))
	if t.tracks.virtual {
		clock = "virtual"
	}
	t.buffer = fmt.Appendf(t.buffer, "\n],\"displayTimeUnit\":\"ns\",\"otherData\":{\"clock\":%q,\"tasks without a track\":%d,\"events left out\":%d}}\n",
		clock, idle, t.lostAll)
	t.waiting.Add(1)
	t.full <- t.buffer // there is room for it
	close(t.full)
	t.buffer = nil
}

// see takes an event, and reports whether the trace goes on.
func (t *tracer) see(e *asyncio.LoopEvent) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.failed.Load() {
		t.finish()
	}
	if t.finished {
		return false
	}
	first := !t.tracks.begun
	t.last, t.alive = e.Time, e.Tasks
	switch {
	case t.paused && t.waiting.Load() <= traceBuffers/2:
		t.resume()
	case t.paused:
		t.lost++
	}
	t.tracks.see(e)
	if first && t.tracks.virtual {
		t.event("M", t.tracks.loop(), 0)
		t.buffer = append(t.buffer, `,"name":"process_labels","args":{"labels":"virtual time"}}`...)
	}
	t.count(e)
	if e.Kind == asyncio.OnClosed {
		t.finish()
	} else if len(t.buffer) >= traceBuffer && !t.paused {
		t.handOver()
	}
	return true
}

// handOver gives the buffer to be written, or pauses the trace if too many wait.
func (t *tracer) handOver() {
	if t.waiting.Load() >= traceBuffers {
		t.closeAll()
		t.paused, t.tracks.arrows = true, nil
		return
	}
	t.waiting.Add(1)
	t.full <- t.buffer
	select {
	case t.buffer = <-t.spare:
	default:
		t.buffer = make([]byte, 0, traceBuffer+traceBuffer/8)
	}
}

// resume goes on after a pause.
func (t *tracer) resume() {
	t.paused = false
	t.event("i", t.tracks.loop(), t.last)
	t.buffer = fmt.Appendf(t.buffer, `,"s":"g","name":"%d events left out before this: the writer was too slow"}`, t.lost)
	t.lostAll += t.lost
	t.lost = 0
	for _, tr := range t.tracks.all {
		if tr.current.what != "" {
			t.open(tr, tr.current, t.last)
		}
	}
}

// closeAll ends the activities of all tracks in the text.
func (t *tracer) closeAll() {
	if t.paused {
		return
	}
	for _, tr := range t.tracks.all {
		if tr.current.what != "" {
			t.end(tr, t.last, "")
		}
	}
}

// turn writes the end of an activity and the begin of the next.
func (t *tracer) turn(tr *track, next activity, at time.Duration, ended string) {
	if t.paused {
		return
	}
	if tr.current.what != "" {
		t.end(tr, at, ended)
	}
	if next.what != "" {
		t.open(tr, next, at)
	}
}

// end writes the end of the current activity. The format does not need the name there, but there are
// viewers that do.
func (t *tracer) end(tr *track, at time.Duration, ended string) {
	t.event("E", tr, at)
	t.buffer = appendString(append(t.buffer, `,"name":`...), tr.current.name())
	if ended != "" {
		t.buffer = append(appendString(append(t.buffer, `,"args":{"ended":`...), ended), '}')
	}
	t.buffer = append(t.buffer, '}')
}

// name returns the name of the activity in a trace.
func (a activity) name() string {
	if a.what == doesCallback {
		return a.text
	}
	return a.what
}

// colours are the colours of activities in chrome://tracing, by their names there. Perfetto chooses a
// colour for each name of an activity itself.
var colours = map[string]string{
	doesStep: "thread_state_running", doesReady: "thread_state_runnable", doesCallback: "rail_response", doesIdle: "grey",
	string(asyncio.WaitSleep): "white", string(asyncio.WaitSync): "terrible", string(asyncio.WaitQueue): "bad",
	string(asyncio.WaitTask): "generic_work", string(asyncio.WaitFuture): "thread_state_unknown",
	string(asyncio.WaitNetwork): "thread_state_iowait", string(asyncio.WaitThread): "vsync_highlight_color",
	string(asyncio.WaitProcess): "light_memory_dump", string(asyncio.WaitChannel): "detailed_memory_dump", string(asyncio.WaitContext): "olive",
}

// open writes the begin of an activity, and before the first of a track the name of the track.
func (t *tracer) open(tr *track, a activity, at time.Duration) {
	t.nameTrack(tr)
	t.event("B", tr, at)
	category := a.what
	switch a.what {
	case doesCallback, doesStep, doesReady, doesIdle:
	default:
		category = "wait"
	}
	t.buffer = appendString(append(t.buffer, `,"name":`...), a.name())
	t.buffer = append(append(append(t.buffer, `,"cat":"`...), category...), `","cname":"`...)
	t.buffer = append(append(t.buffer, colours[a.what]...), '"')
	if category == "wait" && a.text != "" {
		t.buffer = append(appendString(append(t.buffer, `,"args":{"for":`...), a.text), '}')
	} else if tr.shared && a.what == doesStep {
		t.buffer = append(appendString(append(t.buffer, `,"args":{"task":`...), tr.name), '}')
	}
	t.buffer = append(t.buffer, '}')
}

// A naming says how a trace names a track.
type naming uint8

const (
	unnamed naming = iota
	forTask        // for the only task that it has had
	forMany
)

// nameTrack writes the name and the place of a track, unless it has them already.
func (t *tracer) nameTrack(tr *track) {
	for len(t.named) <= tr.number {
		t.named = append(t.named, unnamed)
	}
	wanted, name := forTask, tr.name
	if tr.shared {
		wanted = forMany
	}
	had := t.named[tr.number]
	if had == wanted {
		return
	}
	if tr.shared {
		name = fmt.Sprintf("tasks in turn %d", tr.number)
	}
	t.named[tr.number] = wanted
	if had == unnamed {
		t.event("M", tr, 0)
		t.buffer = append(strconv.AppendInt(append(t.buffer, `,"name":"thread_sort_index","args":{"sort_index":`...), int64(tr.number), 10), "}}"...)
	}
	t.event("M", tr, 0)
	t.buffer = append(appendString(append(t.buffer, `,"name":"thread_name","args":{"name":`...), name), "}}"...)
}

func (t *tracer) depart(tr *track, arrow uint64, at time.Duration) {
	if !t.paused {
		t.event("s", tr, at)
		t.arrow(arrow)
		t.buffer = append(t.buffer, '}')
	}
}

func (t *tracer) arrive(tr *track, arrow uint64, at time.Duration) {
	if !t.paused {
		t.event("f", tr, at)
		t.arrow(arrow)
		t.buffer = append(t.buffer, `,"bp":"e"}`...)
	}
}

func (t *tracer) arrow(id uint64) {
	t.buffer = append(t.buffer, `,"name":"wakes","cat":"wake","id":`...)
	t.buffer = strconv.AppendUint(t.buffer, id, 10)
}

// count writes the counters if they have changed.
func (t *tracer) count(e *asyncio.LoopEvent) {
	c := &t.counted
	if e.Kind != asyncio.OnBegin && e.Kind != asyncio.OnIdle && e.Kind != asyncio.OnClosed || c.ready == e.Ready && c.tasks == e.Tasks {
		return
	}
	if c.at > 0 && e.Time-c.at < counterPeriod {
		return
	}
	c.ready, c.tasks, c.at = e.Ready, e.Tasks, e.Time
	if t.paused {
		return
	}
	for _, counter := range [...]struct {
		name  string
		value int
	}{{"ready queue", e.Ready}, {"tasks", e.Tasks}} {
		t.event("C", t.tracks.loop(), e.Time)
		t.buffer = append(append(append(t.buffer, `,"name":"`...), counter.name...), `","args":{"n":`...)
		t.buffer = append(strconv.AppendInt(t.buffer, int64(counter.value), 10), "}}"...)
	}
}

// event writes the begin of an event, without its closing brace. Events of phase M have no time.
func (t *tracer) event(phase string, tr *track, at time.Duration) {
	b := append(append(t.buffer, ",\n{\"ph\":\""...), phase...)
	b = strconv.AppendInt(append(b, `","pid":1,"tid":`...), int64(tr.number), 10)
	if phase != "M" {
		b = append(b, `,"ts":`...)
		b = strconv.AppendInt(b, int64(at/time.Microsecond), 10)
		if ns := int64(at % time.Microsecond); ns > 0 {
			b = append(b, '.', byte('0'+ns/100), byte('0'+ns/10%10), byte('0'+ns%10))
		}
	}
	t.buffer = b
}

// appendString appends a string in JSON.
func appendString(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= utf8.RuneSelf || c == '"' || c == '\\' {
			quoted, _ := json.Marshal(s) // a string cannot fail
			return append(b, quoted...)
		}
	}
	return append(append(append(b, '"'), s...), '"')
}

// describeError returns the text of an error, whose method may panic.
func describeError(err error) string { return shorten(fmt.Sprintf("%v", err)) }
