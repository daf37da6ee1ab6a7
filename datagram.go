package asyncio

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/go-asyncio/asyncio/internal/netfd"
	"github.com/go-asyncio/asyncio/internal/poll"
	"github.com/go-asyncio/asyncio/internal/reactor"
)

// A DatagramEndpoint sends and receives datagrams. What nobody receives stays in the
// system's buffer, which drops what it has no room for. RecvFrom, Drain and WaitClosed suspend;
// its other methods do not. Only its loop's tasks and callbacks may use it. It is asyncio's
// DatagramTransport and DatagramProtocol in one.
type DatagramEndpoint struct {
	loop          *Loop
	fd            reactor.FD
	network       string
	local, remote net.Addr
	readers       waitq
	closers       waitq
	closing       bool
	above         *DatagramTransport // or nil
	received      quota              // of receives
	receivedAt    time.Duration      // the loop's time of the first receive in the quota's turn

	// The datagrams that wait to be sent. They are not in a buffer.Unsent, as the bytes of a
	// StreamWriter are: that runs writes together, and datagrams keep their edges and their addresses.
	kept     []datagram
	size     int // of kept, in bytes
	drainers waitq
	flushing bool  // flush is in the ready queue
	sendErr  error // of a datagram that was kept; for the next RecvFrom
}

const (
	// maxReceived is how often an endpoint receives in one turn, if handling the datagrams takes
	// less than maxHandling. Between two receives comes the caller's work, and how long that
	// takes nobody knows.
	maxReceived = 4
	maxHandling = time.Millisecond

	// maxFlushed is how many of the datagrams that were kept an endpoint sends in one turn.
	maxFlushed = 64
)

// A datagram is one that waits to be sent.
type datagram struct {
	p    []byte
	addr net.Addr
}

// CreateDatagramEndpoint makes a UDP socket that is bound to the address local and connected
// to the address remote, both "host:port". Either may be empty: without remote it sends to
// and receives from anybody. An address without a host, ":port", is all of this machine's as
// local and this machine as remote. It suspends while it looks a name up. It is asyncio's
// create_datagram_endpoint.
func CreateDatagramEndpoint(ctx context.Context, local, remote string, opts ...DatagramOption) (*DatagramEndpoint, error) {
	l := running(ctx).loop
	o := newStreamOptions(append([]DatagramOption{WithNetwork("udp")}, opts...))
	switch o.network {
	case "udp", "udp4", "udp6":
	default:
		return nil, net.UnknownNetworkError(o.network)
	}
	if err := l.needPoller(); err != nil {
		return nil, err
	}
	localAddr, err := l.udpAddr(ctx, o.network, local, l.localAddrs)
	if err != nil {
		return nil, err
	}
	if o.network == "udp" && localAddr != nil { // a name may have addresses of both families
		o.network = "udp6"
		if localAddr.(*net.UDPAddr).IP.To4() != nil {
			o.network = "udp4"
		}
	}
	remoteAddr, err := l.udpAddr(ctx, o.network, remote, l.remoteAddrs)
	if err != nil {
		return nil, err
	}
	family := localAddr
	if family == nil {
		family = remoteAddr
	}
	if family == nil {
		return nil, errors.New("asyncio: datagram endpoint without any address")
	}
	fd, err := netfd.Socket(family)
	if err != nil {
		return nil, &net.OpError{Op: "listen", Net: "udp", Addr: family, Err: err}
	}
	if err := prepareDatagram(fd, localAddr, remoteAddr, o); err != nil {
		netfd.Close(fd)
		return nil, err
	}
	e := &DatagramEndpoint{loop: l, network: "udp", remote: remoteAddr, local: netfd.LocalAddr(fd, "udp")}
	if err := e.fd.Open(&l.reactor, fd, (*datagramEvents)(e)); err != nil {
		return nil, &net.OpError{Op: "listen", Net: "udp", Addr: family, Err: err}
	}
	return e, nil
}

// udpAddr resolves an address; none to nil.
func (l *Loop) udpAddr(ctx context.Context, network, address string,
	resolve func(ctx context.Context, network, address string) ([]netip.AddrPort, error)) (net.Addr, error) {
	if address == "" {
		return nil, nil
	}
	addrs, err := resolve(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return net.UDPAddrFromAddrPort(addrs[0]), nil
}

func prepareDatagram(fd int, local, remote net.Addr, o *streamOptions) error {
	if o.reusePort {
		if err := netfd.SetReusePort(fd); err != nil {
			return err
		}
	}
	if o.broadcast {
		if err := netfd.SetBroadcast(fd); err != nil {
			return err
		}
	}
	if local != nil {
		if err := netfd.Bind(fd, local); err != nil {
			return &net.OpError{Op: "listen", Net: "udp", Addr: local, Err: err}
		}
	}
	if remote != nil {
		if err := netfd.Connect(fd, remote); err != nil {
			return dialError(remote, os.NewSyscallError("connect", err))
		}
	}
	return nil
}

// RecvFrom returns the next datagram and its sender. It suspends until there is one, and gives
// way for a turn if several were received in this one. An error of a datagram sent before, such
// as that nobody listens there, comes back here or from SendTo; the endpoint goes on. After Close
// it returns net.ErrClosed. Any number of tasks may wait, and are served in turn. A receive that
// is cancelled loses nothing. It is asyncio's datagram_received and error_received.
func (e *DatagramEndpoint) RecvFrom(ctx context.Context) ([]byte, net.Addr, error) {
	running(ctx) // panics outside of any task, before anything is taken
	defer e.passOn()
	for {
		switch err := e.sendErr; {
		case err != nil:
			e.sendErr = nil
			return nil, nil, err
		case e.closing:
			return nil, nil, net.ErrClosed
		case !e.fd.Readable:
			if err := e.readers.wait(ctx, waitDatagram); err != nil {
				return nil, nil, err
			}
		case !e.mayReceive():
			if err := Sleep(ctx, 0); err != nil {
				return nil, nil, err
			}
		default:
			p, from, err := e.receive()
			if err != netfd.ErrAgain {
				return p, from, err
			}
			e.fd.Readable = false
		}
	}
}

// passOn wakes the next receiver if there may be something for it, in whatever way the one
// before it has left: it may have been woken for that, and no event comes again.
func (e *DatagramEndpoint) passOn() {
	if e.fd.Readable || e.sendErr != nil {
		e.readers.wakeNext()
	}
}

// mayReceive reports whether this turn may have another receive.
func (e *DatagramEndpoint) mayReceive() bool {
	if !e.received.spend(e.loop, maxReceived) {
		return false
	}
	if e.received.n == 1 {
		e.receivedAt = e.loop.Time()
		return true
	}
	return e.loop.Time()-e.receivedAt < maxHandling
}

// receive receives a datagram, or returns netfd.ErrAgain.
func (e *DatagramEndpoint) receive() ([]byte, net.Addr, error) {
	buf := e.loop.buffers.Get()
	defer e.loop.buffers.Put(buf)
	n, from, err := e.receiveInto(buf)
	if err != nil {
		return nil, nil, err
	}
	return append([]byte(nil), buf[:n]...), from, nil
}

// receiveInto is receive into memory of the caller's.
func (e *DatagramEndpoint) receiveInto(p []byte) (int, net.Addr, error) {
	n, from, err := netfd.RecvFrom(e.fd.Num, p, e.network)
	if err != nil && err != netfd.ErrAgain {
		err = e.opError("read", e.remote, err)
	}
	return n, from, err
}

// notify has whoever receives look at what there is.
func (e *DatagramEndpoint) notify() {
	if e.above != nil {
		e.above.schedule()
	} else {
		e.readers.wakeNext()
	}
}

// SendTo sends a datagram to addr, or with nil to the remote address of the endpoint. It never
// suspends: what the system has no room for is kept; see Drain. It is asyncio's sendto.
func (e *DatagramEndpoint) SendTo(p []byte, addr net.Addr) error {
	e.loop.check()
	switch {
	case e.closing:
		return net.ErrClosed
	case addr == nil && e.remote == nil:
		return errors.New("asyncio: datagram without an address")
	case addr != nil && e.remote != nil && addr.String() != e.remote.String():
		return fmt.Errorf("asyncio: datagram to %v from an endpoint that is connected to %v", addr, e.remote)
	case e.remote != nil:
		addr = nil
	}
	if len(e.kept) == 0 {
		switch err := system.sendTo(e.fd.Num, p, addr); err {
		case nil:
			return nil
		case netfd.ErrAgain:
		default:
			return e.opError("write", addr, err)
		}
	}
	e.kept = append(e.kept, datagram{append([]byte(nil), p...), addr})
	e.size += len(p)
	return nil
}

func (e *DatagramEndpoint) opError(op string, addr net.Addr, err error) error {
	if addr == nil {
		addr = e.remote
	}
	return &net.OpError{Op: op, Net: e.network, Source: e.local, Addr: addr, Err: os.NewSyscallError(op, err)}
}

// Drain suspends while too many datagrams are kept: from when they are more than 64 KiB until
// they are 16 KiB or less. It returns net.ErrClosed once the endpoint is closed. It is asyncio's
// pause_writing and resume_writing.
func (e *DatagramEndpoint) Drain(ctx context.Context) error {
	for e.size > defaultHighWater {
		if err := e.drainers.wait(ctx, waitDatagramRoom); err != nil {
			return err
		}
	}
	if e.fd.Num < 0 {
		return net.ErrClosed
	}
	return nil
}

// Close closes the endpoint once what is kept has been sent. It never suspends and always
// returns nil. It is asyncio's close.
func (e *DatagramEndpoint) Close() error {
	e.loop.check()
	e.closing = true
	e.readers.wakeAll()
	if len(e.kept) == 0 {
		e.Abort()
	}
	return nil
}

// Abort closes the endpoint at once. It is asyncio's abort.
func (e *DatagramEndpoint) Abort() {
	e.fd.Close()
	e.closing, e.kept, e.size = true, nil, 0
	e.readers.wakeAll()
	e.drainers.wakeAll()
	e.closers.wakeAll()
	if e.above != nil {
		e.above.schedule()
	}
}

// IsClosing reports whether the endpoint was closed. It is asyncio's is_closing.
func (e *DatagramEndpoint) IsClosing() bool { return e.closing }

// WaitClosed suspends until the endpoint, which should be closing, is closed.
func (e *DatagramEndpoint) WaitClosed(ctx context.Context) error {
	for e.fd.Num >= 0 {
		if err := e.closers.wait(ctx, waitDatagramEnd); err != nil {
			return err
		}
	}
	return nil
}

// LocalAddr returns the address that the endpoint is bound to.
func (e *DatagramEndpoint) LocalAddr() net.Addr { return e.local }

// RemoteAddr returns the address that the endpoint is connected to, or nil.
func (e *DatagramEndpoint) RemoteAddr() net.Addr { return e.remote }

// GetExtraInfo gives "sockname" and "peername" as a net.Addr and "socket" as a descriptor. It is
// asyncio's get_extra_info.
func (e *DatagramEndpoint) GetExtraInfo(name string) any {
	switch {
	case name == "sockname":
		return e.local
	case name == "peername" && e.remote != nil:
		return e.remote
	case name == "socket":
		return e.fd.Num
	}
	return nil
}

// datagramEvents is an endpoint as the reactor and the loop call it.
type datagramEvents DatagramEndpoint

func (d *datagramEvents) OnReady(ready poll.Ready) {
	e := (*DatagramEndpoint)(d)
	e.fd.Note(ready)
	if ready&poll.Read != 0 {
		e.notify()
	}
	if ready&poll.Write != 0 {
		e.flush()
	}
}

// OnLost is called when the loop closes.
func (d *datagramEvents) OnLost() { (*DatagramEndpoint)(d).Abort() }

// run goes on sending, a turn after one that has sent its share.
func (d *datagramEvents) run(*Loop) {
	d.flushing = false
	(*DatagramEndpoint)(d).flush()
}

// flush sends datagrams that were kept.
func (e *DatagramEndpoint) flush() {
	if e.flushing || e.fd.Num < 0 {
		return
	}
	n := 0
	for n < maxFlushed && len(e.kept) > 0 && e.sendKept() {
		n++
	}
	if n == maxFlushed && len(e.kept) > 0 { // there is room still, of which no event comes again
		e.flushing = true
		e.loop.push((*datagramEvents)(e))
	}
	if e.size <= defaultHighWater/4 {
		e.drainers.wakeAll()
		if e.above != nil && e.above.full {
			e.above.schedule()
		}
	}
	if e.closing && len(e.kept) == 0 {
		e.Abort()
	}
}

// sendKept sends the first of the datagrams that were kept, and reports whether there was room.
func (e *DatagramEndpoint) sendKept() bool {
	d := e.kept[0]
	switch err := system.sendTo(e.fd.Num, d.p, d.addr); err {
	case nil:
	case netfd.ErrAgain:
		return false
	default:
		e.sendErr = e.opError("write", d.addr, err)
		e.notify()
	}
	e.kept[0] = datagram{}
	e.kept = e.kept[1:]
	e.size -= len(d.p)
	return true
}
