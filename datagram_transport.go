package asyncio

import (
	"context"
	"net"

	"github.com/go-asyncio/asyncio/internal/netfd"
)

// A DatagramProtocol is a set of callbacks for a datagram endpoint. Its transport calls
// ConnectionMade once, DatagramReceived and ErrorReceived any number of times, and
// ConnectionLost once. They run as callbacks of the loop, outside of any task, so they must not
// suspend. A panic in a callback is reported to the exception handler, and the endpoint goes
// on, as in asyncio. If a protocol also has the methods of a FlowControlProtocol, the transport
// calls those as well: PauseWriting above 64 KiB of kept datagrams, and ResumeWriting at 16
// KiB. It is asyncio's DatagramProtocol.
type DatagramProtocol interface {
	// ConnectionMade is called when the endpoint is ready.
	ConnectionMade(t *DatagramTransport)

	// DatagramReceived is called with a datagram and its sender. The bytes are valid until it
	// returns: a protocol that keeps them makes a copy.
	DatagramReceived(data []byte, addr net.Addr)

	// ErrorReceived is called with the error of a datagram that was sent, or of a receive: for
	// instance, that nobody listens at the address. The endpoint goes on.
	ErrorReceived(err error)

	// ConnectionLost is called when the endpoint is closed. err is nil.
	ConnectionLost(err error)
}

// A BaseDatagramProtocol implements DatagramProtocol with methods that do nothing. Protocols embed
// it. It corresponds to the methods of asyncio's class DatagramProtocol.
type BaseDatagramProtocol struct{}

// ConnectionMade does nothing.
func (BaseDatagramProtocol) ConnectionMade(*DatagramTransport) {}

// DatagramReceived does nothing.
func (BaseDatagramProtocol) DatagramReceived([]byte, net.Addr) {}

// ErrorReceived does nothing.
func (BaseDatagramProtocol) ErrorReceived(error) {}

// ConnectionLost does nothing.
func (BaseDatagramProtocol) ConnectionLost(error) {}

// A DatagramTransport is a datagram endpoint that calls a DatagramProtocol. None of its methods
// suspends. Only tasks and callbacks of its loop may use it. The loop holds a reference to it until
// it is closed. It is asyncio's DatagramTransport.
type DatagramTransport struct {
	endpoint *DatagramEndpoint
	protocol DatagramProtocol
	flow     FlowControlProtocol // the protocol, if it is a FlowControlProtocol, or nil
	opening  waitq               // the task that waits until ConnectionMade has returned

	scheduled bool // in the ready queue
	made      bool // ConnectionMade was called
	full      bool // PauseWriting was called, and ResumeWriting not yet
	lost      bool // ConnectionLost was called
}

// CreateDatagramTransport makes a socket as CreateDatagramEndpoint does. It makes a
// protocol with factory and a transport that calls it. It suspends while it looks a name up,
// and until the protocol's ConnectionMade has returned. It panics if factory is nil or returns
// nil. It is asyncio's create_datagram_endpoint.
func CreateDatagramTransport[P DatagramProtocol](ctx context.Context, factory func() P, local, remote string, opts ...DatagramOption) (*DatagramTransport, P, error) {
	checkFactory(factory == nil)
	var p P
	o := newDatagramOptions(opts)
	e, err := createDatagramEndpoint(ctx, local, remote, o)
	if err != nil {
		return nil, p, err
	}
	done := false
	defer func() { // deferred, since factory may panic
		if !done {
			e.Abort()
		}
	}()
	p = makeProtocol(factory)
	t := &DatagramTransport{endpoint: e, protocol: p}
	t.flow, _ = any(p).(FlowControlProtocol)
	e.above = t
	t.schedule()
	for !t.made {
		if err := t.opening.wait(ctx, waitProtocol); err != nil {
			return nil, p, err
		}
	}
	done = true
	o.closeOriginals()
	return t, p, nil
}

// SendTo sends a datagram to addr or, if addr is nil, to the remote address of the endpoint. If
// the system has no room for it, SendTo keeps a copy, which the loop sends later. An error of
// the system goes to ErrorReceived, as in asyncio. SendTo returns net.ErrClosed if the
// transport is closing, and an error if the address does not fit the endpoint. It is asyncio's
// sendto.
func (t *DatagramTransport) SendTo(p []byte, addr net.Addr) error {
	err := t.endpoint.SendTo(p, addr)
	if _, ok := err.(*net.OpError); ok {
		t.callErrorReceived(err)
		return nil
	}
	if t.endpoint.size > defaultHighWater && !t.full {
		t.full = true
		t.callPauseWriting()
	}
	return err
}

// Protocol returns the protocol. It is asyncio's get_protocol.
func (t *DatagramTransport) Protocol() DatagramProtocol { return t.protocol }

// SetProtocol makes the transport call p from now on. It does not call p's ConnectionMade. It
// panics if p is nil. It is asyncio's set_protocol.
func (t *DatagramTransport) SetProtocol(p DatagramProtocol) {
	t.endpoint.loop.check()
	checkProtocol(p == nil)
	t.protocol = p
	t.flow, _ = p.(FlowControlProtocol)
}

// Close closes the endpoint once the kept datagrams are sent. The transport receives nothing
// from now on. It calls ConnectionLost when the endpoint is closed, never before Close returns.
// Close always returns nil. It is asyncio's close.
func (t *DatagramTransport) Close() error { return t.endpoint.Close() }

// Abort closes the endpoint at once and drops the kept datagrams. It is asyncio's abort.
func (t *DatagramTransport) Abort() {
	t.endpoint.loop.check()
	t.full = false // ResumeWriting is not called any more
	t.endpoint.Abort()
}

// IsClosing reports whether the transport is closing or closed. It is asyncio's is_closing.
func (t *DatagramTransport) IsClosing() bool { return t.endpoint.closing }

// WriteBufferSize returns the number of bytes in the kept datagrams, each with its header of 8
// bytes. It is asyncio's get_write_buffer_size.
func (t *DatagramTransport) WriteBufferSize() int { return t.endpoint.size }

// LocalAddr returns the address that the endpoint is bound to.
func (t *DatagramTransport) LocalAddr() net.Addr { return t.endpoint.local }

// RemoteAddr returns the address that the endpoint is connected to, or nil.
func (t *DatagramTransport) RemoteAddr() net.Addr { return t.endpoint.remote }

// GetExtraInfo returns the same values as GetExtraInfo of a DatagramEndpoint. It is asyncio's
// get_extra_info.
func (t *DatagramTransport) GetExtraInfo(name string) any { return t.endpoint.GetExtraInfo(name) }

// schedule makes the loop run the transport in the next turn.
func (t *DatagramTransport) schedule() {
	if !t.scheduled {
		t.scheduled = true
		t.endpoint.loop.push(t)
	}
}

// run makes the calls of the protocol that are due.
func (t *DatagramTransport) run(l *Loop) {
	t.scheduled = false
	e := t.endpoint
	switch {
	case t.lost:
		return
	case !t.made:
		t.made = true
		t.callMade()
		t.opening.wakeAll() // the call that made the endpoint returns before datagrams are received
		t.schedule()
		return
	}
	// If a callback of this turn closes the endpoint, ConnectionLost is called in the next.
	closed := e.closed
	if err := e.sendErr; err != nil {
		e.sendErr = nil
		t.callErrorReceived(err)
	}
	t.receive()
	if t.full && e.size <= defaultHighWater/4 {
		t.full = false
		t.callResumeWriting()
	}
	if closed {
		t.lost = true
		t.callLost()
	}
}

// receive passes received datagrams to the protocol, as many as mayReceive allows in one turn.
func (t *DatagramTransport) receive() {
	e := t.endpoint
	buf := e.memory
	if buf == nil {
		buf = e.loop.buffers.Get()
		defer e.loop.buffers.Put(buf)
	}
	for e.readable() && !e.closing {
		if !e.mayReceive() {
			t.schedule()
			return
		}
		switch n, from, err := e.receiveInto(buf); err {
		case nil:
			t.callDatagramReceived(buf[:n], from)
		case netfd.ErrAgain:
		default:
			t.callErrorReceived(err)
		}
	}
}

func (t *DatagramTransport) callMade() {
	defer reportCallback(t.endpoint.loop, "ConnectionMade", t, t.protocol)
	t.protocol.ConnectionMade(t)
}

func (t *DatagramTransport) callDatagramReceived(p []byte, from net.Addr) {
	defer reportCallback(t.endpoint.loop, "DatagramReceived", t, t.protocol)
	t.protocol.DatagramReceived(p, from)
}

func (t *DatagramTransport) callErrorReceived(err error) {
	defer reportCallback(t.endpoint.loop, "ErrorReceived", t, t.protocol)
	t.protocol.ErrorReceived(err)
}

func (t *DatagramTransport) callPauseWriting() {
	if t.flow != nil {
		defer reportCallback(t.endpoint.loop, "PauseWriting", t, t.protocol)
		t.flow.PauseWriting()
	}
}

func (t *DatagramTransport) callResumeWriting() {
	if t.flow != nil {
		defer reportCallback(t.endpoint.loop, "ResumeWriting", t, t.protocol)
		t.flow.ResumeWriting()
	}
}

func (t *DatagramTransport) callLost() {
	defer reportCallback(t.endpoint.loop, "ConnectionLost", t, t.protocol)
	t.protocol.ConnectionLost(nil)
}
