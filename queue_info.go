package asyncio

// This file describes queues, for inspection. A queue belongs to no loop, so a loop learns of it when
// one of its tasks or callbacks makes it or names it while the loop is inspected, or when one of its
// tasks waits in it. Queues that the program drops are still collected as garbage.

import (
	"slices"
	"weak"
)

// A QueueInfo describes a queue at one time.
type QueueInfo struct {
	Name       string // "" if it was given none
	Kind       string // Queue, LifoQueue or PriorityQueue
	Size       int    // values in the queue
	MaxSize    int    // the number of values for which it has room, or 0 if it is unbounded
	Getters    int    // tasks that wait for a value
	Putters    int    // tasks that wait for room
	Unfinished int    // values for which TaskDone was not called
	ShutDown   bool
}

// Queues describes the queues that the loop knows of, in the order of their creation: those that its
// tasks and callbacks have made or named while it was inspected, and those with a name in which its
// tasks wait. It does not suspend.
func (l *Loop) Queues() []QueueInfo {
	l.check()
	var infos []QueueInfo
	seen := make(map[describedQueue]bool)
	add := func(p *primitive) {
		if p == nil {
			return
		}
		if q, ok := p.queue.(describedQueue); ok && !seen[q] {
			seen[q] = true
			infos = append(infos, q.describe())
		}
	}
	if r := l.recorder; r != nil {
		r.pruneQueues()
		for _, w := range r.queues {
			add(w.Value())
		}
	}
	for t := l.tasks.head; t != nil; t = t.next {
		if t.fiber != nil && t.waits() && t.fiber.State.awaiting == nil && t.fiber.State.queue != nil {
			add(t.fiber.State.queue.primitive)
		}
	}
	return infos
}

// record makes the inspected loop whose task or callback calls list the queue.
func (q *Queue[T]) record() {
	if !recording() {
		return
	}
	if p := q.getters.details(); !p.listed {
		if l := recorders.current(); l != nil {
			l.recorder.addQueue(p)
			p.queue, p.listed = q, true
		}
	}
}

// A describedQueue is a Queue of any type.
type describedQueue interface{ describe() QueueInfo }

func (q *Queue[T]) describe() QueueInfo {
	return QueueInfo{
		Name: q.getters.primitive.name, Kind: q.items.kind(), Size: q.items.len(), MaxSize: max(0, q.maxsize),
		Getters: int(q.getters.live), Putters: int(q.putters.live), Unfinished: q.unfinished, ShutDown: q.shutDown,
	}
}

// addQueue lists a queue. Now and then it removes those that are garbage.
func (r *recorder) addQueue(p *primitive) {
	if r.queues = append(r.queues, weak.Make(p)); len(r.queues) >= 2*r.pruned+64 {
		r.pruneQueues()
	}
}

func (r *recorder) pruneQueues() {
	r.queues = slices.DeleteFunc(r.queues, func(w weak.Pointer[primitive]) bool { return w.Value() == nil })
	r.pruned = len(r.queues)
}
