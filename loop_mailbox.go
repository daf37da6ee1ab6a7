package asyncio

// This file is the mailbox, where other goroutines leave entries for the loop to run.

import (
	"sync"
	"sync/atomic"

	"github.com/go-asyncio/asyncio/internal/poll"
)

// A mailbox takes the entries that other goroutines post to the loop. A sleeping loop is woken
// once: by the goroutine that moves state back to awake.
type mailbox struct {
	any   atomic.Bool // items or a request to check are waiting; the loop looks before every turn and push
	state atomic.Uint32
	// wake receives one value from the goroutine that ended asleep: the posted entry, or nil. It is
	// made by the first run.
	wake chan runnable

	mu     sync.Mutex
	items  []runnable
	poller *poll.Poller // the poller in which the loop sleeps, or nil while it has none
}

// The states of a mailbox. Only the loop leaves awake.
const (
	awake   = iota
	asleep  // the loop receives from wake, or is about to
	polling // the loop waits in its poller, or is about to
)

// sleep moves the state from awake to how, unless something is posted or the loop is to stop. It
// reports whether the loop must wait. That includes the case that another goroutine has woken the
// loop meanwhile: the loop must take that wake-up, but does not wait long for it.
func (l *Loop) sleep(how uint32) bool {
	m := &l.posted
	m.state.Store(how) // before the checks, so that a goroutine that posts after them wakes the loop
	return !m.any.Load() && !l.stopping.Load() || !m.state.CompareAndSwap(how, awake)
}

// handOver wakes a loop that sleeps without a poller by sending it r, which may be nil. It reports
// false if the loop is in another state. It needs no mutex: a loop that sleeps is not closed, and
// receives r.
func (m *mailbox) handOver(r runnable) bool {
	if m.state.Load() != asleep || !m.state.CompareAndSwap(asleep, awake) {
		return false
	}
	m.wake <- r
	return true
}

// rouse makes the loop look into its mailbox, and wakes it if it sleeps. The caller holds the
// mutex, so that the poller is not closed meanwhile.
func (m *mailbox) rouse() {
	if !m.any.Load() { // Load costs less than Store
		m.any.Store(true)
	}
	if m.state.Load() == polling && m.state.CompareAndSwap(polling, awake) {
		m.poller.Wake()
	} else {
		m.handOver(nil) // the loop may have fallen asleep since the caller tried
	}
}

// nudge makes the loop check again the things it waits for, and whether it is to stop.
func (m *mailbox) nudge() {
	if m.handOver(nil) {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.rouse()
}

// post schedules r from any goroutine.
func (l *Loop) post(r runnable) error {
	m := &l.posted
	if !m.any.Load() && m.handOver(r) { // while any is set, r would overtake the items
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if l.closed {
		return ErrLoopClosed
	}
	m.items = append(m.items, r)
	m.rouse()
	return nil
}

// postQuietly schedules r from any goroutine without waking the loop.
func (l *Loop) postQuietly(r runnable) {
	m := &l.posted
	m.mu.Lock()
	defer m.mu.Unlock()
	if !l.closed {
		m.items = append(m.items, r)
		m.any.Store(true)
	}
}

// collect moves the posted entries to the ready queue.
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

// maxItems is the capacity up to which the mailbox is not shrunk, however few items it holds.
const maxItems = 1024
