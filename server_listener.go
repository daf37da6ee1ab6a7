package asyncio

// This file holds the sockets that a server listens on: how they are bound, and how they accept.

import (
	"errors"
	"math"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/go-asyncio/asyncio/internal/netfd"
	"github.com/go-asyncio/asyncio/internal/poll"
)

// A listener is a socket that accepts connections.
type listener struct {
	server *Server
	fd     int          // -1 once closed, or if there is no poller
	below  net.Listener // accepts if there is no poller, otherwise nil
	call   *connCall    // the pending Accept of below, or one whose connection has no room yet, or nil
	closed bool
	addr   net.Addr
	path   string       // of a unix socket, or empty
	file   os.FileInfo  // the file at path, or nil: the abstract namespace has no files
	queued bool         // in the ready queue
	full   bool         // the server has as many connections as it may have
	failed int          // connections in a row that failed before they were accepted
	retry  *TimerHandle // ends a pause; nil if there is none
}

// A Socket is a socket that a server listens on.
type Socket struct{ l *listener }

// Addr returns the address. If the server asked for port 0, it has the port that the system
// chose.
func (s Socket) Addr() net.Addr { return s.l.addr }

// Fd returns the descriptor, which still belongs to the server.
func (s Socket) Fd() uintptr {
	if fd, ok := descriptor(s.l.below).(int); ok {
		return uintptr(fd)
	}
	return uintptr(s.l.fd)
}

// portTries is the number of ports that the server tries if it was given port 0, to find one that
// is free on all its addresses.
const portTries = 16

// start listens on addrs, and starts serving unless WithoutServing was given.
func (s *Server) start(addrs []net.Addr) (*Server, error) {
	taken, err := s.listenAll(addrs)
	for tries := 1; taken && tries < portTries; tries++ {
		taken, err = s.listenAll(addrs)
	}
	return s.begun(err)
}

// begun starts serving unless WithoutServing was given. If err is not nil, listening has failed, and
// it closes the server.
func (s *Server) begun(err error) (*Server, error) {
	if err != nil {
		s.Close()
		return nil, err
	}
	if s.options.notServing {
		return s, nil
	}
	return s, s.StartServing()
}

// listenAll listens on addrs, or on none if it fails. taken reports that it failed because the
// port that the system chose for the first address is in use on another.
func (s *Server) listenAll(addrs []net.Addr) (taken bool, err error) {
	for i, addr := range addrs {
		addr, chosen := s.withPort(addr)
		ln, err := s.listen(addr)
		another := len(s.sockets) > 0 || i < len(addrs)-1
		switch {
		case err == nil:
			s.sockets = append(s.sockets, ln)
		case another && (errors.Is(err, syscall.EAFNOSUPPORT) || errors.Is(err, errAddrNotAvail)):
			// The system or the machine has no IPv6. The other addresses will do.
		default:
			s.closeSockets()
			taken := chosen && errors.Is(err, errAddrInUse)
			return taken, &net.OpError{Op: "listen", Net: addr.Network(), Addr: addr, Err: err}
		}
	}
	return false, nil
}

// withPort replaces port 0 by the port that the system chose for the first address, and reports
// whether it did.
func (s *Server) withPort(addr net.Addr) (_ net.Addr, chosen bool) {
	tcp, ok := addr.(*net.TCPAddr)
	if !ok || tcp.Port != 0 || len(s.sockets) == 0 {
		return addr, false
	}
	return &net.TCPAddr{IP: tcp.IP, Port: s.sockets[0].addr.(*net.TCPAddr).Port, Zone: tcp.Zone}, true
}

// listen makes a socket that listens on addr.
func (s *Server) listen(addr net.Addr) (_ *listener, err error) {
	if !s.loop.polls() {
		return s.listenNet(addr)
	}
	fd, err := netfd.Socket(addr)
	if err != nil {
		return nil, err
	}
	ln := &listener{server: s, fd: fd}
	defer func() {
		if err != nil {
			ln.close()
		}
	}()
	if tcp, ok := addr.(*net.TCPAddr); ok {
		if err := netfd.SetReuseAddr(fd); err != nil {
			return nil, err
		}
		if tcp.IP.To4() == nil {
			_ = netfd.SetV6Only(fd)
		}
		if s.options.reusePort {
			if err := netfd.SetReusePort(fd); err != nil {
				return nil, err
			}
		}
	}
	if err := system.bind(fd, addr); err != nil {
		return nil, err
	}
	if unix, ok := addr.(*net.UnixAddr); ok {
		ln.path = unix.Name
		ln.file, _ = os.Lstat(unix.Name)
	}
	if err := system.listen(fd, s.backlog()); err != nil {
		return nil, err
	}
	if ln.addr = system.localAddr(fd, s.network); ln.addr == nil {
		return nil, errNoAddress
	}
	if err := s.loop.reactor.Own(fd, ln); err != nil {
		return nil, err
	}
	if s.options.keepSocket {
		ln.file = nil
	}
	return ln, nil
}

var errNoAddress = errors.New("asyncio: the system does not tell the address of a socket")

// backlog returns the number of connections that may wait for the server.
func (s *Server) backlog() int {
	if s.options.backlog < 0 {
		return 100 // as in asyncio
	}
	return min(s.options.backlog, math.MaxInt32)
}

// removeSocket removes the socket at path, if there is one, so that another can be bound there.
func removeSocket(path string) {
	if info, err := os.Lstat(path); err == nil && info.Mode()&os.ModeSocket != 0 {
		_ = os.Remove(path) // if this fails, bind fails with a better error
	}
}

// OnReady is called when there may be a connection to accept.
func (ln *listener) OnReady(poll.Ready) { ln.schedule() }

// schedule makes the loop try to accept connections, if it may do so now.
func (ln *listener) schedule() {
	if ln.server.serving && !ln.queued && !ln.full && ln.retry == nil {
		ln.queued = true
		ln.server.loop.push(ln)
	}
}

const (
	// maxAccepts is the number of connections that a listener accepts in one turn, however many
	// wait. All their handlers take their first steps in the next turn.
	maxAccepts = 16

	// maxFailed is the number of connections in a row that may fail before they are accepted.
	// After that the listener takes the error for its own.
	maxFailed = 1024

	// acceptRetryDelay is how long a listener waits, as asyncio does, when the system has no
	// descriptor or no memory for another connection, and after an error of its own. It must
	// retry by itself: the poller does not report connections again that are waiting already.
	acceptRetryDelay = time.Second
)

// run accepts some of the waiting connections.
func (ln *listener) run(*Loop) {
	ln.queued = false
	s := ln.server
	for range maxAccepts {
		if !s.serving {
			return
		}
		if n := s.options.maxConnections; n > 0 && s.conns.Len() >= n {
			ln.full = true
			return
		}
		st, err := ln.accept()
		switch {
		case err == nil:
			ln.failed = 0
			if st != nil {
				s.serve(st)
			}
		case err == netfd.ErrAgain:
			ln.failed = 0
			return
		case netfd.OnlyOneConnection(err) && ln.failed < maxFailed:
			ln.failed++
			if s.loop.debug {
				s.loop.report(ExceptionContext{Message: "a connection failed before it was accepted", Err: os.NewSyscallError("accept", err)})
			}
		default:
			ln.pause(err)
			return
		}
	}
	ln.schedule()
}

// accept accepts a connection. It returns netfd.ErrAgain if there is none. If it reports that the
// loop has no room for the connection, it returns no stream.
func (ln *listener) accept() (*stream, error) {
	if ln.below != nil {
		return ln.acceptNet()
	}
	fd, peer, err := system.accept(ln.fd)
	if err != nil {
		return nil, err
	}
	s := ln.server
	st, err := openSocket(s.loop, fd, ln.addr.Network(), peer, s.options)
	if err != nil {
		s.loop.report(ExceptionContext{Message: "cannot serve a connection", Err: err})
	}
	return st, nil
}

// pause makes the listener try again after acceptRetryDelay.
func (ln *listener) pause(err error) {
	l := ln.server.loop
	ln.failed = 0
	ln.retry = l.CallLater(acceptRetryDelay, func() {
		ln.retry = nil
		ln.schedule()
	})
	l.report(ExceptionContext{Message: "cannot accept connections for now", Err: os.NewSyscallError("accept", err)})
}

// close closes the socket. A second call does nothing, since the number may be another
// descriptor's by then.
func (ln *listener) close() {
	if ln.closed {
		return
	}
	ln.closed = true
	if ln.retry != nil {
		ln.retry.Cancel()
	}
	if ln.below != nil {
		ln.closeNet()
	} else {
		ln.server.loop.reactor.Remove(ln.fd)
		netfd.Close(ln.fd)
		ln.fd = -1
	}
	if ln.file == nil {
		return
	}
	if now, err := os.Lstat(ln.path); err == nil && os.SameFile(now, ln.file) { // not another server's
		_ = os.Remove(ln.path)
	}
}

// OnLost is called when the loop closes.
func (ln *listener) OnLost() {
	ln.server.serving = false
	ln.close()
}
