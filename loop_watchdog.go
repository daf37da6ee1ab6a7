package asyncio

// This file is the watchdog, which reports a step that blocks the loop while it blocks: the loop
// itself can report a slow step only once it is over, and one that never ends never.

import (
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync/atomic"
	"time"
	"unsafe"
)

// A watchdog observes the run of a loop from a goroutine of its own. It reads the loop's fields
// without synchronization, so that the loop pays nothing for it.
type watchdog struct {
	loop   *Loop
	limit  time.Duration // a step is reported once it has lasted for so long
	stop   chan struct{}
	done   chan struct{}
	parked atomic.Bool   // the watchdog waits until the loop wakes up
	wake   chan struct{} // ends that; has room for one

	step     step
	since    time.Time // when the watchdog first saw the step
	reported bool
}

// A step identifies a step among all steps of a loop.
type step struct {
	turn uint64
	left int // entries of the turn that come after it
	task *task
}

// watch starts the watchdog of a run, if the loop is inspected or in debug mode.
func (l *Loop) watch() {
	if l.recorder == nil || l.slow < minWatched || l.watchdog != nil {
		return
	}
	w := &watchdog{loop: l, limit: l.slow, stop: make(chan struct{}), done: make(chan struct{}), wake: make(chan struct{}, 1)}
	l.watchdog = w
	go w.run()
}

// minWatched is the shortest duration of a step that the watchdog can observe.
const minWatched = time.Millisecond

// unwatch ends the watchdog.
func (l *Loop) unwatch() {
	if w := l.watchdog; w != nil {
		l.watchdog = nil
		close(w.stop)
		<-w.done
	}
}

// nudge is called by the loop when it has slept.
func (w *watchdog) nudge() {
	if w.parked.Load() {
		select {
		case w.wake <- struct{}{}:
		default:
		}
	}
}

// run looks at the loop several times within the limit. It rests while the loop sleeps.
func (w *watchdog) run() {
	defer close(w.done)
	period := max(w.limit/4, minWatched/4)
	timer := time.NewTimer(period)
	defer timer.Stop()
	for {
		select {
		case <-w.stop:
			return
		case <-timer.C:
		}
		if w.loop.sleeps() && !w.park() {
			return
		}
		w.look()
		timer.Reset(period)
	}
}

// park waits until the loop has woken up. It reports false if the run is over.
func (w *watchdog) park() (goOn bool) {
	w.parked.Store(true)
	defer w.parked.Store(false)
	for w.loop.sleeps() { // it may have woken up before parked was set
		select {
		case <-w.stop:
			return false
		case <-w.wake:
		}
	}
	return true
}

// sleeps reports whether the loop waits for an event.
func (l *Loop) sleeps() bool { return l.posted.state.Load() != awake }

// look compares the step that the loop makes with the one that it made at the last look.
func (w *watchdog) look() {
	now := time.Now()
	if s := w.loop.step(); s != w.step {
		w.step, w.since, w.reported = s, now, false
		return
	}
	if d := now.Sub(w.since); d >= w.limit && !w.reported {
		w.reported = true
		w.report(d)
	}
}

// step returns the step that the loop makes. The watchdog calls it while the loop goes on, hence
// the norace: words are not torn, and a mixture of two steps only looks like a third.
//
//go:norace
func (l *Loop) step() step { return step{l.turns, l.left, l.current} }

// report logs the step with its stack. Like runInstrumented, it does not call the exception handler, since
// nothing has failed; and that belongs to the loop.
func (w *watchdog) report(d time.Duration) {
	by := "callback"
	if w.step.task != nil {
		by = w.step.task.describeRacily()
	}
	var stack strings.Builder
	for i, frames := range blockedStacks() {
		if i > 0 {
			stack.WriteString("or\n")
		}
		for _, f := range frames {
			fmt.Fprintf(&stack, "%s\n", f)
		}
	}
	slog.Warn("asyncio: the event loop is blocked; a function that blocks belongs in ToThread",
		"by", by, "for", d, "stack", stack.String())
}

// describeRacily is describe for the watchdog, which has found t without synchronization. The race
// detector would report even the atomic load of the name, since the loop's goroutine has made t.
//
//go:norace
func (t *task) describeRacily() string {
	given, id := *(**string)(unsafe.Pointer(&t.name)), t.id
	return "task " + taskName(given, id)
}

// blockedStacks returns the stacks of the tasks and callbacks that run: one for each loop that does
// not sleep. The runtime does not say which goroutine is which.
func blockedStacks() (stacks [][]Frame) {
	records := make([]runtime.StackRecord, 256)
	n, ok := runtime.GoroutineProfile(records)
	for !ok {
		records = make([]runtime.StackRecord, n+n/8)
		n, ok = runtime.GoroutineProfile(records)
	}
	for i := range records[:n] {
		if frames := runningFrames(records[i].Stack()); frames != nil {
			stacks = append(stacks, frames)
		}
	}
	return stacks
}

// runningFrames returns the frames of a goroutine that runs a task or a callback, or nil if the
// goroutine is another, or if it has switched to another fiber. Of the runtime's functions it
// keeps the one that the program has called.
func runningFrames(pcs []uintptr) (frames []Frame) {
	all := runtime.CallersFrames(pcs)
	for f, more := all.Next(); more; f, more = all.Next() {
		switch f.Function {
		case "runtime.coroswitch":
			return nil
		case libraryPrefix + "(*task).Run", libraryPrefix + "(*Loop).turn":
			return frames
		}
		if isOwn(f) {
			continue
		}
		if n := len(frames); n > 0 && ofRuntime(f.Function) && ofRuntime(frames[n-1].Function) {
			frames = frames[:n-1]
		}
		frames = append(frames, frameOf(f))
	}
	return nil
}

func ofRuntime(function string) bool { return strings.HasPrefix(function, "runtime.") }
