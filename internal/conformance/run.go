package conformance

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-asyncio/asyncio"
)

// unit is the length of a scenario's unit of time. In virtual time any does.
const unit = time.Millisecond

// maxDepth is the number of coroutines that may call one another. CPython runs out
// of stack long before, with a RuntimeError, and Go's would be too large to wait
// for the end of it.
const maxDepth = 1000

// maxEvents is the length of a trace beyond which a scenario has run away.
const maxEvents = 20_000

// Run runs the scenario to its end and returns its trace, the last line of which
// is the outcome of main.
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

// A run is the state of one scenario that runs.
type run struct {
	scenario *Scenario
	trace    []string
	ended    bool // nothing is traced any more

	vars     map[string]*variable        // tasks and futures
	names    map[asyncio.Waitable]string // and how they were named when they were made
	objs     map[string]any              // locks, queues and the like
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

// coro makes a coroutine of a scenario's. That there is none of that name shows
// when it runs. One that is called by another runs in the frame below that one's.
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

// returnedBy takes the value out of a return on its way.
func returnedBy(err error) (any, error) {
	if ret, ok := err.(*returned); ok {
		return ret.value, nil
	}
	return nil, err
}

// emit adds a line to the trace: the time, the task that runs, and the parts,
// each as show has it. A string among them stands for itself. The error is what
// CPython's interpreter of scenarios would raise: that the scenario ran away, or
// that a value cannot be shown.
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

// who is the name of a task: its own, ~ if the library made it, - if there is
// none.
func who(t asyncio.AnyTask) string {
	if t == nil {
		return "-"
	}
	if name := t.Name(); !strings.HasPrefix(name, "Task-") && name != "None" {
		return name
	}
	return "~"
}

// delay is a length of time in units; nil is no limit.
func delay(units *int) time.Duration {
	if units == nil {
		return asyncio.Never
	}
	return time.Duration(*units) * unit
}
