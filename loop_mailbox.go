package asyncio

// This file is the mailbox, in which other goroutines leave what the loop is to run.

import (
	"sync"
	"sync/atomic"

	"github.com/go-asyncio/asyncio/internal/poll"
)

// A mailbox takes what other goroutines post to the loop. A loop that sleeps is woken once:
// whoever moves state back to awake does it.
type mailbox struct {
	any   atomic.Bool // the loop has to look, which it does before whatever comes next
	state atomic.Uint32
	wake  chan runnable // gets the posted entry, or nil, from the goroutine that ended asleep; made when the loop first runs

	mu     sync.Mutex
	items  []runnable
	poller *poll.Poller // in which the loop sleeps, once it has one
}

// The states of a mailbox. The loop alone leaves awake.
const (
	awake   = iota
	asleep  // the loop receives from wake, or is about to
	polling // the loop waits in its poller, or is about to
)

// sleep moves the state from awake to how, unless there is something to look at. It
// reports whether the loop must wait; if it was woken meanwhile, that is so too, but short.
func (l *Loop) sleep(how uint32) bool {
	m := &l.posted
	m.state.Store(how) // before it looks: whoever posts after that wakes it
	return !m.any.Load() && !l.stopping.Load() || !m.state.CompareAndSwap(how, awake)
}

// handOver wakes a loop that sleeps without a poller with r, which may be nil, and reports false
// if it does not sleep so. It does without the mutex: such a loop is not closed, and receives r.
func (m *mailbox) handOver(r runnable) bool {
	if m.state.Load() != asleep || !m.state.CompareAndSwap(asleep, awake) {
		return false
	}
	m.wake <- r
	return true
}

// rouse sees to it that the loop looks. The caller holds the mutex, so that the poller is not
// closed meanwhile.
func (m *mailbox) rouse() {
	if !m.any.Load() { // which costs less than Store
		m.any.Store(true)
	}
	if m.state.Load() == polling && m.state.CompareAndSwap(polling, awake) {
		m.poller.Wake()
	} else {
		m.handOver(nil) // if it has fallen asleep since it was tried
	}
}

// nudge has the loop look again at what it waits for, or whether it is to stop.
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
	if !m.any.Load() && m.handOver(r) { // or r would overtake the items
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
