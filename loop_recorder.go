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
	births map[*task]*birth
	clock  turnClock

	late    [2]time.Duration // the most that a timer was late in the current second, and in the one before
	lateAge time.Duration    // when the current second began

	queues []weak.Pointer[primitive] // of the queues that were made, or given a name, while the loop is inspected
	pruned int                       // length of queues when those of garbage were last removed

	// The search for rings of waiting tasks.
	searched   uint64         // the turn of the last search, or 0
	searchedAt time.Duration  // the loop's time of that search
	reported   map[*task]bool // first tasks of the rings that it found
}

// A birth is the record of a task's creation.
type birth struct {
	parent uint64        // the id of the task that created it, or 0
	at     time.Duration // the loop's time
	pcs    [6]uintptr    // the call stack of its creation
	n      int
}

// record turns the recorder on or off.
func (l *Loop) record(on bool) {
	switch {
	case on && l.recorder == nil:
		atomic.AddInt32(&notRecording, -1)
		l.recorder = &recorder{births: make(map[*task]*birth)}
		recording.add(l)
		l.recorder.clock.add(l.turns, l.Time())
		if l.running.Load() {
			l.watch()
		}
	case !on && l.recorder != nil:
		atomic.AddInt32(&notRecording, 1)
		l.recorder = nil
		recording.remove(l)
		l.unwatch()
	}
}

// recording has the loops that have a recorder. Any goroutine may use it.
var recording loopSet

type loopSet struct {
	mu    sync.Mutex
	loops map[weak.Pointer[Loop]]struct{}
}

func (s *loopSet) add(l *Loop) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.loops == nil {
		s.loops = make(map[weak.Pointer[Loop]]struct{})
	}
	s.loops[weak.Make(l)] = struct{}{}
}

func (s *loopSet) remove(l *Loop) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.loops, weak.Make(l))
}

// current returns the loop whose running task or callback calls, or nil.
func (s *loopSet) current() *Loop {
	s.mu.Lock()
	defer s.mu.Unlock()
	for w := range s.loops {
		if l := w.Value(); l != nil && l.IsCurrent() {
			return l
		}
	}
	return nil
}

// created records that the running task or callback has created t.
func (r *recorder) created(t *task) {
	b := &birth{at: t.loop.Time()}
	if by := t.loop.current; by != nil {
		b.parent = by.id
	}
	b.n = runtime.Callers(4, b.pcs[:])
	r.births[t] = b
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
