// Package timerq is a queue of deadlines. Timers come out in the order of their deadlines, and
// timers with equal deadlines in the order in which they were set.
//
// A timer knows its place in the heap, so that a stopped timer leaves it at once: a deadline that
// was taken back keeps nothing in memory. Setting, stopping and popping a timer cost O(log n).
// Setting and stopping the latest deadline, as a timeout that does not fire does, costs constant
// time.
package timerq

import "time"

// A Timer holds a value that becomes due at an instant. It may be set again once it has been taken
// or stopped. A Timer must not be copied while it is set.
type Timer[T any] struct {
	Value T
	at    int // its index in the heap plus one; 0 at rest; due if it was popped and not taken
}

const due = -1

// Take reports whether the timer was popped and has not been stopped since, and puts it to rest.
func (t *Timer[T]) Take() bool {
	ok := t.at == due
	if ok {
		t.at = 0
	}
	return ok
}

// An entry is a node of the heap.
type entry[T any] struct {
	when  time.Duration
	seq   uint64
	timer *Timer[T]
}

func (e *entry[T]) before(f *entry[T]) bool {
	return e.when < f.when || e.when == f.when && e.seq < f.seq
}

// A Queue is a heap of timers. The zero Queue is empty and ready.
type Queue[T any] struct {
	heap []entry[T]
	seq  uint64
}

// Len returns the number of timers that are set.
func (q *Queue[T]) Len() int { return len(q.heap) }

// Set makes t due at when. The timer must be at rest.
func (q *Queue[T]) Set(t *Timer[T], when time.Duration) {
	if len(q.heap) == cap(q.heap) {
		q.grow()
	}
	q.seq++
	q.heap = append(q.heap, entry[T]{when, q.seq, t})
	q.up(len(q.heap) - 1)
}

// Stop puts t to rest, whether it is set, due or at rest.
func (q *Queue[T]) Stop(t *Timer[T]) {
	if t.at > 0 {
		q.remove(t.at - 1)
	}
	t.at = 0
}

// Next returns the earliest deadline, if there is one.
func (q *Queue[T]) Next() (when time.Duration, ok bool) {
	if len(q.heap) == 0 {
		return 0, false
	}
	return q.heap[0].when, true
}

// Pop removes and returns the earliest timer whose deadline is not after now,
// or nil if there is none. The timer is due until it is taken or stopped.
func (q *Queue[T]) Pop(now time.Duration) *Timer[T] {
	if len(q.heap) == 0 || q.heap[0].when > now {
		return nil
	}
	t := q.heap[0].timer
	q.remove(0)
	t.at = due
	return t
}

// Clear puts every timer to rest.
func (q *Queue[T]) Clear() {
	for i := range q.heap {
		q.heap[i].timer.at = 0
	}
	q.heap = nil
}

// Cap returns the number of timers for which there is memory.
func (q *Queue[T]) Cap() int { return cap(q.heap) }

// grow doubles the capacity. append would enlarge a large heap by a quarter at a time, and so
// allocate 5n entries in all, instead of 2n, until n timers are set.
func (q *Queue[T]) grow() {
	q.heap = append(make([]entry[T], 0, max(minCap, 2*cap(q.heap))), q.heap...)
}

// maxSpare is the capacity up to which a heap is never large, however few timers it holds.
const maxSpare = 1024

// IsLarge reports whether the heap is large and at least three quarters of it are empty.
func (q *Queue[T]) IsLarge() bool { return cap(q.heap) > maxSpare && len(q.heap) <= cap(q.heap)/4 }

// Shrink halves the heap's capacity if IsLarge. Called from time to time, it gives back the memory
// that a burst has taken.
func (q *Queue[T]) Shrink() {
	if q.IsLarge() {
		q.heap = append(make([]entry[T], 0, cap(q.heap)/2), q.heap...)
	}
}

// minCap is the capacity of the first heap.
const minCap = 4

// arity is the number of children of a node. With four, siblings share cache lines, and the heap is
// half as deep as a binary one.
const arity = 4

// remove removes the entry at i. The last entry takes its place.
func (q *Queue[T]) remove(i int) {
	n := len(q.heap) - 1
	last := q.heap[n]
	q.heap[n] = entry[T]{}
	q.heap = q.heap[:n]
	if i == n {
		return
	}
	q.heap[i] = last
	if i > 0 && last.before(&q.heap[(i-1)/arity]) {
		q.up(i)
	} else {
		q.down(i)
	}
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
		h[i].timer.at = i + 1
		i = parent
	}
	h[i] = e
	e.timer.at = i + 1
}

func (q *Queue[T]) down(i int) {
	h := q.heap
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
		h[i].timer.at = i + 1
		i = least
	}
	h[i] = e
	e.timer.at = i + 1
}
