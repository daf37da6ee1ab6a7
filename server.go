package asyncio

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"github.com/go-asyncio/asyncio/internal/netfd"
	"github.com/go-asyncio/asyncio/internal/poll"
)

// A ConnectionHandler serves a connection, in a task of its own. When it returns, the
// connection is closed, once what was written is sent. Its error, or a panic, ends this
// connection alone, and is reported to the exception handler unless it is a cancellation.
type ConnectionHandler = func(ctx context.Context, r *StreamReader, w *StreamWriter) error

// A Server accepts connections and has a handler serve each. Only its loop's tasks and
// callbacks may use it. Serve, WaitClosed and Shutdown suspend; its other methods do not. It
// is asyncio.Server.
type Server struct {
	loop     *Loop
	ctx      context.Context
	handler  ConnectionHandler
	options  *streamOptions
	network  string
	sockets  []*listener
	serving  bool
	closed   bool
	hurry    bool      // Shutdown has lost patience
	conns    list.List // of *connection, in the order in which they were accepted
	closing  waitq     // of tasks in Serve
	allEnded waitq     // of tasks that wait for the end of all connections
}

// A listener is a socket that accepts connections.
type listener struct {
	server *Server
	fd     int
	addr   net.Addr
	file   os.FileInfo  // of a unix socket
	ready  bool         // it is in the ready queue
	full   bool         // the server has all the connections that it may have
	retry  *TimerHandle // while it waits for resources, or nil
}

// A Socket is one that a server listens on.
type Socket struct{ l *listener }

// Addr returns the address, with the port that the system chose if the server asked for
// port 0.
func (s Socket) Addr() net.Addr { return s.l.addr }

// Fd returns the descriptor, which remains the server's.
func (s Socket) Fd() uintptr { return uintptr(s.l.fd) }

// StartServer listens on a TCP address, "host:port", and has handler serve each connection in
// a task that is created with ctx. An empty host means all of this machine's addresses, port 0
// one that is free. It suspends while it looks a name up. What goes wrong then comes back as an
// error; see [WithoutServing] to accept later. The server lives until it is closed or its loop
// is. It is asyncio.start_server.
func StartServer(ctx context.Context, handler ConnectionHandler, address string, opts ...StreamOption) (*Server, error) {
	s, err := newServer(ctx, handler, "tcp", opts)
	if err != nil {
		return nil, err
	}
	addrs, err := s.listenAddrs(ctx, address)
	if err != nil {
		return nil, err
	}
	return s.start(addrs)
}

// StartUnixServer is StartServer for the path of a unix socket. It takes the place of a
// socket that an earlier server has left there, and removes its own when it is closed. It does
// not suspend. It is asyncio.start_unix_server.
func StartUnixServer(ctx context.Context, handler ConnectionHandler, path string, opts ...StreamOption) (*Server, error) {
	s, err := newServer(ctx, handler, "unix", opts)
	if err != nil {
		return nil, err
	}
	if info, err := os.Lstat(path); err == nil && info.Mode()&os.ModeSocket != 0 {
		_ = os.Remove(path) // if that fails, to bind fails with the better error
	}
	return s.start([]net.Addr{&net.UnixAddr{Name: path, Net: "unix"}})
}

func newServer(ctx context.Context, handler ConnectionHandler, network string, opts []StreamOption) (*Server, error) {
	if handler == nil {
		panic("asyncio: nil handler")
	}
	l := RunningLoop(ctx)
	l.check()
	o := newStreamOptions(opts)
	if err := o.check(true); err != nil {
		return nil, err
	}
	if err := l.openPoller(); err != nil {
		return nil, err
	}
	return &Server{loop: l, ctx: ctx, handler: handler, network: network, options: o}, nil
}

// listenAddrs gives the addresses to listen on.
func (s *Server) listenAddrs(ctx context.Context, address string) ([]net.Addr, error) {
	var addrs []net.Addr
	hosts := []string{address}
	if strings.HasPrefix(address, ":") {
		hosts = nil
		if s.options.network != "tcp6" {
			hosts = append(hosts, "0.0.0.0"+address)
		}
		if s.options.network != "tcp4" {
			hosts = append(hosts, "[::]"+address)
		}
	}
	for _, host := range hosts {
		found, err := s.loop.GetAddrInfo(ctx, s.options.network, host)
		if err != nil {
			return nil, err
		}
		for _, a := range found {
			addrs = append(addrs, net.TCPAddrFromAddrPort(a))
		}
	}
	return addrs, nil
}

func (s *Server) start(addrs []net.Addr) (*Server, error) {
	for i, addr := range addrs {
		if tcp, ok := addr.(*net.TCPAddr); ok && len(s.sockets) > 0 && tcp.Port == 0 { // one port for all
			tcp.Port = s.sockets[0].addr.(*net.TCPAddr).Port
		}
		ln, err := s.listen(addr)
		another := len(s.sockets) > 0 || i < len(addrs)-1
		switch {
		case err == nil:
			s.sockets = append(s.sockets, ln)
		case another && (errors.Is(err, syscall.EAFNOSUPPORT) || errors.Is(err, syscall.EADDRNOTAVAIL)):
			// A system, or a machine, without IPv6: the others do.
		default:
			s.Close()
			return nil, &net.OpError{Op: "listen", Net: addr.Network(), Addr: addr, Err: err}
		}
	}
	if s.options.notServing {
		return s, nil
	}
	return s, s.StartServing()
}

// listen makes a socket that is bound to addr.
func (s *Server) listen(addr net.Addr) (_ *listener, err error) {
	fd, err := netfd.Socket(addr)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			netfd.Close(fd)
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
	if err := netfd.Bind(fd, addr); err != nil {
		return nil, err
	}
	if err := netfd.Listen(fd, s.options.backlog); err != nil {
		return nil, err
	}
	ln := &listener{server: s, fd: fd, addr: netfd.LocalAddr(fd, s.network)}
	if unix, ok := addr.(*net.UnixAddr); ok {
		ln.file, _ = os.Lstat(unix.Name) // there is none in the abstract namespace
	}
	return ln, s.loop.own(fd, ln)
}

// StartServing begins to accept, if the server does not yet. It returns net.ErrClosed after
// Close. It is asyncio's start_serving.
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

// Sockets returns the sockets that the server listens on; none after Close. It is asyncio's
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

// Serve suspends, and the server accepts connections, until it is closed, when Serve returns
// nil; net.ErrClosed if it was closed before. If it is
// cancelled it closes the server and its connections, waits for their end and returns the
// cancellation. It is asyncio's serve_forever.
func (s *Server) Serve(ctx context.Context) error {
	if err := s.StartServing(); err != nil {
		return err
	}
	err := s.closing.wait(ctx, "a server")
	if err != nil {
		s.Close()
		s.CloseClients()
		return errors.Join(err, s.WaitClosed(context.WithoutCancel(ctx)))
	}
	return nil
}

// Close stops accepting. Connections that were accepted go on. It never suspends, and may be
// called again. It is asyncio's close.
func (s *Server) Close() {
	s.loop.check()
	if s.closed {
		return
	}
	s.closed, s.serving = true, false
	for _, ln := range s.sockets {
		ln.close()
	}
	s.sockets = nil
	s.closing.wakeAll()
	s.wakeIfEnded()
}

// CloseClients closes all connections, each once what was written is sent: their handlers
// read io.EOF. It is asyncio's close_clients.
func (s *Server) CloseClients() {
	for c := range s.connections {
		c.stream.writer.Close()
	}
}

// AbortClients closes all connections at once. What was not sent is lost. It is asyncio's
// abort_clients.
func (s *Server) AbortClients() {
	for c := range s.connections {
		c.stream.writer.Abort()
	}
}

// WaitClosed suspends until the server is closed and all its connections and their handlers
// have ended. It is asyncio's wait_closed.
func (s *Server) WaitClosed(ctx context.Context) error {
	for !s.closed || s.conns.Len() > 0 {
		if err := s.allEnded.wait(ctx, "the end of a server"); err != nil {
			return err
		}
	}
	return nil
}

// Shutdown closes the server and suspends until all connections have ended. It gives them
// the time grace for it; then it cancels the handlers that are left, and drops what their
// clients have not read. It has no counterpart in asyncio.
func (s *Server) Shutdown(ctx context.Context, grace time.Duration) error {
	s.Close()
	err := Timeout(ctx, grace, func(ctx context.Context, _ *TimeoutScope) error { return s.WaitClosed(ctx) })
	if !errors.Is(err, ErrTimeout) {
		return err
	}
	s.hurry = true
	for c := range s.connections {
		if c.task.Done() {
			c.stream.writer.Abort()
		} else {
			c.task.Cancel()
		}
	}
	return s.WaitClosed(ctx)
}

// connections ranges over the connections, which may end meanwhile.
func (s *Server) connections(yield func(*connection) bool) {
	for e := s.conns.Front(); e != nil; {
		next := e.Next()
		if !yield(e.Value.(*connection)) {
			return
		}
		e = next
	}
}

func (s *Server) wakeIfEnded() {
	if s.closed && s.conns.Len() == 0 {
		s.allEnded.wakeAll()
	}
}

// A connection is one that the server has accepted. It ends when both its handler has
// returned and its stream is closed.
type connection struct {
	server *Server
	stream *stream
	task   *Task[None]
	place  *list.Element
	closed bool
}

// serve begins to serve a socket, which it takes over.
func (s *Server) serve(fd int, peer net.Addr) {
	st, err := openSocket(s.loop, fd, s.network, peer, s.options)
	if err != nil {
		s.loop.report(ExceptionContext{Message: "cannot serve a connection", Err: err})
		return
	}
	c := &connection{server: s, stream: st}
	st.serverSide = true
	st.under.(*socket).ended = c.onClosed
	c.place = s.conns.PushBack(c)
	c.task = CreateTask(s.ctx, Do(c.run))
	c.task.AddDoneCallback(func(*Task[None]) { c.leave() })
}

// run is the task of a connection.
func (c *connection) run(ctx context.Context) (err error) {
	w := &c.stream.writer
	defer func() {
		if r := recover(); r != nil {
			err = &PanicError{r, debug.Stack()}
		}
		if err != nil && !isCancelled(err) {
			c.server.loop.report(ExceptionContext{Message: "unhandled error in a connection's handler", Err: err, Task: CurrentTask(ctx).Name()})
			err = nil
		}
		if c.server.hurry {
			w.Abort()
		} else {
			w.Close()
		}
	}()
	if o := c.server.options; o.tls != nil {
		if err := c.stream.startTLS(ctx, o.tls, true, o.handshakeTimeout); err != nil {
			if c.server.loop.debug {
				slog.Warn("asyncio: TLS handshake failed", "peer", w.RemoteAddr(), "err", err)
			}
			return nil // anybody can send anything
		}
	}
	return c.server.handler(ctx, &c.stream.reader, w)
}

func (c *connection) onClosed() {
	c.closed = true
	c.leave()
}

// leave is called when the handler has returned and when the stream is closed.
func (c *connection) leave() {
	s := c.server
	if !c.closed || !c.task.Done() || c.place == nil {
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
	s.wakeIfEnded()
}

func (ln *listener) notify(poll.Ready) { ln.schedule() }

// schedule has the loop try to accept.
func (ln *listener) schedule() {
	if ln.server.serving && !ln.ready && !ln.full && ln.retry == nil {
		ln.ready = true
		ln.server.loop.push(ln)
	}
}

// acceptRetryDelay is how long a server waits, as asyncio does, when the system has no
// descriptor or no memory for another connection, and after any other error: the poller does
// not tell again of what was waiting by then.
const acceptRetryDelay = time.Second

// run accepts what is waiting: as many as the backlog holds, so that others get their turn.
func (ln *listener) run(*Loop) {
	ln.ready = false
	s := ln.server
	for range max(s.options.backlog, 1) {
		if !s.serving {
			return
		}
		if n := s.options.maxConnections; n > 0 && s.conns.Len() >= n {
			ln.full = true
			return
		}
		fd, peer, err := netfd.Accept(ln.fd)
		switch {
		case err == nil:
			s.serve(fd, peer)
		case err == netfd.ErrAgain:
			return
		default:
			ln.retry = s.loop.CallLater(acceptRetryDelay, func() {
				ln.retry = nil
				ln.schedule()
			})
			s.loop.report(ExceptionContext{Message: "cannot accept connections for now", Err: os.NewSyscallError("accept", err)})
			return
		}
	}
	ln.schedule()
}

// close closes the socket. A second call does nothing: the number may be another's by then.
func (ln *listener) close() {
	if ln.fd < 0 {
		return
	}
	if ln.retry != nil {
		ln.retry.Cancel()
	}
	ln.server.loop.disown(ln.fd)
	netfd.Close(ln.fd)
	ln.fd = -1
	if ln.file == nil {
		return
	}
	path := ln.addr.(*net.UnixAddr).Name
	if now, err := os.Lstat(path); err == nil && os.SameFile(now, ln.file) { // not another server's
		_ = os.Remove(path)
	}
}

// abandon is called when the loop closes.
func (ln *listener) abandon() {
	ln.server.serving = false
	ln.close()
}

// String tells the addresses.
func (s *Server) String() string {
	var addrs []string
	for _, ln := range s.sockets {
		addrs = append(addrs, ln.addr.String())
	}
	return fmt.Sprintf("server on [%s]", strings.Join(addrs, " "))
}
