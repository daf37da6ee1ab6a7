package asyncio

// This file holds the loop's poller, and AddReader and AddWriter.

import (
	"context"
	"fmt"

	"github.com/go-asyncio/asyncio/internal/netfd"
	"github.com/go-asyncio/asyncio/internal/poll"
)

// needPoller makes the poller, unless there is one already. Until a descriptor is registered, the
// loop waits without a poller.
func (l *Loop) needPoller() error {
	switch {
	case l.reactor.Poller() != nil:
		return nil
	case l.closed:
		return ErrLoopClosed
	case l.virtual:
		return ErrVirtualIO
	}
	if err := l.reactor.Open(); err == poll.ErrUnsupported {
		return ErrNoPoller
	} else if err != nil {
		return fmt.Errorf("asyncio: cannot make a poller: %w", err)
	}
	l.posted.mu.Lock()
	l.posted.poller = l.reactor.Poller()
	l.posted.mu.Unlock()
	return nil
}

// needIO is needPoller for everything that does without a poller where the system has none.
func (l *Loop) needIO() error {
	if err := l.needPoller(); err != ErrNoPoller {
		return err
	}
	return nil
}

// polls reports whether descriptors are polled. Otherwise their calls block, on goroutines.
func (l *Loop) polls() bool { return l.reactor.Poller() != nil }

// dropCallbacks removes the callbacks of the caller's descriptor and wakes its tasks, before it
// is closed. The open file lives on in a duplicate, so epoll would go on reporting it.
func (l *Loop) dropCallbacks(fd int) {
	if c, ok := l.reactor.Handler(fd).(*fdCallbacks); ok {
		l.reactor.Remove(fd)
		c.OnLost()
	}
}

// AddReader makes the loop call fn whenever fd is readable or at its end: once a turn, for as
// long as that lasts. fn replaces the callback of an earlier AddReader. fd must be non-blocking,
// and remains the caller's: call RemoveReader before closing it. AddReader returns an error if
// the system cannot poll fd, if a stream of the loop owns it, or if the loop is closed, and
// ErrVirtualIO in virtual time. Like the three calls below it does not suspend, and may be made
// before the loop runs. It is asyncio's add_reader.
func (l *Loop) AddReader(fd int, fn func()) error {
	return l.addCallback(fd, poll.Read, fn)
}

// AddWriter is AddReader for writing: the loop calls fn whenever fd has room. It is asyncio's
// add_writer.
func (l *Loop) AddWriter(fd int, fn func()) error {
	return l.addCallback(fd, poll.Write, fn)
}

// RemoveReader undoes AddReader, and reports whether there was a callback to remove. It is
// asyncio's remove_reader.
func (l *Loop) RemoveReader(fd int) bool { return l.removeCallback(fd, poll.Read) }

// RemoveWriter undoes AddWriter, and reports whether there was a callback to remove. It is
// asyncio's remove_writer.
func (l *Loop) RemoveWriter(fd int) bool { return l.removeCallback(fd, poll.Write) }

func (l *Loop) addCallback(fd int, way poll.Ready, fn func()) error {
	l.checkCallback(fn == nil)
	c, err := l.callbacksOf(fd)
	if err != nil {
		return err
	}
	side := c.side(way)
	old := side.callback
	side.callback = &Handle{loop: l, fn: fn}
	if err := c.arm(0); err != nil {
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
	c, ok := l.reactor.Handler(fd).(*fdCallbacks)
	if !ok || c.side(way).callback == nil {
		return false
	}
	c.side(way).callback.Cancel()
	c.side(way).callback = nil
	_ = c.arm(0) // the descriptor may be closed
	return true
}

// callbacksOf returns the callbacks of fd, which is the caller's. The reactor keeps them from
// then on, for the next time that the number is used.
func (l *Loop) callbacksOf(fd int) (*fdCallbacks, error) {
	if err := l.needPoller(); err != nil {
		return nil, err
	}
	if err := l.checkNotOwned(fd); err != nil {
		return nil, err
	}
	if c, ok := l.reactor.Handler(fd).(*fdCallbacks); ok {
		return c, nil
	}
	if _, err := netfd.IsNonblock(fd); err != nil { // before the reactor's table grows
		return nil, fmt.Errorf("asyncio: bad descriptor %d: %w", fd, err)
	}
	c := &fdCallbacks{loop: l, fd: fd}
	l.reactor.Enter(fd, c)
	return c, nil
}

// checkNotOwned returns an error if a descriptor belongs to one of the loop's streams, servers or
// datagram endpoints.
func (l *Loop) checkNotOwned(fd int) error {
	switch l.reactor.Handler(fd).(type) {
	case nil, *fdCallbacks:
		return nil
	}
	return fmt.Errorf("asyncio: descriptor %d belongs to a stream", fd)
}

// fdCallbacks holds the callbacks of a descriptor of the caller's, and the tasks that wait for
// it. With a callback, the descriptor is polled level triggered. While only tasks wait, it is
// armed for one event at a time. That costs a system call for each wait, but leaves nothing
// registered afterwards. So the caller may then close the descriptor even if a duplicate stays
// open; otherwise epoll would go on reporting it.
type fdCallbacks struct {
	loop   *Loop
	fd     int
	share  quota // system calls that the Sock methods make in one turn
	reader fdSide
	writer fdSide
}

// fdSide holds the callback and the waiting tasks of one direction.
type fdSide struct {
	callback *Handle
	waiters  waitq
}

func (c *fdCallbacks) side(way poll.Ready) *fdSide {
	if way == poll.Write {
		return &c.writer
	}
	return &c.reader
}

// wants returns the directions for which there is a callback or a waiting task.
func (c *fdCallbacks) wants() (ready poll.Ready) {
	if c.reader.callback != nil || c.reader.waiters.head != nil {
		ready |= poll.Read
	}
	if c.writer.callback != nil || c.writer.waiters.head != nil {
		ready |= poll.Write
	}
	return ready
}

// await suspends the running task until the descriptor is ready.
func (c *fdCallbacks) await(ctx context.Context, way poll.Ready) error {
	if err := c.arm(way); err != nil {
		return fmt.Errorf("asyncio: cannot poll descriptor %d: %w", c.fd, err)
	}
	err := c.side(way).waiters.wait(ctx, waitDescriptor)
	if err != nil && c.wants() == 0 && c.inUse() {
		c.loop.reactor.GiveUp(c.fd)
	}
	return err
}

// arm makes the reactor report the wanted directions, and more. It does so even if nothing has
// changed, since the number may stand for another descriptor by now.
func (c *fdCallbacks) arm(more poll.Ready) (err error) {
	want := c.wants() | more
	if c.reader.callback != nil || c.writer.callback != nil {
		err = c.loop.reactor.Watch(c.fd, want)
	} else {
		err = c.loop.reactor.Await(c.fd, want)
	}
	if err != nil {
		c.OnLost()
	}
	return err
}

// inUse reports whether c is still the reactor's handler for its number.
func (c *fdCallbacks) inUse() bool { return c.loop.reactor.Handler(c.fd) == c }

func (c *fdCallbacks) isArmed() bool { return c.loop.reactor.Expected(c.fd) == c.wants() }

func (c *fdCallbacks) OnReady(ready poll.Ready) {
	if ready&poll.Read != 0 {
		c.reader.notify(c.loop)
	}
	if ready&poll.Write != 0 {
		c.writer.notify(c.loop)
	}
	if !c.isArmed() {
		c.loop.push(c)
	}
}

// run arms the poller for the tasks that were not woken, unless a woken task has done so by
// waiting again.
func (c *fdCallbacks) run(*Loop) {
	if c.inUse() && !c.isArmed() {
		_ = c.arm(0) // wakes the tasks if it fails
	}
}

func (s *fdSide) notify(l *Loop) {
	s.waiters.wakeAll()
	if s.callback != nil {
		l.push((*fdCall)(s.callback))
	}
}

// OnLost wakes the tasks, which find the reason when they try again.
func (c *fdCallbacks) OnLost() {
	c.reader.waiters.wakeAll()
	c.writer.waiters.wakeAll()
}

// An fdCall is a Handle that is called each time its descriptor is ready, not once.
type fdCall Handle

func (c *fdCall) run(l *Loop) {
	if fn := c.fn; fn != nil {
		l.call(fn)
	}
}
