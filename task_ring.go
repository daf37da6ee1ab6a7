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
// the holder of the lock or of the last place of the semaphore that it waits for, as far as
// holders are recorded. Rings that share a task are returned as one or as several.
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

// blockedBy returns the only holder of the primitive that t waits for, or nil.
func (t *task) blockedBy() *task {
	if t.fiber == nil || !t.waits() {
		return nil
	}
	s := &t.fiber.State
	if s.awaiting != nil || s.queue == nil || s.queue.primitive == nil || len(s.queue.primitive.holders) != 1 {
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

// ringPeriod is the time between two searches for rings in a loop that is inspected.
const ringPeriod = time.Second

// searchRings reports the rings that it has not reported before. It is called before the loop
// sleeps, and returns the time after which the loop has to wake up for the next search, or Never if
// nothing has happened since the last.
func (l *Loop) searchRings() (next time.Duration) {
	r := l.recorder
	if r.searched == l.turns {
		return Never
	}
	now := l.Time()
	if wait := r.searchedAt + ringPeriod - now; r.searched > 0 && wait > 0 {
		return wait
	}
	r.searched, r.searchedAt = l.turns, now
	found := make(map[*task]bool)
	for _, ring := range l.rings() {
		if !r.reported[ring[0]] {
			l.report(ExceptionContext{Message: describeRing(waitingTasks(ring))})
		}
		found[ring[0]] = true
	}
	r.reported = found
	return Never
}

func describeRing(ring []WaitingTask) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d tasks wait for one another", len(ring))
	enumerate(&b, ring, ", ", func(w WaitingTask) { b.WriteString(w.String()) })
	return b.String()
}
