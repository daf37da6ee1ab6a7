package asyncio

import "context"

// Shield protects aw from being cancelled. The future that it returns ends as aw does, but
// cancelling that future, or a task that awaits it, does not cancel aw. If aw is a coroutine,
// Shield creates a task for it. Shield itself does not suspend. It is asyncio.shield.
func Shield[T any](ctx context.Context, aw Awaitable[T]) *Future[T] {
	inner := EnsureFuture(ctx, aw)
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

// A shielding is a callback of the inner future and the behavior of the outer one.
type shielding struct {
	node
	inner, outer *future
	copy         func() // copies the value from the inner future to the outer
}

// run ends the outer future the way the inner one ended.
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
	s.outer.loop.push((*unshielding)(s)) // before the outer future's other callbacks
	s.outer.endCancelled(nil, cause)
	return true
}

// An unshielding removes the callback from the inner future after the outer one was cancelled.
// If the inner future is done by then, its callback runs, and its error counts as seen.
type unshielding shielding

func (s *unshielding) run(*Loop) {
	if s.inner.state == pending {
		s.node.unlink()
	}
}

func (s *shielding) describe() string { return "shielded " + s.inner.describe() }
