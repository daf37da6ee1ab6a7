package asyncio

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"time"
)

// A Completion tells what Wait waits for.
type Completion int

const (
	AllCompleted   Completion = iota // until all are done
	FirstCompleted                   // until one is done
	FirstException                   // until one has failed, or all are done
)

// A WaitOption is an option of Wait.
type WaitOption func(*waitOptions)

type waitOptions struct {
	timeout time.Duration
	until   Completion
}

// WithTimeout has Wait return after d, whatever is done by then.
func WithTimeout(d time.Duration) WaitOption { return func(o *waitOptions) { o.timeout = d } }

// ReturnWhen has Wait return at a certain completion; without it, AllCompleted. It panics if
// there is no such completion.
func ReturnWhen(c Completion) WaitOption {
	if c < AllCompleted || c > FirstException {
		panic(fmt.Sprintf("asyncio: ReturnWhen of completion %d", c))
	}
	return func(o *waitOptions) { o.until = c }
}

// Wait suspends until the futures and tasks in ws are done, or as the options say,
// and returns which are and which are not, in the order of ws and each once. It
// cancels nothing, neither at a timeout, which is no error, nor if it is cancelled
// itself. For an empty ws it returns ErrNothingToWait. It is asyncio.wait.
func Wait[W Waitable](ctx context.Context, ws []W, opts ...WaitOption) (done, pending []W, err error) {
	t := running(ctx)
	if len(ws) == 0 {
		return nil, nil, ErrNothingToWait
	}
	o := waitOptions{timeout: Never}
	for _, opt := range opts {
		if opt == nil {
			panic("asyncio: nil WaitOption")
		}
		opt(&o)
	}
	ws = distinct(ws)
	if foreign(t.loop, ws) {
		return nil, nil, ErrForeignLoop
	}
	c := newCompletion(t, o.until, len(ws))
	defer c.leave()
	c.limit(o.timeout)
	for _, w := range ws {
		c.watch(w.core())
	}
	if err := c.wait(ctx); err != nil {
		return nil, nil, err
	}
	for _, w := range ws {
		if w.Done() {
			done = append(done, w)
		} else {
			pending = append(pending, w)
		}
	}
	return done, pending, nil
}

// distinct returns ws without repetitions.
func distinct[W Waitable](ws []W) []W {
	seen := make(map[*future]bool, len(ws))
	var once []W
	for _, w := range ws {
		if !seen[w.core()] {
			seen[w.core()] = true
			once = append(once, w)
		}
	}
	return once
}

// foreign reports whether one of ws belongs to another loop than l.
func foreign[W Waitable](l *Loop, ws []W) bool {
	return slices.ContainsFunc(ws, func(w W) bool { return w.core().loop != l })
}

// A completion wakes a task when enough of the futures that it watches are done.
type completion struct {
	task  *task
	until Completion
	left  int
	over  bool // the task is woken, or has left
	nodes []completionNode
	timer *TimerHandle
}

type completionNode struct {
	waiter
	completion *completion
	future     *future
}

func newCompletion(t *task, until Completion, n int) *completion {
	return &completion{task: t, until: until, left: n, nodes: make([]completionNode, 0, n)}
}

// limit wakes the task after d in any case.
func (c *completion) limit(d time.Duration) {
	if d != Never {
		c.timer = c.task.loop.CallLater(d, c.release)
	}
}

func (c *completion) watch(f *future) {
	c.nodes = append(c.nodes, completionNode{completion: c, future: f})
	n := &c.nodes[len(c.nodes)-1]
	n.waiter.run = n
	f.whenDone(&n.waiter)
}

func (n *completionNode) run(*Loop) {
	c := n.completion
	c.left--
	if c.left <= 0 || c.until == FirstCompleted || c.until == FirstException && n.future.failed() != nil {
		c.release()
	}
}

func (c *completion) release() {
	if !c.over {
		c.over = true
		c.task.wake()
	}
}

func (c *completion) wait(ctx context.Context) error { return c.task.wait(ctx, nil, "futures") }

// leave takes all callbacks back.
func (c *completion) leave() {
	c.over = true
	if c.timer != nil {
		c.timer.Cancel()
	}
	for i := range c.nodes {
		c.nodes[i].unlink()
	}
}

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
	a := &arrivals[T]{done: NewQueue[source[T]](0)}
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
	done  *Queue[source[T]] // nil in it: the time is over
	todo  int
	nodes []arrivalNode[T]
	timer *TimerHandle
}

type arrivalNode[T any] struct {
	waiter
	arrivals *arrivals[T]
	source   source[T]
}

// begin watches the sources and tells how many there are.
func (a *arrivals[T]) begin(l *Loop, d time.Duration, sources []source[T]) (n int, err error) {
	sources = distinct(sources)
	if foreign(l, sources) {
		return 0, ErrForeignLoop
	}
	a.todo = len(sources)
	a.nodes = make([]arrivalNode[T], len(sources))
	for i, s := range sources {
		n := &a.nodes[i]
		n.arrivals, n.source = a, s
		n.waiter.run = n
		s.core().whenDone(&n.waiter)
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

// startAll makes futures of awaitables.
func startAll[T any, A Awaitable[T]](ctx context.Context, aws []A) []source[T] {
	sources := make([]source[T], len(aws))
	for i, aw := range aws {
		sources[i] = aw.start(ctx)
	}
	return sources
}
