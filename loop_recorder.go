package asyncio

// This file records what an inspection of the loop needs and the loop itself does not: when tasks
// were created and by which, and when the turns were made in which they began to wait.

import (
	"cmp"
	"runtime"
	"slices"
	"sync/atomic"
	"time"
)

// A recorder is the record of a loop that is inspected or in debug mode.
type recorder struct {
	births map[*task]*birth
	clock  turnClock

	lateness time.Duration // the most that a timer was late since the last Stats

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
		l.recorder.clock.add(l.turns, l.Time())
		if l.running.Load() {
			l.watch()
		}
	case !on && l.recorder != nil:
		atomic.AddInt32(&notRecording, 1)
		l.recorder = nil
		l.unwatch()
	}
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
			r.lateness = max(r.lateness, now-when)
		}
	}
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
