package asyncio

// This file is about time: the loop's clock, real or virtual, and how the loop waits until an entry
// is due or another goroutine posts one.

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// Never means no limit, as a delay or as a deadline. Do not do arithmetic with it: Never plus
// anything overflows into the past.
const Never time.Duration = 1<<63 - 1

// Seconds returns s seconds as a duration, rounded up to the next nanosecond: a time that was
// computed as a number of seconds, as in Python, does not become a nanosecond early. What lies
// within the precision of s is not rounded up, so that 0.1 is 100 ms. If s seconds are too long for
// a Duration, Seconds returns Never. It panics if s is NaN.
func Seconds(s float64) time.Duration {
	const limit = float64(Never) / float64(time.Second)
	switch {
	case math.IsNaN(s):
		panic("asyncio: seconds are not a number")
	case s >= limit:
		return Never
	case s <= -limit:
		return math.MinInt64
	}
	whole, part := math.Modf(s)
	ns := part * float64(time.Second)
	d := time.Duration(whole)*time.Second + time.Duration(math.Floor(ns))
	if math.FMA(part, float64(time.Second), -ns) < 0 && ns == math.Floor(ns) { // the product was rounded up to a nanosecond
		d--
	}
	if d.Seconds() < s {
		d++
	}
	return d
}

// A clock is the loop's time.
type clock struct {
	start time.Time     // when the loop was made
	now   time.Duration // the time since then, if it is virtual
	timer *time.Timer   // wakes the loop; made when first needed
}

// Time returns how long ago the loop was made, by the monotonic clock or in virtual time. Any
// goroutine may call it, except in virtual time. It is asyncio's loop.time.
func (l *Loop) Time() time.Duration {
	if l.virtual {
		return l.clock.now
	}
	return time.Since(l.clock.start)
}

// IsVirtual reports whether the loop's time is virtual; see [WithVirtualTime]. Any goroutine may call
// it. It has no counterpart in asyncio.
func (l *Loop) IsVirtual() bool { return l.virtual }

// idle waits until an entry is ready or due. The ready queue is empty when idle is called.
func (l *Loop) idle() {
	if o := l.observation; o != nil {
		o.idle()
		defer o.awake()
	}
	if l.buffers.IsLarge() {
		l.buffers.Trim(time.Now)
	}
	patience := l.trim()
	if l.virtual {
		l.idleVirtual()
		return
	}
	if l.recorder != nil {
		if patience = min(patience, l.searchRings()); l.ready.Len() > 0 { // the exception handler has made something ready
			return
		}
	}
	if when, ok := l.timers.Next(); ok {
		now := l.Time()
		if when <= now { // checked first, since when-now may overflow
			return
		}
		patience = min(patience, when-now)
	}
	l.wait(patience)
}

// wait sleeps for at most d, and less if an entry is posted or the loop is to stop.
func (l *Loop) wait(d time.Duration) {
	if l.reactor.Poller() != nil {
		l.waitInPoller(d)
	} else if l.sleep(asleep) {
		l.waitForWake(d)
	}
	if w := l.watchdog; w != nil {
		w.nudge()
	}
	if l.posted.any.Load() {
		l.collect()
	}
}

// poll notifies the handlers of descriptors that are ready. If none is, it waits for one, for at
// most d. An error of the poller ends the run.
func (l *Loop) poll(d time.Duration) {
	defer l.failOnPanic()
	if err := l.reactor.Wait(d); err != nil {
		l.fail(fmt.Errorf("asyncio: poll: %w", err))
	}
}

func (l *Loop) waitInPoller(d time.Duration) {
	if !l.sleep(polling) {
		return
	}
	if d == Never {
		d = -1
	}
	l.poll(d)
	l.posted.state.Store(awake)
}

// waitForWake waits for the entry that wakes the loop, for at most d.
func (l *Loop) waitForWake(d time.Duration) {
	m := &l.posted
	if d == Never {
		l.accept(<-m.wake)
		return
	}
	timer := l.clock.set(d)
	select {
	case r := <-m.wake:
		timer.Stop()
		l.accept(r)
	case <-timer.C:
		if !m.state.CompareAndSwap(asleep, awake) { // another goroutine did it, and is about to send
			l.accept(<-m.wake)
		}
	}
}

// accept makes r ready, the entry that woke the loop, unless it is nil.
func (l *Loop) accept(r runnable) {
	if r != nil {
		l.ready.PushBack(r)
	}
}

func (c *clock) set(d time.Duration) *time.Timer {
	if c.timer == nil {
		c.timer = time.NewTimer(d)
	} else {
		c.timer.Reset(d)
	}
	return c.timer
}

// idleVirtual moves virtual time on to the next timer. Time stands still while functions that
// ToThread started are running. If there are none, and neither a timer nor the deadline of a
// context to wait for, the loop is deadlocked.
func (l *Loop) idleVirtual() {
	defer l.failOnPanic() // the context of a function that waits for the loop may panic
	if l.settleChannels() {
		return
	}
	if l.threads.busy() || l.posted.any.Load() {
		l.waitForThreads()
	} else if when, ok := l.timers.Next(); ok {
		if when > l.clock.now {
			l.clock.now = when
			l.beginInstant()
		}
	} else if l.awaitsDeadline() {
		if l.ready.Len() == 0 { // unless a context has panicked, which made its task ready
			l.wait(Never)
		}
	} else if l.threads.awaitsOutside() {
		l.waitForOutside()
	} else if l.fireWatches(); l.ready.Len() == 0 && l.failure == nil && !l.stopping.Load() && !l.posted.any.Load() { // nothing has happened meanwhile
		l.deadlock()
	}
}

// waitForThreads waits for functions that ToThread started, and reports those that take long.
func (l *Loop) waitForThreads() {
	l.beginInstant()
	if patience := l.reportStandstill(); l.ready.Len() == 0 {
		l.wait(patience)
	}
}

// settleChannels makes the tasks ready whose operations on channels have been made, and reports
// whether there are any.
func (l *Loop) settleChannels() bool {
	woken := l.threads.settle(l.timers.Len() > 0)
	if woken {
		// Other goroutines may keep this instant going. Nothing shows whether they do, so tasks that
		// hand values to each other over channels, on and on at one instant, are never a livelock.
		l.beginInstant()
	}
	return woken
}

// waitForOutside waits until another goroutine makes something ready. It reports once if that takes
// long.
func (l *Loop) waitForOutside() {
	l.beginInstant()
	begun := time.Now()
	l.wait(standstill)
	if time.Since(begun) < standstill || l.ready.Len() > 0 {
		return
	}
	var b strings.Builder
	fmt.Fprintf(&b, "virtual time has stood still for %v, until other goroutines act", standstill)
	enumerate(&b, l.waiting(0), ", ", func(w WaitingTask) { b.WriteString(w.Name + " waits for " + w.For) })
	l.report(ExceptionContext{Message: b.String()})
	if l.ready.Len() == 0 {
		l.wait(Never)
	}
}

// isHeld reports whether something outside the loop holds virtual time still, or has done so since
// the last call.
func (l *Loop) isHeld() bool {
	defer l.failOnPanic() // the context of a function that waits for the loop may panic
	news := l.threads.news()
	held := news != l.instant.news
	l.instant.news = news
	l.reportStandstill()
	return held || l.threads.busy() || l.awaitsDeadline()
}

// awaitsDeadline reports whether a wait can still end at the deadline of its context, which is in
// real time.
func (l *Loop) awaitsDeadline() bool {
	for w := l.watches.head; w != nil; w = w.next {
		if w, ok := w.run.(interface{ mayExpire() bool }); ok && w.mayExpire() {
			return true
		}
	}
	return false
}

func (l *Loop) deadlock() {
	l.stuck = true
	e := &DeadlockError{Waiting: l.waiting(maxStacks)}
	for _, ring := range l.rings() {
		e.Rings = append(e.Rings, waitingTasks(ring))
	}
	l.fail(e)
}

// maxStacks is the number of tasks whose stacks a DeadlockError has.
const maxStacks = 1000

// waiting returns the tasks that are not done, when all of them wait. The first of them, as many as
// stacks says, have their stacks.
func (l *Loop) waiting(stacks int) (tasks []WaitingTask) {
	tasks = make([]WaitingTask, 0, l.tasks.n)
	for t := l.tasks.head; t != nil; t = t.next {
		tasks = append(tasks, t.waiting(len(tasks) < stacks))
	}
	return tasks
}
