// Package reactor notifies the handlers of descriptors that are ready: it keeps the table of the
// handlers, over the system's poller.
//
// A descriptor is owned or watched. An owned one is its handler's from when it is made until it is
// closed: it is registered with the poller once, edge triggered, in both directions. FD is such a
// descriptor. A watched one is somebody else's, who may close it at any time, and its number may
// then stand for another: its handler asks for events by Watch or Await, each time it needs them.
//
// A Reactor, and all that it notifies, belongs to one goroutine.
package reactor

import (
	"runtime"
	"time"

	"github.com/go-asyncio/asyncio/internal/poll"
)

// A Handler handles the events of a descriptor.
type Handler interface {
	OnReady(poll.Ready)

	// OnLost is called when no event will come any more: because the reactor closes, or because the
	// number of a watched descriptor has an owner by now or cannot be polled.
	OnLost()
}

// A Reactor is the table and the poller. The zero Reactor has no poller, which Own, Watch, Await
// and Wait need.
type Reactor struct {
	poller *poll.Poller
	leak   runtime.Cleanup // closes the poller of a reactor that is dropped without Close
	table  []registration  // by number
	active int             // registrations that expect events
	strays int             // events for nobody since renew
}

// A registration is an entry of the table.
type registration struct {
	handler    Handler
	gen        uint32 // counts the calls to the poller, so that events from before the last one are recognised
	mode       mode   // edge if the descriptor is owned, otherwise that of the last call to the poller
	expected   poll.Ready
	registered bool // the poller has the descriptor, as far as is known
}

// A mode is a way to register a descriptor with the poller; see package poll.
type mode uint8

const (
	level mode = iota
	once
	edge // of an owned descriptor
)

// Open makes the poller. Where there is none its error is poll.ErrUnsupported.
func (r *Reactor) Open() error {
	p, err := poll.New()
	if err != nil {
		return err
	}
	r.poller = p
	r.leak = runtime.AddCleanup(r, func(p *poll.Poller) { _ = p.Close() }, p)
	return nil
}

// Poller returns the poller, or nil if it is not open: for its Wake, which any goroutine may call.
func (r *Reactor) Poller() *poll.Poller { return r.poller }

// Active returns the number of descriptors that may have events.
func (r *Reactor) Active() int { return r.active }

// Handler returns the handler of a descriptor, or nil.
func (r *Reactor) Handler(fd int) Handler {
	if fd < 0 || fd >= len(r.table) {
		return nil
	}
	return r.table[fd].handler
}

// Expected returns the directions in which events of a descriptor may come.
func (r *Reactor) Expected(fd int) poll.Ready { return r.table[fd].expected }

// Own enters the handler of a descriptor that is new to the program, and registers it. A handler
// that watches the number loses it: it has waited for the connection to be made, or its descriptor
// was closed.
func (r *Reactor) Own(fd int, h Handler) error {
	g := r.slot(fd)
	w := g.watcher()
	r.release(g)
	if w != nil {
		w.OnLost()
	}
	if err := r.set(fd, edge, poll.Read|poll.Write); err != nil {
		return err
	}
	g.handler = h
	return nil
}

// Enter enters the handler of an open descriptor that is somebody else's and has none, to be watched.
func (r *Reactor) Enter(fd int, h Handler) {
	g := r.slot(fd)
	g.handler, g.mode = h, level
}

// Watch has the handler notified as long as a watched descriptor is ready in the directions of
// want, instead of those before. It registers it even if nothing has changed: the number may stand
// for another descriptor by now.
func (r *Reactor) Watch(fd int, want poll.Ready) error { return r.set(fd, level, want) }

// Await is Watch for one event. Nothing is left behind after that, so the descriptor may be closed
// without a word, even if a duplicate of it stays open.
func (r *Reactor) Await(fd int, want poll.Ready) error { return r.set(fd, once, want) }

// GiveUp takes an Await back without a system call: its event may still come, but is not waited for.
func (r *Reactor) GiveUp(fd int) { r.expect(&r.table[fd], 0) }

// Remove takes a descriptor that is about to be closed from its handler and out of the poller.
// Closing it would not do that while a duplicate is open, such as one in a child process.
func (r *Reactor) Remove(fd int) {
	if r.Handler(fd) != nil {
		r.release(&r.table[fd])
		r.table[fd].registered = false
		r.poller.Drop(fd)
	}
}

// Wait notifies the handlers of descriptors that are ready, and waits for d at most until one is:
// forever if d is negative. Poller.Wake, or a signal, ends it early.
func (r *Reactor) Wait(d time.Duration) error {
	events, err := r.poller.Wait(d)
	if err != nil {
		return err
	}
	for _, e := range events {
		g := &r.table[e.FD]
		if g.gen != e.Gen || g.handler == nil {
			r.strays++
			continue
		}
		if g.mode == once {
			r.expect(g, 0)
		}
		g.handler.OnReady(e.Ready)
	}
	if r.strays > MaxStrays {
		r.renew()
	}
	return nil
}

// MaxStrays is the number of events for nobody that are taken for chance.
const MaxStrays = 100

// renew has the poller forget all descriptors, and registers them anew. Otherwise a watched descriptor
// that was closed too early, though a duplicate of it is open, would be reported for ever: epoll
// takes nothing out that has no number any more.
func (r *Reactor) renew() {
	r.strays = 0
	if r.poller.Renew() != nil {
		return // try again after as many
	}
	for fd := range r.table {
		g := &r.table[fd]
		g.registered = false
		if g.expected == 0 {
			continue
		}
		if w := g.watcher(); r.set(fd, g.mode, g.expected) != nil && w != nil {
			w.OnLost()
		}
	}
}

// Close closes the poller, and has the handlers lose their descriptors. The reactor is as it was
// before Open.
func (r *Reactor) Close() {
	for fd := range r.table {
		g := &r.table[fd]
		if h := g.handler; h != nil {
			r.release(g)
			h.OnLost()
		}
	}
	if r.poller != nil {
		r.leak.Stop()
		r.poller.Close()
		r.poller = nil
	}
}

// slot returns the registration of an open descriptor.
func (r *Reactor) slot(fd int) *registration {
	if fd >= len(r.table) {
		r.table = append(r.table, make([]registration, fd+1-len(r.table))...)
	}
	return &r.table[fd]
}

// release takes a descriptor from its handler, if it has one.
func (r *Reactor) release(g *registration) {
	r.expect(g, 0)
	g.handler = nil
}

// set has the poller report want.
func (r *Reactor) set(fd int, m mode, want poll.Ready) error {
	g := &r.table[fd]
	g.gen++
	g.mode = m
	var err error
	switch {
	case want == 0:
		r.poller.Remove(fd)
	case m == edge:
		err = r.poller.Add(fd, g.gen, g.registered)
	case m == once:
		err = r.poller.Await(fd, g.gen, want, g.registered)
	default:
		err = r.poller.Watch(fd, g.gen, want, g.registered)
	}
	if err != nil {
		want = 0
	}
	g.registered = want != 0
	r.expect(g, want)
	return err
}

// expect notes in which directions events are to come.
func (r *Reactor) expect(g *registration, ready poll.Ready) {
	switch {
	case g.expected == 0 && ready != 0:
		r.active++
	case g.expected != 0 && ready == 0:
		r.active--
	}
	g.expected = ready
}

// watcher returns the handler if it watches the descriptor, or nil.
func (g *registration) watcher() Handler {
	if g.mode == edge {
		return nil
	}
	return g.handler
}
