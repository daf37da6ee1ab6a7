// Package timerq is a queue of deadlines. Timers come out in the order of their
// deadlines, those with equal deadlines in the order in which they were set.
//
// A timer knows its place in the heap, so that one that is stopped leaves it at once:
// nothing is kept alive by a deadline that was taken back. Setting, stopping and taking
// what is due cost O(log n); setting and stopping the latest deadline, which is what a
// timeout that does not fire does, costs constant time.
package timerq

import "time"

// A Timer holds a value that becomes due at an instant. It may be set again
// once it has been taken or stopped. A Timer must not be copied while it is set.
type Timer[T any] struct {
	Value T
	at    int // one more than its place in the heap; 0: at rest; due: popped, not taken
}

const due = -1

// Take reports whether the timer is due and has not been stopped since, and
// puts it to rest.
func (t *Timer[T]) Take() bool {
	ok := t.at == due
	if ok {
		t.at = 0
	}
	return ok
}

// entry is a node of the heap.
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

// Next returns the earliest deadline.
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

// Cap returns for how many timers there is memory.
func (q *Queue[T]) Cap() int { return cap(q.heap) }

// grow doubles the capacity. append would enlarge a large heap by a quarter at a time, which
// allocates 5n entries, instead of 2n, until n timers are set.
func (q *Queue[T]) grow() {
	q.heap = append(make([]entry[T], 0, max(minCap, 2*cap(q.heap))), q.heap...)
}

// maxSpare is the capacity up to which a heap is not too large, however little is in it.
const maxSpare = 1024

// IsLarge reports whether most of a large heap is empty.
func (q *Queue[T]) IsLarge() bool { return cap(q.heap) > maxSpare && len(q.heap) <= cap(q.heap)/4 }

// Shrink halves the heap's capacity if IsLarge. Called from time to time it gives back what
// a burst has taken.
func (q *Queue[T]) Shrink() {
	if q.IsLarge() {
		q.heap = append(make([]entry[T], 0, cap(q.heap)/2), q.heap...)
	}
}

// minCap is the capacity that the first timer brings.
const minCap = 4

// arity is the number of children of a node: with four, a node and its
// siblings share cache lines and the heap is half as deep as a binary one.
const arity = 4

// remove takes the entry at i out; the last one takes its place.
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
