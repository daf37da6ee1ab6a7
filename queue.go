package asyncio

import (
	"cmp"
	"context"

	"github.com/go-asyncio/asyncio/internal/deque"
)

// A Queue hands values from tasks that put them to tasks that get them, in the order in which
// they were put. It must be made by NewQueue and must not be copied. It is asyncio.Queue.
//
// Only the tasks and callbacks of one loop may use a Queue. Other goroutines reach it through
// [Loop.CallSoonThreadsafe].
type Queue[T any] struct {
	items      store[T]
	maxsize    int
	getters    waitq
	putters    waitq
	unfinished int   // values for which TaskDone has not been called
	finished   Event // set when unfinished drops to 0
	shutDown   bool
}

// A store holds the values of a queue and determines their order.
type store[T any] interface {
	put(T)
	get() T
	len() int
	kind() string
}

// NewQueue makes a queue that holds at most maxsize values. If maxsize is not positive, the
// queue is unbounded.
func NewQueue[T any](maxsize int) *Queue[T] {
	q := &Queue[T]{items: &fifo[T]{}, maxsize: maxsize}
	q.record()
	return q
}

// SetName names q, as [Lock.SetName] names a lock.
func (q *Queue[T]) SetName(name string) {
	for _, w := range []*waitq{&q.getters, &q.putters} {
		p := w.details()
		p.name, p.queue = name, q
	}
	q.finished.SetName(name)
	q.record()
}

// QSize returns the number of values in the queue.
func (q *Queue[T]) QSize() int {
	if q.items == nil {
		panic("asyncio: queue was not made by its New function")
	}
	return q.items.len()
}

// MaxSize returns the maxsize that the queue was made with. The queue is unbounded if it is not
// positive.
func (q *Queue[T]) MaxSize() int { return q.maxsize }

// Empty reports whether the queue holds no value.
func (q *Queue[T]) Empty() bool { return q.QSize() == 0 }

// Full reports whether the queue has no room for another value.
func (q *Queue[T]) Full() bool { return q.QSize() >= q.maxsize && q.maxsize > 0 }

// Put puts v into the queue. It suspends while the queue is full. It returns ErrQueueShutDown
// after Shutdown; any other error is that of a cancellation. With an error, v is not in the
// queue. It is asyncio's put.
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

// PutNowait puts v into the queue without suspending, or returns ErrQueueFull or
// ErrQueueShutDown. It is asyncio's put_nowait.
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

// Get removes and returns the next value. It suspends while the queue is empty. It returns
// ErrQueueShutDown if the queue is empty and was shut down; any other error is that of a
// cancellation, which loses no value. It is asyncio's get.
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

// GetNowait removes and returns the next value without suspending. If the queue is empty, it
// returns ErrQueueEmpty or, after Shutdown, ErrQueueShutDown. It is asyncio's get_nowait.
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

// TaskDone records that the work on a value from the queue is done. It panics if it is called
// more often than values were put in. It does not suspend. It is asyncio's task_done.
func (q *Queue[T]) TaskDone() {
	if q.unfinished <= 0 {
		panic("asyncio: TaskDone called too many times")
	}
	q.unfinished--
	if q.unfinished == 0 {
		q.finished.Set()
	}
}

// Join suspends until TaskDone has been called for every value that was put in. It returns an
// error only if it is cancelled. It is asyncio's join.
func (q *Queue[T]) Join(ctx context.Context) error {
	if q.unfinished == 0 {
		return nil
	}
	return q.finished.Wait(ctx)
}

// Shutdown ends the queue: from now on Put fails, and Get fails once the queue is empty. If
// immediate is set, Shutdown empties the queue at once, and the values removed count as done.
// It wakes all tasks that wait to put or get. It does not suspend. It is asyncio's shutdown.
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

func (*fifo[T]) kind() string { return "Queue" }

// A LifoQueue is a Queue whose next value is the one put in last. It must be made by
// NewLifoQueue. It is asyncio.LifoQueue.
type LifoQueue[T any] struct{ Queue[T] }

// NewLifoQueue makes a queue that holds at most maxsize values, or any number if maxsize is not
// positive.
func NewLifoQueue[T any](maxsize int) *LifoQueue[T] {
	q := &LifoQueue[T]{Queue[T]{items: &lifo[T]{}, maxsize: maxsize}}
	q.record()
	return q
}

type lifo[T any] struct{ deque.Deque[T] }

func (s *lifo[T]) put(v T)  { s.PushBack(v) }
func (s *lifo[T]) get() T   { return s.PopBack() }
func (s *lifo[T]) len() int { return s.Len() }

func (*lifo[T]) kind() string { return "LifoQueue" }

// A PriorityQueue is a Queue whose next value is the least one. The order of equal values is
// unspecified, as in asyncio, and is the same as there. It must be made by NewPriorityQueue or
// NewPriorityQueueFunc. It is asyncio.PriorityQueue.
type PriorityQueue[T any] struct{ Queue[T] }

// NewPriorityQueue makes a queue that holds at most maxsize values, or any number if maxsize is
// not positive.
func NewPriorityQueue[T cmp.Ordered](maxsize int) *PriorityQueue[T] {
	return NewPriorityQueueFunc(maxsize, cmp.Compare[T])
}

// NewPriorityQueueFunc is NewPriorityQueue for values ordered by compare, a function like
// cmp.Compare. It panics if compare is nil.
func NewPriorityQueueFunc[T any](maxsize int, compare func(a, b T) int) *PriorityQueue[T] {
	if compare == nil {
		panic("asyncio: nil comparison")
	}
	q := &PriorityQueue[T]{Queue[T]{items: &priority[T]{compare: compare}, maxsize: maxsize}}
	q.record()
	return q
}

// priority is a binary heap. It treats equal values as Python's heapq does, which
// container/heap does not: when the least value is removed, the hole at the top moves down to a
// leaf, past the right child if both children are equal, and the last value is put there and
// moves up.
type priority[T any] struct {
	compare func(a, b T) int
	heap    []T
}

func (s *priority[T]) len() int { return len(s.heap) }

func (*priority[T]) kind() string { return "PriorityQueue" }

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

// up moves the value at i up to its position.
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

// down moves the hole at the top down to a leaf and returns its index.
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
