package asyncio

import (
	"context"
	"errors"
	"fmt"
)

// Gather runs aws concurrently and returns a future of their results, in the order
// of aws. It makes a task of each coroutine. The first error becomes the future's,
// at once, and the others go on; a child that is cancelled counts as one that
// fails with ErrCancelled. To cancel the future is to cancel the children that are
// not done. Gather itself does not suspend. It is asyncio.gather.
func Gather[T any, A Awaitable[T]](ctx context.Context, aws ...A) *Future[[]T] {
	return gather(ctx, aws, false, func(children []FutureLike[T]) []T {
		values := make([]T, len(children))
		for i, c := range children {
			values[i] = c.result()
		}
		return values
	})
}

// GatherErr runs funcs concurrently, each in a task, and suspends until all have returned or
// one has failed, whose error it returns at once; the others go on. If the waiting is cancelled,
// so are those that have not returned. It is "await asyncio.gather(...)" for functions without
// results.
func GatherErr(ctx context.Context, funcs ...func(ctx context.Context) error) error {
	coros := make([]Coro[None], len(funcs))
	for i, f := range funcs {
		coros[i] = Do(f)
	}
	_, err := Gather(ctx, coros...).Await(ctx)
	return err
}

// A Result is a value or an error.
type Result[T any] struct {
	Value T
	Err   error
}

// GatherResults is Gather that takes errors for results: the future fails only if it
// is cancelled itself. It does not suspend. It is asyncio.gather with
// return_exceptions=True.
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
	for i, aw := range aws { // one by one: a coroutine that starts eagerly may end those before it
		sources[i] = aw.start(ctx)
		if f := sources[i].core(); f.loop == l {
			g.add(f)
		}
	}
	if foreign(l, sources) {
		out.future.finish(ErrForeignLoop)
		return out
	}
	begun = true
	g.begin()
	return out
}

// gathering is the machinery of a gather: it ends the future outer as its children
// are done.
type gathering struct {
	outer      *future
	nodes      []gatherNode     // one for each argument, repeated ones too
	done       []*future        // children that were done beforehand
	counted    map[*future]bool // those, and in a loop with eager tasks all children
	todo       int              // children, each counted once
	keepErrors bool
	cancelled  bool   // Cancel found at least one child to cancel
	collect    func() // puts the outer future's value in place
}

type gatherNode struct {
	node
	gathering *gathering
	child     *future
}

// add adds a child. The slice of nodes must have room for it.
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
	if f.state != pending || f.loop.eager { // or a coroutine may end f, or await it, before f is added again
		if g.counted == nil {
			g.counted = make(map[*future]bool)
		}
		g.counted[f] = true
	}
}

// giveUp takes all callbacks back.
func (g *gathering) giveUp() {
	if g.outer.state == pending {
		g.outer.endCancelled(nil, nil)
	}
	for i := range g.nodes {
		g.nodes[i].unlink()
	}
}

// has reports whether f was added before. Its callback is the last, then.
func (g *gathering) has(f *future) bool {
	if f.callbacks.tail == nil {
		return false
	}
	n, ok := f.callbacks.tail.run.(*gatherNode)
	return ok && n.gathering == g
}

// begin makes the outer future a gather's, once all children are added.
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

// cancelledError is the error of a gather that was cancelled and all of whose
// children are done: asyncio takes that of the last argument, or, if that refused to
// be cancelled, the cause that it was given.
func (g *gathering) cancelledError() error {
	last := g.nodes[len(g.nodes)-1].child
	if last.state == cancelled {
		return last.consume()
	}
	return newCancelled(last.cause)
}

// cancel cancels the children. The outer future ends when they have.
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

// errNoCause stands in a gather's results for the cause of a cancellation that had
// none: asyncio puts a CancelledError with an empty message there.
var errNoCause = errors.New("")

// gathered is the error of a child as a result.
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

// startAll makes futures of awaitables.
func startAll[T any, A Awaitable[T]](ctx context.Context, aws []A) []FutureLike[T] {
	sources := make([]FutureLike[T], len(aws))
	for i, aw := range aws {
		sources[i] = aw.start(ctx)
	}
	return sources
}
