// Package reactor notifies handlers when their descriptors are ready. It keeps the table of the
// handlers, over the system's poller.
//
// A descriptor is owned or watched. An owned descriptor belongs to its handler from the time it is
// made until it is closed. It is registered with the poller once, edge triggered, in both
// directions. An FD is such a descriptor. A watched descriptor belongs to somebody else, who may
// close it at any time, and its number may then stand for another descriptor. Its handler asks for
// events by Watch or Await, each time it needs them.
//
// A Reactor belongs to one goroutine, and calls the handlers there.
package reactor

import (
	"runtime"
	"time"

	"github.com/go-asyncio/asyncio/internal/poll"
)

// A Handler handles the events of a descriptor.
type Handler interface {
	OnReady(poll.Ready)

	// OnLost is called when no more events will come: the reactor closes, or the number of a
	// watched descriptor now has an owner or cannot be polled.
	OnLost()
}

// A Reactor is the table and the poller. The zero Reactor has no poller; Own, Watch, Await and Wait
// need one.
type Reactor struct {
	poller *poll.Poller
	leak   runtime.Cleanup // closes the poller of a reactor that is dropped without Close
	table  []registration  // by descriptor
	active int             // registrations that expect events
	strays int             // stray events since the last renew: see MaxStrays
}

// A registration is an entry of the table.
type registration struct {
	handler    Handler
	gen        uint32     // counts the calls to the poller, to recognise events from before the last call
	mode       mode       // edge if the descriptor is owned, otherwise the mode of the last call to the poller
	expected   poll.Ready // directions in which events may come
	registered bool       // the poller has the descriptor, as far as is known
}

// A mode is a way to register a descriptor with the poller; see package poll.
type mode uint8

const (
	level mode = iota
	once
	edge // of an owned descriptor
)

// Open makes the poller. If the system has none, it returns poll.ErrUnsupported.
func (r *Reactor) Open() error {
	p, err := poll.New()
	if err != nil {
		return err
	}
	r.poller = p
	r.leak = runtime.AddCleanup(r, func(p *poll.Poller) { _ = p.Close() }, p)
	return nil
}

// Poller returns the poller, or nil if it is not open. Any goroutine may call its Wake.
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

// Handlers ranges over the handlers, in the order of their descriptors.
func (r *Reactor) Handlers(yield func(Handler) bool) {
	for i := range r.table {
		if h := r.table[i].handler; h != nil && !yield(h) {
			return
		}
	}
}

// Expected returns the directions in which events of a descriptor may come.
func (r *Reactor) Expected(fd int) poll.Ready { return r.table[fd].expected }

// Own enters h as the handler of fd, which is new to the program, and registers fd. A handler that
// watches the number loses it: either it waited for this connection to be made, or its own
// descriptor was closed.
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
	r.table[fd].handler = h // OnLost may have enlarged the table
	return nil
}

// Enter enters h as the handler of fd, to be watched. fd is open, belongs to somebody else and has
// no handler.
func (r *Reactor) Enter(fd int, h Handler) {
	g := r.slot(fd)
	g.handler, g.mode = h, level
}

// Watch makes the reactor notify the handler of fd for as long as fd is ready in the directions of
// want. It replaces an earlier Watch or Await. It makes the system call even if nothing has
// changed, since the number may stand for another descriptor by now.
func (r *Reactor) Watch(fd int, want poll.Ready) error { return r.set(fd, level, want) }

// Await is Watch for one event. After the event the poller keeps nothing, so fd may be closed
// without notice, even if a duplicate of it stays open.
func (r *Reactor) Await(fd int, want poll.Ready) error { return r.set(fd, once, want) }

// GiveUp takes an Await back without a system call: its event may still come, but Active no longer
// counts it.
func (r *Reactor) GiveUp(fd int) { r.expect(&r.table[fd], 0) }

// Remove takes fd, which is about to be closed, from its handler and out of the poller. Closing it
// would leave it in the poller while a duplicate is open, such as one in a child process.
func (r *Reactor) Remove(fd int) {
	if r.Handler(fd) != nil {
		r.release(&r.table[fd])
		r.table[fd].registered = false
		r.poller.Drop(fd)
	}
}

// Wait notifies the handlers of descriptors that are ready. If none is ready, it waits for at most
// d, or forever if d is negative. Poller.Wake, or a signal, ends the wait early.
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

// MaxStrays is the number of stray events, outdated or without a handler, that Wait puts down to
// chance before it calls renew.
const MaxStrays = 100

// renew makes the poller forget all descriptors, and registers them again. Otherwise a watched
// descriptor that was closed too early, while a duplicate of it was open, would be reported
// forever: epoll cannot remove a descriptor whose number is gone.
func (r *Reactor) renew() {
	r.strays = 0
	if r.poller.Renew() != nil {
		return // try again after MaxStrays more
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

// Close closes the poller, and all handlers lose their descriptors. The reactor is then as it was
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

// slot returns the registration of fd, an open descriptor. It may grow the table.
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

// set makes the poller report want.
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

// expect records the directions in which events may come.
func (r *Reactor) expect(g *registration, ready poll.Ready) {
	switch {
	case g.expected == 0 && ready != 0:
		r.active++
	case g.expected != 0 && ready == 0:
		r.active--
	}
	g.expected = ready
}

// watcher returns the handler if it watches the descriptor, and otherwise nil.
func (g *registration) watcher() Handler {
	if g.mode == edge {
		return nil
	}
	return g.handler
}
