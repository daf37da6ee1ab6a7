package asyncio

// This file is asyncio's call graph: who awaits a task, and where each of them stands.

import (
	"context"
	"fmt"
	"io"
	"slices"
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
}

// CaptureCallGraph returns the call graph of w, or of the running task if w is nil. It returns nil
// if there is no running task either. It panics if w belongs to another loop than ctx does. A task
// that is starting another task eagerly has an empty stack. CaptureCallGraph does not suspend. It
// is asyncio.capture_call_graph.
func CaptureCallGraph(ctx context.Context, w Waitable) *FutureCallGraph {
	l := RunningLoop(ctx)
	l.check()
	if w == nil {
		if l.current == nil {
			return nil
		}
		w = l.current.typed()
	}
	if w.Loop() != l {
		panic("asyncio: CaptureCallGraph of a future of a different loop")
	}
	return callGraph(w, nil)
}

// callGraph returns the call graph of w. path has the tasks that the caller has come along; a ring of
// tasks that await one another ends where it comes back to one of them.
func callGraph(w Waitable, path []*task) *FutureCallGraph {
	g := &FutureCallGraph{Future: w}
	if t, ok := w.core().behavior.(AnyTask); ok {
		t := t.base()
		g.CallStack, g.WaitsFor = t.frames(), t.waitsFor()
		if slices.Contains(path, t) {
			return g
		}
		path = append(path, t)
	}
	for _, t := range w.core().awaiters() {
		g.AwaitedBy = append(g.AwaitedBy, callGraph(t.typed(), path))
	}
	return g
}

// FormatCallGraph returns the call graph of w, or of the running task if w is nil, as text. It does
// not suspend. It is asyncio.format_call_graph.
func FormatCallGraph(ctx context.Context, w Waitable) string {
	return CaptureCallGraph(ctx, w).String()
}

// PrintCallGraph writes the call graph of w, or of the running task if w is nil, to out. It does not
// suspend. It is asyncio.print_call_graph.
func PrintCallGraph(ctx context.Context, w Waitable, out io.Writer) error {
	_, err := io.WriteString(out, FormatCallGraph(ctx, w))
	return err
}

// String returns the call graph as text, in the form of asyncio's format_call_graph.
func (g *FutureCallGraph) String() string {
	if g == nil {
		return ""
	}
	var b strings.Builder
	g.format(&b, "")
	return b.String()
}

func (g *FutureCallGraph) format(b *strings.Builder, indent string) {
	fmt.Fprintf(b, "%s* %s", indent, g.Future)
	if g.WaitsFor != "" {
		fmt.Fprintf(b, " waits for %s", g.WaitsFor)
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
		for _, a := range g.AwaitedBy {
			a.format(b, indent+"    ")
		}
	}
}

// awaiters returns the tasks that await f, in the order in which they began to, each once.
func (f *future) awaiters() (tasks []*task) {
	f.eachAwaiter(func(t *task, _ bool) {
		if !slices.Contains(tasks, t) {
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
