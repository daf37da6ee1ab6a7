// Package timerq is a queue of deadlines. Timers come out in the order of their
// deadlines, those with equal deadlines in the order in which they were set.
//
// A timer that is stopped leaves its entry in the heap, to be dropped when it
// comes to the top or when such entries outnumber the live ones: stopping costs
// constant time. Setting, and taking what is due, cost O(log n).
package timerq

import "time"

// A Timer holds a value that becomes due at an instant. It may be set again
// once it has been taken or stopped. A Timer must not be copied while it is set.
type Timer[T any] struct {
	Value T
	seq   uint64 // 0: at rest; due: popped, not taken; else: that of its entry in the heap
}

const due = ^uint64(0)

// Take reports whether the timer is due and has not been stopped since, and
// puts it to rest.
func (t *Timer[T]) Take() bool {
	ok := t.seq == due
	if ok {
		t.seq = 0
	}
	return ok
}

// entry is a node of the heap; it is stale if its timer has another seq.
type entry[T any] struct {
	when  time.Duration
	seq   uint64
	timer *Timer[T]
}

func (e *entry[T]) before(f *entry[T]) bool {
	return e.when < f.when || e.when == f.when && e.seq < f.seq
}

func (e *entry[T]) stale() bool { return e.timer.seq != e.seq }

// A Queue is a heap of timers. The zero Queue is empty and ready.
type Queue[T any] struct {
	heap  []entry[T]
	seq   uint64
	stale int // stale entries in heap
}

// Len returns the number of timers that are set.
func (q *Queue[T]) Len() int { return len(q.heap) - q.stale }

// Set makes t due at when. The timer must be at rest.
func (q *Queue[T]) Set(t *Timer[T], when time.Duration) {
	q.seq++
	t.seq = q.seq
	q.heap = append(q.heap, entry[T]{when, q.seq, t})
	q.up(len(q.heap) - 1)
}

// Stop puts t to rest, whether it is set, due or at rest.
func (q *Queue[T]) Stop(t *Timer[T]) {
	if t.seq != 0 && t.seq != due {
		q.stale++
	}
	t.seq = 0
	if q.stale > pruneAt && q.stale > len(q.heap)/2 {
		q.prune()
	}
}

// Next returns the earliest deadline.
func (q *Queue[T]) Next() (when time.Duration, ok bool) {
	for len(q.heap) > 0 {
		if !q.heap[0].stale() {
			return q.heap[0].when, true
		}
		q.pop()
		q.stale--
	}
	return 0, false
}

// Pop removes and returns the earliest timer whose deadline is not after now,
// or nil if there is none. The timer is due until it is taken or stopped.
func (q *Queue[T]) Pop(now time.Duration) *Timer[T] {
	when, ok := q.Next()
	if !ok || when > now {
		return nil
	}
	t := q.heap[0].timer
	q.pop()
	t.seq = due
	return t
}

// Clear puts every timer to rest.
func (q *Queue[T]) Clear() {
	for i := range q.heap {
		if e := &q.heap[i]; !e.stale() {
			e.timer.seq = 0
		}
	}
	q.heap, q.stale = nil, 0
}

// pruneAt is the number of stale entries below which none is looked for.
const pruneAt = 64

// prune drops the stale entries.
func (q *Queue[T]) prune() {
	live := q.heap[:0]
	for _, e := range q.heap {
		if !e.stale() {
			live = append(live, e)
		}
	}
	clear(q.heap[len(live):])
	q.heap, q.stale = live, 0
	for i := len(live)/arity + 1; i >= 0; i-- {
		q.down(i)
	}
}

// arity is the number of children of a node: with four, a node and its
// siblings share cache lines and the heap is half as deep as a binary one.
const arity = 4

func (q *Queue[T]) pop() {
	n := len(q.heap) - 1
	q.heap[0] = q.heap[n]
	q.heap[n] = entry[T]{}
	q.heap = q.heap[:n]
	q.down(0)
}

func (q *Queue[T]) up(i int) {
	h := q.heap
	e := h[i]
	for i > 0 {
		parent := (i - 1) / arity
		if !e.before(&h[parent]) {
			break
		}
		h[i] = h[parent]
		i = parent
	}
	h[i] = e
}

func (q *Queue[T]) down(i int) {
	h := q.heap
	if i >= len(h) {
		return
	}
	e := h[i]
	for {
		first := i*arity + 1
		if first >= len(h) {
			break
		}
		least := first
		for c := first + 1; c < min(first+arity, len(h)); c++ {
			if h[c].before(&h[least]) {
				least = c
			}
		}
		if !h[least].before(&e) {
			break
		}
		h[i] = h[least]
		i = least
	}
	h[i] = e
}
