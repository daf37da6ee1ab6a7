package asyncio

// This file makes connections and servers with protocols.

import (
	"context"
	"runtime/debug"
)

// CreateConnection connects to a TCP address as OpenConnection does. It makes a protocol with
// factory and a transport that calls it. It suspends until the connection is made, with WithTLS
// also until the handshake is done, and until the protocol's ConnectionMade has returned. The
// protocol receives nothing before CreateConnection returns. If ConnectionMade panics,
// CreateConnection returns the *PanicError. If it is cancelled, it closes the connection. It
// panics if factory is nil or returns nil. It is asyncio's create_connection.
func CreateConnection[P Protocol](ctx context.Context, factory func() P, address string, opts ...ConnectionOption) (*Transport, P, error) {
	checkFactory(factory == nil)
	o := newStreamOptions(opts)
	s, host, err := dialTCP(ctx, address, o)
	return connect(ctx, s, err, o, factory, func() error { return s.encryptClient(ctx, host, o) })
}

// CreateUnixConnection is CreateConnection for the path of a unix socket, and suspends like it. It
// is asyncio's create_unix_connection.
func CreateUnixConnection[P Protocol](ctx context.Context, factory func() P, path string, opts ...UnixConnectionOption) (*Transport, P, error) {
	checkFactory(factory == nil)
	o := newStreamOptions(opts)
	s, err := dialUnix(ctx, path, o)
	return connect(ctx, s, err, o, factory, func() error { return s.encryptClient(ctx, "", o) })
}

// ConnectAcceptedSocket makes a protocol with factory and a transport that calls it, over a
// connection that the caller has accepted, with SockAccept for instance. sock is what [WithSocket]
// takes for a connection, and becomes the loop's under the same conditions. With WithTLS, this side
// is the server. It suspends like CreateConnection. It is asyncio's connect_accepted_socket.
func ConnectAcceptedSocket[P Protocol](ctx context.Context, factory func() P, sock any, opts ...TLSOption) (*Transport, P, error) {
	checkFactory(factory == nil)
	o := newStreamOptions(opts)
	s, err := running(ctx).loop.adoptStream(sock, "", true, o)
	return connect(ctx, s, err, o, factory, func() error {
		if o.tls == nil {
			return nil
		}
		return s.startTLS(ctx, o.tls, true, o)
	})
}

// connect calls encrypt, and makes a protocol and its transport over a connected stream. If that
// fails, it closes the stream. If err is not nil, there is no stream, and connect returns err.
func connect[P Protocol](ctx context.Context, s *stream, err error, o *streamOptions, factory func() P, encrypt func() error) (_ *Transport, p P, _ error) {
	if err != nil {
		return nil, p, err
	}
	done := false
	defer func() { // deferred, since factory may panic
		if !done {
			s.writer.Close()
		}
	}()
	p = makeProtocol(factory)
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
	o.closeOriginals()
	return t, p, nil
}

// CreateServer listens on a TCP address as StartServer does, and calls factory for a protocol for
// each connection. It suspends while it looks a name up. The server counts a connection until its
// socket is closed. A factory that panics or returns nil is reported, and closes that connection
// alone. CreateServer panics if factory is nil. It is asyncio's create_server.
func CreateServer[P Protocol](ctx context.Context, factory func() P, address string, opts ...ServerOption) (*Server, error) {
	return startServer(ctx, byProtocol(factory), address, newStreamOptions(opts))
}

// CreateUnixServer is CreateServer for the path of a unix socket, which it treats as
// StartUnixServer does. It does not suspend. It is asyncio's create_unix_server.
func CreateUnixServer[P Protocol](ctx context.Context, factory func() P, path string, opts ...UnixServerOption) (*Server, error) {
	return startUnixServer(ctx, byProtocol(factory), path, newStreamOptions(opts))
}

// byProtocol returns a function that makes a protocol for a connection.
func byProtocol[P Protocol](factory func() P) func(*connection) {
	checkFactory(factory == nil)
	return func(c *connection) { c.beginProtocol(func() Protocol { return makeProtocol(factory) }) }
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
	}), startLater) // isReturned needs c.task
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
