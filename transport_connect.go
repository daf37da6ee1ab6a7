package asyncio

// This file is about how connections with protocols are made.

import (
	"context"
	"net"
	"runtime/debug"

	"github.com/go-asyncio/asyncio/internal/netfd"
)

// CreateConnection connects to a TCP address as OpenConnection does, and has the protocol that
// factory makes served by a transport. It suspends until the connection is made, with WithTLS the
// handshake, too, and the protocol's ConnectionMade was called. If it is cancelled it closes what
// it has made. It is asyncio's create_connection.
func CreateConnection[P Protocol](ctx context.Context, factory func() P, address string, opts ...ConnectionOption) (*Transport, P, error) {
	checkFactory(factory == nil)
	o := newStreamOptions(opts)
	s, host, err := dialTCP(ctx, address, o)
	return connect(ctx, s, err, factory, func() error { return s.encryptClient(ctx, host, o) })
}

// CreateUnixConnection is CreateConnection for the path of a unix socket, and suspends like it. It
// is asyncio's create_unix_connection.
func CreateUnixConnection[P Protocol](ctx context.Context, factory func() P, path string, opts ...TLSOption) (*Transport, P, error) {
	checkFactory(factory == nil)
	o := newStreamOptions(opts)
	s, err := dialUnix(ctx, path, o)
	return connect(ctx, s, err, factory, func() error { return s.encryptClient(ctx, "", o) })
}

// ConnectAcceptedSocket has the protocol that factory makes served by a transport over a connected
// TCP or unix socket that something else has accepted, such as SockAccept. It takes the descriptor
// over, unless that is no such socket, the options are wrong or the loop cannot have descriptors:
// then it returns an error and leaves the descriptor to the caller. With WithTLS it is the server's
// side. It suspends as CreateConnection does. It is asyncio's connect_accepted_socket.
func ConnectAcceptedSocket[P Protocol](ctx context.Context, factory func() P, fd int, opts ...TLSOption) (*Transport, P, error) {
	checkFactory(factory == nil)
	o := newStreamOptions(opts)
	s, err := adopt(running(ctx).loop, fd, o)
	return connect(ctx, s, err, factory, func() error {
		if o.tls == nil {
			return nil
		}
		return s.startTLS(ctx, o.tls, true, o.handshakeTimeout)
	})
}

// adopt makes a stream of a socket that was accepted, which it takes over.
func adopt(l *Loop, fd int, o *streamOptions) (*stream, error) {
	if err := l.needPoller(); err != nil {
		return nil, err
	}
	network, err := netfd.Network(fd)
	if err != nil {
		return nil, err
	}
	if network != "tcp" && network != "unix" {
		return nil, net.UnknownNetworkError(network)
	}
	if err := o.check(network, true); err != nil {
		return nil, err
	}
	if err := netfd.SetNonblock(fd); err != nil {
		return nil, err
	}
	s, err := openSocket(l, fd, network, nil, o)
	if err == nil {
		s.serverSide = true
	}
	return s, err
}

// connect makes a protocol and its transport over a connected stream, once encrypt has been
// called. It closes a stream with which that fails.
func connect[P Protocol](ctx context.Context, s *stream, err error, factory func() P, encrypt func() error) (_ *Transport, p P, _ error) {
	if err != nil {
		return nil, p, err
	}
	done := false
	defer func() {
		if !done {
			s.writer.Close()
		}
	}()
	p = factory()
	if err := encrypt(); err != nil {
		return nil, p, err
	}
	t := newTransport(s, p)
	done = true
	for !t.made {
		if err := t.opening.wait(ctx, waitProtocol); err != nil {
			_ = t.Close()
			return nil, p, err
		}
	}
	if t.cause != nil {
		return nil, p, t.cause
	}
	return t, p, nil
}

// CreateServer listens on a TCP address as StartServer does, and has each connection served by a
// protocol that factory makes. It suspends while it looks a name up. A connection counts for the
// server until its socket is closed. A panic in factory is reported and closes that connection. It
// is asyncio's create_server.
func CreateServer[P Protocol](ctx context.Context, factory func() P, address string, opts ...ServerOption) (*Server, error) {
	return startServer(ctx, byProtocol(factory), address, newStreamOptions(opts))
}

// CreateUnixServer is CreateServer for the path of a unix socket, as StartUnixServer is. It does
// not suspend. It is asyncio's create_unix_server.
func CreateUnixServer[P Protocol](ctx context.Context, factory func() P, path string, opts ...UnixServerOption) (*Server, error) {
	return startUnixServer(ctx, byProtocol(factory), path, newStreamOptions(opts))
}

// byProtocol has a protocol serve each connection.
func byProtocol[P Protocol](factory func() P) func(*connection) {
	checkFactory(factory == nil)
	return func(c *connection) { c.beginProtocol(func() Protocol { return factory() }) }
}

// beginProtocol makes the connection's protocol and, after a handshake, its transport.
func (c *connection) beginProtocol(factory func() Protocol) {
	l := c.server.loop
	defer func() {
		if r := recover(); r != nil {
			l.report(ExceptionContext{Message: "panic in a protocol factory", Err: &PanicError{r, debug.Stack()}})
			c.abort()
		}
	}()
	p := factory()
	if c.server.options.tls == nil {
		c.transport = newTransport(c.stream, p)
		return
	}
	c.task = CreateTask(c.server.ctx, Do(func(ctx context.Context) error {
		if c.encrypt(ctx) {
			c.transport = newTransport(c.stream, p)
		}
		return nil
	}))
	c.task.AddDoneCallback(func(t *Task[None]) {
		if err := t.Exception(); err != nil && !isCancelled(err) { // a panic in a function of the TLS config
			l.report(ExceptionContext{Message: "unhandled error in a connection's handshake", Err: err, Task: t.Name()})
		}
		if c.transport == nil || c.server.aborting {
			c.onReturned()
		} else {
			c.leave()
		}
	})
}
