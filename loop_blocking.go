package asyncio

// This file is about calls that block, such as a read from a net.Conn. They stand in for the poller
// where it cannot help: the system has none, or a connection has no descriptor. Each call runs on
// a goroutine of its own, which then posts the call to the loop.

import (
	"io"
	"net"
	"runtime/debug"
	"sync/atomic"
	"time"
)

// A blockingCall is a call that runs on a goroutine of its own.
type blockingCall interface {
	call()    // makes the call and keeps its outcome
	runnable  // uses the outcome, on the loop
	discard() // frees the outcome, on the goroutine, since the loop is closed
}

// A blocker is a connection, a listener or an endpoint whose calls block. OnLost is called when the
// loop closes. It must end the calls, as closing a net.Conn does.
type blocker interface{ OnLost() }

// blockers are the blockers of a loop, and their calls.
type blockers struct {
	open  map[blocker]struct{}
	calls atomic.Int64  // the calls that have not ended, but for detached ones
	ended chan struct{} // receives a value when calls comes down to 0
}

// add makes the loop close b when the loop itself closes.
func (bs *blockers) add(b blocker) {
	if bs.open == nil {
		bs.open = make(map[blocker]struct{})
	}
	bs.open[b] = struct{}{}
}

func (bs *blockers) remove(b blocker) { delete(bs.open, b) }

// begin makes a call. A detached call cannot be ended, so the loop does not wait for it when it
// closes.
func (bs *blockers) begin(l *Loop, c blockingCall, detached bool) {
	if bs.ended == nil {
		bs.ended = make(chan struct{}, 1)
	}
	if !detached {
		bs.calls.Add(1)
	}
	go func() {
		defer func() { // deferred, since the call may end by runtime.Goexit
			if l.post(c) != nil {
				c.discard()
			}
			if !detached && bs.calls.Add(-1) == 0 {
				select {
				case bs.ended <- struct{}{}:
				default:
				}
			}
		}()
		c.call()
	}()
}

// shut closes a listener or a socket. One of package net is closed when shut returns; another, on a
// goroutine.
func (bs *blockers) shut(l *Loop, c io.Closer) {
	switch c.(type) {
	case *net.TCPListener, *net.UnixListener, *net.UDPConn, *net.UnixConn:
		_ = c.Close()
	default:
		bs.begin(l, closeCall{c}, false)
	}
}

// A closeCall closes something of the program's. That may block.
type closeCall struct{ io.Closer }

func (c closeCall) call() {
	var ignored error
	defer keepPanic(&ignored)
	_ = c.Close()
}

func (closeCall) run(*Loop) {}
func (closeCall) discard()  {}

// close takes all blockers from their owners.
func (bs *blockers) close() {
	for b := range bs.open {
		bs.remove(b)
		b.OnLost()
	}
}

// closePatience is how long the calls may take to end once the loop has closed their connections.
var closePatience = 3 * time.Second

// wait waits until all calls have ended, and reports false if some of them go on.
func (bs *blockers) wait() bool {
	if bs.calls.Load() == 0 {
		return true
	}
	patience := time.NewTimer(closePatience)
	defer patience.Stop()
	for bs.calls.Load() > 0 {
		select {
		case <-bs.ended:
		case <-patience.C:
			return bs.calls.Load() == 0
		}
	}
	return true
}

// keepPanic is deferred around a call of the program's code. It makes a panic the call's error.
func keepPanic(err *error) {
	if r := recover(); r != nil {
		*err = &PanicError{r, debug.Stack()}
	}
}
