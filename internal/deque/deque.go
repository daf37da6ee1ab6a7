// Package deque is the double-ended queue of the loop's ready queue and of the public queues.
package deque

// minCap is the capacity of the first ring.
const minCap = 16

// A Deque is a ring that grows by doubling. The zero Deque is empty and ready.
// Pushing and popping take constant time, amortized.
type Deque[T any] struct {
	ring []T // its length is a power of two, or zero
	head int // index of the front
	n    int
}

// Len returns the number of elements.
func (d *Deque[T]) Len() int { return d.n }

// PushBack appends v.
func (d *Deque[T]) PushBack(v T) {
	if d.n == len(d.ring) {
		d.grow()
	}
	d.ring[(d.head+d.n)&(len(d.ring)-1)] = v
	d.n++
}

// PushFront prepends v.
func (d *Deque[T]) PushFront(v T) {
	if d.n == len(d.ring) {
		d.grow()
	}
	d.head = (d.head - 1) & (len(d.ring) - 1)
	d.ring[d.head] = v
	d.n++
}

// At returns the element at index i, counted from the front. That element must exist.
func (d *Deque[T]) At(i int) T { return d.ring[(d.head+i)&(len(d.ring)-1)] }

// Front returns the front element. The Deque must not be empty.
func (d *Deque[T]) Front() T { return d.ring[d.head&(len(d.ring)-1)] }

// PopFront removes and returns the front element. The Deque must not be empty.
func (d *Deque[T]) PopFront() T {
	var zero T
	p := &d.ring[d.head&(len(d.ring)-1)]
	v := *p
	*p = zero
	d.head = (d.head + 1) & (len(d.ring) - 1)
	d.n--
	return v
}

// PopBack removes and returns the back element. The Deque must not be empty.
func (d *Deque[T]) PopBack() T {
	var zero T
	p := &d.ring[(d.head+d.n-1)&(len(d.ring)-1)]
	v := *p
	*p = zero
	d.n--
	return v
}

// Clear removes all elements, and frees the memory that held them.
func (d *Deque[T]) Clear() { *d = Deque[T]{} }

// Cap returns the number of elements for which there is memory.
func (d *Deque[T]) Cap() int { return len(d.ring) }

// maxSpare is the capacity up to which a ring is never large, however few elements it holds.
const maxSpare = 1024

// IsLarge reports whether the ring is large and at least three quarters of it are empty.
func (d *Deque[T]) IsLarge() bool { return len(d.ring) > maxSpare && d.n <= len(d.ring)/4 }

// Shrink halves the ring if IsLarge. Called from time to time, it gives back the memory that a
// burst has taken. A burst that recurs then only has to double the ring once.
func (d *Deque[T]) Shrink() {
	if !d.IsLarge() {
		return
	}
	half := Deque[T]{ring: make([]T, len(d.ring)/2)}
	for d.n > 0 {
		half.PushBack(d.PopFront())
	}
	*d = half
}

func (d *Deque[T]) grow() {
	ring := make([]T, max(minCap, 2*len(d.ring)))
	n := copy(ring, d.ring[d.head:])
	copy(ring[n:], d.ring[:d.head])
	d.ring, d.head = ring, 0
}
