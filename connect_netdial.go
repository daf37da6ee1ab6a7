package asyncio

// This file connects without a poller, by package net.

import (
	"context"
	"errors"
	"net"
	"os"
	"sync/atomic"
	"time"

	"github.com/go-asyncio/asyncio/internal/netfd"
)

// A connCall is a blocking call that returns a connection. If nobody takes the connection, because
// the task was cancelled or the loop has closed, it is closed.
type connCall struct {
	loop *Loop
	get  func() (net.Conn, error)
	then func() // called on the loop when the call has ended
	conn atomic.Pointer[net.Conn]
	err  error
	done bool
}

// begin makes the call. It calls then on the loop.
func (c *connCall) begin() {
	c.loop.blockers.add(c)
	c.loop.blockers.begin(c.loop, c, false)
}

func (c *connCall) call() {
	c.err = errCallGoexit
	defer keepPanic(&c.err)
	conn, err := c.get()
	if err == nil && conn == nil {
		err = errNoConnection
	}
	if c.err = err; err == nil {
		c.conn.Store(&conn)
	}
}

var errNoConnection = errors.New("asyncio: Accept returned neither a connection nor an error")

func (c *connCall) run(l *Loop) {
	l.blockers.remove(c)
	c.done = true
	c.then()
}

// take returns the connection, or nil if it was taken before.
func (c *connCall) take() net.Conn {
	if conn := c.conn.Swap(nil); conn != nil {
		return *conn
	}
	return nil
}

func (c *connCall) discard() {
	var ignored error
	defer keepPanic(&ignored)
	if conn := c.take(); conn != nil {
		_ = conn.Close()
	}
}

// OnLost is called when the loop closes.
func (c *connCall) OnLost() { c.discard() }

// dialNet is dial by package net.
func (l *Loop) dialNet(ctx context.Context, addr, local net.Addr, o *streamOptions) (*stream, error) {
	for delay := time.Millisecond; ; delay = min(2*delay, maxRetryDelay) {
		conn, err := l.dialOnce(ctx, addr, local)
		switch {
		case err == nil && isSelf(conn.LocalAddr(), conn.RemoteAddr()):
			_ = conn.Close()
			return nil, dialError(addr, os.NewSyscallError("connect", errConnRefused))
		case err == nil:
			return openNetConn(l, conn, o), nil
		case !errors.Is(err, netfd.ErrAgain): // the backlog of a unix server is full
			return nil, err
		}
		if err := Sleep(ctx, delay); err != nil {
			return nil, err
		}
	}
}

func (l *Loop) dialOnce(ctx context.Context, addr, local net.Addr) (net.Conn, error) {
	dialCtx, cancel := context.WithCancel(context.Background())
	d := net.Dialer{LocalAddr: local, KeepAlive: -1}
	var waiting waitq
	c := &connCall{loop: l, then: waiting.wakeAll, get: func() (net.Conn, error) {
		return d.DialContext(dialCtx, addr.Network(), addr.String())
	}}
	defer func() { // deferred, since the task may be unwound
		cancel()
		c.then = c.discard
		c.discard()
	}()
	c.begin()
	for !c.done {
		if err := waiting.wait(ctx, waitConnection); err != nil {
			return nil, err
		}
	}
	if c.err != nil {
		return nil, dialError(addr, withoutOp(c.err))
	}
	return c.take(), nil
}

// withoutOp returns the cause of an error of package net, which the caller gives a form of its own.
func withoutOp(err error) error {
	if op, ok := err.(*net.OpError); ok {
		return portableError(op.Err)
	}
	return err
}

// reasonOf returns the system's error in an error of package net.
func reasonOf(err error) error {
	err = withoutOp(err)
	if call, ok := err.(*os.SyscallError); ok {
		return call.Err
	}
	return err
}
