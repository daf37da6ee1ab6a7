package asyncio

import (
	"context"
	"time"
)

// Sleep suspends the running task for d. If d is not positive it gives way for
// one turn. It returns nil, or the error of a cancellation. It is asyncio.sleep.
func Sleep(ctx context.Context, d time.Duration) error {
	t := running(ctx)
	if d > 0 {
		return t.sleepFor(ctx, d)
	}
	var fromContext error
	if t.direct(ctx) {
		t.loop.push(t)
		next := t.ahead()
		for ; next != nil && next != t.fiber; next = t.ahead() {
			next.Resume()
		}
		if next == nil && !t.fiber.Suspend() {
			t.unwind()
		}
	} else {
		fromContext = t.suspend(ctx, true)
	}
	return t.settle(fromContext, fromContext)
}

func (t *task) sleepFor(ctx context.Context, d time.Duration) error {
	if when := t.loop.after(d); when != Never {
		s := &t.fiber.State
		s.sleep.Value = (*sleeper)(s)
		t.loop.timers.Set(&s.sleep, when)
		defer t.loop.timers.Stop(&s.sleep)
	}
	return t.wait(ctx, nil, "sleep")
}

// sleeper is a suspension as the value of its timer. As in asyncio a timer that fires
// makes the task ready, and that runs in the turn after.
type sleeper suspension

func (s *sleeper) run(*Loop) {
	if s.sleep.Take() {
		s.waiter.run.(*task).wake()
	}
}

func (s *sleeper) describe() string { return s.waiter.run.(*task).describe() }
