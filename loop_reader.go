package asyncio

// This file is about descriptors: the loop's poller, which descriptor is whose, and
// AddReader and AddWriter.

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"github.com/go-asyncio/asyncio/internal/netfd"
	"github.com/go-asyncio/asyncio/internal/poll"
)

// maxTransfer is how many bytes one system call moves at most. Without a limit it would go on for
// as long as the peer keeps up.
const maxTransfer = 256 << 10

// descriptors are those that the loop polls. The poller is made when the first one is
// registered; until then the loop waits without.
type descriptors struct {
	poller *poll.Poller    // the loop's; other goroutines reach it through the mailbox
	leak   runtime.Cleanup // closes the poller of a loop that is dropped without Close
	table  []registration
	n      int // descriptors that something may happen to: streams and the like, and watches that are armed
	strays int // events for nobody since renew
}

// A registration says whose the descriptor of a number is.
type registration struct {
	owner fdOwner
	gen   uint32 // counts the owners, and how often a watch was armed, so that an event of an earlier one is recognised
}

// An fdOwner is notified when its descriptor is ready.
type fdOwner interface {
	notify(ready poll.Ready)
	abandon() // the loop closes
}

// openPoller makes the poller unless there is one.
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
	// A watch of this number waited for the connection, or its descriptor was closed.
	w, _ := l.fds.release(fd).(*fdWatch)
	if w != nil {
		w.wakeTasks()
	}
	r := l.fds.slot(fd)
	if err := l.fds.poller.Add(fd, r.gen+1, w != nil && w.known); err != nil {
		return err
	}
	r.gen++
	r.owner = owner
	l.fds.n++
	return nil
}

// disown takes a descriptor of the loop's own, which is about to be closed, out of the poller.
// Closing it would not do that while a duplicate is open, such as one in a child process.
func (l *Loop) disown(fd int) {
	if l.fds.release(fd) != nil {
		l.fds.poller.Drop(fd)
	}
}

// unwatch takes the caller's descriptor, which is about to be closed, from those who watch it. Its
// open file goes on, so that epoll would, too.
func (l *Loop) unwatch(fd int) {
	if fd >= len(l.fds.table) {
		return
	}
	if w, ok := l.fds.table[fd].owner.(*fdWatch); ok {
		l.disown(fd)
		w.wakeTasks()
	}
}

// release takes a descriptor from its owner and returns that, or nil.
func (f *descriptors) release(fd int) fdOwner {
	if fd >= len(f.table) {
		return nil
	}
	r := &f.table[fd]
	owner := r.owner
	r.owner = nil
	if w, ok := owner.(*fdWatch); ok {
		w.expect(0)
	} else if owner != nil {
		f.n--
	}
	return owner
}

// slot returns the registration of an open descriptor, which may be without an owner.
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
		} else {
			l.fds.strays++
		}
	}
	if l.fds.strays > maxStrays {
		l.fds.renew()
	}
}

// maxStrays is how many events for nobody are taken for chance.
const maxStrays = 100

// renew has the poller forget all that it has and registers it anew. Otherwise a descriptor that
// was closed without RemoveReader, though a duplicate of it is open, would be reported for ever:
// epoll takes nothing out that has no number any more.
func (f *descriptors) renew() {
	f.strays = 0
	if f.poller.Renew() != nil {
		return // try again after as many
	}
	for fd := range f.table {
		switch owner := f.table[fd].owner.(type) {
		case nil:
		case *fdWatch:
			owner.known = false
			if owner.armed != 0 {
				_ = owner.arm(0)
			}
		default:
			_ = f.poller.Add(fd, f.table[fd].gen, false)
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
	if err := w.arm(0); err != nil {
		side.callback = old
		return fmt.Errorf("asyncio: cannot poll descriptor %d: %w", fd, err)
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
	_ = w.arm(0) // the descriptor may be closed
	return true
}

// watchFD returns the watch of fd, which is the caller's. It keeps it from then on, for the
// next time that the number is used.
func (l *Loop) watchFD(fd int) (*fdWatch, error) {
	if err := l.openPoller(); err != nil {
		return nil, err
	}
	var owner fdOwner
	if fd >= 0 && fd < len(l.fds.table) {
		owner = l.fds.table[fd].owner
	}
	switch owner := owner.(type) {
	case *fdWatch:
		return owner, nil
	case nil:
		if _, err := netfd.IsNonblock(fd); err != nil { // before the table grows
			return nil, fmt.Errorf("asyncio: bad descriptor %d: %w", fd, err)
		}
		w := &fdWatch{loop: l, fd: fd}
		l.fds.slot(fd).owner = w
		return w, nil
	default:
		return nil, fmt.Errorf("asyncio: descriptor %d belongs to a stream", fd)
	}
}

// An fdWatch watches a descriptor that is the caller's. For a callback it is level triggered.
// While only tasks wait it is armed for one event at a time, which costs a system call for each
// wait and leaves nothing behind: the caller may close the descriptor afterwards, and epoll
// would go on to report it if a duplicate stays open.
type fdWatch struct {
	loop   *Loop
	fd     int
	armed  poll.Ready // events that the loop expects from the poller
	known  bool       // the poller has the descriptor, as far as is known
	share  quota      // of the Sock calls
	reader fdSide
	writer fdSide
}

// fdSide has the callback and the tasks that wait for one direction.
type fdSide struct {
	callback *Handle
	waiters  waitq
}

func (w *fdWatch) side(way poll.Ready) *fdSide {
	if way == poll.Write {
		return &w.writer
	}
	return &w.reader
}

// wants returns the directions that something waits for.
func (w *fdWatch) wants() (ready poll.Ready) {
	if w.reader.callback != nil || w.reader.waiters.head != nil {
		ready |= poll.Read
	}
	if w.writer.callback != nil || w.writer.waiters.head != nil {
		ready |= poll.Write
	}
	return ready
}

func (w *fdWatch) hasCallback() bool { return w.reader.callback != nil || w.writer.callback != nil }

// await suspends the running task until the descriptor is ready.
func (w *fdWatch) await(ctx context.Context, way poll.Ready) error {
	if err := w.arm(way); err != nil {
		return fmt.Errorf("asyncio: cannot poll descriptor %d: %w", w.fd, err)
	}
	err := w.side(way).waiters.wait(ctx, "descriptor")
	if err != nil && w.wants() == 0 {
		w.expect(0) // one event may still come, and finds nobody
	}
	return err
}

// arm has the poller report what is wanted, and more. It does so even if nothing has changed:
// the number may stand for another descriptor by now.
func (w *fdWatch) arm(more poll.Ready) error {
	f := &w.loop.fds
	r := &f.table[w.fd]
	r.gen++
	want := w.wants() | more
	var err error
	switch {
	case want == 0:
		f.poller.Remove(w.fd)
	case w.hasCallback():
		err = f.poller.Watch(w.fd, r.gen, want, w.known)
	default:
		err = f.poller.Await(w.fd, r.gen, want, w.known)
	}
	w.known = err == nil && want != 0
	if err != nil {
		want = 0
		w.wakeTasks() // to see for themselves
	}
	w.expect(want)
	return err
}

// expect notes which events are to come.
func (w *fdWatch) expect(ready poll.Ready) {
	switch {
	case w.armed == 0 && ready != 0:
		w.loop.fds.n++
	case w.armed != 0 && ready == 0:
		w.loop.fds.n--
	}
	w.armed = ready
}

func (w *fdWatch) notify(ready poll.Ready) {
	if !w.hasCallback() {
		w.expect(0)
	}
	if ready&poll.Read != 0 {
		w.reader.notify(w.loop)
	}
	if ready&poll.Write != 0 {
		w.writer.notify(w.loop)
	}
	if w.armed != w.wants() {
		w.loop.push(w)
	}
}

// run arms the poller for the tasks that were not woken, unless one that was has done so by
// waiting again.
func (w *fdWatch) run(l *Loop) {
	if w.armed != w.wants() && l.fds.table[w.fd].owner == w {
		_ = w.arm(0) // wakes them if it fails
	}
}

func (s *fdSide) notify(l *Loop) {
	s.waiters.wakeAll()
	if s.callback != nil {
		l.push((*fdCall)(s.callback))
	}
}

func (w *fdWatch) wakeTasks() {
	w.reader.waiters.wakeAll()
	w.writer.waiters.wakeAll()
}

func (w *fdWatch) abandon() {}

// An fdCall is a callback that is called each time its descriptor is ready.
type fdCall Handle

func (c *fdCall) run(l *Loop) {
	if fn := c.fn; fn != nil {
		l.call(fn)
	}
}
