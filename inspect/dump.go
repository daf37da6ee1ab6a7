package inspect

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path"
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/go-asyncio/asyncio"
)

// maxStacks is the number of tasks of which Dump, PS and PSTree write the stacks.
const maxStacks = 1000

// maxGoroutines is the number of bytes that Dump writes about the goroutines of a program whose loop
// is blocked.
const maxGoroutines = 1 << 20

// A portrait is a snapshot with the stacks of the tasks that are the first in it.
type portrait struct {
	*snapshot
	stacks [][]asyncio.Frame // by the position of the task
}

// capture makes a portrait of the loop.
func capture(loop *asyncio.Loop) (*portrait, error) {
	mustHave(loop)
	p := &portrait{}
	err := call(context.Background(), loop, patience, func() {
		p.snapshot = take(loop, nil)
		for i := range p.tasks[:min(len(p.tasks), maxStacks)] {
			p.stacks = append(p.stacks, p.tasks[i].Task.GetStack())
		}
	})
	return p, err
}

// note returns a line that says how many stacks are missing, or "".
func (p *portrait) note() string {
	if len(p.stacks) == len(p.tasks) {
		return ""
	}
	return fmt.Sprintf("The stacks of the first %d of %d tasks.\n", len(p.stacks), len(p.tasks))
}

// Dump writes what the tasks of the loop do: for each its state, its age, what it waits for and since
// when, which task created it and which await it, and its stack. Of more than 1,000 tasks only the
// first 1,000 have a stack; Dump says so. The last slow steps, with their stacks, and the servers, streams
// and queues come first, at most 100 of each. If the loop is closed or not running, Dump writes only that.
// If the loop does not answer for two seconds, since a task or a callback blocks it, Dump writes the
// slow steps and the stacks of all goroutines of the program instead. Any goroutine may call Dump, and so may the tasks
// and callbacks of the loop. It returns the error of w.
func Dump(loop *asyncio.Loop, w io.Writer) error {
	out := bufio.NewWriter(w)
	p, err := capture(loop)
	if err == nil {
		p.dump(out, loop.SlowSteps())
		return out.Flush()
	}
	fmt.Fprintf(out, "%s\n", message(err))
	if errors.Is(err, errBlocked) {
		dumpSlowSteps(out, loop.SlowSteps())
		fmt.Fprintf(out, "\nThe goroutines of the program:\n")
		_ = pprof.Lookup("goroutine").WriteTo(&limited{out, maxGoroutines}, 1)
	}
	return out.Flush()
}

// message returns an error without the prefix that the errors of package asyncio have.
func message(err error) string { return strings.TrimPrefix(err.Error(), "asyncio: ") }

// A limited writes as many bytes as are left, and says where it stops.
type limited struct {
	to   io.Writer
	left int
}

func (l *limited) Write(p []byte) (int, error) {
	if l.left == 0 {
		return 0, io.ErrShortWrite
	}
	n, err := l.to.Write(p[:min(len(p), l.left)])
	if l.left -= n; l.left == 0 {
		fmt.Fprintf(l.to, "\n(The rest is left out.)\n")
	}
	if err == nil && n < len(p) {
		err = io.ErrShortWrite
	}
	return n, err
}

func (p *portrait) dump(out *bufio.Writer, slow []asyncio.SlowStep) {
	s := &p.snapshot.stats
	fmt.Fprintf(out, "%d tasks", len(p.tasks))
	for _, state := range allStates {
		if n := p.counts().States[state]; n > 0 {
			fmt.Fprintf(out, ", %d %s", n, state)
		}
	}
	fmt.Fprintf(out, "\n%d turns, %d ready, %d timers, %d descriptors, %d threads running and %d in line\n",
		s.Turns, s.Ready, s.Timers, s.Descriptors, s.Threads, s.ThreadsInLine)
	out.WriteString(p.note())
	for _, ring := range p.members(p.rings()) {
		out.WriteString("Tasks wait for one another:")
		for i, m := range ring {
			fmt.Fprintf(out, "%s %s waits for %s", []string{"", ","}[min(i, 1)], printable(m.Name), printable(m.WaitsFor))
		}
		out.WriteString("\n")
	}
	dumpSlowSteps(out, slow)
	for _, s := range p.sections("") {
		s.dump(out)
	}
	for i := range p.tasks {
		p.dumpTask(out, i)
	}
}

// dumpSlowSteps writes the slow steps, the newest first.
func dumpSlowSteps(out *bufio.Writer, steps []asyncio.SlowStep) {
	for i, s := range slices.Backward(steps) {
		if i == len(steps)-1 {
			out.WriteString("\nSlow steps:\n")
		}
		took := "took"
		if !s.Over {
			took = "still blocks the loop, for"
		}
		fmt.Fprintf(out, "%s %s %s, since %s\n", printable(s.Name), took, brief(s.Took), s.Begin.Format(time.TimeOnly))
		dumpStack(out, s.Stack)
	}
}

func dumpStack(out *bufio.Writer, stack []asyncio.Frame) {
	for _, f := range stack {
		fmt.Fprintf(out, "\t%s %s:%d\n", shortName(f), f.File, f.Line)
	}
}

// dump writes a table, of which each row has its columns by name.
func (s *section) dump(out *bufio.Writer) {
	if s.Total == 0 {
		return
	}
	fmt.Fprintf(out, "\n%s, %d:\n", s.Title, s.Total)
	for _, row := range s.Rows {
		var cells []string
		for i, c := range row {
			if c != "" {
				cells = append(cells, fmt.Sprintf("%s %s", strings.ToLower(s.Columns[i]), printable(fmt.Sprint(c))))
			}
		}
		fmt.Fprintf(out, "\t%s\n", strings.Join(cells, ", "))
	}
	if more := s.Total - len(s.Rows); more > 0 {
		fmt.Fprintf(out, "\tand %d others\n", more)
	}
}

func (p *portrait) dumpTask(out *bufio.Writer, i int) {
	t := &p.tasks[i]
	fmt.Fprintf(out, "\n%s, %s", printable(t.Name), t.State)
	if t.State == asyncio.TaskWaiting {
		if since := p.age(t.Since); since >= 0 {
			fmt.Fprintf(out, " %s", brief(since))
		}
		fmt.Fprintf(out, " for %s", printable(t.WaitsFor))
	}
	if age := p.age(t.Created); age >= 0 {
		fmt.Fprintf(out, ", created %s ago", brief(age))
	}
	if t.Parent != 0 {
		fmt.Fprintf(out, " by %s", p.nameOf(t.Parent))
	}
	for i, by := range t.AwaitedBy[:min(len(t.AwaitedBy), maxAwaiters)] {
		out.WriteString([]string{", awaited by ", " and "}[min(i, 1)])
		out.WriteString(p.nameOf(by))
	}
	if more := len(t.AwaitedBy) - maxAwaiters; more > 0 {
		fmt.Fprintf(out, " and %d others", more)
	}
	out.WriteString("\n")
	if i < len(p.stacks) {
		dumpStack(out, p.stacks[i])
	}
}

// nameOf returns the name of a task, which may have ended.
func (s *snapshot) nameOf(id uint64) string {
	if t := s.task(id); t != nil {
		return printable(t.Name)
	}
	return "a task that has ended"
}

// shortName returns the name of a function with its package, but without the path of the package.
func shortName(f asyncio.Frame) string { return path.Base(f.Function) }

// printable returns text that prints as one line: text itself, or else text in quotes.
func printable(text string) string {
	if text = shorten(text); strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return strconv.Quote(text)
	}
	return text
}

// brief returns a duration with two or three digits.
func brief(d time.Duration) string {
	switch {
	case d >= time.Minute:
		return d.Round(time.Second).String()
	case d >= 10*time.Second:
		return d.Round(100 * time.Millisecond).String()
	}
	return d.Round(time.Millisecond).String()
}

// DumpOnSignal has Dump write about the loops, one after the other, each time the program gets the
// signal. SIGQUIT is a good choice on Unix; it then does not end the program any more. The function it
// returns ends that, and waits for a dump that is under way. DumpOnSignal panics if an argument is nil.
func DumpOnSignal(sig os.Signal, w io.Writer, loops ...*asyncio.Loop) (stop func()) {
	if sig == nil {
		panic("inspect: nil signal")
	}
	if w == nil {
		panic("inspect: nil writer")
	}
	mustHave(loops...)
	signals, ended := make(chan os.Signal, 1), make(chan struct{})
	signal.Notify(signals, sig)
	go func() {
		defer close(ended)
		for range signals {
			for i, loop := range loops {
				if len(loops) > 1 {
					fmt.Fprintf(w, "Loop %d of %d: ", i+1, len(loops))
				}
				_ = Dump(loop, w) // there is nobody to whom to report an error of w
			}
		}
	}()
	return sync.OnceFunc(func() {
		signal.Stop(signals)
		close(signals)
		<-ended
	})
}

// mustHave panics if a loop is nil.
func mustHave(loops ...*asyncio.Loop) {
	if slices.Contains(loops, nil) {
		panic("inspect: nil loop")
	}
}
