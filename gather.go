package asyncio

import (
	"context"
	"errors"
	"fmt"
)

// Gather runs aws concurrently and returns a future of their results, in the order of aws. It
// creates a task for each coroutine. The first error ends the future at once, while the other
// children go on; a child that is cancelled counts as failing with ErrCancelled. Cancelling the
// future cancels the children that are not done. Gather itself does not suspend. It is
// asyncio.gather.
func Gather[T any, A Awaitable[T]](ctx context.Context, aws ...A) *Future[[]T] {
	return gather(ctx, aws, false, func(children []FutureLike[T]) []T {
		values := make([]T, len(children))
		for i, c := range children {
			values[i] = c.result()
		}
		return values
	})
}

// GatherErr runs funcs concurrently, each in a task. It suspends until all have returned nil, or
// until one has failed: then it returns that error, and the others go on. Cancelling the wait
// cancels the tasks that have not ended. It is asyncio.gather, awaited, for functions without
// results.
func GatherErr(ctx context.Context, funcs ...func(ctx context.Context) error) error {
	coros := make([]Coro[None], len(funcs))
	for i, f := range funcs {
		coros[i] = Do(f)
	}
	_, err := Gather(ctx, coros...).Await(ctx)
	return err
}

// A Result is the value or the error of one awaitable passed to GatherResults.
type Result[T any] struct {
	Value T
	Err   error
}

// GatherResults is Gather with errors among the results: its future fails only if it is
// cancelled itself. It does not suspend. It is asyncio.gather with return_exceptions=True.
func GatherResults[T any, A Awaitable[T]](ctx context.Context, aws ...A) *Future[[]Result[T]] {
	return gather(ctx, aws, true, func(children []FutureLike[T]) []Result[T] {
		results := make([]Result[T], len(children))
		for i, c := range children {
			err := c.core().gathered()
			v, err := valueUnless(err, c.result())
			results[i] = Result[T]{v, err}
		}
		return results
	})
}

func gather[T, R any, A Awaitable[T]](ctx context.Context, aws []A, keepErrors bool, collect func([]FutureLike[T]) R) *Future[R] {
	l := RunningLoop(ctx)
	out := NewFuture[R](l)
	sources := make([]FutureLike[T], len(aws))
	g := &gathering{outer: &out.future, keepErrors: keepErrors, nodes: make([]gatherNode, 0, len(sources))}
	g.collect = func() { out.value = collect(sources) }
	begun := false
	defer func() { // a coroutine may be nil, or call runtime.Goexit
		if !begun {
			g.giveUp()
		}
	}()
	for i, aw := range aws { // one by one: a coroutine that starts eagerly may end the futures before it
		sources[i] = EnsureFuture[T](ctx, aw)
		if f := sources[i].core(); f.loop == l {
			g.add(f)
		}
	}
	if ofOtherLoop(l, sources) {
		out.future.finish(ErrForeignLoop)
		return out
	}
	begun = true
	g.begin()
	return out
}

// A gathering is the state of one gather. It ends the future outer as its children finish.
type gathering struct {
	outer      *future
	nodes      []gatherNode     // one for each argument, including duplicates
	done       []*future        // children that were done when they were added
	counted    map[*future]bool // the children in done; all children if the loop has eager tasks
	todo       int              // children whose end has not been handled, each counted once
	keepErrors bool
	cancelled  bool   // a Cancel found at least one child to cancel
	collect    func() // sets the value of outer
}

type gatherNode struct {
	node
	gathering *gathering
	child     *future
}

// add adds a child. The slice of nodes must have room for it, since the callbacks of the
// children point into it.
func (g *gathering) add(f *future) {
	g.nodes = append(g.nodes, gatherNode{gathering: g, child: f})
	n := &g.nodes[len(g.nodes)-1]
	n.node.run = n
	switch {
	case g.counted[f], f.state == pending && g.has(f):
		return
	case f.state == pending:
		f.callbacks.push(&n.node)
	default:
		g.done = append(g.done, f)
	}
	g.todo++
	if f.state != pending || f.loop.eager { // an eager coroutine may end f, or await it, before f is added again
		if g.counted == nil {
			g.counted = make(map[*future]bool)
		}
		g.counted[f] = true
	}
}

// giveUp removes all callbacks and ends the outer future as cancelled.
func (g *gathering) giveUp() {
	if g.outer.state == pending {
		g.outer.endCancelled(nil, nil)
	}
	for i := range g.nodes {
		g.nodes[i].unlink()
	}
}

// has reports whether f was added before. Nothing else adds callbacks to f in between, so the
// gathering's is the last one then.
func (g *gathering) has(f *future) bool {
	if f.callbacks.tail == nil {
		return false
	}
	n, ok := f.callbacks.tail.run.(*gatherNode)
	return ok && n.gathering == g
}

// begin makes the outer future behave as a gather, once all children are added.
func (g *gathering) begin() {
	if len(g.nodes) == 0 {
		g.collect()
		g.outer.finish(nil)
		return
	}
	g.outer.behavior = g
	done := g.done
	g.done, g.counted = nil, nil
	for _, f := range done {
		g.childDone(f)
	}
}

func (n *gatherNode) run(*Loop) { n.gathering.childDone(n.child) }

func (g *gathering) childDone(f *future) {
	g.todo--
	switch err := f.failed(); {
	case g.outer.state != pending:
	case !g.keepErrors && f.state == cancelled:
		g.outer.finish(f.consume())
	case !g.keepErrors && err != nil:
		g.outer.finish(err)
	case g.todo == 0:
		g.collect()
		if g.cancelled {
			g.outer.finish(g.cancelledError())
		} else {
			g.outer.finish(nil)
		}
	}
}

// cancelledError returns the error of a gather that was cancelled and whose children are all
// done. As in asyncio it is the error of the last argument. If the last argument refused to be
// cancelled, it is a new error with the cause passed to that argument.
func (g *gathering) cancelledError() error {
	last := g.nodes[len(g.nodes)-1].child
	if last.state == cancelled {
		return last.consume()
	}
	return newCancelled(last.cause)
}

// cancel cancels the children. The outer future ends when they have ended.
func (g *gathering) cancel(cause error) bool {
	if g.outer.state != pending {
		return false
	}
	any := false
	for i := range g.nodes {
		if g.nodes[i].child.cancel(cause) {
			any = true
		}
	}
	g.cancelled = g.cancelled || any
	return any
}

func (g *gathering) describe() string { return fmt.Sprintf("gather of %d", len(g.nodes)) }

// errNoCause is the cause, in a gather's results, of a cancellation without one: asyncio puts a
// CancelledError with an empty message there.
var errNoCause = errors.New("")

// gathered returns the error of a child as a result.
func (f *future) gathered() error {
	switch {
	case f.state != cancelled:
		return f.consume()
	case f.cause == nil:
		return &CancelledError{Cause: errNoCause}
	default:
		return &CancelledError{Cause: f.cause}
	}
}

// startAll returns the futures and tasks of awaitables, starting a task for each coroutine.
func startAll[T any, A Awaitable[T]](ctx context.Context, aws []A) []FutureLike[T] {
	sources := make([]FutureLike[T], len(aws))
	for i, aw := range aws {
		sources[i] = EnsureFuture[T](ctx, aw)
	}
	return sources
}
