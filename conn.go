package asyncio

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"time"
)

// A Conn is a stream as a net.Conn. Its Read and Write suspend the running task, so that
// what takes a net.Conn or an io.Reader works in a task as it is: bufio, net/textproto,
// crypto/tls, many a protocol's library. Only tasks of the stream's loop may use it. A library
// that reads on a goroutine of its own, as net/http does, cannot; give it to ToThread with a
// connection of package net. Two tasks that use one tls.Conn over it, or anything else
// with a mutex inside, would stop the loop for good: a stream with WithTLS does not.
type Conn struct {
	ctx    context.Context
	reader *StreamReader
	writer *StreamWriter
	read   *TimerHandle // the deadlines, or nil
	write  *TimerHandle
}

// NewConn makes a net.Conn of a stream's halves. The context finds the loop; when one that
// was derived with a cancellation or a deadline is done, so is what waits in Read or Write.
// It does not suspend, and neither do the Conn's other methods. It has no counterpart in
// asyncio.
func NewConn(ctx context.Context, r *StreamReader, w *StreamWriter) *Conn {
	return &Conn{ctx: ctx, reader: r, writer: w}
}

// Read suspends until there is something to read. It implements io.Reader. After Close it
// returns net.ErrClosed, and after the read deadline os.ErrDeadlineExceeded.
func (c *Conn) Read(p []byte) (int, error) {
	n, err := c.reader.ReadInto(c.ctx, p)
	if err == io.EOF && c.writer.closing {
		err = net.ErrClosed
	}
	return n, passing(err)
}

// Write writes all of p, and suspends while the peer does not read. It implements
// io.Writer. After Close it returns net.ErrClosed, and after the write deadline
// os.ErrDeadlineExceeded.
func (c *Conn) Write(p []byte) (int, error) {
	if c.writer.expired {
		return 0, os.ErrDeadlineExceeded
	}
	n, err := c.writer.Write(p)
	if err == nil {
		err = c.writer.Drain(c.ctx)
	}
	return n, passing(err)
}

// CloseWrite ends the stream for the peer; what it sends can still be read. Over TLS it
// returns errors.ErrUnsupported.
func (c *Conn) CloseWrite() error { return c.writer.WriteEOF() }

// Close closes the stream, once what was written is sent. It does not suspend.
func (c *Conn) Close() error {
	_ = c.SetDeadline(time.Time{})
	return c.writer.Close()
}

// LocalAddr returns the address of this end.
func (c *Conn) LocalAddr() net.Addr { return c.writer.LocalAddr() }

// RemoteAddr returns the address of the peer.
func (c *Conn) RemoteAddr() net.Addr { return c.writer.RemoteAddr() }

// SetDeadline sets the deadlines for reading and for writing. The zero time is none. After
// Close it returns net.ErrClosed. Any task of the loop may call it.
func (c *Conn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// SetReadDeadline ends Read, also one that waits, when the time has come.
func (c *Conn) SetReadDeadline(t time.Time) error {
	return c.setDeadline(&c.read, t, func(expired bool) {
		if c.reader.expired = expired; expired {
			c.reader.wakeUp()
		}
	})
}

// SetWriteDeadline ends Write, also one that waits, when the time has come.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	return c.setDeadline(&c.write, t, func(expired bool) {
		if c.writer.expired = expired; expired {
			c.writer.drainers.wakeAll()
		}
	})
}

func (c *Conn) setDeadline(timer **TimerHandle, t time.Time, expire func(bool)) error {
	l := c.reader.stream.loop
	l.check()
	if c.writer.closing && !t.IsZero() {
		return net.ErrClosed
	}
	if *timer != nil {
		(*timer).Cancel()
		*timer = nil
	}
	left := time.Until(t)
	expire(!t.IsZero() && left <= 0)
	if left > 0 {
		*timer = l.CallLater(left, func() { expire(true) })
	}
	return nil
}

// passing marks a cancellation as something that passes: crypto/tls and others take any other
// error for the end of the connection.
func passing(err error) error {
	if isCancelled(err) || errors.Is(err, ErrTimeout) {
		return passingError{err}
	}
	return err
}

// passingError is a net.Error that says that it is temporary.
type passingError struct{ error }

func (e passingError) Unwrap() error   { return e.error }
func (e passingError) Temporary() bool { return true }
func (e passingError) Timeout() bool   { return errors.Is(e.error, ErrTimeout) }

// A Listener is a server as a net.Listener, for libraries that accept in the task that
// calls them and start no goroutines. The loop accepts whether or not Accept is called; to
// bound what it accepts there is WithMaxConnections.
type Listener struct {
	ctx    context.Context
	server *Server
	addr   net.Addr
	conns  *Queue[*Conn]
}

// Listen makes a Listener on the address of a "tcp" or "unix" network. It suspends while it
// looks a name up. It has no counterpart in asyncio.
func Listen(ctx context.Context, network, address string, opts ...StreamOption) (*Listener, error) {
	ln := &Listener{ctx: ctx, conns: NewQueue[*Conn](0)}
	var err error
	if network == "unix" {
		ln.server, err = StartUnixServer(ctx, ln.take, address, opts...)
	} else {
		opts = append([]StreamOption{WithNetwork(network)}, opts...)
		ln.server, err = StartServer(ctx, ln.take, address, opts...)
	}
	if err != nil {
		return nil, err
	}
	ln.addr = ln.server.Addr()
	return ln, nil
}

// take is the handler of a connection, which lasts until that is closed.
func (ln *Listener) take(ctx context.Context, r *StreamReader, w *StreamWriter) error {
	if ln.conns.PutNowait(NewConn(ln.ctx, r, w)) != nil { // shut down
		return nil
	}
	_ = w.WaitClosed(ctx) // its user gets the error
	return nil
}

// Accept suspends until there is a connection; it is a *Conn. After Close it returns
// net.ErrClosed.
func (ln *Listener) Accept() (net.Conn, error) {
	c, err := ln.conns.Get(ln.ctx)
	if errors.Is(err, ErrQueueShutDown) {
		return nil, net.ErrClosed
	} else if err != nil {
		return nil, err
	}
	return c, nil
}

// Close stops listening. Connections that were accepted go on; others are closed. It does not
// suspend and returns nil.
func (ln *Listener) Close() error {
	ln.server.Close()
	ln.conns.Shutdown(false)
	for {
		c, err := ln.conns.GetNowait()
		if err != nil {
			return nil
		}
		_ = c.Close()
	}
}

// Addr returns the address that the listener listens on, or did until it was closed.
func (ln *Listener) Addr() net.Addr { return ln.addr }
