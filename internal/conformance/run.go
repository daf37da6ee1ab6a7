package conformance

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-asyncio/asyncio"
)

// unit is the length of a scenario's unit of time. In virtual time any length will do.
const unit = time.Millisecond

// maxDepth is the number of coroutines that may call one another. CPython runs out of stack long
// before, with a RuntimeError; Go's stack would grow for too long.
const maxDepth = 1000

// maxEvents is the length of a trace beyond which a scenario is stopped as a runaway.
const maxEvents = 20_000

// Run runs the scenario to its end and returns its trace. The last line is the outcome of main.
func Run(sc *Scenario) []string {
	r := &run{
		scenario: sc,
		vars:     map[string]*variable{},
		names:    map[asyncio.Waitable]string{},
		objs:     map[string]any{},
		handles:  map[string]any{},
		counters: map[string]int{},
	}
	options := []asyncio.Option{
		asyncio.WithVirtualTime(),
		asyncio.WithExceptionHandler(func(*asyncio.Loop, asyncio.ExceptionContext) {}),
	}
	if sc.eager {
		options = append(options, asyncio.WithEagerTasks())
	}
	value, err := asyncio.Run(context.Background(), r.main, options...)
	r.ended = true
	return append(r.trace, outcome(value, err))
}

func outcome(value any, err error) string {
	var stopped *stop
	switch {
	case err == nil:
		return "= " + shown(value)
	case errors.Is(err, asyncio.ErrDeadlock):
		return "DEADLOCK"
	case errors.As(err, &stopped) && err == error(stopped):
		return stopped.why
	default:
		return "! " + shown(err)
	}
}

// A run is the state of one running scenario.
type run struct {
	scenario *Scenario
	trace    []string
	ended    bool // tracing has ended

	vars     map[string]*variable        // tasks and futures
	names    map[asyncio.Waitable]string // their names, as they were created
	objs     map[string]any              // locks, queues and other objects
	handles  map[string]any              // timeouts, task groups, timers
	counters map[string]int
}

func (r *run) main(ctx context.Context) (any, error) {
	task := asyncio.CurrentTask(ctx).(*asyncio.Task[any])
	task.SetName("main")
	r.put("main", taskVariable(task))
	for _, o := range r.scenario.objects {
		if err := o.make(ctx, r, o.name); err != nil {
			return nil, err
		}
	}
	return r.coro("main", 0).Await(ctx)
}

// put enters a task or future in the table.
func (r *run) put(name string, v *variable) {
	r.vars[name] = v
	r.names[v.Waitable] = name
}

// coro returns the named coroutine of the scenario. If there is none, the error occurs when the
// coroutine runs. depth is the depth of its frame: greater than the caller's for a coroutine that
// another one calls.
func (r *run) coro(name string, depth int) asyncio.Coro[any] {
	return func(ctx context.Context) (any, error) {
		body, ok := r.scenario.coros[name]
		if !ok {
			return nil, keyError(name)
		}
		if depth > maxDepth {
			return nil, errRuntime
		}
		return returnedBy(body.run(ctx, &frame{run: r, depth: depth}))
	}
}

// returnedBy returns the value of a return statement that left the coroutine, or err.
func returnedBy(err error) (any, error) {
	if ret, ok := err.(*returned); ok {
		return ret.value, nil
	}
	return nil, err
}

// emit adds a line to the trace: the time, the running task, and the parts, each as show formats
// it. A string is printed as it is. The error is the one that CPython's interpreter of scenarios
// would raise: the scenario ran away, or a value cannot be printed.
func (r *run) emit(ctx context.Context, parts ...any) error {
	var text strings.Builder
	for _, part := range parts {
		s, err := show(part)
		if err != nil {
			return err
		}
		text.WriteString(s)
	}
	if r.ended {
		return nil
	}
	now := asyncio.RunningLoop(ctx).Time() / unit
	r.trace = append(r.trace, fmt.Sprintf("%d %s %s", now, who(asyncio.CurrentTask(ctx)), text.String()))
	if len(r.trace) > maxEvents {
		r.ended = true
		return &stop{"RUNAWAY"}
	}
	return nil
}

// who returns the name of a task, "~" if the library created the task, or "-" if there is no task.
func who(t asyncio.AnyTask) string {
	if t == nil {
		return "-"
	}
	if name := t.Name(); !strings.HasPrefix(name, "Task-") && name != "None" {
		return name
	}
	return "~"
}

// delay returns a length of time given in units; nil means no limit.
func delay(units *int) time.Duration {
	if units == nil {
		return asyncio.Never
	}
	return time.Duration(*units) * unit
}
