package asyncio

// This file records what an inspection of the loop needs and the loop itself does not: when tasks
// were created and by which, and when the turns were made in which they began to wait.

import (
	"cmp"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"
	"weak"
)

// A recorder is the record of a loop that is inspected or in debug mode.
type recorder struct {
	births []birth // of the tasks that are not done, at the places that task.born gives
	free   int32   // the place of a birth that is free, or 0
	clock  turnClock

	late    [2]time.Duration // the most that a timer was late in the current second, and in the one before
	lateAge time.Duration    // when the current second began

	queues []weak.Pointer[primitive] // of the queues that were made, or given a name, while the loop is inspected
	pruned int                       // length of queues when those of garbage were last removed

	// The search for rings of waiting tasks.
	searched   uint64         // the turn of the last search, or 0
	searchNext time.Duration  // the loop's time of the next search at the earliest
	inRings    map[*task]bool // the tasks of the rings that the last search found
}

// A birth is the record of a task's creation. It has no pointers, so that the garbage collector
// passes over the births of 100,000 tasks.
type birth struct {
	child  uint64     // the id of the task, or 0 if the birth is free
	parent uint64     // the id of the task that created it, or 0
	turn   uint64     // the turn of its creation
	pcs    [6]uintptr // the call stack of its creation
	n      int32      // the number of pcs
	free   int32      // the place of the next free birth, or 0
}

// record turns the recorder on or off.
func (l *Loop) record(on bool) {
	switch {
	case on && l.recorder == nil:
		l.recorder = &recorder{births: make([]birth, 1)} // place 0 stands for none
		l.recorder.clock.add(l.turns, l.Time())
		if l.running.Load() {
			l.beginRecording()
		}
	case !on && l.recorder != nil:
		if l.running.Load() {
			l.endRecording()
		}
		l.recorder = nil
	}
}

// beginRecording begins the part of a run in which the loop has a recorder.
func (l *Loop) beginRecording() {
	atomic.AddInt32(&notRecording, -1)
	recorders.add(l)
	l.watch()
}

// endRecording ends what beginRecording has begun.
func (l *Loop) endRecording() {
	atomic.AddInt32(&notRecording, 1)
	recorders.remove(l)
	l.unwatch()
}

// recorders has the loops that run and have a recorder. Any goroutine may use it.
var recorders loopSet

type loopSet struct {
	mu    sync.Mutex
	loops map[*Loop]struct{}
}

func (s *loopSet) add(l *Loop) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.loops == nil {
		s.loops = make(map[*Loop]struct{})
	}
	s.loops[l] = struct{}{}
}

func (s *loopSet) remove(l *Loop) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.loops, l)
}

// current returns the loop whose running task or callback calls, or nil.
func (s *loopSet) current() *Loop {
	s.mu.Lock()
	defer s.mu.Unlock()
	for l := range s.loops {
		if l.IsCurrent() {
			return l
		}
	}
	return nil
}

// created records that the running task or callback has created t. The call stack begins at the
// fourth caller: this function, begin and CreateTask, or its like, are not part of it.
func (r *recorder) created(t *task) {
	i := r.free
	if i > 0 {
		r.free = r.births[i].free
	} else {
		i = int32(len(r.births))
		r.births = append(r.births, birth{})
	}
	b := &r.births[i]
	b.child, b.parent, b.turn = t.id, 0, t.loop.turns
	if by := t.loop.current; by != nil {
		b.parent = by.id
	}
	b.n = int32(runtime.Callers(4, b.pcs[:]))
	t.born = i
}

// birth returns the record of the creation of t, or nil if this recorder was not on then. An
// earlier recorder may have been.
func (r *recorder) birth(t *task) *birth {
	if int(t.born) < len(r.births) && r.births[t.born].child == t.id {
		return &r.births[t.born]
	}
	return nil
}

// ended forgets the creation of t.
func (r *recorder) ended(t *task) {
	if b := r.birth(t); b != nil {
		b.child, b.free = 0, r.free
		r.free = t.born
	}
}

// noteTurn records the time of the turn that begins.
func (l *Loop) noteTurn() {
	if r := l.recorder; r != nil {
		r.clock.add(l.turns, l.Time())
	}
}

// noteLateness records how late the earliest timer is.
func (l *Loop) noteLateness(now time.Duration) {
	if r := l.recorder; r != nil {
		if when, ok := l.timers.Next(); ok {
			r.lateness(now)
			r.late[0] = max(r.late[0], now-when)
		}
	}
}

// lateness returns the most that a timer was late in the last second, or in up to two.
func (r *recorder) lateness(now time.Duration) time.Duration {
	switch age := now - r.lateAge; {
	case age >= 2*time.Second:
		r.late, r.lateAge = [2]time.Duration{}, now
	case age >= time.Second:
		r.late, r.lateAge = [2]time.Duration{0, r.late[0]}, now
	}
	return max(r.late[0], r.late[1])
}

// A turnClock knows when turns were made. Only some turns have an entry: those after a wait, and one
// in 64 of the others. The older the entries, the fewer are kept.
type turnClock struct{ entries []turnTime }

type turnTime struct {
	turn uint64
	time time.Duration // the loop's time
}

// maxTurnTimes is the number of entries of a turnClock at which it drops every second of the older
// half.
const maxTurnTimes = 4096

func (c *turnClock) add(turn uint64, now time.Duration) {
	if n := len(c.entries); n > 0 && c.entries[n-1].turn == turn {
		c.entries[n-1].time = now
		return
	}
	if len(c.entries) == maxTurnTimes {
		kept := c.entries[:0]
		for i, e := range c.entries {
			if i%2 == 0 || i >= maxTurnTimes/2 {
				kept = append(kept, e)
			}
		}
		c.entries = kept
	}
	c.entries = append(c.entries, turnTime{turn, now})
}

// at returns the time at which a turn was made, or a little earlier. It returns Never for a turn
// before the first that was recorded.
func (c *turnClock) at(turn uint64) time.Duration {
	i, found := slices.BinarySearchFunc(c.entries, turn, func(e turnTime, turn uint64) int { return cmp.Compare(e.turn, turn) })
	if found {
		return c.entries[i].time
	}
	if i == 0 {
		return Never
	}
	return c.entries[i-1].time
}
