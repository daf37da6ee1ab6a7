package asyncio

// This file holds a server's listeners without a poller: each is a net.Listener, on which one
// goroutine calls Accept while the server has room for another connection.

import (
	"context"
	"net"
	"os"
	"syscall"

	"github.com/go-asyncio/asyncio/internal/netfd"
)

// listenNet is listen by package net. The system chooses the backlog.
func (s *Server) listenNet(addr net.Addr) (*listener, error) {
	config := net.ListenConfig{KeepAlive: -1}
	if s.options.reusePort {
		config.Control = reusePort
	}
	network := addr.Network()
	if tcp, ok := addr.(*net.TCPAddr); ok { // otherwise an IPv6 socket takes IPv4, too
		if network = "tcp6"; tcp.IP.To4() != nil {
			network = "tcp4"
		}
	}
	below, err := config.Listen(context.Background(), network, addr.String())
	if err != nil {
		return nil, withoutOp(err)
	}
	ln := s.listenOn(below)
	if unix, ok := below.(interface{ SetUnlinkOnClose(bool) }); ok {
		unix.SetUnlinkOnClose(false) // close removes the file, unless it is another server's by then
		if !s.options.keepSocket {
			ln.path = addr.String()
			ln.file, _ = os.Lstat(ln.path)
		}
	}
	return ln, nil
}

// listenOn makes a listener of a net.Listener, which it takes over.
func (s *Server) listenOn(below net.Listener) *listener {
	ln := &listener{server: s, fd: -1, below: below, addr: below.Addr()}
	s.loop.blockers.add(ln)
	return ln
}

// reusePort is the Control function of WithReusePort.
func reusePort(_, _ string, c syscall.RawConn) (err error) {
	failed := c.Control(func(fd uintptr) { err = netfd.SetReusePort(int(fd)) })
	if failed != nil {
		return failed
	}
	return err
}

// acceptNet is accept without a poller. If no connection has come, it lets a goroutine wait for one.
func (ln *listener) acceptNet() (*stream, error) {
	c := ln.call
	if c == nil {
		ln.call = &connCall{loop: ln.server.loop, get: ln.below.Accept, then: ln.onAccepted}
		ln.call.begin()
		return nil, netfd.ErrAgain
	}
	if !c.done {
		return nil, netfd.ErrAgain
	}
	ln.call = nil
	switch err := reasonOf(c.err); err {
	case nil:
	case netfd.ErrAgain: // the listener's own error: the caller would wait for OnReady
		return nil, os.NewSyscallError("accept", err)
	default:
		return nil, err
	}
	conn := c.take()
	st, err := ln.open(conn)
	if err != nil {
		ln.server.loop.blockers.shut(ln.server.loop, conn)
	}
	return st, err
}

// open makes a stream of a connection, whose methods may panic.
func (ln *listener) open(conn net.Conn) (_ *stream, err error) {
	defer keepPanic(&err)
	return openNetConn(ln.server.loop, conn, ln.server.options), nil
}

// closeNet is close without a poller.
func (ln *listener) closeNet() {
	ln.server.loop.blockers.remove(ln)
	ln.server.loop.blockers.shut(ln.server.loop, ln.below)
	if ln.call != nil {
		ln.call.discard()
	}
}

// onAccepted is called when Accept has returned.
func (ln *listener) onAccepted() {
	if ln.closed {
		ln.call.discard()
	} else {
		ln.schedule()
	}
}
