package asyncio

// This file holds the transport over a connection whose calls block. It serves streams of a
// net.Conn that has no descriptor and, on a system without a poller, all streams and pipes.

import (
	"crypto/tls"
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/go-asyncio/asyncio/internal/buffer"
	"github.com/go-asyncio/asyncio/internal/netfd"
)

// A netConn is a net.Conn or one end of a pipe, below a stream. One goroutine reads while a read is
// pending, and one writes while a write is. The bytes of a read stay in memory until the stream
// takes them, so a task that is cancelled loses nothing. A read is pending as long as there is
// memory for it. So the connection is read ahead by one buffer at most, and the stream notices that
// it breaks even if no task reads.
type netConn struct {
	loop          *Loop
	conn          io.ReadWriteCloser
	file          *os.File     // conn, if it is one end of a pipe, or nil
	above         streamEvents // the stream
	network       string
	local, remote net.Addr
	writeOnly     bool // the write end of a pipe
	standard      bool // a standard stream: it is not read ahead, and stays open
	prompt        bool // Close ends pending calls and does not block
	detached      bool // nothing ends a pending call: a terminal, for instance
	deaf          bool // no more reads
	closing       bool // to be closed, once the pending write has ended
	closed        bool // Close was called, or is about to be
	lingering     bool // Close waits for the peer's end; see linger
	gone          bool // onClosed was called

	received, sent int64 // bytes

	// The bytes that were read and that the stream has not taken: memory[start:end].
	memory     []byte
	start, end int
	readErr    error  // why no more bytes will come, or nil
	small      []byte // the memory of a read that expects few bytes
	large      bool   // the last read has got more
	queued     bool   // in the ready queue, to read ahead

	// The pending read. While reading is set, the goroutine has room, n and err.
	reading bool
	room    []byte // the end of memory
	n       int
	err     error

	// The pending write, or CloseWrite if outbox is empty. While writing is set, the goroutine has
	// outbox, written and writeErr.
	writing  bool
	outbox   []byte
	written  int // bytes of outbox
	writeErr error
	ends     bool // CloseWrite follows the pending write
}

// smallRead is the size of the memory in which an idle connection waits for bytes.
const smallRead = 4 << 10

// openNetConn makes a stream of a connection, which it takes over.
func openNetConn(l *Loop, conn net.Conn, o *streamOptions) *stream {
	c := &netConn{conn: conn, local: conn.LocalAddr(), remote: conn.RemoteAddr()}
	for _, addr := range []net.Addr{c.local, c.remote} {
		if addr != nil {
			c.network = addr.Network()
		}
	}
	switch conn := conn.(type) {
	case *net.TCPConn:
		c.prompt = true
		if o.keepAlive {
			_ = conn.SetKeepAlive(true)
		}
	case *net.UnixConn:
		c.prompt = true
	}
	_ = conn.SetDeadline(time.Time{})
	return c.begin(l, o)
}

// begin makes the stream and begins to read.
func (c *netConn) begin(l *Loop, o *streamOptions) *stream {
	st := newStream(l, o)
	st.below, c.above, c.loop = c, st, l
	l.blockers.add(c)
	if !c.standard {
		c.receive()
	}
	return st
}

func (c *netConn) attach(above streamEvents) { c.above = above }

// OnLost is called when the loop closes.
func (c *netConn) OnLost() {
	if c.lingering {
		_ = c.conn.Close()
	}
	c.readErr = net.ErrClosed // shut does not linger
	c.shut()
	c.onClosed()
}

func (c *netConn) onClosed() {
	if !c.gone {
		c.gone = true
		c.above.onClosed()
	}
}

func (c *netConn) readable() bool { return c.start < c.end || c.readErr != nil || !c.reading }

func (c *netConn) read(p []byte) (int, error) {
	switch {
	case c.start < c.end:
		n := copy(p, c.memory[c.start:c.end])
		if c.start += n; c.start == c.end && !c.standard {
			c.receive()
		}
		return n, nil
	case c.readErr != nil:
		if c.file != nil { // it has no writer any more
			c.close()
		}
		return 0, c.readErr
	default:
		c.receive()
		return 0, netfd.ErrAgain
	}
}

// receive begins a read, unless one is pending or there is no use in one.
func (c *netConn) receive() {
	if c.reading || c.deaf || c.closed || c.writeOnly || c.readErr != nil {
		return
	}
	if c.start == c.end {
		c.putBack()
		c.memory = c.newMemory()
	}
	if c.end < len(c.memory) {
		c.reading, c.room = true, c.memory[c.end:]
		c.loop.blockers.begin(c.loop, (*netRead)(c), c.detached)
	}
}

// newMemory returns memory to read into.
func (c *netConn) newMemory() []byte {
	if c.large {
		return c.loop.buffers.Get()
	}
	if c.small == nil {
		c.small = make([]byte, smallRead)
	}
	return c.small
}

// putBack frees the memory.
func (c *netConn) putBack() {
	if len(c.memory) == buffer.Size {
		c.loop.buffers.Put(c.memory)
	}
	c.memory, c.start, c.end = nil, 0, 0
}

// A netRead is the pending read of a netConn.
type netRead netConn

func (r *netRead) call() {
	r.n, r.err = 0, errCallGoexit
	defer keepPanic(&r.err)
	n, err := 0, error(nil)
	for empty := 0; n == 0 && err == nil; empty++ {
		if empty == 100 { // as many as package bufio allows
			err = io.ErrNoProgress
			break
		}
		n, err = r.conn.Read(r.room)
	}
	_ = r.room[:n] // panics if the connection claims to have read more
	r.n, r.err = n, err
}

var errCallGoexit = errors.New("asyncio: a method of a connection called runtime.Goexit")

// run takes the outcome of a read.
func (r *netRead) run(l *Loop) {
	c := (*netConn)(r)
	c.reading, c.room = false, nil
	if c.closed {
		c.putBack()
		c.lift()
		return
	}
	c.end += c.n
	c.received += int64(c.n)
	c.large = c.n > smallRead/2
	switch c.readErr = c.err; {
	case c.file != nil && errors.Is(c.err, errIO): // the end of a terminal; see socket.read
		c.readErr = io.EOF
	case c.err != nil && c.err != io.EOF:
		c.readErr = c.failure("read", c.err)
	}
	c.above.onReadable()
	if c.readErr != nil && c.readErr != io.EOF {
		c.above.onBroken(c.readErr)
	}
	if !c.queued && !c.standard { // usually, the stream first takes all bytes
		c.queued = true
		l.push((*netAhead)(c))
	}
}

func (r *netRead) discard() { (*netConn)(r).lift() }

// A netAhead is a netConn that reads ahead, in the turn in which the stream may take the bytes of the
// last read.
type netAhead netConn

func (a *netAhead) run(*Loop) {
	a.queued = false
	(*netConn)(a).receive()
}

// write begins a write of as much of p as one write sends, unless one is pending.
func (c *netConn) write(p []byte) (int, error) {
	if c.writing || c.closed || len(p) == 0 {
		return 0, nil
	}
	p = p[:min(len(p), sendSize)]
	if len(p) > cap(c.outbox) && len(p) > smallRead {
		c.outbox = c.loop.buffers.Get()
	}
	c.outbox = append(c.outbox[:0], p...)
	c.send()
	return len(p), nil
}

func (c *netConn) send() {
	c.writing = true
	c.loop.blockers.begin(c.loop, (*netWrite)(c), c.detached)
}

// A netWrite is the pending write of a netConn.
type netWrite netConn

func (w *netWrite) call() {
	w.written, w.writeErr = 0, errCallGoexit
	defer keepPanic(&w.writeErr)
	if len(w.outbox) == 0 {
		w.writeErr = w.conn.(halfCloser).CloseWrite()
		return
	}
	n, err := w.conn.Write(w.outbox)
	w.written = max(0, min(n, len(w.outbox)))
	if err == nil && n < len(w.outbox) {
		err = io.ErrShortWrite
	}
	w.writeErr = err
}

// A halfCloser is a connection of which each side can be ended on its own.
type halfCloser interface{ CloseWrite() error }

// run takes the outcome of a write.
func (w *netWrite) run(*Loop) {
	c := (*netConn)(w)
	c.writing = false
	c.sent += int64(c.written)
	if err := c.writeErr; err != nil && !c.closed {
		c.above.onBroken(c.failure("write", err)) // while outbox still counts as buffered
		c.closing = c.closing || c.writeOnly      // a pipe has no other use
	}
	if cap(c.outbox) == buffer.Size {
		c.loop.buffers.Put(c.outbox[:buffer.Size])
		c.outbox = nil
	}
	c.outbox = c.outbox[:0]
	switch {
	case c.closed:
		c.lift()
	case c.closing:
		c.shut()
	case c.writeErr == nil:
		if c.ends {
			c.ends = false
			c.send()
		}
		c.above.onWritable()
	}
}

func (w *netWrite) discard() { (*netConn)(w).lift() }

func (c *netConn) stopReceiving() { c.deaf = true }

func (c *netConn) buffered() int {
	if c.closed {
		return 0
	}
	return len(c.outbox)
}

func (c *netConn) canCloseWrite() bool {
	_, ok := c.conn.(halfCloser)
	return ok || c.file != nil
}

// closeWrite ends this side. That may block, so it is a pending write, or follows the one there is.
func (c *netConn) closeWrite() error {
	if c.file != nil { // it has one direction
		c.close()
		return nil
	}
	if c.writing {
		c.ends = true
	} else {
		c.send()
	}
	return nil
}

func (c *netConn) close() {
	c.closing = true
	if !c.writing {
		c.shut()
	}
}

func (c *netConn) abort() { c.shut() }

func (c *netConn) reset() {
	if conn, ok := c.conn.(*net.TCPConn); ok && !c.closed {
		_ = conn.SetLinger(0)
		c.readErr = net.ErrClosed // shut does not linger
	}
	c.shut()
}

// watchReader breaks the write end of a pipe once nobody can read from it any more. Its process has
// ended, but other processes may have got the pipe. Where nobody can tell, there are none.
func (c *netConn) watchReader() {
	if c.closed {
		return
	}
	broken := true
	_ = control(c.conn, func(fd uintptr) { broken = netfd.PipeBroken(int(fd)) })
	if broken {
		c.above.onBroken(c.failure("write", os.NewSyscallError("write", errPipe)))
		c.shut()
	} else {
		c.loop.CallLater(readerCheck, c.watchReader)
	}
}

const readerCheck = 50 * time.Millisecond

// shut closes the connection, and calls onClosed.
func (c *netConn) shut() {
	if c.closed {
		return
	}
	c.closed = true
	switch _, halves := c.conn.(halfCloser); {
	case c.standard:
		if c.reading || c.writing {
			_ = c.file.SetDeadline(time.Unix(1, 0)) // ends the pending call, if anything does
		}
		c.onReleased()
	case c.prompt && halves && c.readErr == nil:
		c.lingering = true
		c.loop.blockers.begin(c.loop, (*netClose)(c), false)
		c.onClosed()
	case c.prompt, c.file != nil && !c.reading && !c.writing:
		_ = c.conn.Close()
		c.onReleased()
	default:
		c.loop.blockers.begin(c.loop, (*netClose)(c), c.detached)
	}
}

// lift is called when the pending call of a closed stream has ended. A standard stream loses the
// deadline that has ended it, since the program can go on using it.
func (c *netConn) lift() {
	if c.standard {
		_ = c.file.SetDeadline(time.Time{})
	}
}

// onReleased is called when nothing of the connection is left.
func (c *netConn) onReleased() {
	c.loop.blockers.remove(c)
	c.onClosed()
}

// A netClose is the call of Close of a netConn.
type netClose netConn

func (cl *netClose) call() {
	var ignored error
	defer keepPanic(&ignored)
	if cl.lingering {
		linger(cl.conn.(net.Conn))
	}
	_ = cl.conn.Close()
}

func (cl *netClose) run(*Loop) { (*netConn)(cl).onReleased() }
func (cl *netClose) discard()  {}

// linger ends this side of a connection, and receives what the peer sends until it ends its own:
// the system resets a connection that is closed with unread bytes, and then the peer may lose the
// last bytes that were sent to it. The time and the number of bytes are bounded.
func linger(conn net.Conn) {
	_ = conn.SetWriteDeadline(time.Unix(1, 0)) // ends a pending write
	_ = conn.SetReadDeadline(time.Now().Add(lingerTime))
	_ = conn.(halfCloser).CloseWrite()
	_, _ = io.CopyN(io.Discard, conn, maxReceives*buffer.Size)
}

const lingerTime = time.Second

// failure returns the error of a call in the form that package net gives its errors.
func (c *netConn) failure(op string, err error) error {
	if e, ok := err.(*net.OpError); ok {
		portable := *e
		portable.Err = portableError(e.Err)
		return &portable
	}
	if e, ok := err.(*fs.PathError); ok {
		err = os.NewSyscallError(op, e.Err)
	}
	return &net.OpError{Op: op, Net: c.network, Source: c.local, Addr: c.remote, Err: portableError(err)}
}

func (c *netConn) info(name string) any {
	switch {
	case name == "pipe" && c.file != nil, name == "socket" && c.file == nil:
		if c.closed {
			return -1
		}
		return descriptor(c.conn)
	case name == "sockname" && c.local != nil:
		return c.local
	case name == "peername" && c.remote != nil:
		return c.remote
	case name == "ssl_object":
		if conn, ok := c.conn.(*tls.Conn); ok {
			return conn
		}
	}
	return nil
}

func (c *netConn) control(f func(fd uintptr)) error {
	if c.closed {
		return net.ErrClosed
	}
	return control(c.conn, f)
}

// descriptor returns the descriptor of a connection, an int, or nil if it has none.
func descriptor(conn any) (fd any) {
	_ = control(conn, func(n uintptr) { fd = int(n) })
	return fd
}

// control calls f with the descriptor of a connection, if it has one.
func control(conn any, f func(fd uintptr)) error {
	c, ok := conn.(syscall.Conn)
	if !ok {
		return errors.ErrUnsupported
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	return raw.Control(f)
}
