package inspect

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"github.com/go-asyncio/asyncio"
)

// PS writes a table of the tasks of the loop: of each its ID, its name, its stack, and a line for every
// task that awaits it, with that task's stack, name and ID. The innermost function of a stack comes
// first. Of more than 1,000 tasks only the first 1,000 have a stack. If the loop is closed, not
// running or blocked, PS writes only that. Any goroutine may call PS. It returns the error of w. It is
// the command python -m asyncio ps, whose column for the thread it lacks.
func PS(loop *asyncio.Loop, w io.Writer) error {
	return write(loop, w, func(p *portrait, out *bufio.Writer) {
		line := func(columns ...any) {
			text := fmt.Sprintf("%-20s %-20s %-50s %-50s %-15s %-15s", columns...)
			out.WriteString(strings.TrimRight(text, " ") + "\n")
		}
		line("task id", "task name", "coroutine stack", "awaiter chain", "awaiter name", "awaiter id")
		out.WriteString(strings.Repeat("-", 175) + "\n")
		for i, t := range p.tasks {
			id, name, stack := hex(t.ID), printable(t.Name), p.chain(i)
			if len(t.AwaitedBy) == 0 {
				line(id, name, stack, "", "", hex(0))
			}
			for _, by := range t.AwaitedBy {
				chain := ""
				if i, ok := p.index()[by]; ok {
					chain = p.chain(int(i))
				}
				line(id, name, stack, chain, p.nameOf(by), hex(by))
			}
		}
		out.WriteString(p.note())
	})
}

func hex(id uint64) string { return fmt.Sprintf("%#x", id) }

// chain returns the functions of the stack of a task, the innermost first.
func (p *portrait) chain(i int) string {
	if i >= len(p.stacks) {
		return ""
	}
	var names []string
	for _, f := range p.stacks[i] {
		names = append(names, shortName(f))
	}
	return strings.Join(names, " -> ")
}

// PSTree writes the tasks of the loop as trees: below each task the functions in which it stands, the
// outermost first, and below these the tasks that it awaits. A task that several others await stands
// below each of them, but what is below it only once. If tasks await one another in a ring, PSTree
// names them first. All else is as with PS. It is the command python -m asyncio pstree.
func PSTree(loop *asyncio.Loop, w io.Writer) error {
	return write(loop, w, func(p *portrait, out *bufio.Writer) {
		forest := p.awaited()
		for _, ring := range p.members(forest.rings) {
			out.WriteString("cycle: ")
			for _, m := range ring {
				out.WriteString(printable(m.Name) + " → ")
			}
			out.WriteString(printable(ring[0].Name) + "\n")
		}
		var indents []string // for the children of each task on the path
		forest.walk(nil, func(at place) bool {
			indents = indents[:min(len(indents), at.depth)]
			indent := ""
			if at.depth > 0 {
				indent = indents[at.depth-1]
			}
			indents = append(indents, p.writeBranch(out, at, indent, len(forest.below[at.task]) > 0))
			return true
		})
		out.WriteString(p.note())
	})
}

// maxIndent is the number of bytes from which an indent does not grow any more. A chain of 100,000
// tasks would fill a disk otherwise.
const maxIndent = 600

// writeBranch writes a task and its stack. It returns the indent of what is below.
func (p *portrait) writeBranch(out *bufio.Writer, at place, indent string, more bool) string {
	last := at.last || at.depth == 0 // each root is a tree of its own
	branch := func(label string) {
		fork, below := "├── ", "│   "
		if last {
			fork, below = "└── ", "    "
		}
		out.WriteString(indent + fork + label + "\n")
		if len(indent) < maxIndent {
			indent += below
		}
	}
	label := "(T) " + printable(p.tasks[at.task].Name)
	if at.again && more {
		branch(label + " (see above)")
		return indent
	}
	branch(label)
	last = true
	if int(at.task) < len(p.stacks) {
		stack := p.stacks[at.task]
		for i := len(stack) - 1; i >= 0; i-- {
			branch(fmt.Sprintf(" %s %s:%d", shortName(stack[i]), stack[i].File, stack[i].Line))
		}
	}
	return indent
}

// write writes what format makes of a portrait of the loop, or the reason for which there is none.
func write(loop *asyncio.Loop, w io.Writer, format func(*portrait, *bufio.Writer)) error {
	out := bufio.NewWriter(w)
	if p, err := capture(loop); err != nil {
		fmt.Fprintf(out, "%s\n", message(err))
	} else {
		format(p, out)
	}
	return out.Flush()
}
