package asyncio

import (
	"context"
	"net"
)

// A Dialer makes a Conn in the way of a net.Dialer, for libraries that take a function which
// does. Any goroutine may use it: in a task it suspends, elsewhere it blocks.
//
// A library may hide that its task was cancelled, and try again with another connection, as
// database/sql does. So a cancellation by Task.Cancel lasts for all that comes from one Dialer:
// once a dial, or a Conn of it, has reported it to a task, the others report it to this task,
// too, until it is taken back, as by Timeout. Cleaning up after a cancellation through the same
// library takes a task of its own; through a Conn of something else it does not. A library
// should have one Dialer for all its connections.
type Dialer struct {
	ctx     context.Context
	loop    *Loop
	options streamOptions

	reporter reporter
}

// NewDialer makes a Dialer. The connections belong to the loop of ctx and end with ctx, as NewConn
// has it, not with the context of the call that dialled: mostly it is main's. It does not
// suspend. It has no counterpart in asyncio.
func NewDialer(ctx context.Context, opts ...DialOption) *Dialer {
	d := &Dialer{ctx: ctx, loop: RunningLoop(ctx), options: *newStreamOptions(opts)}
	d.reporter.dialer = &d.reporter
	return d
}

// Dial is DialContext with the Dialer's own context, and suspends or blocks like it.
func (d *Dialer) Dial(network, address string) (net.Conn, error) {
	return d.DialContext(d.ctx, network, address)
}

// DialContext connects to an address of the network "tcp", "tcp4", "tcp6" or "unix", and suspends,
// or blocks, until that is done or ctx is; see OpenConnection. Its error is a *net.OpError, also if
// a Dialer with an option that is for TCP alone is to connect to a unix socket.
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
		err = &net.OpError{Op: "dial", Net: network, Err: passing(err)}
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
