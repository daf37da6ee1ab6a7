package asyncio

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
)

// A Listener is a server as a net.Listener. Like a Conn it is for any goroutine: in a task Accept
// suspends, elsewhere it blocks. The loop accepts whether or not Accept is called; to
// bound what it accepts there is WithMaxConnections.
type Listener struct {
	ctx    context.Context
	server *Server
	addr   net.Addr
	conns  *Queue[*Conn]
	closed atomic.Bool
	taken  quota // of connections by tasks
}

// Listen makes a Listener on the address of a "tcp" or "unix" network, for a task. It suspends
// while it looks a name up. It returns an error for a unix socket with an option that is for TCP
// alone. It has no counterpart in asyncio.
func Listen(ctx context.Context, network, address string, opts ...ListenOption) (*Listener, error) {
	ln := &Listener{ctx: ctx, conns: NewQueue[*Conn](0)}
	var err error
	o := newStreamOptions(opts)
	if network == "unix" {
		ln.server, err = startUnixServer(ctx, byHandler(ln.take), address, o)
	} else {
		o.network = network
		ln.server, err = startServer(ctx, byHandler(ln.take), address, o)
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

// Accept suspends, or blocks, until there is a connection, which is a *Conn. In a task it gives
// way for a turn if many were accepted in this one. After Close it returns net.ErrClosed. Its
// errors are a *net.OpError.
func (ln *Listener) Accept() (net.Conn, error) {
	var c *Conn
	var err error
	switch {
	case ln.closed.Load():
		err = net.ErrClosed
	case ln.server.loop.here():
		c, err = ln.acceptHere()
	default:
		c, err = ln.acceptElsewhere()
	}
	if errors.Is(err, ErrQueueShutDown) {
		err = net.ErrClosed
	}
	if err != nil {
		return nil, opError("accept", nil, ln.addr, err)
	}
	return c, nil
}

// acceptHere gives way if the turn has had its share, which a queue that holds many would not do.
func (ln *Listener) acceptHere() (*Conn, error) {
	for !ln.taken.spend(ln.server.loop, maxAccepts) {
		if err := Sleep(ln.ctx, 0); err != nil {
			return nil, err
		}
	}
	return ln.conns.Get(ln.ctx)
}

func (ln *Listener) acceptElsewhere() (c *Conn, err error) {
	err = ln.server.loop.do(ln.ctx, nil, "Listener.Accept", func(ctx context.Context, call *foreignCall) error {
		next, err := ln.conns.Get(ctx)
		if err != nil {
			return err
		}
		if call.commit() {
			c = next
		} else if ln.conns.PutNowait(next) != nil { // for another Accept, but there will be none
			_ = next.Close()
		}
		return nil
	})
	return c, err
}

// Close stops listening. Connections that were accepted go on; others are closed. It does not
// suspend or block: called on another goroutine than the loop's it returns before the loop has
// done it. A second Close returns net.ErrClosed.
func (ln *Listener) Close() error {
	if !ln.closed.CompareAndSwap(false, true) {
		return opError("close", nil, ln.addr, net.ErrClosed)
	}
	if l := ln.server.loop; l.here() {
		ln.closeNow()
	} else {
		_ = l.post(callback(ln.closeNow))
	}
	return nil
}

func (ln *Listener) closeNow() {
	ln.server.Close()
	ln.conns.Shutdown(false)
	for {
		c, err := ln.conns.GetNowait()
		if err != nil {
			return
		}
		_ = c.Close()
	}
}

// Addr returns the address that the listener listens on, or did until it was closed.
func (ln *Listener) Addr() net.Addr { return ln.addr }
