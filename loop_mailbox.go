package asyncio

// This file is the mailbox, in which other goroutines leave what the loop is to run.

import (
	"sync"
	"sync/atomic"

	"github.com/go-asyncio/asyncio/internal/poll"
)

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
