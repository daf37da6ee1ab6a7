package asyncio

// This file captures the stacks of tasks. The stack of a task that waits belongs to the goroutine of
// its fiber, and the runtime shows a goroutine's stack to that goroutine alone (or stops the world
// and shows all). So the loop probes the fiber: it resumes the fiber for as long as that takes to
// walk its own stack.

import (
	"fmt"
	"io"
	"runtime"
	"strings"

	"github.com/go-asyncio/asyncio/internal/gid"
)

// maxFrames is the number of frames of a stack that are captured.
const maxFrames = 64

// frames returns the frames in which t stands, the innermost first, without those of the library
// below the call that the coroutine has made. It returns nil if t is done or has not begun, if t is
// starting another task eagerly, and if t drives and the caller cannot stop it. Only the loop's
// goroutine may call it.
func (t *task) frames() (frames []Frame) {
	if t.fiber == nil {
		return nil
	}
	l := t.loop
	if t.isOn(gid.G()) {
		return capture(2)[1:] // without the call that asks
	}
	l.stopDriving()
	if t == l.driver || t.starting {
		return nil
	}
	t.fiber.Probe(func() { frames = append(frames, capture(3)...) })
	return frames
}

// capture returns the frames of a coroutine or a generator that runs, without the skip innermost ones.
func capture(skip int) []Frame {
	var pcs [maxFrames]uintptr
	n := runtime.Callers(skip+1, pcs[:])
	return ofCoroutine(runtime.CallersFrames(pcs[:n]))
}

// stopDriving makes the task that drives give its place back to the loop, so that its stack stands
// still. The running task suspends itself for that. It is resumed at once, before anything else runs.
// It cannot while it unwinds. Nor can the driver itself, which calls methods of contexts between two
// steps: the current task is then the one that it has resumed last.
func (l *Loop) stopDriving() {
	t := l.current
	if l.driver == nil || l.undriven > 0 || t.unwinding != notUnwinding || !t.isOn(gid.G()) {
		return
	}
	l.driver = nil
	l.undriven++
	l.left++
	l.ready.PushFront(t)
	if !t.fiber.Suspend() {
		t.interrupted()
	}
	l.undriven--
}

// GetStack returns the frames in which t stands, the innermost first: the call of this package in
// which it waits, and the functions of the program down to its coroutine. Of a deep stack it has the
// innermost calls, 64 with those inside this package, which it does not show. It returns nil if t is
// done or has not begun, and if t is starting another task eagerly. It panics if the loop runs and the
// caller is not one of its tasks or callbacks. It does not suspend. It is asyncio's get_stack, which
// returns the outermost frame first, and of a suspended task no more than one.
func (t *Task[T]) GetStack() []Frame {
	t.task.loop.checkGoroutine()
	return t.task.frames()
}

// PrintStack writes the stack of t, as [Task.GetStack] returns it, to out. It returns the error of
// out. It panics as GetStack does, and if out is nil. It does not suspend. It is asyncio's
// print_stack.
func (t *Task[T]) PrintStack(out io.Writer) error {
	frames := t.GetStack()
	if len(frames) == 0 {
		return writeText(out, fmt.Sprintf("No stack for %s\n", t))
	}
	var b strings.Builder
	fmt.Fprintf(&b, "Stack for %s (most recent call first):\n", t)
	for _, f := range frames {
		fmt.Fprintf(&b, "  %s\n", f)
	}
	return writeText(out, b.String())
}

func writeText(out io.Writer, text string) error {
	if out == nil {
		panic("asyncio: nil writer")
	}
	_, err := io.WriteString(out, text)
	return err
}
