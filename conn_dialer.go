package asyncio

import (
	"context"
	"net"
)

// A Dialer makes Conns in the way of a net.Dialer, for libraries that take a dial function. Any
// goroutine may use it: in a task it suspends, elsewhere it blocks.
//
// A library may hide that its task was cancelled and try again with another connection, as
// database/sql does. So a cancellation by Task.Cancel lasts for everything that comes from one
// Dialer: once a dial or a Conn of the Dialer has reported it to a task, its other dials and
// Conns report it to this task, too, until the cancellation is taken back, as by Timeout. To
// clean up after a cancellation through the same library, use another task; a Conn from
// elsewhere needs none. A library should have one Dialer for all its connections.
type Dialer struct {
	ctx     context.Context
	loop    *Loop
	options streamOptions

	reporter reporter
}

// NewDialer makes a Dialer. Its connections belong to the loop of ctx. They end with ctx, as
// described at [NewConn], and not with the context of the call that dials, so ctx is usually
// main's. NewDialer does not suspend. It has no counterpart in asyncio.
func NewDialer(ctx context.Context, opts ...DialOption) *Dialer {
	d := &Dialer{ctx: ctx, loop: RunningLoop(ctx), options: *newStreamOptions(opts)}
	d.reporter.dialer = &d.reporter
	return d
}

// Dial is DialContext with the Dialer's own context. It suspends or blocks like DialContext.
func (d *Dialer) Dial(network, address string) (net.Conn, error) {
	return d.DialContext(d.ctx, network, address)
}

// DialContext connects to an address of the network "tcp", "tcp4", "tcp6" or "unix". It
// suspends, or blocks, until the connection is made or ctx is done; see [OpenConnection]. The
// result is a *Conn. The error is a *net.OpError, even if it is that the Dialer has an option
// for TCP alone and the network is "unix".
func (d *Dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	var c *Conn
	err := ctx.Err()
	switch {
	case err != nil:
		err = contextError(ctx)
	case d.loop.here():
		c, err = d.dialHere(ctx, network, address)
	default:
		c, err = d.dialElsewhere(ctx, network, address)
	}
	if _, ok := err.(*net.OpError); err != nil && !ok {
		err = &net.OpError{Op: "dial", Net: network, Err: temporary(err)}
	}
	if err != nil {
		return nil, err
	}
	return c, nil
}

func (d *Dialer) dialHere(ctx context.Context, network, address string) (*Conn, error) {
	if err := d.loop.swallowed(&d.reporter); err != nil {
		return nil, err
	}
	if loopOf(ctx) != d.loop {
		ctx = d.loop.Context(ctx)
	}
	c, err := d.dial(ctx, network, address)
	d.loop.reported(&d.reporter, err)
	return c, err
}

func (d *Dialer) dialElsewhere(ctx context.Context, network, address string) (c *Conn, err error) {
	err = d.loop.do(d.ctx, ctx, "Dialer.Dial", func(taskCtx context.Context, call *foreignCall) error {
		made, err := d.dial(taskCtx, network, address)
		if err != nil {
			return err
		}
		if call.commit() {
			c = made
		} else {
			_ = made.Close()
		}
		return nil
	})
	return c, err
}

func (d *Dialer) dial(ctx context.Context, network, address string) (*Conn, error) {
	var r *StreamReader
	var w *StreamWriter
	var err error
	o := d.options
	if network == "unix" {
		r, w, err = openUnixConnection(ctx, address, &o)
	} else {
		o.network = network
		r, w, err = openConnection(ctx, address, &o)
	}
	if err != nil {
		return nil, err
	}
	c := NewConn(d.ctx, r, w)
	c.reporter.dialer = &d.reporter
	return c, nil
}
