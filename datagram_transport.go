package asyncio

import (
	"context"
	"net"

	"github.com/go-asyncio/asyncio/internal/netfd"
)

// A DatagramProtocol is the callbacks of a datagram endpoint: ConnectionMade once, DatagramReceived
// and ErrorReceived any number of times, and ConnectionLost once. They are called as callbacks of
// the loop, outside of any task, so they must not suspend. A panic in one is reported to the
// exception handler, and the endpoint goes on, as in asyncio. One that has the methods of a
// FlowControlProtocol gets those calls as well, at 64 KiB and 16 KiB of datagrams that wait to be
// sent. It is asyncio's DatagramProtocol.
type DatagramProtocol interface {
	// ConnectionMade is called when the endpoint is ready.
	ConnectionMade(t *DatagramTransport)

	// DatagramReceived is called with a datagram and its sender. The bytes are valid until it
	// returns: a protocol that keeps them makes a copy.
	DatagramReceived(data []byte, addr net.Addr)

	// ErrorReceived is called with an error of a datagram that was sent or is to be received, such
	// as that nobody listens there. The endpoint goes on.
	ErrorReceived(err error)

	// ConnectionLost is called when the endpoint is closed. err is nil.
	ConnectionLost(err error)
}

// A BaseDatagramProtocol has the methods of a DatagramProtocol, none of which does anything, for
// protocols to embed. It is what asyncio's class DatagramProtocol has.
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
// suspends. Only callbacks and tasks of its loop may use it. The loop holds it until it is closed.
// It is asyncio's DatagramTransport.
type DatagramTransport struct {
	endpoint *DatagramEndpoint
	protocol DatagramProtocol
	flow     FlowControlProtocol // the protocol, if it is one
	opening  waitq               // of the task that waits until the protocol knows of the endpoint

	scheduled bool // it is in the ready queue
	made      bool // ConnectionMade was called
	full      bool // the protocol was told to pause writing
	lost      bool // ConnectionLost was called
}

// CreateDatagramTransport makes a UDP socket as CreateDatagramEndpoint does, and has the protocol
// that factory makes served by a transport. It suspends while it looks a name up, and until the
// protocol's ConnectionMade was called. It is asyncio's create_datagram_endpoint.
func CreateDatagramTransport[P DatagramProtocol](ctx context.Context, factory func() P, local, remote string, opts ...DatagramOption) (*DatagramTransport, P, error) {
	checkFactory(factory == nil)
	var p P
	e, err := CreateDatagramEndpoint(ctx, local, remote, opts...)
	if err != nil {
		return nil, p, err
	}
	done := false
	defer func() { // factory may panic
		if !done {
			e.Abort()
		}
	}()
	p = factory()
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
	return t, p, nil
}

// SendTo sends a datagram to addr, or with nil to the remote address of the endpoint. What the
// system has no room for is kept. An error of the system goes to ErrorReceived, as in asyncio;
// SendTo returns one if the transport is closing (net.ErrClosed) or the address is wrong. It is
// asyncio's sendto.
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

// SetProtocol has the transport call another protocol from now on. It panics if p is nil. It is
// asyncio's set_protocol.
func (t *DatagramTransport) SetProtocol(p DatagramProtocol) {
	t.endpoint.loop.check()
	if p == nil {
		panic("asyncio: nil protocol")
	}
	t.protocol = p
	t.flow, _ = p.(FlowControlProtocol)
}

// Close closes the endpoint once what is kept has been sent. Nothing is received from now on.
// ConnectionLost is called when it is closed, and never within Close. It always returns nil. It is
// asyncio's close.
func (t *DatagramTransport) Close() error { return t.endpoint.Close() }

// Abort closes the endpoint at once. It is asyncio's abort.
func (t *DatagramTransport) Abort() {
	t.endpoint.loop.check()
	t.full = false // it does not resume
	t.endpoint.Abort()
}

// IsClosing reports whether the transport is closing or closed. It is asyncio's is_closing.
func (t *DatagramTransport) IsClosing() bool { return t.endpoint.closing }

// WriteBufferSize returns how many bytes of datagrams are kept. It is asyncio's
// get_write_buffer_size.
func (t *DatagramTransport) WriteBufferSize() int { return t.endpoint.size }

// LocalAddr returns the address that the endpoint is bound to.
func (t *DatagramTransport) LocalAddr() net.Addr { return t.endpoint.local }

// RemoteAddr returns the address that the endpoint is connected to, or nil.
func (t *DatagramTransport) RemoteAddr() net.Addr { return t.endpoint.remote }

// GetExtraInfo gives what a DatagramEndpoint's does. It is asyncio's get_extra_info.
func (t *DatagramTransport) GetExtraInfo(name string) any { return t.endpoint.GetExtraInfo(name) }

// schedule has the loop run the transport in the next turn.
func (t *DatagramTransport) schedule() {
	if !t.scheduled {
		t.scheduled = true
		t.endpoint.loop.push(t)
	}
}

// run makes the calls that are due.
func (t *DatagramTransport) run(l *Loop) {
	t.scheduled = false
	e := t.endpoint
	switch {
	case t.lost:
		return
	case !t.made:
		t.made = true
		t.callMade()
		t.schedule()
		t.opening.wakeAll()
		return
	}
	closed := e.fd.Num < 0 // before this turn: ConnectionLost is not called in that of Close
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

// receive gives the protocol the datagrams that have come, as many as one turn may have.
func (t *DatagramTransport) receive() {
	e := t.endpoint
	buf := e.loop.buffers.Get()
	defer e.loop.buffers.Put(buf)
	for e.fd.Readable && !e.closing {
		if !e.mayReceive() {
			t.schedule()
			return
		}
		switch n, from, err := e.receiveInto(buf); err {
		case nil:
			t.callDatagramReceived(buf[:n], from)
		case netfd.ErrAgain:
			e.fd.Readable = false
		default:
			t.callErrorReceived(err)
		}
	}
}

func (t *DatagramTransport) callMade() {
	defer reportCallback(t.endpoint.loop, "ConnectionMade")
	t.protocol.ConnectionMade(t)
}

func (t *DatagramTransport) callDatagramReceived(p []byte, from net.Addr) {
	defer reportCallback(t.endpoint.loop, "DatagramReceived")
	t.protocol.DatagramReceived(p, from)
}

func (t *DatagramTransport) callErrorReceived(err error) {
	defer reportCallback(t.endpoint.loop, "ErrorReceived")
	t.protocol.ErrorReceived(err)
}

func (t *DatagramTransport) callPauseWriting() {
	if t.flow != nil {
		defer reportCallback(t.endpoint.loop, "PauseWriting")
		t.flow.PauseWriting()
	}
}

func (t *DatagramTransport) callResumeWriting() {
	if t.flow != nil {
		defer reportCallback(t.endpoint.loop, "ResumeWriting")
		t.flow.ResumeWriting()
	}
}

func (t *DatagramTransport) callLost() {
	defer reportCallback(t.endpoint.loop, "ConnectionLost")
	t.protocol.ConnectionLost(nil)
}
