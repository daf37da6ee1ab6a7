package asyncio_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
	"github.com/go-asyncio/asyncio/internal/poll"
)

// errBoom is the error that bodies and causes return in these tests.
var errBoom = errors.New("boom")

// run runs main in virtual time. It fails the test if main returns an error, if the run deadlocks,
// or if anything is reported to the exception handler.
func run(t *testing.T, main func(ctx context.Context) error) {
	t.Helper()
	var reports []string
	_, err := asyncio.Run(t.Context(), asyncio.Do(main), asyncio.WithVirtualTime(),
		asyncio.WithExceptionHandler(func(_ *asyncio.Loop, c asyncio.ExceptionContext) {
			reports = append(reports, fmt.Sprintf("%s: %s: %v", c.Task, c.Message, c.Err))
		}))
	require.NoError(t, err)
	assert.Empty(t, reports, "reports to the exception handler")
}

// A trace records events in their order.
type trace []string

func (r *trace) add(format string, args ...any) {
	*r = append(*r, fmt.Sprintf(format, args...))
}

// at records an event with the loop's time.
func (r *trace) at(ctx context.Context, format string, args ...any) {
	r.add("%v %s", asyncio.RunningLoop(ctx).Time(), fmt.Sprintf(format, args...))
}

// end records how a call ended.
func (r *trace) end(name string, err error) {
	switch {
	case err == nil:
		r.add("%s ok", name)
	case errors.Is(err, asyncio.ErrCancelled):
		r.add("%s cancelled", name)
	default:
		r.add("%s: %v", name, err)
	}
}

func (r *trace) expect(t *testing.T, want ...string) {
	t.Helper()
	assert.Equal(t, want, []string(*r), "order of events")
}

// spawn creates a task from a function without a result.
func spawn(ctx context.Context, f func(ctx context.Context) error, opts ...asyncio.TaskOption) *asyncio.Task[asyncio.None] {
	return asyncio.CreateTask(ctx, asyncio.Do(f), opts...)
}

// spawnTraced creates a task that records how f ended.
func spawnTraced(ctx context.Context, r *trace, name string, f func(ctx context.Context) error) *asyncio.Task[asyncio.None] {
	return spawn(ctx, func(ctx context.Context) error {
		err := f(ctx)
		r.end(name, err)
		return err
	})
}

// giveWay lets the loop make n turns.
func giveWay(ctx context.Context, n int) {
	for range n {
		if err := asyncio.Sleep(ctx, 0); err != nil {
			panic(err)
		}
	}
}

// settled lets the loop make enough turns for all pending work to finish.
func settled(ctx context.Context) { giveWay(ctx, 20) }

// join waits until all tasks have ended, in whatever way.
func join(ctx context.Context, tasks ...*asyncio.Task[asyncio.None]) {
	if _, _, err := asyncio.Wait(ctx, tasks); err != nil {
		panic(err)
	}
	for _, t := range tasks {
		_ = t.Exception()
	}
}

// answer returns a coroutine that returns v after d.
func answer[T any](d time.Duration, v T) asyncio.Coro[T] {
	return func(ctx context.Context) (T, error) { return v, asyncio.Sleep(ctx, d) }
}

// failing returns a coroutine that fails with err after d.
func failing(d time.Duration, err error) asyncio.Coro[int] {
	return func(ctx context.Context) (int, error) {
		if err := asyncio.Sleep(ctx, d); err != nil {
			return 0, err
		}
		return 0, err
	}
}

// inTurn runs body in the only task of a run.
func inTurn(t *testing.T, body func(ctx context.Context)) {
	t.Helper()
	run(t, func(ctx context.Context) error {
		body(ctx)
		return nil
	})
}

// withoutDebug keeps GOASYNCIODEBUG from turning debug mode on in a test that depends on tasks that
// drive, or in which debug mode would report more.
func withoutDebug(t *testing.T) {
	t.Helper()
	t.Setenv("GOASYNCIODEBUG", "")
}

// needInterrupt skips a test of SIGINT if the test process ignores the signal.
func needInterrupt(t *testing.T) {
	t.Helper()
	if asyncio.InterruptIgnored {
		t.Skip("SIGINT is ignored, as in the background of a shell script")
	}
}

// hasPoller reports whether the system can poll descriptors.
func hasPoller() bool {
	p, err := poll.New()
	if err == nil {
		p.Close()
	}
	return err != poll.ErrUnsupported
}

// needPoller skips the test if the system cannot poll descriptors. The reason says why the test is
// about such descriptors.
func needPoller(t *testing.T, reason string) {
	t.Helper()
	if !hasPoller() {
		t.Skip("there is no poller: " + reason)
	}
}

// errOf awaits a future or task and returns its error.
func errOf[T any](ctx context.Context, aw asyncio.Awaitable[T]) error {
	_, err := aw.Await(ctx)
	return err
}

// goroutines returns the number of goroutines. runtime.NumGoroutine is no use here: while the
// garbage collector frees the stacks of dead goroutines, it counts the dead ones, too. The world is
// stopped when a profile that has too little room counts.
func goroutines() int {
	n, _ := runtime.GoroutineProfile(make([]runtime.StackRecord, 1))
	return n
}

// withoutStacks returns ws without their stacks, whose lines change with the program.
func withoutStacks(ws []asyncio.WaitingTask) []asyncio.WaitingTask {
	ws = slices.Clone(ws)
	for i := range ws {
		ws[i].Stack = nil
	}
	return ws
}

// assertNoMoreGoroutines waits until there are no more goroutines than limit. Some may still be
// ending.
func assertNoMoreGoroutines(t *testing.T, limit int) {
	t.Helper()
	for start := time.Now(); goroutines() > limit && time.Since(start) < 10*time.Second; {
		runtime.Gosched()
	}
	assert.LessOrEqual(t, goroutines(), limit, "goroutines")
}
