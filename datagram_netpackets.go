package asyncio

// This file holds a datagram endpoint's socket without a poller: a socket of package net. One
// goroutine receives a datagram, and one sends one.

import (
	"context"
	"net"
	"syscall"

	"github.com/go-asyncio/asyncio/internal/buffer"
	"github.com/go-asyncio/asyncio/internal/netfd"
)

// A packetConn is what a *net.UDPConn and a *net.UnixConn have.
type packetConn interface {
	net.Conn
	net.PacketConn
}

// netPackets are the pending calls of an endpoint. One datagram is received ahead.
type netPackets struct {
	endpoint *DatagramEndpoint
	conn     packetConn

	// While receiving is set, the goroutine has the others.
	receiving bool
	held      bool // a datagram or an error is there
	memory    []byte
	n         int
	from      net.Addr
	readErr   error

	// The datagram that is sent is the first of those that the endpoint keeps.
	sending  bool
	next     datagram
	writeErr error
}

// openPackets makes the socket of an endpoint and begins to receive.
func (e *DatagramEndpoint) openPackets(local, remote net.Addr, o *streamOptions) error {
	control := func(network, address string, c syscall.RawConn) error {
		_ = c.Control(func(fd uintptr) { _ = netfd.SetBroadcast(int(fd), o.broadcast) }) // package net has allowed it
		if !o.reusePort {
			return nil
		}
		return reusePort(network, address, c)
	}
	var conn net.Conn
	if remote != nil {
		d := net.Dialer{LocalAddr: local, Control: control}
		c, err := d.DialContext(context.Background(), o.network, remote.String())
		if err != nil {
			return dialError(remote, withoutOp(err))
		}
		conn = c
	} else {
		config := net.ListenConfig{Control: control}
		c, err := config.ListenPacket(context.Background(), o.network, local.String())
		if err != nil {
			return &net.OpError{Op: "listen", Net: "udp", Addr: local, Err: withoutOp(err)}
		}
		conn = c.(net.Conn)
	}
	e.local = conn.LocalAddr()
	e.packets = &netPackets{endpoint: e, conn: conn.(packetConn), memory: make([]byte, buffer.Size)}
	e.loop.blockers.add((*datagramEvents)(e))
	e.packets.begin()
	return nil
}

// begin begins to receive.
func (d *netPackets) begin() {
	d.receiving, d.held = true, false
	d.endpoint.loop.blockers.begin(d.endpoint.loop, (*netReceive)(d), false)
}

// receive takes the datagram, or the error, that has come.
func (d *netPackets) receive(p []byte) (int, net.Addr, error) {
	if !d.held {
		return 0, nil, netfd.ErrAgain
	}
	n, from, err := copy(p, d.memory[:d.n]), d.from, d.readErr
	d.begin()
	return n, from, err
}

// send begins to send the first of the datagrams that the endpoint keeps, unless one is being sent.
func (d *netPackets) send(next datagram) {
	if !d.sending {
		d.sending, d.next = true, next
		d.endpoint.loop.blockers.begin(d.endpoint.loop, (*netSend)(d), false)
	}
}

func (d *netPackets) close() {
	d.endpoint.loop.blockers.remove((*datagramEvents)(d.endpoint))
	_ = d.conn.Close()
	d.held = false
}

// A netReceive is the pending receive of an endpoint.
type netReceive netPackets

func (r *netReceive) call() {
	r.readErr = errCallGoexit
	defer keepPanic(&r.readErr)
	n, from, err := r.conn.ReadFrom(r.memory)
	r.n, r.from, r.readErr = n, from, reasonOf(err)
}

func (r *netReceive) run(*Loop) {
	r.receiving = false
	if e := r.endpoint; !e.closed {
		r.held = true
		e.notify()
	}
}

func (r *netReceive) discard() {}

// A netSend is the pending send of an endpoint.
type netSend netPackets

func (s *netSend) call() {
	s.writeErr = errCallGoexit
	defer keepPanic(&s.writeErr)
	var err error
	if s.next.addr == nil {
		_, err = s.conn.Write(s.next.p)
	} else {
		_, err = s.conn.WriteTo(s.next.p, s.next.addr)
	}
	s.writeErr = reasonOf(err)
}

func (s *netSend) run(*Loop) {
	s.sending = false
	if e := s.endpoint; !e.closed {
		e.sent(s.writeErr)
		e.flush()
	}
}

func (s *netSend) discard() {}
