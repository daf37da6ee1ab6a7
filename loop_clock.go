package asyncio

// This file is about time: the loop's clock, real or virtual, and how the loop waits
// until something is due or another goroutine posts to it.

import (
	"fmt"
	"math"
	"time"
)

// Never is a time that does not come: as a delay or a deadline it means none. It is not
// for sums: what is later than Never is long past.
const Never time.Duration = 1<<63 - 1

// Seconds returns the least duration of at least s seconds: a time that was computed as a number
// of seconds, as in Python, does not come a nanosecond early. What is too long for a Duration is
// Never. It panics if s is not a number.
func Seconds(s float64) time.Duration {
	switch ns := s * float64(time.Second); {
	case math.IsNaN(s):
		panic("asyncio: Seconds of what is not a number")
	case ns >= float64(Never):
		return Never
	case ns <= math.MinInt64:
		return math.MinInt64
	default:
		d := time.Duration(math.Floor(ns))
		for d.Seconds() < s {
			d++
		}
		return d
	}
}

// clock is the loop's time.
type clock struct {
	start time.Time
	now   time.Duration // in virtual time
	timer *time.Timer   // that wakes the loop, once it was needed
}

// Time returns the loop's time: how long ago it was made, in virtual time or by
// the monotonic clock. Any goroutine may call it, except in virtual time. It is
// asyncio's loop.time.
func (l *Loop) Time() time.Duration {
	if l.virtual {
		return l.clock.now
	}
	return time.Since(l.clock.start)
}

// idle waits until something is ready or due. The ready queue is empty.
func (l *Loop) idle() {
	if l.buffers.IsLarge() {
		l.buffers.Trim(time.Now)
	}
	patience := l.trim()
	if l.virtual {
		l.idleVirtual()
		return
	}
	if when, ok := l.timers.Next(); ok {
		now := l.Time()
		if when <= now { // the difference of the two might be too large for a Duration
			return
		}
		patience = min(patience, when-now)
	}
	l.wait(patience)
}

// wait sleeps for d at most, until something is posted or the loop is to stop.
func (l *Loop) wait(d time.Duration) {
	if l.reactor.Poller() != nil {
		l.waitInPoller(d)
	} else if l.sleep(asleep) {
		l.waitForWake(d)
	}
	if l.posted.any.Load() {
		l.collect()
	}
}

// poll notifies the handlers of descriptors that are ready, and waits for d at most until one is.
// An error of the poller ends the run.
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

// waitForWake waits for the entry that the loop is woken with.
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
		if !m.state.CompareAndSwap(asleep, awake) { // another goroutine was about to wake it
			l.accept(<-m.wake)
		}
	}
}

// accept makes ready what the loop was woken with.
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

// idleVirtual jumps to the next timer. While work on other goroutines is
// outstanding, time stands still; where there is none and no timer, the loop is
// at its end.
func (l *Loop) idleVirtual() {
	defer l.failOnPanic() // in the context of a function that waits for the loop
	if l.threads.busy() || l.posted.any.Load() {
		l.waitForThreads()
	} else if when, ok := l.timers.Next(); ok {
		if when > l.clock.now {
			l.clock.now = when
			l.beginInstant()
		}
	} else if l.awaitsDeadline() {
		if l.ready.Len() == 0 { // no context has panicked
			l.wait(Never)
		}
	} else if l.fireWatches(); l.ready.Len() == 0 && l.failure == nil { // none has expired while we looked
		l.deadlock()
	}
}

// waitForThreads waits for functions of ToThread, and reports those that take long.
func (l *Loop) waitForThreads() {
	l.beginInstant()
	if patience := l.reportStandstill(); l.ready.Len() == 0 {
		l.wait(patience)
	}
}

// isHeld reports whether something outside of the loop keeps virtual time from moving on, or has
// done so since the last call.
func (l *Loop) isHeld() bool {
	defer l.failOnPanic() // in the context of a function that waits for the loop
	news := l.threads.news()
	held := news != l.instant.news
	l.instant.news = news
	l.reportStandstill()
	return held || l.threads.busy() || l.awaitsDeadline()
}

// awaitsDeadline reports whether a wait will end at the deadline of its context, which is in
// real time.
func (l *Loop) awaitsDeadline() bool {
	for w := l.watches.head; w != nil; w = w.next {
		if w, ok := w.run.(*watch); ok && w.mayExpire() {
			return true
		}
	}
	return false
}

func (l *Loop) deadlock() {
	l.stuck = true
	e := &DeadlockError{}
	for t := l.tasks.head; t != nil; t = t.next {
		e.Waiting = append(e.Waiting, WaitingTask{t.Name(), t.waitsFor()})
	}
	l.fail(e)
}
