package asyncio

// This file is about descriptors: the loop's poller, which descriptor is whose, and
// AddReader and AddWriter.

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"github.com/go-asyncio/asyncio/internal/poll"
)

// descriptors is what the loop polls. The poller is made when the first one is
// registered; until then the loop waits without.
type descriptors struct {
	poller *poll.Poller    // the loop's; other goroutines reach it through the mailbox
	leak   runtime.Cleanup // closes the poller of a loop that is dropped without Close
	table  []registration
	n      int // registered ones
}

// A registration says whose the descriptor of a number is.
type registration struct {
	owner fdOwner
	gen   uint32 // counts the owners, so that late news of an earlier one is recognised
}

// An fdOwner is told when its descriptor is ready.
type fdOwner interface {
	notify(ready poll.Ready)
	abandon() // the loop closes
}

// open makes the poller unless there is one.
func (l *Loop) openPoller() error {
	switch {
	case l.fds.poller != nil:
		return nil
	case l.closed:
		return ErrLoopClosed
	case l.virtual:
		return ErrVirtualIO
	}
	p, err := poll.New()
	if err == poll.ErrUnsupported {
		return ErrNoPoller
	} else if err != nil {
		return fmt.Errorf("asyncio: cannot make a poller: %w", err)
	}
	l.fds.poller = p
	// The loop outlives each use of its poller, since whoever wakes it does so by the mailbox.
	l.fds.leak = runtime.AddCleanup(l, func(p *poll.Poller) { _ = p.Close() }, p)
	l.posted.mu.Lock()
	l.posted.poller = p
	l.posted.mu.Unlock()
	return nil
}

// own registers a descriptor that is new to the program, edge triggered.
func (l *Loop) own(fd int, owner fdOwner) error {
	if err := l.openPoller(); err != nil {
		return err
	}
	// If the number is registered, that was for a descriptor that its owner has closed, or to
	// wait for its connection.
	r := l.fds.slot(fd)
	w, _ := r.owner.(*fdWatch)
	l.disown(fd)
	if err := l.fds.poller.Add(fd, r.gen+1, w != nil && w.told); err != nil {
		return err
	}
	l.fds.set(r, owner)
	return nil
}

// disown forgets a descriptor. Closing it takes it from the poller.
func (l *Loop) disown(fd int) {
	if r := l.fds.slot(fd); r.owner != nil {
		r.owner = nil
		l.fds.n--
	}
}

// forget removes a descriptor of the loop's own that awaitFD may have registered, and
// that is about to be closed.
func (l *Loop) forget(fd int) {
	if l.fds.poller != nil && fd < len(l.fds.table) {
		l.disown(fd)
	}
}

func (f *descriptors) set(r *registration, owner fdOwner) {
	if r.owner == nil {
		f.n++
	}
	r.gen++
	r.owner = owner
}

// slot returns the registration of a number, which may be without an owner.
func (f *descriptors) slot(fd int) *registration {
	if fd >= len(f.table) {
		f.table = append(f.table, make([]registration, fd+1-len(f.table))...)
	}
	return &f.table[fd]
}

// poll notifies the owners of descriptors that are ready, and waits for d at most until
// one is. An error of the poller ends the run.
func (l *Loop) poll(d time.Duration) {
	defer l.failOnPanic()
	events, err := l.fds.poller.Wait(d)
	if err != nil {
		l.fail(fmt.Errorf("asyncio: poll: %w", err))
		return
	}
	for _, e := range events {
		if r := &l.fds.table[e.FD]; r.gen == e.Gen && r.owner != nil {
			r.owner.notify(e.Ready)
		} else if r.owner == nil {
			l.fds.poller.Remove(e.FD) // level triggered, it would come again and again
		}
	}
}

// abandon closes the poller and what the loop's streams own.
func (f *descriptors) abandon() {
	for i := range f.table {
		if owner := f.table[i].owner; owner != nil {
			f.table[i].owner = nil
			owner.abandon()
		}
	}
	f.n = 0
	if f.poller != nil {
		f.leak.Stop()
		f.poller.Close()
		f.poller = nil
	}
}

// AddReader has the loop call fn whenever fd can be read from, or is at its end: once a
// turn as long as that lasts. It takes the place of an earlier one. fd must not block, and
// stays the caller's, who calls RemoveReader before closing it. It returns an error if
// the system cannot poll fd, if a stream of the loop owns it, if the loop is closed, and
// in virtual time ErrVirtualIO. Like the three calls below it does not suspend, and may be
// made before the loop runs. It is asyncio's add_reader.
func (l *Loop) AddReader(fd int, fn func()) error {
	return l.addCallback(fd, poll.Read, fn)
}

// AddWriter is AddReader for writing: it has the loop call fn whenever fd has room. It
// is asyncio's add_writer.
func (l *Loop) AddWriter(fd int, fn func()) error {
	return l.addCallback(fd, poll.Write, fn)
}

// RemoveReader undoes AddReader and reports whether there was something to undo. It is
// asyncio's remove_reader.
func (l *Loop) RemoveReader(fd int) bool { return l.removeCallback(fd, poll.Read) }

// RemoveWriter undoes AddWriter and reports whether there was something to undo. It is
// asyncio's remove_writer.
func (l *Loop) RemoveWriter(fd int) bool { return l.removeCallback(fd, poll.Write) }

func (l *Loop) addCallback(fd int, way poll.Ready, fn func()) error {
	l.checkCallback(fn == nil)
	w, err := l.watchFD(fd)
	if err != nil {
		return err
	}
	side := w.side(way)
	old := side.callback
	side.callback = &Handle{loop: l, fn: fn}
	if err := w.update(); err != nil {
		side.callback = old
		w.dropUnused()
		return err
	}
	if old != nil {
		old.Cancel()
	}
	return nil
}

func (l *Loop) removeCallback(fd int, way poll.Ready) bool {
	l.check()
	if fd < 0 || fd >= len(l.fds.table) {
		return false
	}
	w, ok := l.fds.table[fd].owner.(*fdWatch)
	if !ok || w.side(way).callback == nil {
		return false
	}
	w.side(way).callback.Cancel()
	w.side(way).callback = nil
	_ = w.update() // the descriptor may be closed
	w.dropUnused()
	return true
}

// awaitFD suspends the running task until fd, which is the caller's, is ready.
func (l *Loop) awaitFD(ctx context.Context, fd int, way poll.Ready) error {
	running(ctx) // panics outside of any task, before anything is changed
	w, err := l.watchFD(fd)
	if err != nil {
		return err
	}
	side := w.side(way)
	side.wanted = true
	if err := w.update(); err != nil {
		side.wanted = side.waiters.head != nil
		w.dropUnused()
		return err
	}
	return side.waiters.wait(ctx, "descriptor")
}

// watchFD returns what watches fd for callers who own it themselves.
func (l *Loop) watchFD(fd int) (*fdWatch, error) {
	if fd < 0 {
		return nil, fmt.Errorf("asyncio: bad descriptor %d", fd)
	}
	if err := l.openPoller(); err != nil {
		return nil, err
	}
	r := l.fds.slot(fd)
	switch owner := r.owner.(type) {
	case nil:
		w := &fdWatch{loop: l, fd: fd}
		l.fds.set(r, w)
		w.gen = r.gen
		return w, nil
	case *fdWatch:
		return owner, nil
	default:
		return nil, fmt.Errorf("asyncio: descriptor %d belongs to a stream", fd)
	}
}

// An fdWatch watches a descriptor that is not the loop's, level triggered.
type fdWatch struct {
	loop   *Loop
	fd     int
	gen    uint32
	told   bool // the poller has it
	reader fdSide
	writer fdSide
}

// fdSide is who waits for one direction.
type fdSide struct {
	callback *Handle
	waiters  waitq
	wanted   bool // the poller is told of the waiters, or of ones that have gone since
}

func (w *fdWatch) side(way poll.Ready) *fdSide {
	if way == poll.Write {
		return &w.writer
	}
	return &w.reader
}

// update tells the poller what is wanted. It does so even if nothing has changed: the
// number may stand for another descriptor by now.
func (w *fdWatch) update() error {
	var want poll.Ready
	if w.reader.callback != nil || w.reader.wanted {
		want |= poll.Read
	}
	if w.writer.callback != nil || w.writer.wanted {
		want |= poll.Write
	}
	err := w.loop.fds.poller.Watch(w.fd, w.gen, want, w.told)
	w.told = err == nil && want != 0
	return err
}

// dropUnused forgets the descriptor if nobody waits for it.
func (w *fdWatch) dropUnused() {
	if w.reader.unused() && w.writer.unused() {
		w.loop.fds.poller.Remove(w.fd)
		w.loop.disown(w.fd)
	}
}

func (s *fdSide) unused() bool { return s.callback == nil && s.waiters.head == nil && !s.wanted }

func (w *fdWatch) notify(ready poll.Ready) {
	idle := false
	for _, way := range [...]poll.Ready{poll.Read, poll.Write} {
		if ready&way != 0 {
			idle = w.side(way).notify(w.loop) || idle
		}
	}
	// What nobody waits for any more is taken back only now, so that a task that reads
	// again and again costs the poller one call each time, and not two.
	if idle {
		_ = w.update()
		w.dropUnused()
	}
}

// notify reports whether the poller need not look any more.
func (s *fdSide) notify(l *Loop) (idle bool) {
	woke := false
	for s.waiters.wakeNext() {
		woke = true
	}
	if s.callback != nil {
		l.push((*fdCall)(s.callback))
		return false
	}
	if woke || !s.wanted {
		return false
	}
	s.wanted = false
	return true
}

func (w *fdWatch) abandon() {}

// An fdCall is a callback that is called each time its descriptor is ready.
type fdCall Handle

func (c *fdCall) run(l *Loop) {
	if fn := c.fn; fn != nil {
		l.call(fn)
	}
}
