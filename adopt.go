package asyncio

// This file finds out what the sockets are that the caller has already, and makes streams of them.

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"reflect"
	"syscall"

	"github.com/go-asyncio/asyncio/internal/netfd"
)

// checkSockets returns an error if the call cannot use the sockets of WithSocket.
func (o *streamOptions) checkSockets(server bool, addresses ...string) error {
	for _, address := range addresses {
		if address != "" {
			return fmt.Errorf("asyncio: WithSocket and the address %q", address)
		}
	}
	switch {
	case o.newOnly != "":
		return fmt.Errorf("asyncio: %s with WithSocket", o.newOnly)
	case len(o.sockets) > 1 && !server:
		return errors.New("asyncio: several sockets for one connection")
	}
	return nil
}

// closeOriginals is called when a call has succeeded.
func (o *streamOptions) closeOriginals() {
	for _, closeOriginal := range o.originals {
		closeOriginal()
	}
}

// A foundSocket is a socket of the caller's: a duplicate of its descriptor, if it is polled, or
// else a net.Conn, a net.Listener or a net.PacketConn. Only a duplicate is used, where there can be
// one, so that the original can remain the caller's.
type foundSocket[T io.Closer] struct {
	original      any // its descriptor or a pointer, or nil if it is neither
	fd            int // of the duplicate, or -1
	value         T   // if fd is -1
	closeOriginal func()
	discard       func() // closes the duplicate
}

// findSocket finds out what sock is. fromFile makes a T of a file, where there is no poller.
func findSocket[T io.Closer](l *Loop, sock any, fromFile func(*os.File) (T, error)) (*foundSocket[T], error) {
	found := &foundSocket[T]{fd: -1, closeOriginal: func() {}, discard: func() {}}
	if v := reflect.ValueOf(sock); !v.IsValid() || v.Kind() == reflect.Pointer && v.IsNil() {
		return nil, fmt.Errorf("asyncio: the socket is nil: %T", sock)
	} else if v.Kind() == reflect.Pointer {
		found.original = sock
	}
	var err error
	switch s := sock.(type) {
	case int:
		err = found.duplicate(l, s, nil)
	case uintptr:
		err = found.duplicate(l, int(s), nil)
	case *os.File:
		err = found.duplicateOf(l, s, s)
	case *net.TCPConn, *net.UnixConn, *net.UDPConn, *net.TCPListener, *net.UnixListener:
		// A type of the program's may embed one of these, and add to it. So this is not for others.
		var right bool
		switch found.value, right = sock.(T); {
		case !right:
			return nil, unusable[T](sock)
		case l.polls():
			err = found.duplicateOf(l, s.(syscall.Conn), s.(io.Closer))
		default:
			found.closeOriginal = func() { keepPath(s) }
		}
	case T:
		found.value = s
	default:
		return nil, unusable[T](sock)
	}
	if err == nil && found.fd >= 0 && !l.polls() {
		err = found.leaveDescriptor(fromFile)
	}
	return found, err
}

func unusable[T any](sock any) error {
	return fmt.Errorf("asyncio: cannot use a %T as a %v", sock, reflect.TypeFor[T]())
}

// duplicateOf is duplicate for the descriptor of sock.
func (s *foundSocket[T]) duplicateOf(l *Loop, sock syscall.Conn, closer io.Closer) error {
	raw, err := sock.SyscallConn()
	if err != nil {
		return err
	}
	if failed := raw.Control(func(fd uintptr) { err = s.duplicate(l, int(fd), closer) }); failed != nil {
		return net.ErrClosed
	}
	return err
}

// duplicate makes the duplicate of a descriptor. The original is closed by closer, or as a
// descriptor if closer is nil, and never if it is that of a standard stream: see isStandard.
func (s *foundSocket[T]) duplicate(l *Loop, fd int, closer io.Closer) (err error) {
	if err := l.checkNotOwned(fd); err != nil {
		return err
	}
	if s.fd, err = netfd.Duplicate(fd); err != nil {
		s.fd = -1
		return err
	}
	s.original = fd
	s.discard = func() { netfd.Close(s.fd) }
	s.closeOriginal = func() {
		if fd <= 2 {
			return
		}
		l.dropCallbacks(fd)
		if closer == nil {
			netfd.Close(fd)
			return
		}
		keepPath(closer)
		_ = closer.Close()
	}
	return nil
}

// keepPath makes closing a listener of package net leave its path alone, which the server removes.
func keepPath(sock any) {
	if unix, ok := sock.(interface{ SetUnlinkOnClose(bool) }); ok { // a *net.UnixListener, except on Plan 9
		unix.SetUnlinkOnClose(false)
	}
}

// leaveDescriptor makes the socket a T, since its descriptor cannot be polled.
func (s *foundSocket[T]) leaveDescriptor(fromFile func(*os.File) (T, error)) (err error) {
	f := os.NewFile(uintptr(s.fd), "socket")
	defer f.Close()
	s.fd = -1
	if s.value, err = fromFile(f); err == nil {
		s.discard = func() { _ = s.value.Close() }
	}
	return err
}

// adoptClient makes a stream of the socket given to a client. network is the only one that the call
// accepts, or empty.
func (l *Loop) adoptClient(address, network string, o *streamOptions) (*stream, error) {
	if err := o.checkSockets(false, address); err != nil {
		return nil, err
	}
	return l.adoptStream(o.sockets[0], network, false, o)
}

// adoptStream makes a stream of a connected socket.
func (l *Loop) adoptStream(sock any, network string, serverSide bool, o *streamOptions) (*stream, error) {
	if err := l.needIO(); err != nil {
		return nil, err
	}
	found, err := findSocket(l, sock, net.FileConn)
	if err != nil {
		return nil, err
	}
	if err := checkConnection(found, network, serverSide, o); err != nil {
		found.discard()
		return nil, err
	}
	var s *stream
	if found.fd < 0 {
		s = openNetConn(l, found.value, o)
	} else {
		network, _ := netfd.Network(found.fd)
		if s, err = openSocket(l, found.fd, network, nil, o); err != nil {
			return nil, err
		}
	}
	s.serverSide = serverSide
	o.originals = append(o.originals, found.closeOriginal)
	return s, nil
}

// checkConnection returns an error if a socket is not connected, the options do not fit it, or the
// call accepts only sockets of another network, wanted.
func checkConnection(found *foundSocket[net.Conn], wanted string, serverSide bool, o *streamOptions) error {
	var network string
	if found.fd >= 0 {
		var err error
		if network, err = streamNetwork(found.fd); err != nil {
			return err
		}
		if netfd.RemoteAddr(found.fd, network) == nil {
			return errNotConnected
		}
	} else if addr := found.value.LocalAddr(); addr != nil {
		network = addr.Network()
	}
	switch network {
	case "udp", "unixgram", "ip":
		return net.UnknownNetworkError(network)
	case "tcp", "unix":
		if found.fd < 0 && found.value.RemoteAddr() == nil {
			return errNotConnected
		}
	}
	return o.checkAdopted(wanted, network, serverSide)
}

var errNotConnected = errors.New("asyncio: the socket is not connected")

// checkAdopted returns an error if the options do not fit a socket of the network found, or the call
// accepts only another, wanted.
func (o *streamOptions) checkAdopted(wanted, found string, serverSide bool) error {
	switch {
	case wanted != "" && wanted != found:
		return net.UnknownNetworkError(found)
	case found == "unix":
		return o.check("unix", serverSide)
	default:
		return o.check("tcp", serverSide)
	}
}

// streamNetwork returns the network of a stream socket: tcp or unix.
func streamNetwork(fd int) (string, error) {
	network, err := netfd.Network(fd)
	if err == nil && network != "tcp" && network != "unix" {
		err = net.UnknownNetworkError(network)
	}
	return network, err
}

// adopt makes listeners of the sockets given to a server.
func (s *Server) adopt(address string) error {
	found, err := s.findSockets(address)
	if err != nil {
		return err
	}
	for i, f := range found {
		ln, err := s.adoptListener(f)
		if err != nil {
			for _, f := range found[i+1:] {
				f.discard()
			}
			return err
		}
		s.sockets = append(s.sockets, ln)
		s.options.originals = append(s.options.originals, f.closeOriginal, ln.ownPath)
	}
	s.options.closeOriginals()
	return nil
}

// findSockets finds out what the sockets given to a server are, and makes them listen. If it cannot
// use one, it has taken none.
func (s *Server) findSockets(address string) (found []*foundSocket[net.Listener], err error) {
	defer func() {
		if err != nil {
			for _, f := range found {
				f.discard()
			}
		}
	}()
	if err := s.options.checkSockets(true, address); err != nil {
		return nil, err
	}
	for _, sock := range s.options.sockets {
		f, err := findSocket(s.loop, sock, s.fileListener)
		if err != nil {
			return found, err
		}
		for _, earlier := range found {
			if f.original != nil && f.original == earlier.original {
				f.discard()
				return found, errors.New("asyncio: the same socket twice")
			}
		}
		found = append(found, f)
		if err := s.checkListener(f); err != nil {
			return found, err
		}
	}
	for _, f := range found {
		if f.fd < 0 {
			continue
		}
		if err := s.makeListen(f.fd); err != nil {
			return found, err
		}
	}
	return found, nil
}

// checkListener returns an error if a socket is not a stream socket, or the server or its options
// are for another network.
func (s *Server) checkListener(found *foundSocket[net.Listener]) (err error) {
	var wanted, network string
	if s.network == "unix" {
		wanted = "unix"
	}
	if found.fd < 0 {
		addr := found.value.Addr()
		if addr == nil {
			return errNoAddress
		}
		network = addr.Network()
	} else if network, err = streamNetwork(found.fd); err != nil {
		return err
	}
	return s.options.checkAdopted(wanted, network, true)
}

// adoptListener makes a listener of a socket that is bound.
func (s *Server) adoptListener(found *foundSocket[net.Listener]) (*listener, error) {
	if found.fd < 0 {
		return s.listenOn(found.value), nil
	}
	ln := &listener{server: s, fd: found.fd}
	if err := ln.adopt(); err != nil {
		ln.close()
		return nil, err
	}
	return ln, nil
}

// adopt registers a socket that listens.
func (ln *listener) adopt() error {
	s := ln.server
	network, err := netfd.Network(ln.fd)
	if err != nil {
		return err
	}
	if ln.addr = system.localAddr(ln.fd, network); ln.addr == nil {
		return errNoAddress
	}
	return s.loop.reactor.Own(ln.fd, ln)
}

// makeListen makes a socket listen, unless it does so already and no backlog is asked for.
func (s *Server) makeListen(fd int) error {
	if netfd.Listening(fd) && s.options.backlog < 0 {
		return nil
	}
	return system.listen(fd, s.backlog())
}

// fileListener makes a net.Listener of a socket.
func (s *Server) fileListener(f *os.File) (net.Listener, error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return nil, err
	}
	if failed := raw.Control(func(fd uintptr) { err = s.makeListen(int(fd)) }); failed != nil {
		return nil, failed
	}
	if err != nil {
		return nil, err
	}
	return net.FileListener(f)
}

// ownPath makes a unix server remove the path of a socket when it is closed.
func (ln *listener) ownPath() {
	if s := ln.server; s.network == "unix" && !s.options.keepSocket {
		ln.path = ln.addr.String()
		ln.file, _ = os.Lstat(ln.path)
	}
}

// adoptDatagrams makes an endpoint of a socket.
func (l *Loop) adoptDatagrams(local, remote string, o *streamOptions) (*DatagramEndpoint, error) {
	if err := o.checkSockets(false, local, remote); err != nil {
		return nil, err
	}
	if err := l.needIO(); err != nil {
		return nil, err
	}
	found, err := findSocket(l, o.sockets[0], net.FilePacketConn)
	if err != nil {
		return nil, err
	}
	if found.fd < 0 {
		o.network, err = packetNetwork(found.value)
	} else if o.network, err = netfd.Network(found.fd); err == nil {
		err = o.checkDatagram()
	}
	if err == nil && o.broadcast && found.fd >= 0 {
		err = netfd.SetBroadcast(found.fd, true)
	}
	if err != nil {
		found.discard()
		return nil, err
	}
	var e *DatagramEndpoint
	if found.fd < 0 {
		e = l.newPacketEndpoint(found.value, o.network, remoteOf(found.value))
	} else if e, err = l.newDatagramEndpoint(found.fd, o.network, netfd.RemoteAddr(found.fd, o.network)); err != nil {
		return nil, err
	}
	o.originals = append(o.originals, found.closeOriginal)
	return e, nil
}

// packetNetwork returns the network of a socket that has no descriptor.
func packetNetwork(sock net.PacketConn) (string, error) {
	addr := sock.LocalAddr()
	if addr == nil {
		return "", errNoAddress
	}
	if addr.Network() == "unix" { // a stream
		return "", net.UnknownNetworkError("unix")
	}
	return addr.Network(), nil
}

// remoteOf returns the address that a socket is connected to, or nil.
func remoteOf(sock net.PacketConn) net.Addr {
	if conn, ok := sock.(net.Conn); ok {
		return conn.RemoteAddr()
	}
	return nil
}
