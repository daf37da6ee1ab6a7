package asyncio

// This file is about time: the loop's clock, real or virtual, and how the loop waits
// until something is due or another goroutine posts to it.

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-asyncio/asyncio/internal/poll"
)

// Never is a time that does not come: as a delay or a deadline it means none. It is not
// for sums: what is later than Never is long past.
const Never time.Duration = 1<<63 - 1

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

// mailbox takes what other goroutines post to the loop.
type mailbox struct {
	any   atomic.Bool // something was posted
	sleep atomic.Bool // the loop waits, or is about to

	mu     sync.Mutex
	items  []runnable
	wake   chan struct{} // holds at most one token; made when the loop first runs
	poller *poll.Poller  // in which the loop waits instead, once it has one
}

// open makes the mailbox ready to wake the loop.
func (m *mailbox) open() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.wake == nil {
		m.wake = make(chan struct{}, 1)
	}
}

// wakeUp ends the loop's wait.
func (m *mailbox) wakeUp() {
	if m.sleep.Load() {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.wakeLocked()
	}
}

// wakeLocked is wakeUp with the mutex held.
func (m *mailbox) wakeLocked() {
	if !m.sleep.Load() {
		return
	}
	if m.poller != nil {
		if m.sleep.CompareAndSwap(true, false) { // once is enough
			m.poller.Wake()
		}
		return
	}
	select {
	case m.wake <- struct{}{}:
	default: // it wakes already
	}
}

// nudge has the loop look again at what it waits for.
func (m *mailbox) nudge() {
	m.any.Store(true)
	m.wakeUp()
}

// post schedules r from any goroutine.
func (l *Loop) post(r runnable) error {
	m := &l.posted
	m.mu.Lock()
	defer m.mu.Unlock()
	if !l.postLocked(r) {
		return ErrLoopClosed
	}
	m.wakeLocked()
	return nil
}

// postQuietly schedules r from any goroutine, but does not wake the loop. It reports
// false if the loop is closed.
func (l *Loop) postQuietly(r runnable) bool {
	m := &l.posted
	m.mu.Lock()
	defer m.mu.Unlock()
	return l.postLocked(r)
}

func (l *Loop) postLocked(r runnable) bool {
	if l.closed {
		return false
	}
	m := &l.posted
	m.items = append(m.items, r)
	m.any.Store(true)
	return true
}

// collect moves what was posted to the ready queue.
func (l *Loop) collect() {
	m := &l.posted
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, r := range m.items {
		l.ready.PushBack(r)
		m.items[i] = nil
	}
	m.items = m.items[:0]
	m.any.Store(false)
}

// idle waits until something is ready or due. The ready queue is empty.
func (l *Loop) idle() error {
	l.pool.Trim(time.Now)
	if l.virtual {
		return l.idleVirtual()
	}
	if when, ok := l.timers.Next(); !ok {
		l.wait(Never)
	} else if d := when - l.Time(); d > 0 {
		l.wait(d)
	}
	return nil
}

// wait sleeps for d at most, until something is posted. The order of the two
// flags matters: who posts sets any and then looks at sleep, so one of the two
// sees the other.
func (l *Loop) wait(d time.Duration) {
	m := &l.posted
	m.sleep.Store(true)
	defer m.sleep.Store(false)
	if m.any.Load() || l.stopping.Load() {
		l.collect()
		return
	}
	switch {
	case l.fds.poller != nil && d == Never:
		l.poll(-1)
	case l.fds.poller != nil:
		l.poll(d)
	case d == Never:
		<-m.wake
	default:
		timer := l.clock.set(d)
		select {
		case <-m.wake:
			timer.Stop()
		case <-timer.C:
		}
	}
	l.collect()
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
func (l *Loop) idleVirtual() error {
	if l.threads.busy() || l.posted.any.Load() {
		l.wait(Never)
		return nil
	}
	if when, ok := l.timers.Next(); ok {
		l.clock.now = max(l.clock.now, when)
		return nil
	}
	for w := l.watches.head; w != nil; w = w.next {
		if w, ok := w.run.(*watch); ok && w.mayExpire() { // in real time
			l.wait(Never)
			return nil
		}
	}
	if l.fireWatches(); l.ready.Len() > 0 { // one expired while we looked
		return nil
	}
	return l.deadlock()
}

func (l *Loop) deadlock() error {
	l.deadlocked = true
	e := &DeadlockError{}
	for t := l.tasks.head; t != nil; t = t.next {
		e.Waiting = append(e.Waiting, WaitingTask{t.Name(), t.waitsFor()})
	}
	return e
}
