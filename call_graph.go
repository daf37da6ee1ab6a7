package asyncio

// This file is asyncio's call graph: who awaits a task, and where each of them stands.

import (
	"context"
	"fmt"
	"io"
	"strings"
)

// A FutureCallGraph is a future or a task, the stack on which it stands, and the tasks that await
// it, each with its own stack and the tasks that await it in turn. It is asyncio's FutureCallGraph.
type FutureCallGraph struct {
	Future Waitable

	// CallStack has the frames in which a task stands, the innermost first: the call of this package
	// that suspends it, and the functions of the program down to its coroutine. It is empty for a
	// future, and for a task that has not begun.
	CallStack []Frame

	// WaitsFor is the thing that a task waits for, such as `Lock "accounts"`, or "" if it is
	// running or ready.
	WaitsFor string

	// AwaitedBy has the tasks that await the future or task: directly, through Gather, Shield,
	// Wait or AsCompleted, or as the parent of its TaskGroup.
	AwaitedBy []*FutureCallGraph

	// Again is set for a task that stands in the graph once more, since it awaits several of the
	// tasks, or is part of a ring. Its stack and the tasks that await it are in the place that
	// comes first.
	Again bool
}

// CaptureCallGraph returns the call graph of w, or of the running task if w is nil. It returns nil
// if there is no running task either. It panics if w belongs to another loop than ctx does, and if
// the loop runs and the caller is not one of its tasks or callbacks. A task that is starting another
// task eagerly has an empty stack. CaptureCallGraph does not suspend. It is
// asyncio.capture_call_graph.
func CaptureCallGraph(ctx context.Context, w Waitable) *FutureCallGraph {
	l := RunningLoop(ctx)
	l.checkGoroutine()
	if w == nil {
		if l.current == nil {
			return nil
		}
		w = l.current.typed()
	}
	if w.Loop() != l {
		panic("asyncio: CaptureCallGraph of a future of a different loop")
	}
	return callGraph(w, make(map[*task]bool))
}

// callGraph returns the call graph of w. It adds the tasks in it to seen. A task that was seen
// already is not followed: the paths through a graph may be as many as two to the number of tasks.
func callGraph(w Waitable, seen map[*task]bool) *FutureCallGraph {
	g := &FutureCallGraph{Future: w}
	if t, ok := w.core().behavior.(AnyTask); ok {
		t := t.base()
		g.WaitsFor = t.waitsFor()
		if seen[t] {
			g.Again = true
			return g
		}
		seen[t] = true
		g.CallStack = t.frames()
	}
	for _, t := range w.core().awaiters() {
		g.AwaitedBy = append(g.AwaitedBy, callGraph(t.typed(), seen))
	}
	return g
}

// FormatCallGraph returns the call graph of w, or of the running task if w is nil, as text. It
// panics as [CaptureCallGraph] does. It does not suspend. It is asyncio.format_call_graph.
func FormatCallGraph(ctx context.Context, w Waitable) string {
	return CaptureCallGraph(ctx, w).String()
}

// PrintCallGraph writes the call graph of w, or of the running task if w is nil, to out. It returns
// the error of out. It panics as [CaptureCallGraph] does, and if out is nil. It does not suspend. It is
// asyncio.print_call_graph.
func PrintCallGraph(ctx context.Context, w Waitable, out io.Writer) error {
	return writeText(out, FormatCallGraph(ctx, w))
}

// String returns the call graph as text. It has the form of asyncio's format_call_graph, with these
// differences: a future or task is described by its name and by the thing that it waits for, a task
// that stands above with its awaiters is marked "(see above)", and a function has the name that Go
// gives it.
func (g *FutureCallGraph) String() string {
	if g == nil {
		return ""
	}
	var b strings.Builder
	g.format(&b, "")
	return b.String()
}

// maxIndent is the number of bytes from which an indent does not grow any more. The text of a chain of
// 100,000 tasks would need 20 GB otherwise.
const maxIndent = 400

func (g *FutureCallGraph) format(b *strings.Builder, indent string) {
	fmt.Fprintf(b, "%s* %s", indent, g.Future)
	if g.WaitsFor != "" {
		fmt.Fprintf(b, " waits for %s", g.WaitsFor)
	}
	if g.Again {
		b.WriteString(" (see above)")
	}
	b.WriteString("\n")
	if len(g.CallStack) > 0 {
		fmt.Fprintf(b, "%s  + Call stack:\n", indent)
		for _, f := range g.CallStack {
			fmt.Fprintf(b, "%s  |   %s\n", indent, f)
		}
	}
	if len(g.AwaitedBy) > 0 {
		fmt.Fprintf(b, "%s  + Awaited by:\n", indent)
		if len(indent) < maxIndent {
			indent += "    "
		}
		for _, a := range g.AwaitedBy {
			a.format(b, indent)
		}
	}
}

// awaiters returns the tasks that await f, in the order in which they began to, each once.
func (f *future) awaiters() (tasks []*task) {
	seen := make(map[*task]bool)
	f.eachAwaiter(func(t *task, _ bool) {
		if !seen[t] {
			seen[t] = true
			tasks = append(tasks, t)
		}
	})
	return tasks
}

func (n *gatherNode) eachAwaiter(add func(*task, bool)) { n.gathering.outer.eachAwaiter(add) }
func (s *shielding) eachAwaiter(add func(*task, bool))  { s.outer.eachAwaiter(add) }

func (m *groupTask) eachAwaiter(add func(*task, bool)) {
	if w := m.group.waiter; w != nil {
		add(w, true)
	} else {
		add(m.group.parent, false)
	}
}

func (n *waitScopeNode) eachAwaiter(add func(*task, bool)) {
	add(n.scope.task, n.scope.until != FirstCompleted || n.scope.left == 1)
}

func (n *arrivalNode[T]) eachAwaiter(add func(*task, bool)) {
	for w := n.arrivals.done.getters.head; w != nil; w = w.next {
		add(w.run.(*task), n.arrivals.todo == 1)
	}
}
