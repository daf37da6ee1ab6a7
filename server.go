package asyncio

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime/debug"
	"strings"
	"time"
)

// A ConnectionHandler serves a connection, in a task of its own. When it returns, or its task is
// cancelled before it has begun, the connection is closed once the written bytes are sent. An
// error or a panic of the handler ends this connection alone. It is reported to the exception
// handler, unless it is a cancellation.
type ConnectionHandler = func(ctx context.Context, r *StreamReader, w *StreamWriter) error

// A Server accepts connections and has a handler serve each one. Only its loop's tasks and
// callbacks may use it. Serve, WaitClosed and Shutdown suspend; its other methods do not. It is
// asyncio.Server.
//
// There are three ways to close it, each going further than the one before:
//
//   - [Server.Close] stops listening, and waits for nothing;
//   - [Server.CloseClients] and [Server.AbortClients] close the connections, and
//     [Server.WaitClosed] waits until all are closed. [Server.Serve] does all this when it is
//     cancelled. A handler whose connection is closed may go on, since it may be waiting for
//     something else. It ends by itself, or is cancelled with all other tasks at the end of the
//     run;
//   - [Server.Shutdown] also waits for the handlers, and cancels those that still run when the
//     grace period is over.
//
// [WithMaxConnections] counts a connection until it is closed and its handler has returned.
type Server struct {
	loop     *Loop
	ctx      context.Context
	begin    func(*connection) // starts the handler or the protocol of a connection
	options  *streamOptions
	network  string
	sockets  []*listener
	serving  bool
	closed   bool
	aborting bool      // the grace period of Shutdown is over
	conns    list.List // of *connection, in the order in which they were accepted
	open     int       // connections that are not closed; conns also holds closed ones whose handlers still run

	closing   waitq // tasks in Serve
	allClosed waitq // tasks that wait until the server is closed and open is 0
	allEnded  waitq // tasks that wait until the server is closed and conns is empty
}

// StartServer listens on a TCP address, "host:port", and has handler serve each connection in a
// task that is created with ctx. An empty host means all addresses of this machine; port 0 means
// that the system chooses a free port. It suspends while it looks a name up. It returns an error
// if it cannot listen; see [WithoutServing] to accept connections later. The server lives until
// it or its loop is closed. It is asyncio.start_server.
func StartServer(ctx context.Context, handler ConnectionHandler, address string, opts ...ServeOption) (*Server, error) {
	return startServer(ctx, byHandler(handler), address, newStreamOptions(opts))
}

func startServer(ctx context.Context, begin func(*connection), address string, o *streamOptions) (*Server, error) {
	s, err := newServer(ctx, begin, "tcp", o)
	if err != nil {
		return nil, err
	}
	if o.sockets != nil {
		return s.begun(s.adopt(address))
	}
	addrs, err := s.addrs(ctx, address)
	if err != nil {
		return nil, err
	}
	return s.start(addrs)
}

// addrs looks up the addresses to listen on, of address and of the same port on the other hosts.
func (s *Server) addrs(ctx context.Context, address string) ([]net.Addr, error) {
	addresses := []string{address}
	if len(s.options.hosts) > 0 {
		_, port, err := net.SplitHostPort(address)
		if err != nil {
			return nil, fmt.Errorf("asyncio: %w", err)
		}
		for _, host := range s.options.hosts {
			addresses = append(addresses, net.JoinHostPort(host, port))
		}
	}
	var addrs []net.Addr
	seen := make(map[netip.AddrPort]bool)
	for _, address := range addresses {
		found, err := s.loop.localAddrs(ctx, s.options.network, address)
		if err != nil {
			return nil, err
		}
		for _, a := range found {
			if !seen[a] {
				seen[a] = true
				addrs = append(addrs, net.TCPAddrFromAddrPort(a))
			}
		}
	}
	return addrs, nil
}

// StartUnixServer is StartServer for the path of a unix socket. It replaces a socket that an
// earlier server has left there. When it is closed, it removes its own, but not one that has
// replaced it; see [WithoutCleanupSocket]. It does not suspend. It is asyncio.start_unix_server.
func StartUnixServer(ctx context.Context, handler ConnectionHandler, path string, opts ...UnixServeOption) (*Server, error) {
	return startUnixServer(ctx, byHandler(handler), path, newStreamOptions(opts))
}

func startUnixServer(ctx context.Context, begin func(*connection), path string, o *streamOptions) (*Server, error) {
	s, err := newServer(ctx, begin, "unix", o)
	if err != nil {
		return nil, err
	}
	if o.sockets != nil {
		return s.begun(s.adopt(path))
	}
	removeSocket(path)
	return s.start([]net.Addr{&net.UnixAddr{Name: path, Net: "unix"}})
}

// byHandler returns a function that starts handler in a task of its own.
func byHandler(handler ConnectionHandler) func(*connection) {
	if handler == nil {
		panic("asyncio: nil handler")
	}
	return func(c *connection) {
		run := Do(func(ctx context.Context) error { return c.run(ctx, handler) })
		c.task = CreateTask(c.server.ctx, run, startLater) // isReturned needs c.task
		c.task.AddDoneCallback(func(*Task[None]) { c.onReturned() })
	}
}

func newServer(ctx context.Context, begin func(*connection), network string, o *streamOptions) (*Server, error) {
	l := RunningLoop(ctx)
	l.check()
	if err := o.check(network, true); err != nil {
		return nil, err
	}
	if err := l.needIO(); err != nil {
		return nil, err
	}
	return &Server{loop: l, ctx: ctx, begin: begin, network: network, options: o}, nil
}

// StartServing starts accepting connections, unless the server does so already. After Close it
// returns net.ErrClosed. It is asyncio's start_serving.
func (s *Server) StartServing() error {
	s.loop.check()
	if s.closed {
		return net.ErrClosed
	}
	if s.serving {
		return nil
	}
	s.serving = true
	for _, ln := range s.sockets {
		ln.schedule()
	}
	return nil
}

// IsServing reports whether the server accepts connections. It is asyncio's is_serving.
func (s *Server) IsServing() bool { return s.serving }

// Sockets returns the sockets that the server listens on, or none after Close. It is asyncio's
// sockets.
func (s *Server) Sockets() []Socket {
	sockets := make([]Socket, len(s.sockets))
	for i, ln := range s.sockets {
		sockets[i] = Socket{ln}
	}
	return sockets
}

// Addr returns the address of the first socket, or nil after Close.
func (s *Server) Addr() net.Addr {
	if len(s.sockets) == 0 {
		return nil
	}
	return s.sockets[0].addr
}

// Serve accepts connections and suspends until the server is closed. It returns nil then, but
// net.ErrClosed if the server was closed before the call. If Serve is cancelled, it closes the
// server and its connections, waits as WaitClosed does, and returns the cancellation. It does not
// wait for handlers, but it does wait for clients to read the bytes sent to them; a second
// cancellation ends that wait. It is asyncio's serve_forever.
func (s *Server) Serve(ctx context.Context) error {
	if err := s.StartServing(); err != nil {
		return err
	}
	err := s.closing.wait(ctx, waitServer)
	if err != nil {
		s.Close()
		s.CloseClients()
		_ = s.WaitClosed(context.WithoutCancel(ctx)) // if ctx is done, no call can wait under it
	}
	return err
}

// Close stops accepting connections. The connections already accepted go on. It never suspends,
// and a second Close does nothing. It is asyncio's close.
func (s *Server) Close() {
	s.loop.check()
	if s.closed {
		return
	}
	s.closed, s.serving = true, false
	s.closeSockets()
	s.closing.wakeAll()
	s.wakeWaiting()
}

func (s *Server) closeSockets() {
	for _, ln := range s.sockets {
		ln.close()
	}
	s.sockets = nil
}

// CloseClients closes all connections, each once its written bytes are sent. The handlers then
// read io.EOF. It is asyncio's close_clients.
func (s *Server) CloseClients() {
	for c := range s.connections {
		c.close()
	}
}

// AbortClients closes all connections at once, as StreamWriter.Abort does. It is asyncio's
// abort_clients.
func (s *Server) AbortClients() {
	for c := range s.connections {
		c.abort()
	}
}

// WaitClosed suspends until the server and all its connections are closed. It does not wait for
// handlers whose connections are closed. Its only error is a cancellation. It is asyncio's
// wait_closed.
func (s *Server) WaitClosed(ctx context.Context) error {
	for !s.closed || s.open > 0 {
		if err := s.allClosed.wait(ctx, waitServerEnd); err != nil {
			return err
		}
	}
	return nil
}

// Shutdown closes the server and suspends until all connections are closed and all handlers have
// returned. Once the time grace is over, it cancels the handlers that still run, drops the bytes
// that their clients have not read, and waits until the handlers have returned. If Shutdown is
// cancelled, it returns at once and the handlers go on. It has no counterpart in asyncio.
func (s *Server) Shutdown(ctx context.Context, grace time.Duration) error {
	s.Close()
	err := Timeout(ctx, grace, func(ctx context.Context, _ *TimeoutScope) error { return s.waitEnded(ctx) })
	if !errors.Is(err, ErrTimeout) {
		return err
	}
	s.aborting = true
	for c := range s.connections {
		if c.isReturned() {
			c.abort()
		} else {
			c.task.Cancel()
		}
	}
	return s.waitEnded(ctx)
}

// waitEnded waits until no handler runs and no connection is open.
func (s *Server) waitEnded(ctx context.Context) error {
	for s.conns.Len() > 0 {
		if err := s.allEnded.wait(ctx, waitHandlersEnd); err != nil {
			return err
		}
	}
	return nil
}

// connections ranges over the connections. A connection may end while it is yielded.
func (s *Server) connections(yield func(*connection) bool) {
	s.loop.check()
	for e := s.conns.Front(); e != nil; {
		next := e.Next()
		if !yield(e.Value.(*connection)) {
			return
		}
		e = next
	}
}

// wakeWaiting wakes the tasks whose wait is over.
func (s *Server) wakeWaiting() {
	if s.closed && s.open == 0 {
		s.allClosed.wakeAll()
	}
	if s.closed && s.conns.Len() == 0 {
		s.allEnded.wakeAll()
	}
}

// A connection is one client's connection to the server. It ends when its handler has returned
// and its stream is closed.
type connection struct {
	server    *Server
	stream    *stream
	transport *Transport    // calls the connection's protocol, or nil
	task      *Task[None]   // runs the handler or a protocol's handshake, or nil
	place     *list.Element // in the server's list, or nil once the connection has ended
	closed    bool
}

// isReturned reports whether no task serves the connection any more.
func (c *connection) isReturned() bool { return c.task == nil || c.task.Done() }

func (c *connection) close() {
	if c.transport != nil {
		_ = c.transport.Close()
	} else {
		_ = c.stream.writer.Close()
	}
}

func (c *connection) abort() {
	if c.transport != nil {
		c.transport.Abort()
	} else {
		c.stream.writer.Abort()
	}
}

// Loop returns the loop that s belongs to. It is asyncio's get_loop.
func (s *Server) Loop() *Loop { return s.loop }

// serve starts to serve a connection that was accepted.
func (s *Server) serve(st *stream) {
	c := &connection{server: s, stream: st}
	st.serverSide = true
	st.conn = c
	c.place = s.conns.PushBack(c)
	s.open++
	s.begin(c)
}

// run is the task of a connection. Nothing essential may be deferred here: a task that is
// cancelled before its first step never gets here.
func (c *connection) run(ctx context.Context, handler ConnectionHandler) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = &PanicError{r, debug.Stack()}
		}
		if err != nil && !isCancelled(err) {
			c.server.loop.report(ExceptionContext{Message: "unhandled error in a connection's handler", Err: err, Task: CurrentTask(ctx).Name()})
			err = nil
		}
	}()
	if !c.encrypt(ctx) {
		return nil
	}
	return handler(ctx, &c.stream.reader, &c.stream.writer)
}

// encrypt performs the handshake, if the server uses TLS, and reports whether the connection can be
// used.
func (c *connection) encrypt(ctx context.Context) bool {
	o := c.server.options
	if o.tls == nil {
		return true
	}
	err := c.stream.startTLS(ctx, o.tls, true, o)
	// Anybody can send anything, so this is reported in debug mode only, as in asyncio.
	if err != nil && c.server.loop.debug && !isCancelled(err) {
		message := fmt.Sprintf("TLS handshake with %v failed", c.stream.writer.RemoteAddr())
		c.server.loop.report(ExceptionContext{Message: message, Err: err, Task: CurrentTask(ctx).Name()})
	}
	return err == nil
}

// onReturned is called when the handler's task is done.
func (c *connection) onReturned() {
	if c.server.aborting {
		c.abort()
	} else {
		c.close()
	}
	c.leave()
}

// onClosed is called when the stream is closed.
func (c *connection) onClosed() {
	c.closed = true
	c.server.open--
	c.server.wakeWaiting()
	c.leave()
}

// leave removes the connection from the server once it has ended. Another can then be accepted.
func (c *connection) leave() {
	s := c.server
	if !c.closed || !c.isReturned() || c.place == nil {
		return
	}
	s.conns.Remove(c.place)
	c.place = nil
	for _, ln := range s.sockets {
		if ln.full {
			ln.full = false
			ln.schedule()
		}
	}
	s.wakeWaiting()
}

// String returns the addresses that the server listens on.
func (s *Server) String() string {
	var addrs []string
	for _, ln := range s.sockets {
		addrs = append(addrs, ln.addr.String())
	}
	return fmt.Sprintf("server on [%s]", strings.Join(addrs, " "))
}
