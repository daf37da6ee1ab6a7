package asyncio

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
)

// A Listener is a server as a net.Listener. Any goroutine may use it: in a task Accept
// suspends, elsewhere it blocks. The loop accepts connections whether or not Accept is called;
// WithMaxConnections limits their number.
type Listener struct {
	ctx    context.Context
	server *Server
	addr   net.Addr
	conns  *Queue[*Conn]
	closed atomic.Bool
	taken  quota // limits the connections that tasks take
}

// Listen makes a Listener on an address of a "tcp" or "unix" network. Only a task may call it.
// It suspends while it looks a name up. It returns an error for a unix socket with an option
// that is for TCP alone. It has no counterpart in asyncio.
func Listen(ctx context.Context, network, address string, opts ...ListenOption) (*Listener, error) {
	ln := &Listener{ctx: ctx, conns: NewQueue[*Conn](0)}
	var err error
	o := newStreamOptions(opts)
	if network == "unix" {
		ln.server, err = startUnixServer(ctx, byHandler(ln.serve), address, o)
	} else {
		o.network = network
		ln.server, err = startServer(ctx, byHandler(ln.serve), address, o)
	}
	if err != nil {
		return nil, err
	}
	ln.addr = ln.server.Addr()
	return ln, nil
}

// serve handles a connection. It returns when the connection is closed.
func (ln *Listener) serve(ctx context.Context, r *StreamReader, w *StreamWriter) error {
	if ln.conns.PutNowait(NewConn(ln.ctx, r, w)) != nil { // the Listener is closed
		return nil
	}
	_ = w.WaitClosed(ctx) // the user of the Conn gets the error
	return nil
}

// Accept suspends, or blocks, until there is a connection, and returns it as a *Conn. In a task
// it gives way for a turn if tasks have taken many connections in this one. After Close it
// returns net.ErrClosed. Its errors are a *net.OpError.
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

// acceptHere gives way if the turn has had its share of connections: taking them from a queue
// that holds many would not suspend.
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
		} else if ln.conns.PutNowait(next) != nil { // kept for another Accept, unless the Listener is closed
			_ = next.Close()
		}
		return nil
	})
	return c, err
}

// Close stops listening. Connections that Accept has returned go on; others are closed. It does
// not suspend or block: on a goroutine other than the loop's it returns before the loop has
// done the work. A second Close returns net.ErrClosed.
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

// Addr returns the address that the Listener listens on, also after Close.
func (ln *Listener) Addr() net.Addr { return ln.addr }
