package asyncio

// This file holds a datagram endpoint's socket without a poller: a socket of package net. One
// goroutine receives a datagram, and one sends one.

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"syscall"

	"github.com/go-asyncio/asyncio/internal/buffer"
	"github.com/go-asyncio/asyncio/internal/netfd"
)

// netPackets are the pending calls of an endpoint. One datagram is received ahead.
type netPackets struct {
	endpoint *DatagramEndpoint
	conn     net.PacketConn

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

// openPackets is openDatagram by package net.
func (l *Loop) openPackets(family, local, remote net.Addr, o *streamOptions) (*DatagramEndpoint, error) {
	network := family.Network()
	if udp, ok := family.(*net.UDPAddr); ok { // otherwise an IPv6 socket takes IPv4, too
		if network = "udp6"; udp.IP.To4() != nil {
			network = "udp4"
		}
	}
	control := func(network, address string, c syscall.RawConn) error {
		_ = c.Control(func(fd uintptr) { _ = netfd.SetBroadcast(int(fd), o.broadcast) }) // package net has allowed it
		if !o.reusePort {
			return nil
		}
		return reusePort(network, address, c)
	}
	if remote != nil {
		d := net.Dialer{LocalAddr: local, Control: control}
		conn, err := d.DialContext(context.Background(), network, remote.String())
		if err = withoutOp(err); isBind(err) {
			return nil, &net.OpError{Op: "listen", Net: family.Network(), Addr: local, Err: err}
		} else if err != nil {
			return nil, dialError(remote, err)
		}
		return l.newPacketEndpoint(conn.(net.PacketConn), family.Network(), remote), nil
	}
	address := ""
	if local != nil {
		address = local.String()
	}
	config := net.ListenConfig{Control: control}
	conn, err := config.ListenPacket(context.Background(), network, address)
	if err != nil {
		return nil, &net.OpError{Op: "listen", Net: family.Network(), Addr: local, Err: withoutOp(err)}
	}
	return l.newPacketEndpoint(conn, family.Network(), nil), nil
}

// isBind reports whether a socket could not be bound to its local address.
func isBind(err error) bool {
	call, ok := err.(*os.SyscallError)
	return ok && call.Syscall == "bind"
}

// newPacketEndpoint makes an endpoint of a socket, which it takes over, and begins to receive. If
// remote is not nil, the socket is connected, and is a net.Conn, too.
func (l *Loop) newPacketEndpoint(conn net.PacketConn, network string, remote net.Addr) *DatagramEndpoint {
	e := &DatagramEndpoint{loop: l, network: network, remote: remote, local: conn.LocalAddr()}
	e.makeRoom()
	e.packets = &netPackets{endpoint: e, conn: conn, memory: make([]byte, max(len(e.memory), buffer.Size))}
	l.blockers.add((*datagramEvents)(e))
	e.packets.begin()
	return e
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
	if isFinal(err) {
		d.endpoint.Abort()
	} else {
		d.begin()
	}
	return n, from, err
}

// isFinal reports whether a socket that has returned err would return it for ever.
func isFinal(err error) bool {
	_, panicked := err.(*PanicError)
	return panicked || err == errCallGoexit || err == io.EOF || errors.Is(err, net.ErrClosed)
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
	d.endpoint.loop.blockers.shut(d.endpoint.loop, d.conn)
	d.held = false
}

// A netReceive is the pending receive of an endpoint.
type netReceive netPackets

func (r *netReceive) call() {
	r.readErr = errCallGoexit
	defer keepPanic(&r.readErr)
	n, from, err := r.conn.ReadFrom(r.memory)
	_ = r.memory[:n] // panics if the socket claims to have received more
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
		_, err = s.conn.(net.Conn).Write(s.next.p)
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
