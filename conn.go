package asyncio

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync/atomic"
)

// A Conn is a stream as a net.Conn, for libraries that take one. Any goroutine may use it. In a
// task of the stream's loop, Read and Write suspend the task. On any other goroutine they block
// it while a task of the loop does the work, which takes some microseconds. SetDeadline and
// Close return at once. From another goroutine they take effect before the caller's next call,
// and they also end a Read or Write that waits.
//
// A task must not wait by Go's own means, such as a channel or a sync.Mutex, for a goroutine
// that uses a Conn of its loop: the task would stop the loop that the goroutine waits for.
// After a second the goroutine's Read or Write fails with ErrLoopBlocked. A library that works
// in this way must be called in ToThread, as a whole; docs/libraries.md lists such libraries.
// Two tasks that use one tls.Conn over a Conn, or anything else with a mutex inside, stop the
// loop for good; a stream with WithTLS does not.
//
// Errors other than io.EOF are a *net.OpError, as in package net. It wraps net.ErrClosed after
// Close, os.ErrDeadlineExceeded after a deadline, and after a cancellation the error of the
// task or context, which is temporary in the sense of net.Error. As in package net, concurrent
// reads take turns, and each Write is sent as a whole. A Conn of a Dialer remembers
// cancellations; see [Dialer].
type Conn struct {
	ctx           context.Context
	loop          *Loop
	reader        *StreamReader
	writer        *StreamWriter
	local, remote net.Addr
	reporter      reporter

	closed  atomic.Bool
	reading bool  // a task is reading
	readers waitq // tasks that wait until no other task is reading
	broken  bool  // the last Write that had to wait for the peer failed

	readDeadline  deadline
	writeDeadline deadline
	posted        postedDeadlines
}

// NewConn makes a net.Conn of the halves of a stream, or of two pipes. If ctx was derived with
// a cancellation or a deadline, Read and Write fail instead of waiting once ctx is done. So ctx
// should not be the context that limits the dialling alone; see [Dialer]. Only the loop's
// goroutine may call NewConn. It does not suspend. It has no counterpart in asyncio.
func NewConn(ctx context.Context, r *StreamReader, w *StreamWriter) *Conn {
	l := r.stream.loop
	if loopOf(ctx) != l {
		ctx = l.Context(ctx)
	}
	return &Conn{ctx: ctx, loop: l, reader: r, writer: w, local: w.LocalAddr(), remote: w.RemoteAddr()}
}

// Read suspends, or blocks, until there is something to read. It implements io.Reader.
func (c *Conn) Read(p []byte) (n int, err error) {
	if c.loop.here() {
		n, err = c.readHere(p)
	} else {
		n, err = c.readElsewhere(p)
	}
	return n, c.opError("read", err)
}

func (c *Conn) readHere(p []byte) (int, error) {
	if err := c.loop.swallowed(&c.reporter); err != nil {
		return 0, err
	}
	n, err := c.readNext(p)
	if err != nil {
		c.loop.reported(&c.reporter, err)
	}
	return n, err
}

func (c *Conn) readNext(p []byte) (int, error) {
	if err := c.beginRead(c.ctx); err != nil {
		return 0, err
	}
	defer c.endRead()
	n, err := c.reader.ReadInto(c.ctx, p)
	return n, c.endError(err)
}

// readElsewhere reads into the stream's buffer first, so that no bytes are lost if the caller
// has given up meanwhile.
func (c *Conn) readElsewhere(p []byte) (n int, err error) {
	if c.closed.Load() {
		return 0, net.ErrClosed
	}
	err = c.do("Conn.Read", func(ctx context.Context, call *foreignCall) error {
		if err := c.beginRead(ctx); err != nil {
			return err
		}
		defer c.endRead()
		if c.reader.buf.Len() == 0 && len(p) > 0 {
			if err := c.reader.fill(ctx); err != nil {
				return c.endError(err)
			}
		}
		if call.commit() {
			n = c.reader.copyTo(p)
		}
		return nil
	})
	return n, err
}

// beginRead waits until no other task is reading.
func (c *Conn) beginRead(ctx context.Context) error {
	for {
		c.obey()
		switch {
		case c.closed.Load():
			return net.ErrClosed
		case c.readDeadline.passed(c.loop):
			return os.ErrDeadlineExceeded
		case !c.reading:
			c.reading = true
			return nil
		}
		if err := c.readers.wait(ctx, waitConnTurn); err != nil {
			if wasWoken(ctx) && !c.reading {
				c.readers.wakeNext()
			}
			return err
		}
	}
}

// endError returns net.ErrClosed instead of the io.EOF that follows the Conn's own Close.
func (c *Conn) endError(err error) error {
	if err == io.EOF && (c.closed.Load() || c.writer.closing) {
		return net.ErrClosed
	}
	return err
}

func (c *Conn) endRead() {
	c.reading = false
	c.readers.wakeNext()
}

// Write writes all of p. It suspends, or blocks, while the peer does not read. It implements
// io.Writer. If it fails while it waits for the peer, p is sent nevertheless, provided that the
// connection goes on.
func (c *Conn) Write(p []byte) (n int, err error) {
	if c.loop.here() {
		n, err = c.writeHere(p)
	} else {
		n, err = c.writeElsewhere(p)
	}
	return n, c.opError("write", err)
}

func (c *Conn) writeHere(p []byte) (int, error) {
	if err := c.loop.swallowed(&c.reporter); err != nil {
		return 0, err
	}
	n, err := c.writeNow(p)
	if err == nil {
		err = c.drain(c.ctx)
	}
	if err != nil {
		c.loop.reported(&c.reporter, err)
	}
	return n, err
}

// writeElsewhere writes p in one call and, if the writer is full, waits for the peer in another
// call, which the caller may give up.
func (c *Conn) writeElsewhere(p []byte) (n int, err error) {
	if c.closed.Load() {
		return 0, net.ErrClosed
	}
	full := false
	err = c.do("Conn.Write", func(_ context.Context, call *foreignCall) (err error) {
		if call.commit() {
			n, err = c.writeNow(p)
			full = c.writer.paused
		}
		return err
	})
	if err == nil && full {
		err = c.do("Conn.Write", func(ctx context.Context, _ *foreignCall) error { return c.drain(ctx) })
	}
	return n, err
}

func (c *Conn) writeNow(p []byte) (int, error) {
	c.obey()
	switch {
	case c.closed.Load():
		return 0, net.ErrClosed
	case c.writeDeadline.passed(c.loop):
		return 0, os.ErrDeadlineExceeded
	}
	return c.writer.Write(p)
}

func (c *Conn) drain(ctx context.Context) error {
	err := c.writer.Drain(ctx)
	c.broken = err != nil
	return err
}

// CloseWrite ends the stream for the peer; bytes from the peer can still be read. Over TLS it
// returns errors.ErrUnsupported. It does not suspend; on a goroutine other than the loop's it
// blocks until the loop has done it.
func (c *Conn) CloseWrite() error {
	if c.loop.here() {
		return c.opError("close", c.writer.WriteEOF())
	}
	return c.opError("close", c.do("Conn.CloseWrite", func(_ context.Context, call *foreignCall) error {
		if !call.commit() {
			return nil
		}
		return c.writer.WriteEOF()
	}))
}

// Close closes the stream once all written bytes are sent. It does not suspend or block. A Read
// or Write that waits ends with net.ErrClosed; the bytes that such a Write, or a Write that has
// failed, has left unsent are dropped. A second Close returns net.ErrClosed.
func (c *Conn) Close() error {
	if !c.closed.CompareAndSwap(false, true) {
		return c.opError("close", net.ErrClosed)
	}
	if c.loop.here() {
		c.closeNow()
	} else {
		_ = c.loop.post(callback(c.closeNow)) // a closed loop has closed the stream
	}
	return nil
}

func (c *Conn) closeNow() {
	c.readDeadline.clear()
	c.writeDeadline.clear()
	if c.broken || c.writer.drainers.head != nil {
		c.writer.Abort()
	} else {
		_ = c.writer.Close()
	}
	_ = c.reader.Close() // another stream, if the halves are two pipes
	c.readers.wakeAll()
}

// LocalAddr returns the address of this end.
func (c *Conn) LocalAddr() net.Addr { return c.local }

// RemoteAddr returns the address of the peer.
func (c *Conn) RemoteAddr() net.Addr { return c.remote }

// do makes a task of the loop do work, and blocks until the work is done.
func (c *Conn) do(name string, work func(ctx context.Context, call *foreignCall) error) error {
	return c.loop.do(c.ctx, nil, name, work)
}

// swallowed returns the cancellation of the running task that r must report again, or nil.
//
// A library takes a cancellation for an error like any other. It may hide it and, as
// database/sql does, try again with another connection, idle or new, so that the task never
// ends. So, unlike elsewhere, a cancellation of a task lasts for all connections of one Dialer:
// once the Dialer or one of its Conns has reported it, the Dialer and its other Conns report
// it, too, until it is taken back, as by Timeout. The Conn that reported it can still be used,
// to say goodbye. A Conn that no Dialer made takes no part in this: it is up to the code that
// made it.
func (l *Loop) swallowed(r *reporter) error {
	t := l.current
	if t == nil {
		return nil
	}
	first := t.fiber.State.reporter
	if first == nil || first.dialer != r.dialer || first == r && r != r.dialer {
		return nil
	}
	if t.cancels == 0 {
		t.fiber.State.reporter = nil
		return nil
	}
	return newCancelled(t.cause)
}

// reported records that r reports err to the running task.
func (l *Loop) reported(r *reporter, err error) {
	if t := l.current; r.dialer != nil && t != nil && t.cancels > 0 && isCancelled(err) {
		t.fiber.State.reporter = r
	}
}

// opError returns err in the form that package net gives its errors.
func (c *Conn) opError(op string, err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	return opError(op, c.local, c.remote, err)
}

func opError(op string, local, remote net.Addr, err error) error {
	if _, ok := err.(*net.OpError); ok {
		return err
	}
	e := &net.OpError{Op: op, Source: local, Addr: remote, Err: temporary(err)}
	for _, addr := range []net.Addr{local, remote} {
		if addr != nil {
			e.Net = addr.Network()
		}
	}
	return e
}

// temporary makes a temporary net.Error of a cancellation or a timeout: crypto/tls and other
// packages take any other error for the end of the connection.
func temporary(err error) error {
	if isCancelled(err) || errors.Is(err, ErrTimeout) {
		return temporaryError{err}
	}
	return err
}

// A temporaryError is a net.Error that reports that it is temporary.
type temporaryError struct{ err error }

func (e temporaryError) Error() string   { return e.err.Error() }
func (e temporaryError) Unwrap() error   { return e.err }
func (e temporaryError) Temporary() bool { return true }
func (e temporaryError) Timeout() bool   { return errors.Is(e.err, ErrTimeout) }
