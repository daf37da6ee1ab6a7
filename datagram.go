package asyncio

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/go-asyncio/asyncio/internal/netfd"
	"github.com/go-asyncio/asyncio/internal/poll"
	"github.com/go-asyncio/asyncio/internal/reactor"
)

// A DatagramEndpoint sends and receives datagrams. Datagrams that no task receives stay in the
// system's buffer, and the system drops those for which it has no room. RecvFrom, Drain and
// WaitClosed suspend; its other methods do not. Only its loop's tasks and callbacks may use it.
// It is asyncio's DatagramTransport and DatagramProtocol in one.
type DatagramEndpoint struct {
	loop          *Loop
	fd            reactor.FD
	packets       *netPackets // the socket if there is no poller, otherwise nil
	network       string
	local, remote net.Addr
	readers       waitq
	closers       waitq
	closing       bool
	closed        bool
	above         *DatagramTransport // the transport over this endpoint, or nil
	memory        []byte             // to receive into, of a unix socket; others use the loop's buffers
	received      quota              // receives in this turn
	receivedAt    time.Duration      // the loop's time at the first of these receives

	// Datagrams that wait to be sent. They are not in a buffer.Unsent, as the bytes of a
	// StreamWriter are: that joins writes, and datagrams keep their boundaries and their
	// addresses.
	kept     []datagram
	size     int // bytes in kept, with datagramHeader for each
	drainers waitq
	queued   bool         // in the ready queue, to go on sending
	retry    *TimerHandle // goes on sending on a unix socket, or nil
	sendErr  error        // the error of a kept datagram, for the next RecvFrom
}

const (
	// maxReceived is the number of datagrams that an endpoint receives in one turn, if handling
	// them takes less than maxHandling. The caller's work runs between two receives, and may take
	// any time.
	maxReceived = 4
	maxHandling = time.Millisecond

	// maxFlushed is the number of kept datagrams that an endpoint sends in one turn.
	maxFlushed = 64

	// datagramHeader counts for each kept datagram, so that the limit of Drain is one for empty
	// datagrams, too.
	datagramHeader = 8
)

// A datagram waits to be sent.
type datagram struct {
	p    []byte
	addr net.Addr // nil for the peer of a connected endpoint
}

// RecvFrom returns the next datagram and the address of its sender, which is nil if a unix socket has
// none. It suspends until there is
// one, and for a turn if several were received in this turn. The error of a datagram sent
// earlier, such as that nobody listens at its address, is returned by RecvFrom or SendTo; the
// endpoint can still be used. After Close it returns net.ErrClosed. Any number of tasks may wait,
// and are served in order. A call that is cancelled loses no datagram. It is asyncio's
// datagram_received and error_received.
func (e *DatagramEndpoint) RecvFrom(ctx context.Context) ([]byte, net.Addr, error) {
	running(ctx) // panics outside a task, before a datagram is taken
	defer e.passOn()
	for {
		switch err := e.sendErr; {
		case err != nil:
			e.sendErr = nil
			return nil, nil, err
		case e.closing:
			return nil, nil, net.ErrClosed
		case !e.readable():
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
		}
	}
}

// passOn wakes the next receiver if there may be a datagram or an error for it. This is deferred,
// since the task that leaves may have been woken for it, and the poller reports it only once.
func (e *DatagramEndpoint) passOn() {
	if e.readable() || e.sendErr != nil {
		e.readers.wakeNext()
	}
}

// readable reports whether there may be a datagram to receive.
func (e *DatagramEndpoint) readable() bool {
	if e.packets != nil {
		return e.packets.held
	}
	return e.fd.Readable
}

// mayReceive reports whether this turn allows another receive.
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
	buf := e.memory
	if buf == nil {
		buf = e.loop.buffers.Get()
		defer e.loop.buffers.Put(buf)
	}
	n, from, err := e.receiveInto(buf)
	if err != nil {
		return nil, nil, err
	}
	return append([]byte(nil), buf[:n]...), from, nil
}

// receiveInto is receive into the caller's memory.
func (e *DatagramEndpoint) receiveInto(p []byte) (int, net.Addr, error) {
	var n int
	var from net.Addr
	var err error
	if e.packets != nil {
		n, from, err = e.packets.receive(p)
	} else {
		n, from, err = netfd.RecvFrom(e.fd.Num, p, e.network)
	}
	if err == netfd.ErrAgain {
		e.fd.Readable = false
	} else if err != nil {
		err = e.opError("read", e.remote, err)
	}
	return n, from, err
}

// notify makes the transport, or a task that receives, look for a datagram or an error.
func (e *DatagramEndpoint) notify() {
	if e.above != nil {
		e.above.schedule()
	} else {
		e.readers.wakeNext()
	}
}

// SendTo sends a datagram to addr or, if addr is nil, to the remote address of the endpoint. It
// never suspends: if the system has no room for the datagram, the endpoint keeps it; see Drain.
// After Close it returns net.ErrClosed. It is asyncio's sendto.
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
	if len(e.kept) == 0 && e.packets == nil {
		switch err := system.sendTo(e.fd.Num, p, addr); err {
		case nil:
			return nil
		case netfd.ErrAgain:
		default:
			return e.opError("write", addr, err)
		}
	}
	e.kept = append(e.kept, datagram{append([]byte(nil), p...), addr})
	e.size += len(p) + datagramHeader
	e.retryLater()
	if e.packets != nil {
		e.packets.send(e.kept[0])
	}
	return nil
}

// retryLater makes a unix socket go on sending after a while: the poller does not report when the
// receiver has room again.
func (e *DatagramEndpoint) retryLater() {
	if e.network == "unixgram" && e.packets == nil && e.retry == nil && len(e.kept) > 0 {
		e.retry = e.loop.CallLater(unixRetryDelay, func() {
			e.retry = nil
			e.flush()
		})
	}
}

const unixRetryDelay = 5 * time.Millisecond

func (e *DatagramEndpoint) opError(op string, addr net.Addr, err error) error {
	if addr == nil {
		addr = e.remote
	}
	return &net.OpError{Op: op, Net: e.network, Source: e.local, Addr: addr, Err: os.NewSyscallError(op, err)}
}

// Drain suspends while too many bytes are kept: once there are more than 64 KiB, it waits until
// there are at most 16 KiB. It returns net.ErrClosed once the endpoint is closed. It is asyncio's
// pause_writing and resume_writing.
func (e *DatagramEndpoint) Drain(ctx context.Context) error {
	for e.size > defaultHighWater {
		if err := e.drainers.wait(ctx, waitDatagramRoom); err != nil {
			return err
		}
	}
	if e.closed {
		return net.ErrClosed
	}
	return nil
}

// Close closes the endpoint once the kept datagrams are sent. It never suspends and always
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

// Abort closes the endpoint at once, and drops the kept datagrams. It is asyncio's abort.
func (e *DatagramEndpoint) Abort() {
	if e.packets != nil {
		e.packets.close()
	} else {
		e.fd.Close()
	}
	e.closing, e.closed, e.kept, e.size = true, true, nil, 0
	if e.retry != nil {
		e.retry.Cancel()
		e.retry = nil
	}
	e.readers.wakeAll()
	e.drainers.wakeAll()
	e.closers.wakeAll()
	if e.above != nil {
		e.above.schedule()
	}
}

// IsClosing reports whether the endpoint was closed. It is asyncio's is_closing.
func (e *DatagramEndpoint) IsClosing() bool { return e.closing }

// WaitClosed suspends until the endpoint is closed; call Close first.
func (e *DatagramEndpoint) WaitClosed(ctx context.Context) error {
	for !e.closed {
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

// GetExtraInfo returns "sockname" and "peername" as a net.Addr, "socket" as the descriptor, an
// int, and nil for anything else. It is asyncio's get_extra_info.
func (e *DatagramEndpoint) GetExtraInfo(name string) any {
	switch {
	case name == "sockname":
		return e.local
	case name == "peername" && e.remote != nil:
		return e.remote
	case name == "socket" && e.packets != nil:
		return descriptor(e.packets.conn)
	case name == "socket":
		return e.fd.Num
	}
	return nil
}

// datagramEvents is an endpoint with the methods that the reactor and the loop call.
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

// run goes on sending, in the turn after one that used up its sends.
func (d *datagramEvents) run(*Loop) {
	d.queued = false
	(*DatagramEndpoint)(d).flush()
}

// flush sends kept datagrams while there is room and the turn allows.
func (e *DatagramEndpoint) flush() {
	if e.queued || e.closed {
		return
	}
	n := 0
	for n < maxFlushed && len(e.kept) > 0 && e.sendKept() {
		n++
	}
	if n == maxFlushed && len(e.kept) > 0 { // there may be room still, which the poller does not report again
		e.queued = true
		e.loop.push((*datagramEvents)(e))
	} else {
		e.retryLater()
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

// sendKept sends the first of the kept datagrams, and reports whether there was room.
func (e *DatagramEndpoint) sendKept() bool {
	d := e.kept[0]
	if e.packets != nil { // sent is called later
		e.packets.send(d)
		return false
	}
	err := system.sendTo(e.fd.Num, d.p, d.addr)
	if err == netfd.ErrAgain {
		return false
	}
	e.sent(err)
	return true
}

// sent drops the first of the kept datagrams, which was sent or could not be.
func (e *DatagramEndpoint) sent(err error) {
	d := e.kept[0]
	if err != nil {
		e.sendErr = e.opError("write", d.addr, err)
		e.notify()
	}
	e.kept[0] = datagram{}
	e.kept = e.kept[1:]
	e.size -= len(d.p) + datagramHeader
}
