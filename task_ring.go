package asyncio

// This file finds tasks that wait for one another in a ring, so that none of them can go on.

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// eachAwaiter calls add for each task that awaits f, possibly more than once for a task. needed
// reports whether the task cannot go on before f is done.
func (f *future) eachAwaiter(add func(t *task, needed bool)) {
	for n := f.callbacks.head; n != nil; n = n.next {
		switch r := n.run.(type) {
		case *task:
			add(r, true)
		case forwarder:
			r.eachAwaiter(add)
		}
	}
}

// A forwarder is a callback of a future that serves tasks which wait for the future among others.
type forwarder interface {
	eachAwaiter(add func(t *task, needed bool))
}

// waiting describes t, which waits, with its stack if asked.
func (t *task) waiting(withStack bool) WaitingTask {
	w := WaitingTask{Name: t.Name(), For: t.waitsFor()}
	if withStack {
		w.Stack = t.frames()
	}
	return w
}

func waitingTasks(tasks []*task) (ws []WaitingTask) {
	for _, t := range tasks {
		ws = append(ws, t.waiting(true))
	}
	return ws
}

// rings returns the rings among the loop's tasks. A task waits for a task that it awaits, and for
// the holder of the lock or of the semaphore with one place that it waits for, as far as holders are
// recorded. Who is to put a value into a queue, or to take one out, is not known. Rings that share a
// task are returned as one or as several.
func (l *Loop) rings() (rings [][]*task) {
	waitsFor := make(map[*task][]*task)
	for t := l.tasks.head; t != nil; t = t.next {
		t.eachAwaiter(func(a *task, needed bool) {
			if needed {
				waitsFor[a] = append(waitsFor[a], t)
			}
		})
		if h := t.blockedBy(); h != nil {
			waitsFor[t] = append(waitsFor[t], h)
		}
	}
	seen := make(map[*task]bool, len(waitsFor))
	for t := l.tasks.head; t != nil; t = t.next {
		if !seen[t] && len(waitsFor[t]) > 0 {
			rings = append(rings, ringsFrom(t, waitsFor, seen)...)
		}
	}
	return rings
}

// blockedBy returns the only holder of the primitive that t waits for, or nil. A semaphore counts if it
// was made with one place. Any other may be a signal: tasks that acquire it do not release it.
func (t *task) blockedBy() *task {
	if t.fiber == nil || !t.waits() {
		return nil
	}
	s := &t.fiber.State
	if s.awaiting != nil || s.queue == nil || s.queue.primitive == nil || len(s.queue.primitive.holders) != 1 {
		return nil
	}
	if s.reason == waitSemaphore && !s.queue.single {
		return nil
	}
	return s.queue.primitive.holders[0].task
}

// ringsFrom follows the tasks that t waits for, depth first, and returns the rings that it comes
// upon. It notes the tasks in seen.
func ringsFrom(t *task, waitsFor map[*task][]*task, seen map[*task]bool) (rings [][]*task) {
	path, todo := []*task{t}, [][]*task{waitsFor[t]} // todo has the tasks that are left to follow, for each task of path
	place := map[*task]int{t: 0}                     // in path
	seen[t] = true
	for len(path) > 0 {
		last := len(path) - 1
		if len(todo[last]) == 0 {
			delete(place, path[last])
			path, todo = path[:last], todo[:last]
			continue
		}
		next := todo[last][0]
		todo[last] = todo[last][1:]
		if i, ok := place[next]; ok {
			rings = append(rings, slices.Clone(path[i:]))
		} else if !seen[next] {
			seen[next] = true
			place[next] = len(path)
			path, todo = append(path, next), append(todo, waitsFor[next])
		}
	}
	return rings
}

// ringPeriod is the least time between two searches for rings in a loop that is inspected. A search
// takes about 3 ms for 10,000 waiting tasks, and a longer one is repeated more seldom: searches take
// at most one part in ringShare of the loop's time.
const (
	ringPeriod = time.Second
	ringShare  = 100
)

// searchRings reports each ring with a task that was in no ring at the last search. It is called
// before the loop sleeps, and by searchRingsWhileBusy. It returns the time after which the loop has to
// wake up for the next search, or Never if nothing has happened since the last.
func (l *Loop) searchRings() (next time.Duration) {
	r := l.recorder
	if r.searched == l.turns {
		return Never
	}
	now := l.Time()
	if now < r.searchNext {
		return r.searchNext - now
	}
	rings := l.rings()
	r.searched, r.searchNext = l.turns, now+max(ringPeriod, ringShare*(l.Time()-now))
	known, inRings := r.inRings, make(map[*task]bool)
	r.inRings = inRings
	for _, ring := range rings {
		isNew := false
		for _, t := range ring {
			isNew = isNew || !known[t]
			inRings[t] = true
		}
		if isNew {
			l.report(ExceptionContext{Message: describeRing(waitingTasks(ring))})
		}
	}
	return Never
}

// searchRingsWhileBusy searches for rings in a loop that always has something to run. It may be called
// on the stack of a task that drives, so it leaves the search to a callback.
func (l *Loop) searchRingsWhileBusy() {
	if r := l.recorder; r != nil && !l.virtual && l.Time() >= r.searchNext {
		l.push(callback(func() {
			if l.recorder != nil {
				l.searchRings()
			}
		}))
	}
}

func describeRing(ring []WaitingTask) string {
	var b strings.Builder
	if len(ring) == 1 {
		b.WriteString("a task waits for itself")
	} else {
		fmt.Fprintf(&b, "%d tasks wait for one another", len(ring))
	}
	enumerate(&b, ring, ", ", func(w WaitingTask) { b.WriteString(w.String()) })
	return b.String()
}
