package inspect

import (
	"time"

	"github.com/go-asyncio/asyncio"
)

// What a track shows besides the kinds of waits (asyncio.WaitKind).
const (
	doesStep     = "step"
	doesReady    = "ready"
	doesCallback = "callback"
	doesIdle     = "idle"
)

// An activity is what a task or the loop does for a while: a step, being ready, or a wait of a kind. The
// zero activity is nothing.
type activity struct {
	what string
	text string // the callback, or the thing that the task waits for
}

// A track is what one task does over time, or the loop itself: one activity after the other.
type track struct {
	number  int    // from 0, which is the loop
	task    uint64 // 0 for the loop
	name    string
	shared  bool          // other tasks had the track before
	current activity      // what it does now
	since   time.Duration // from when on
}

// A sink gets what happens on the tracks, in the order of time.
type sink interface {
	// turn is called when t ends its current activity and begins the next one. ended describes how
	// the current one ended, if that is not as usual.
	turn(t *track, next activity, at time.Duration, ended string)
	// depart and arrive are called for the ends of an arrow from one step to another.
	depart(t *track, arrow uint64, at time.Duration)
	arrive(t *track, arrow uint64, at time.Duration)
}

// Tracks follow the events of a loop. A task gets a track when it is created or first does something.
// Once there are ownTracks, new tasks take the tracks of tasks that have ended, so that a loop with very
// many short tasks stays readable.
type tracks struct {
	sink
	texts bool // the sink wants the texts of waits

	begun   bool
	virtual bool          // the loop's time is virtual
	begin   time.Duration // when the first event was
	all     []*track
	of      map[uint64]*track // tracks of tasks that are not done, by ID
	free    []*track          // tracks of tasks that have ended
	steps   []*track          // of the steps on the stack, the innermost last
	arrows  []uint64          // arrows that have departed, oldest first
}

// observe has the loop call see with its events from the next step on, until see returns false. A loop
// that does not run begins with its next run. Any goroutine may call observe.
func observe(loop *asyncio.Loop, see func(*asyncio.LoopEvent) bool) error {
	attach := func() {
		var stop func()
		stop = loop.Observe(func(e *asyncio.LoopEvent) {
			if !see(e) {
				stop()
			}
		})
	}
	if loop.IsCurrent() {
		attach()
		return nil
	}
	return loop.CallSoonThreadsafe(attach)
}

// ownTracks is the number of tracks from which on tracks are shared.
const ownTracks = 1000

func newTracks(loop *asyncio.Loop, to sink, texts bool) *tracks {
	return &tracks{sink: to, texts: texts, virtual: loop.IsVirtual(), all: []*track{{name: "loop"}}, of: make(map[uint64]*track)}
}

// loop is the track of the loop itself.
func (ts *tracks) loop() *track { return ts.all[0] }

// see takes an event of the loop.
func (ts *tracks) see(e *asyncio.LoopEvent) {
	if !ts.begun {
		ts.begun, ts.begin = true, e.Time
		ts.loop().since = e.Time
	}
	switch e.Kind {
	case asyncio.OnCreated:
		ts.track(e)
	case asyncio.OnReady:
		ts.ready(e)
	case asyncio.OnBegin:
		ts.beginStep(e)
	case asyncio.OnEnd:
		ts.endStep(e)
	case asyncio.OnDone:
		ts.done(e)
	case asyncio.OnIdle:
		ts.move(ts.loop(), activity{what: doesIdle}, e.Time, "")
	case asyncio.OnAwake:
		ts.move(ts.loop(), activity{}, e.Time, "")
	}
}

// track returns the track of the event's task, or else of the loop.
func (ts *tracks) track(e *asyncio.LoopEvent) *track {
	if e.ID == 0 {
		return ts.loop()
	}
	t := ts.of[e.ID]
	if t != nil {
		return t
	}
	if n := len(ts.free); n > 0 && len(ts.all) > ownTracks {
		t = ts.free[n-1]
		ts.free = ts.free[:n-1]
		t.shared = true
	} else {
		t = &track{number: len(ts.all), since: ts.begin}
		ts.all = append(ts.all, t)
	}
	t.task, t.name = e.ID, shorten(e.Name())
	ts.of[e.ID] = t
	return t
}

func (ts *tracks) move(t *track, next activity, at time.Duration, ended string) {
	if t.current.what != "" || next.what != "" {
		ts.turn(t, next, at, ended)
	}
	t.current, t.since = next, at
}

// stepping returns the track of the step that the loop makes, or nil.
func (ts *tracks) stepping() *track {
	if n := len(ts.steps); n > 0 {
		return ts.steps[n-1]
	}
	return nil
}

func (ts *tracks) ready(e *asyncio.LoopEvent) {
	by := ts.stepping()
	if e.ID != 0 {
		_, known := ts.of[e.ID]
		t := ts.track(e)
		if t == by {
			return // it yields; its step goes on until its OnEnd
		}
		if !known && e.Wait != "" { // it has waited since before the first event
			ts.move(t, activity{what: string(e.Wait)}, t.since, "")
		}
		ended := ""
		if e.Cancelled {
			ended = "cancelled"
		}
		ts.move(t, activity{what: doesReady}, e.Time, ended)
	}
	if e.InStep && by != nil {
		ts.depart(by, 2*e.Entry, e.Time)
		ts.arrows = append(ts.arrows, 2*e.Entry)
	}
}

func (ts *tracks) beginStep(e *asyncio.LoopEvent) {
	t, by := ts.track(e), ts.stepping()
	if e.ID == 0 {
		ts.move(t, activity{doesCallback, shorten(e.Name())}, e.Time, "")
	} else {
		if e.Entry == 0 && by != nil {
			ts.depart(by, 2*e.ID+1, e.Time)
		}
		ts.move(t, activity{what: doesStep}, e.Time, "")
		if e.Entry == 0 && by != nil {
			ts.arrive(t, 2*e.ID+1, e.Time)
		}
	}
	for len(ts.arrows) > 0 && e.Entry != 0 && ts.arrows[0] <= 2*e.Entry {
		if ts.arrows[0] == 2*e.Entry {
			ts.arrive(t, 2*e.Entry, e.Time)
		}
		ts.arrows = ts.arrows[1:]
	}
	ts.steps = append(ts.steps, t)
}

func (ts *tracks) endStep(e *asyncio.LoopEvent) {
	if len(ts.steps) > 0 {
		ts.steps = ts.steps[:len(ts.steps)-1]
	}
	t := ts.track(e)
	switch e.State {
	case asyncio.TaskDone: // the OnDone that comes next knows how
	case asyncio.TaskReady:
		ts.move(t, activity{what: doesReady}, e.Time, "")
	case asyncio.TaskWaiting:
		a := activity{what: string(e.Wait)}
		if ts.texts {
			a.text = shorten(e.WaitsFor())
		}
		ts.move(t, a, e.Time, "")
	default:
		ts.move(t, activity{}, e.Time, "")
	}
}

func (ts *tracks) done(e *asyncio.LoopEvent) {
	t := ts.of[e.ID]
	if t == nil {
		return
	}
	ended := ""
	switch {
	case e.Cancelled:
		ended = "cancelled"
	case e.Err != nil:
		ended = describeError(e.Err)
	}
	ts.move(t, activity{}, e.Time, ended)
	delete(ts.of, e.ID)
	ts.free = append(ts.free, t)
}
