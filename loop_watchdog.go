package asyncio

// This file is the watchdog, which reports a step that blocks the loop while it blocks: the loop
// itself can report a slow step only once it is over, and one that never ends never.

import (
	"fmt"
	"iter"
	"log/slog"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"
)

// A SlowStep is a step of a task, or a callback, that has blocked the loop for the duration of
// [WithSlowCallbackDuration] or longer.
type SlowStep struct {
	Name  string        // such as "task packer" or "callback main.refresh"
	Begin time.Time     // when it was first seen, or in debug mode when it began
	Took  time.Duration // the time since then, until the step ended or so far
	Over  bool          // the step has ended, and Took is final
	Stack []Frame       // the frames in which it stood, the innermost first; empty if that is not known
}

// SlowSteps returns the last steps that have blocked the loop, at most 50, in their order. The last
// of them may block it still. They are recorded while the loop is inspected or in debug mode. In debug
// mode a duration is exact; otherwise it may be wrong by a quarter of [WithSlowCallbackDuration], and
// steps of less than a millisecond are not seen. Any goroutine may call SlowSteps, which does not wait
// for the loop.
func (l *Loop) SlowSteps() []SlowStep { return l.slowSteps.all() }

// slowSteps are the last slow steps of a loop. Any goroutine may use them.
type slowSteps struct {
	mu    sync.Mutex
	last  []SlowStep
	of    entry // of the last of them
	timed entry // the last entry that debug mode has found slow
}

const maxSlowSteps = 50

func (ss *slowSteps) push(e entry, s SlowStep) {
	if len(ss.last) == maxSlowSteps {
		ss.last = slices.Delete(ss.last, 0, 1)
	}
	ss.last, ss.of = append(ss.last, s), e
}

// begin adds a step that goes on. It reports false if debug mode has added it, since it is over.
func (ss *slowSteps) begin(e entry, s SlowStep) bool {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	if ss.timed == e {
		return false
	}
	ss.push(e, s)
	return true
}

// change changes the last step, unless that is over.
func (ss *slowSteps) change(f func(*SlowStep)) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	if n := len(ss.last); n > 0 && !ss.last[n-1].Over {
		f(&ss.last[n-1])
	}
}

// time adds a step that is over, or sets the exact times of the last one.
func (ss *slowSteps) time(e entry, s SlowStep) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	s.Over, ss.timed = true, e
	if ss.of != e {
		ss.push(e, s)
	} else if seen := &ss.last[len(ss.last)-1]; !seen.Over {
		seen.Begin, seen.Took, seen.Over = s.Begin, s.Took, true
	}
}

func (ss *slowSteps) all() []SlowStep {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	all := slices.Clone(ss.last)
	if n := len(all); n > 0 && !all[n-1].Over {
		all[n-1].Took = time.Since(all[n-1].Begin)
	}
	return all
}

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
	entry
	task *task
}

// An entry identifies an entry of the ready queue among all that have run. With an eager start, it has
// several steps.
type entry struct {
	turn uint64
	left int // entries of the turn that come after it
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
	defer w.begin(step{})
	w.begin(w.loop.step())
	timer := time.NewTimer(w.period())
	defer timer.Stop()
	for {
		select {
		case <-w.stop:
			return
		case <-timer.C:
		}
		if w.loop.sleeps() {
			w.begin(step{})
			if !w.park() {
				return
			}
			w.begin(w.loop.step()) // the time asleep belongs to no step
		}
		w.look()
		timer.Reset(w.period())
	}
}

// period returns the time until the next look. The end of a step that was reported is not to be missed
// for long.
func (w *watchdog) period() time.Duration {
	period := max(w.limit/4, minWatched/4)
	if w.reported {
		return min(period, max(minWatched, time.Since(w.since)/64))
	}
	return period
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
	if s := w.loop.step(); s != w.step {
		w.begin(s)
	} else if d := time.Since(w.since); d >= w.limit && !w.reported {
		w.reported = true
		w.report(d)
	}
}

// begin begins to observe s. The step before is over.
func (w *watchdog) begin(s step) {
	now := time.Now()
	if w.reported {
		w.loop.slowSteps.change(func(last *SlowStep) { last.Took, last.Over = now.Sub(w.since), true })
	}
	w.step, w.since, w.reported = s, now, false
}

// step returns the step that the loop makes. The watchdog calls it while the loop goes on, hence
// the norace: words are not torn, and a mixture of two steps only looks like a third.
//
//go:norace
func (l *Loop) step() step { return step{entry{l.turns, l.left}, l.current} }

// report records and logs the step with its stack. Like runInstrumented, it does not call the exception
// handler, since nothing has failed; and that belongs to the loop.
func (w *watchdog) report(d time.Duration) {
	by := "callback"
	if w.step.task != nil {
		by = w.step.task.describeRacily()
	}
	if !w.loop.slowSteps.begin(w.step.entry, SlowStep{Name: by, Begin: w.since}) { // before it looks for the stack, which takes a while
		return
	}
	stacks := w.stacks()
	if w.loop.step() != w.step {
		return // it has ended meanwhile, and the stacks may be those of the next
	}
	if len(stacks) == 1 {
		stack := stacks[0]
		w.loop.slowSteps.change(func(s *SlowStep) {
			if s.Stack = stack; w.step.task == nil {
				s.Name += " " + stack[len(stack)-1].Function
			}
		})
	}
	slog.Warn("asyncio: the event loop is blocked; a function that blocks belongs in ToThread",
		"by", by, "for", d, "stack", describeStacks(stacks))
}

func describeStacks(stacks [][]Frame) string {
	var b strings.Builder
	for i, frames := range stacks {
		if i > 0 {
			b.WriteString("or\n")
		}
		for _, f := range frames {
			fmt.Fprintf(&b, "%s\n", f)
		}
	}
	return b.String()
}

// describeRacily is describe for the watchdog, which has found t without synchronization. The race
// detector would report even the atomic load of the name, since the loop's goroutine has made t.
//
//go:norace
func (t *task) describeRacily() string {
	if given := *(**string)(unsafe.Pointer(&t.name)); given != nil {
		return "task " + *given
	}
	return "task " + taskName(nil, t.id)
}

// maxDumped is the number of goroutines up to which the watchdog looks at all of them to tell apart
// those of several loops. That stops the program for a few microseconds a goroutine.
const maxDumped = 5000

// stacks returns the stack of the step. If other loops run steps, too, and there are too many
// goroutines to tell which stack is whose, it returns the stacks of all.
func (w *watchdog) stacks() (stacks [][]Frame) {
	records := make([]runtime.StackRecord, 256)
	n, ok := runtime.GoroutineProfile(records)
	for !ok {
		records = make([]runtime.StackRecord, n+n/8)
		n, ok = runtime.GoroutineProfile(records)
	}
	for i := range records[:n] {
		if frames := runningFrames(framesAt(records[i].Stack())); frames != nil {
			stacks = append(stacks, frames)
		}
	}
	if len(stacks) > 1 && n <= maxDumped {
		if stack := w.dumped(n); stack != nil {
			return [][]Frame{stack}
		}
	}
	return stacks
}

// dumped returns the stack of the step, or nil if it is not found. A dump of the n goroutines, unlike a
// profile, has the arguments of functions: the loop's turn, or the task.
func (w *watchdog) dumped(n int) []Frame {
	dump := make([]byte, 64<<10+n*2048)
	dump = dump[:runtime.Stack(dump, true)]
	mark := fmt.Sprintf("%s(*Loop).turn(%p)", libraryPrefix, w.loop)
	if w.step.task != nil {
		mark = fmt.Sprintf("%s(*task).Run(%p)", libraryPrefix, w.step.task)
	}
	for goroutine := range strings.SplitSeq(string(dump), "\n\n") {
		header, frames, _ := strings.Cut(goroutine, "\n")
		if strings.Contains(frames, mark) && !strings.Contains(header, "[coroutine") {
			return runningFrames(framesIn(frames))
		}
	}
	return nil
}

// framesAt yields the frames of the program counters of a stack.
func framesAt(pcs []uintptr) iter.Seq[runtime.Frame] {
	return func(yield func(runtime.Frame) bool) {
		frames := runtime.CallersFrames(pcs)
		for f, more := frames.Next(); yield(f) && more; f, more = frames.Next() {
		}
	}
}

// framesIn yields the frames of a goroutine in a dump: pairs of lines, such as
//
//	main.work(0xc000012018, 0x1)
//		/src/main.go:12 +0x1d
func framesIn(dump string) iter.Seq[runtime.Frame] {
	return func(yield func(runtime.Frame) bool) {
		var f runtime.Frame
		for line := range strings.Lines(dump) {
			place, ok := strings.CutPrefix(line, "\t")
			if !ok {
				f.Function = line[:max(0, strings.LastIndexByte(line, '('))]
				continue
			}
			place, _, _ = strings.Cut(strings.TrimSpace(place), " +0x")
			colon := strings.LastIndexByte(place, ':')
			if colon < 0 {
				return
			}
			f.File = place[:colon]
			if f.Line, _ = strconv.Atoi(place[colon+1:]); !yield(f) {
				return
			}
		}
	}
}

// runningFrames returns the frames of a goroutine that runs a task, a generator or a callback, or nil
// if the goroutine is another, or if it has switched to another fiber. A task may run a second loop; its
// frames are below those of that loop. Of the runtime's functions runningFrames keeps the one that the
// program has called.
func runningFrames(all iter.Seq[runtime.Frame]) (frames []Frame) {
	var ofCallback []Frame
	for f := range all {
		switch f.Function {
		case "runtime.coroswitch":
			return nil
		case libraryPrefix + "(*Loop).turn":
			ofCallback = slices.Clone(frames)
		case libraryPrefix + "(*task).Run", libraryPrefix + "(*generator).Run":
			return frames
		case "runtime.asyncPreempt": // the program computes, and has called nothing
			frames = nil
			continue
		}
		if isOwn(f) {
			continue
		}
		if n := len(frames); n > 0 && ofRuntime(f.Function) && ofRuntime(frames[n-1].Function) {
			frames = frames[:n-1]
		}
		frames = append(frames, frameOf(f))
	}
	return ofCallback
}

func ofRuntime(function string) bool { return strings.HasPrefix(function, "runtime.") }
