package asyncio

import "context"

// Shield protects aw, of which it makes a task if it is a coroutine, from being
// cancelled: the future that it returns gets the result of aw, but to cancel that
// future, or a task that awaits it, does not cancel aw. Shield itself does not
// suspend. It is asyncio.shield.
func Shield[T any](ctx context.Context, aw Awaitable[T]) *Future[T] {
	inner := aw.start(ctx)
	out := NewFuture[T](RunningLoop(ctx))
	if inner.core().loop != out.future.loop {
		out.future.finish(ErrForeignLoop)
		return out
	}
	s := &shielding{inner: inner.core(), outer: &out.future}
	s.copy = func() { out.value = inner.result() }
	s.node.run = s
	switch f := inner.core(); f.state {
	case pending:
		out.future.behavior = s
		f.callbacks.push(&s.node)
	case cancelled:
		out.future.endCancelled(f.consume(), nil)
	default:
		s.run(out.future.loop)
	}
	return out
}

// shielding is a callback of the inner future, and what is particular to the outer.
type shielding struct {
	node
	inner, outer *future
	copy         func() // the value, from the inner to the outer
}

// run ends the outer future as the inner has ended.
func (s *shielding) run(*Loop) {
	switch err := s.inner.failed(); {
	case s.outer.state != pending:
	case s.inner.state == cancelled:
		s.outer.endCancelled(nil, nil)
	default:
		s.copy()
		s.outer.finish(err)
	}
}

func (s *shielding) cancel(cause error) bool {
	if s.outer.state != pending {
		return false
	}
	s.outer.loop.push((*unshielding)(s)) // the first of the outer future's callbacks
	s.outer.endCancelled(nil, cause)
	return true
}

// unshielding takes the callback of the inner future back, since the outer was
// cancelled. If the inner is done by then, its error counts as seen.
type unshielding shielding

func (s *unshielding) run(*Loop) {
	if s.inner.state == pending {
		s.node.unlink()
	}
}

func (s *shielding) describe() string { return "shielded " + s.inner.describe() }
