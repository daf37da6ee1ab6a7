package asyncio

import (
	"context"
	"iter"
	"time"
)

// AsCompleted runs aws concurrently and yields them in the order in which they are done:
// futures and tasks themselves, and for a coroutine the task made of it, in the call to
// AsCompleted. To Await what it yields does not suspend; to tell which it is, compare
// it, or assert that it is a *Task[T]. If the waiting is cancelled it yields nil and the
// error, and ends. It suspends between the iterations, but not for what is done already.
// It can be iterated once. It is asyncio.as_completed.
func AsCompleted[T any, A Awaitable[T]](ctx context.Context, aws ...A) iter.Seq2[Awaitable[T], error] {
	return AsCompletedTimeout[T](ctx, Never, aws...)
}

// AsCompletedTimeout is AsCompleted with a limit on the time, from the call on. When it
// is over, what is done and was not yielded yet is yielded, and then nil and ErrTimeout.
// Nothing is cancelled. It suspends as AsCompleted does.
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

// arrivals collects futures as they are done.
type arrivals[T any] struct {
	done  *Queue[FutureLike[T]] // nil in it: the time is over
	todo  int
	nodes []arrivalNode[T]
	timer *TimerHandle
}

type arrivalNode[T any] struct {
	node
	arrivals *arrivals[T]
	source   FutureLike[T]
}

// begin watches the sources and tells how many there are.
func (a *arrivals[T]) begin(l *Loop, d time.Duration, sources []FutureLike[T]) (n int, err error) {
	sources = distinct(sources)
	if foreign(l, sources) {
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
		return // the time was over first
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
