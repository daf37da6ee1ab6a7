package asyncio

import (
	"cmp"
	"context"

	"github.com/go-asyncio/asyncio/internal/deque"
)

// A Queue hands values from tasks that put to tasks that get, in the order in which
// they were put. It must be made by NewQueue, and not be copied. It is asyncio.Queue.
//
// It is for tasks of one loop; other goroutines reach it through CallSoonThreadsafe.
type Queue[T any] struct {
	items      store[T]
	maxsize    int
	getters    waitq
	putters    waitq
	unfinished int   // values for which TaskDone was not called
	finished   Event // no value is unfinished
	shutDown   bool
}

// store holds a queue's values and knows their order.
type store[T any] interface {
	put(T)
	get() T
	len() int
}

// NewQueue makes a queue that holds maxsize values at most. If maxsize is not positive
// it is unbounded.
func NewQueue[T any](maxsize int) *Queue[T] {
	return &Queue[T]{items: &fifo[T]{}, maxsize: maxsize}
}

// QSize returns the number of values in the queue.
func (q *Queue[T]) QSize() int {
	if q.items == nil {
		panic("asyncio: queue was not made by its New function")
	}
	return q.items.len()
}

// MaxSize returns the number of values that the queue holds at most, or what is not
// positive if it is unbounded.
func (q *Queue[T]) MaxSize() int { return q.maxsize }

// Empty reports whether there is nothing to get.
func (q *Queue[T]) Empty() bool { return q.QSize() == 0 }

// Full reports whether there is no room.
func (q *Queue[T]) Full() bool { return q.QSize() >= q.maxsize && q.maxsize > 0 }

// Put puts v in. It suspends while the queue is full. It returns ErrQueueShutDown after
// Shutdown, and otherwise the error of a cancellation; in both cases v was not put in.
func (q *Queue[T]) Put(ctx context.Context, v T) error {
	for q.Full() {
		if q.shutDown {
			return ErrQueueShutDown
		}
		if err := q.putters.wait(ctx, waitQueueRoom); err != nil {
			if wasWoken(ctx) && !q.Full() {
				q.putters.wakeNext()
			}
			return err
		}
	}
	return q.PutNowait(v)
}

// PutNowait puts v in, or returns ErrQueueFull or ErrQueueShutDown.
func (q *Queue[T]) PutNowait(v T) error {
	switch {
	case q.shutDown:
		return ErrQueueShutDown
	case q.Full():
		return ErrQueueFull
	}
	q.items.put(v)
	q.unfinished++
	q.finished.Clear()
	q.getters.wakeNext()
	return nil
}

// Get takes a value out. It suspends while the queue is empty. It returns
// ErrQueueShutDown if the queue is empty and was shut down, and otherwise the error of
// a cancellation, with which no value is lost.
func (q *Queue[T]) Get(ctx context.Context) (v T, err error) {
	for q.Empty() {
		if q.shutDown {
			return v, ErrQueueShutDown
		}
		if err := q.getters.wait(ctx, waitQueueValue); err != nil {
			if wasWoken(ctx) && !q.Empty() {
				q.getters.wakeNext()
			}
			return v, err
		}
	}
	return q.GetNowait()
}

// GetNowait takes a value out, or returns ErrQueueEmpty or ErrQueueShutDown.
func (q *Queue[T]) GetNowait() (v T, err error) {
	switch {
	case !q.Empty():
		v = q.items.get()
		q.putters.wakeNext()
		return v, nil
	case q.shutDown:
		return v, ErrQueueShutDown
	default:
		return v, ErrQueueEmpty
	}
}

// TaskDone tells that the work on a value that was got is done. It panics if it is
// called more often than values were put in.
func (q *Queue[T]) TaskDone() {
	if q.unfinished <= 0 {
		panic("asyncio: TaskDone called too many times")
	}
	q.unfinished--
	if q.unfinished == 0 {
		q.finished.Set()
	}
}

// Join suspends until TaskDone was called for every value that was put in. The error
// is that of a cancellation.
func (q *Queue[T]) Join(ctx context.Context) error {
	if q.unfinished == 0 {
		return nil
	}
	return q.finished.Wait(ctx)
}

// Shutdown ends the queue: Put fails from now on, and Get when the queue is empty. With
// immediate, it is emptied at once, and what was in it counts as done. All who wait to
// put or get are woken.
func (q *Queue[T]) Shutdown(immediate bool) {
	q.shutDown = true
	if immediate {
		for ; !q.Empty(); q.items.get() {
			q.unfinished = max(0, q.unfinished-1)
		}
		if q.unfinished == 0 {
			q.finished.Set()
		}
	}
	q.getters.wakeAll()
	q.putters.wakeAll()
}

type fifo[T any] struct{ deque.Deque[T] }

func (s *fifo[T]) put(v T)  { s.PushBack(v) }
func (s *fifo[T]) get() T   { return s.PopFront() }
func (s *fifo[T]) len() int { return s.Len() }

// A LifoQueue is a Queue that gives the value that was put in last. It must be made by
// NewLifoQueue. It is asyncio.LifoQueue.
type LifoQueue[T any] struct{ Queue[T] }

// NewLifoQueue makes a queue that holds maxsize values at most, or any number.
func NewLifoQueue[T any](maxsize int) *LifoQueue[T] {
	return &LifoQueue[T]{Queue[T]{items: &lifo[T]{}, maxsize: maxsize}}
}

type lifo[T any] struct{ deque.Deque[T] }

func (s *lifo[T]) put(v T)  { s.PushBack(v) }
func (s *lifo[T]) get() T   { return s.PopBack() }
func (s *lifo[T]) len() int { return s.Len() }

// A PriorityQueue is a Queue that gives the least value. In which order it gives equal
// ones is left open, as in asyncio; it is the same one. It must be made by
// NewPriorityQueue or NewPriorityQueueFunc. It is asyncio.PriorityQueue.
type PriorityQueue[T any] struct{ Queue[T] }

// NewPriorityQueue makes a queue that holds maxsize values at most, or any number.
func NewPriorityQueue[T cmp.Ordered](maxsize int) *PriorityQueue[T] {
	return NewPriorityQueueFunc(maxsize, cmp.Compare[T])
}

// NewPriorityQueueFunc is NewPriorityQueue for values that compare orders, in the way of
// cmp.Compare.
func NewPriorityQueueFunc[T any](maxsize int, compare func(a, b T) int) *PriorityQueue[T] {
	if compare == nil {
		panic("asyncio: nil comparison")
	}
	return &PriorityQueue[T]{Queue[T]{items: &priority[T]{compare: compare}, maxsize: maxsize}}
}

// priority is a binary heap. It treats equal values as Python's heapq does, which
// container/heap does not: to take the least value out, the hole that it leaves goes
// down to a leaf, past the right child where both are equal, and the last value is
// put there and goes up.
type priority[T any] struct {
	compare func(a, b T) int
	heap    []T
}

func (s *priority[T]) len() int { return len(s.heap) }

func (s *priority[T]) put(v T) {
	s.heap = append(s.heap, v)
	s.up(len(s.heap) - 1)
}

func (s *priority[T]) get() T {
	var zero T
	n := len(s.heap) - 1
	least, last := s.heap[0], s.heap[n]
	s.heap[n] = zero
	s.heap = s.heap[:n]
	if n > 0 {
		hole := s.down()
		s.heap[hole] = last
		s.up(hole)
	}
	return least
}

// up moves the value at i up to its place.
func (s *priority[T]) up(i int) {
	v := s.heap[i]
	for i > 0 {
		parent := (i - 1) / 2
		if s.compare(v, s.heap[parent]) >= 0 {
			break
		}
		s.heap[i] = s.heap[parent]
		i = parent
	}
	s.heap[i] = v
}

// down moves the hole at the top down to a leaf, and returns where that is.
func (s *priority[T]) down() (hole int) {
	for child := 1; child < len(s.heap); child = 2*hole + 1 {
		if right := child + 1; right < len(s.heap) && s.compare(s.heap[child], s.heap[right]) >= 0 {
			child = right
		}
		s.heap[hole] = s.heap[child]
		hole = child
	}
	return hole
}
