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
	any atomic.Bool // the loop has to look, which it does before whatever comes next

	mu     sync.Mutex
	items  []runnable
	sleeps bool          // the loop waits, or is about to, and nobody has woken it yet
	wake   chan runnable // gets what is posted, or nil, from who has set sleeps to false; made when the loop first runs
	poller *poll.Poller  // in which the loop waits instead, once it has one
}

// open makes the mailbox ready to wake the loop.
func (m *mailbox) open() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.wake == nil {
		m.wake = make(chan runnable, 1)
	}
}

// nudge has the loop look again at what it waits for, or whether it is to stop.
func (m *mailbox) nudge() {
	m.mu.Lock()
	m.put(nil)
}

// put leaves r, unless it is nil, for the loop, and sees to it that the loop looks. It
// releases the mutex, which the caller holds.
func (m *mailbox) put(r runnable) {
	sleeps := m.sleeps
	m.sleeps = false
	if sleeps && m.poller == nil { // hand it over
		m.mu.Unlock()
		m.wake <- r
		return
	}
	if r != nil {
		m.items = append(m.items, r)
	}
	if sleeps {
		m.poller.Wake()
	}
	m.any.Store(true)
	m.mu.Unlock()
}

// post schedules r from any goroutine.
func (l *Loop) post(r runnable) error {
	l.posted.mu.Lock()
	if l.closed {
		l.posted.mu.Unlock()
		return ErrLoopClosed
	}
	l.posted.put(r)
	return nil
}

// postQuietly schedules r from any goroutine, but does not wake the loop.
func (l *Loop) postQuietly(r runnable) {
	m := &l.posted
	m.mu.Lock()
	defer m.mu.Unlock()
	if !l.closed {
		m.items = append(m.items, r)
		m.any.Store(true)
	}
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
	if c := cap(m.items); c > maxItems && len(m.items) <= c/4 {
		m.items = make([]runnable, 0, c/2) // a burst is over
	}
	m.items = m.items[:0]
	m.any.Store(false)
}

// maxItems is the capacity up to which the mailbox is not too large, however little is in it.
const maxItems = 1024

// idle waits until something is ready or due. The ready queue is empty.
func (l *Loop) idle() {
	if l.buffers.isLarge() {
		l.buffers.trim(time.Now)
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
	m := &l.posted
	m.mu.Lock()
	m.sleeps = !m.any.Load() && !l.stopping.Load()
	sleeps := m.sleeps
	m.mu.Unlock()
	switch {
	case !sleeps:
	case l.fds.poller != nil:
		if d == Never {
			d = -1
		}
		l.poll(d)
		m.mu.Lock()
		m.sleeps = false
		m.mu.Unlock()
	case d == Never:
		l.accept(<-m.wake)
	default:
		timer := l.clock.set(d)
		select {
		case r := <-m.wake:
			timer.Stop()
			l.accept(r)
		case <-timer.C:
			m.mu.Lock()
			sleeps, m.sleeps = m.sleeps, false
			m.mu.Unlock()
			if !sleeps { // somebody was about to wake it
				l.accept(<-m.wake)
			}
		}
	}
	if m.any.Load() {
		l.collect()
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
