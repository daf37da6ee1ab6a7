package inspect

import (
	"context"
	"runtime/trace"
	"sync/atomic"

	"github.com/go-asyncio/asyncio"
)

// RuntimeTrace adds the tasks of the loop to the execution traces that package runtime/trace makes of the
// program: each task as a task there, each of its steps as a region, and each of its waits as a log
// message in the category "waits for", all with the name of the task. The tool "go tool trace" then shows
// them beside goroutines, garbage collections and system calls. Tasks created before a trace begins
// appear with the next step that they make.
//
// Nothing is recorded while no execution trace is made, but the loop is observed (see
// asyncio.Loop.Observe), and so slower, until stop is called or the loop closes. Any goroutine may call
// RuntimeTrace and stop. A loop that does not run is observed from its next run on. RuntimeTrace returns
// ErrLoopClosed if the loop is closed.
func RuntimeTrace(loop *asyncio.Loop) (stop func(), err error) {
	mustHave(loop)
	t := &runtimeTracer{tasks: make(map[uint64]runtimeTask)}
	if err := observe(loop, t.see); err != nil {
		return nil, err
	}
	return func() { t.stopped.Store(true) }, nil
}

// A runtimeTracer passes the events of a loop on to package runtime/trace.
type runtimeTracer struct {
	stopped atomic.Bool
	tasks   map[uint64]runtimeTask // by ID
	regions []*trace.Region        // of the steps on the stack, the innermost last; nil if there was no trace
}

// A runtimeTask is a task in an execution trace.
type runtimeTask struct {
	ctx  context.Context
	task *trace.Task
}

// see takes an event, and reports whether the observation goes on.
func (t *runtimeTracer) see(e *asyncio.LoopEvent) bool {
	if t.stopped.Load() {
		t.end()
		return false
	}
	switch e.Kind {
	case asyncio.OnCreated:
		if trace.IsEnabled() {
			t.task(e)
		}
	case asyncio.OnBegin:
		t.regions = append(t.regions, t.begin(e))
	case asyncio.OnEnd:
		t.endStep(e)
	case asyncio.OnDone:
		if of, ok := t.tasks[e.ID]; ok {
			of.task.End()
			delete(t.tasks, e.ID)
		}
	case asyncio.OnClosed:
		t.end()
	}
	return true
}

// task returns the task of an event.
func (t *runtimeTracer) task(e *asyncio.LoopEvent) runtimeTask {
	of, ok := t.tasks[e.ID]
	if !ok {
		parent, ok := t.tasks[e.Parent]
		if !ok {
			parent.ctx = context.Background()
		}
		of.ctx, of.task = trace.NewTask(parent.ctx, shorten(e.Name()))
		t.tasks[e.ID] = of
	}
	return of
}

// begin begins the region of a step. A region begins and ends on one goroutine, and so it does here: the
// loop calls its observers before and after a step on the same.
func (t *runtimeTracer) begin(e *asyncio.LoopEvent) *trace.Region {
	if !trace.IsEnabled() {
		return nil
	}
	ctx := context.Background()
	if e.ID != 0 {
		ctx = t.task(e).ctx
	}
	return trace.StartRegion(ctx, shorten(e.Name()))
}

func (t *runtimeTracer) endStep(e *asyncio.LoopEvent) {
	n := len(t.regions) - 1
	if n < 0 {
		return // the step began before the observation
	}
	region := t.regions[n]
	t.regions = t.regions[:n]
	if region == nil {
		return
	}
	if e.State == asyncio.TaskWaiting {
		trace.Log(t.tasks[e.ID].ctx, "waits for", shorten(e.WaitsFor()))
	}
	region.End()
}

// end ends the tasks in the trace.
func (t *runtimeTracer) end() {
	for _, of := range t.tasks {
		of.task.End()
	}
	clear(t.tasks)
}
