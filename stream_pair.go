package asyncio

import (
	"context"
	"io"
	"net"

	"github.com/go-asyncio/asyncio/internal/netfd"
)

// StreamPair makes two streams that are connected to each other in memory, for tests and for
// simulations in virtual time: a client and a server communicate over it as over a socket. Each
// direction holds up to 64 KiB that the other side has not read. It does not suspend. It has no
// counterpart in asyncio.
func StreamPair(ctx context.Context, opts ...LimitOption) (client, server Stream) {
	l := RunningLoop(ctx)
	o := newStreamOptions(opts)
	a, b := &memory{name: "client"}, &memory{name: "server"}
	a.peer, b.peer = b, a
	near, far := newStream(l, o), newStream(l, o)
	near.below, far.below = a, b
	a.above, b.above = near, far
	far.serverSide = true
	return near.halves(), far.halves()
}

// memoryRoom is the number of bytes that one direction holds.
const memoryRoom = 64 << 10

// memory is one end of a connection in memory.
type memory struct {
	name   string
	peer   *memory
	above  streamEvents // the stream
	inbox  []byte       // bytes from the peer
	ended  bool         // the peer will write no more
	broken bool         // the peer closed its end without reading everything, or reset it
	gone   bool         // this end is closed
	full   bool         // a write found no room; the peer calls onWritable when there is some
	deaf   bool         // this end will read nothing beyond inbox
}

func (m *memory) readable() bool { return len(m.inbox) > 0 || m.broken || m.ended }

func (m *memory) read(p []byte) (int, error) {
	if len(m.inbox) == 0 {
		switch {
		case m.broken:
			return 0, errConnReset
		case m.ended:
			return 0, io.EOF
		default:
			return 0, netfd.ErrAgain
		}
	}
	n := copy(p, m.inbox)
	if m.inbox = m.inbox[n:]; len(m.inbox) == 0 {
		m.inbox = nil
	}
	if m.peer.full && !m.deaf {
		m.peer.full = false
		m.peer.above.onWritable()
	}
	return n, nil
}

func (m *memory) write(p []byte) (int, error) {
	switch {
	case m.broken:
		return 0, errConnReset
	case m.peer.gone:
		return 0, errPipe
	}
	n := min(len(p), memoryRoom-len(m.peer.inbox))
	m.full = n < len(p)
	if n > 0 {
		m.peer.inbox = append(m.peer.inbox, p[:n]...)
		m.peer.above.onReadable()
	}
	return n, nil
}

func (m *memory) attach(above streamEvents) { m.above = above }

func (m *memory) buffered() int       { return 0 }
func (m *memory) stopReceiving()      { m.deaf = true }
func (m *memory) canCloseWrite() bool { return true }

func (m *memory) closeWrite() error {
	m.peer.ended = true
	m.peer.above.onReadable()
	return nil
}

func (m *memory) close() { m.closeEnd(len(m.inbox) > 0) }
func (m *memory) abort() { m.close() }
func (m *memory) reset() { m.closeEnd(true) }

// closeEnd closes this end. With reset, the peer can still read the bytes that it has, and then gets
// the error of a socket whose peer has closed without reading everything.
func (m *memory) closeEnd(reset bool) {
	if m.gone {
		return
	}
	m.gone, m.inbox = true, nil
	if !m.peer.gone {
		m.peer.ended, m.peer.broken = true, m.peer.broken || reset
		m.peer.above.onReadable()
		if m.peer.broken {
			m.peer.above.onBroken(errConnReset)
		} else {
			m.peer.above.onWritable()
		}
	}
	m.above.onClosed()
}

func (m *memory) info(name string) any {
	switch name {
	case "sockname":
		return memoryAddr(m.name)
	case "peername":
		return memoryAddr(m.peer.name)
	}
	return nil
}

// memoryAddr is the name of an end, used as its address.
type memoryAddr string

func (memoryAddr) Network() string  { return "memory" }
func (a memoryAddr) String() string { return string(a) }

var _ net.Addr = memoryAddr("")
