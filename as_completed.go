package asyncio

import (
	"context"
	"iter"
	"time"
)

// AsCompleted runs aws concurrently and yields them in the order in which they finish. It
// yields futures and tasks themselves; for a coroutine it yields the task that it has created.
// Awaiting a yielded value does not suspend. To find out which awaitable it is, compare it, or
// assert that it is a *Task[T]. If the iteration is cancelled, it yields nil and the error, and
// ends.
//
// AsCompleted itself does not suspend. The iteration suspends before each step until a further
// awaitable has finished; an awaitable that was done before the call counts as finished in the
// next turn. The sequence can be iterated once. It is asyncio.as_completed.
func AsCompleted[T any, A Awaitable[T]](ctx context.Context, aws ...A) iter.Seq2[Awaitable[T], error] {
	return AsCompletedTimeout[T](ctx, Never, aws...)
}

// AsCompletedTimeout is AsCompleted with a time limit of d, from the call on. When the time is
// up, the iteration yields the futures and tasks that have finished and were not yielded yet,
// and then nil and ErrTimeout. It cancels nothing. It suspends as AsCompleted does.
func AsCompletedTimeout[T any, A Awaitable[T]](ctx context.Context, d time.Duration, aws ...A) iter.Seq2[Awaitable[T], error] {
	l := running(ctx).loop
	a := &arrivals[T]{done: NewQueue[FutureLike[T]](0)}
	left, err := a.begin(l, d, startAll[T](ctx, aws))
	return func(yield func(Awaitable[T], error) bool) {
		defer a.leave()
		if err != nil {
			yield(nil, err)
			return
		}
		for left > 0 {
			left--
			f, err := a.done.Get(ctx)
			if err == nil && f == nil {
				err = ErrTimeout
			}
			if err != nil {
				left = 0
				yield(nil, err)
				return
			}
			if !yield(f, nil) {
				return
			}
		}
	}
}

// arrivals collects futures as they finish.
type arrivals[T any] struct {
	done  *Queue[FutureLike[T]] // a nil value means that the time is up
	todo  int
	nodes []arrivalNode[T]
	timer *TimerHandle
}

type arrivalNode[T any] struct {
	node
	arrivals *arrivals[T]
	source   FutureLike[T]
}

// begin adds a callback to each source and returns their number, without duplicates.
func (a *arrivals[T]) begin(l *Loop, d time.Duration, sources []FutureLike[T]) (n int, err error) {
	sources = distinct(sources)
	if ofOtherLoop(l, sources) {
		return 0, ErrForeignLoop
	}
	a.todo = len(sources)
	a.nodes = make([]arrivalNode[T], len(sources))
	for i, s := range sources {
		n := &a.nodes[i]
		n.arrivals, n.source = a, s
		n.node.run = n
		s.core().whenDone(&n.node)
	}
	if d != Never && a.todo > 0 {
		a.timer = l.CallLater(d, a.expire)
	}
	return a.todo, nil
}

func (n *arrivalNode[T]) run(*Loop) {
	a := n.arrivals
	if a.todo == 0 {
		return // the time was up first
	}
	a.todo--
	_ = a.done.PutNowait(n.source)
	if a.todo == 0 && a.timer != nil {
		a.timer.Cancel()
	}
}

func (a *arrivals[T]) expire() {
	a.unwatch()
	if a.todo > 0 {
		a.todo = 0
		_ = a.done.PutNowait(nil)
	}
}

func (a *arrivals[T]) unwatch() {
	for i := range a.nodes {
		a.nodes[i].unlink()
	}
}

func (a *arrivals[T]) leave() {
	a.todo = 0
	a.unwatch()
	if a.timer != nil {
		a.timer.Cancel()
	}
}
