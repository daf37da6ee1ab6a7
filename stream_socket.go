package asyncio

import (
	"io"
	"net"
	"os"

	"github.com/go-asyncio/asyncio/internal/netfd"
	"github.com/go-asyncio/asyncio/internal/poll"
	"github.com/go-asyncio/asyncio/internal/reactor"
)

// socket is a connected stream socket, or one end of a pipe, below a stream.
type socket struct {
	loop          *Loop
	fd            reactor.FD
	above         streamEvents // the stream
	network       string       // tcp, unix or pipe
	writeOnly     bool         // the write end of a pipe, or a socket that serves as one
	standard      bool         // a standard stream: unread bytes remain for the program and its children
	local, remote net.Addr
	restore       func() // makes the file of a pipe as it was, or nil
	received      int64  // bytes
	sent          int64  // bytes
	sends         quota
	queued        bool // in the ready queue, to go on writing
}

// openSocket makes a stream of a connected socket, which it takes over. If remote is nil, it asks
// the kernel for the peer's address.
func openSocket(l *Loop, fd int, network string, remote net.Addr, o *streamOptions) (*stream, error) {
	s := &socket{network: network, remote: remote}
	s.fd.Socket = true
	s.fd.ShortReadIsAll = network == "tcp" // a read from a unix socket stops at a descriptor that was sent along
	s.local = netfd.LocalAddr(fd, network)
	if remote == nil {
		s.remote = netfd.RemoteAddr(fd, network)
	}
	if network == "tcp" {
		_ = netfd.SetNoDelay(fd)
		if o.keepAlive {
			_ = netfd.SetKeepAlive(fd)
		}
	}
	return s.begin(l, fd, o)
}

// begin takes the descriptor over and registers it.
func (s *socket) begin(l *Loop, fd int, o *streamOptions) (*stream, error) {
	st := newStream(l, o)
	st.below, s.above, s.loop = s, st, l
	s.fd.Writable = true // if it is not, the first write finds out
	if err := s.fd.Open(&l.reactor, fd, s); err != nil {
		return nil, err
	}
	return st, nil
}

func (s *socket) attach(above streamEvents) { s.above = above }

func (s *socket) OnReady(ready poll.Ready) {
	s.fd.Note(ready)
	if ready&poll.Read != 0 {
		s.above.onReadable()
		s.checkBroken()
	}
	if ready&poll.Write != 0 && s.fd.Num >= 0 {
		s.above.onWritable()
	}
}

// OnLost is called when the loop closes.
func (s *socket) OnLost() {
	s.fd.Close()
	s.onClosed()
}

// checkBroken looks for an error that broke the connection. If no task reads from the stream or
// writes to it, nothing else would find the error.
func (s *socket) checkBroken() {
	if !s.fd.Hangup || s.fd.Num < 0 {
		return
	}
	if err := s.failure(); err != nil {
		s.above.onBroken(err)
		if s.writeOnly { // it has no other use
			s.close()
		}
	}
}

// failure returns the error that broke the connection, or nil. A peer that has only ended its
// side has not broken it. The kernel reports a reset only once; if the next read finds the end
// instead, StreamReader.ended turns that back into the reset.
func (s *socket) failure() error {
	if s.network == "pipe" {
		if netfd.PipeBroken(s.fd.Num) {
			return s.opError("write", errPipe)
		}
	} else if err := netfd.Error(s.fd.Num); err != nil {
		return s.opError("read", err)
	}
	return nil
}

func (s *socket) onClosed() {
	s.above.onClosed()
	if s.restore != nil {
		s.restore()
	}
}

func (s *socket) readable() bool { return s.fd.Readable }

func (s *socket) read(p []byte) (int, error) {
	n, err := s.fd.Read(p[:min(len(p), maxTransfer)])
	s.received += int64(n)
	switch {
	case s.network == "pipe" && (err == io.EOF || err == errIO):
		// The pipe has no writer any more. EIO is the end of a terminal: of the master of a pty
		// whose slaves are closed, or of a terminal that was hung up.
		s.close()
		err = io.EOF
	case s.network == "pipe" && err == errBadFD: // it is the write end
		s.fd.Readable, err = false, netfd.ErrAgain
	case err != nil && err != netfd.ErrAgain && err != io.EOF:
		err = s.opError("read", err)
	}
	return n, err
}

// maxSends is the number of times that a socket sends in one turn, and sendSize the number of
// bytes that it sends each time. So a peer that keeps up does not keep the loop to itself.
const (
	maxSends = 32
	sendSize = 64 << 10
)

// write sends as much of p as there is room for and as the turn allows. If that is less than all
// of p, onWritable will be called.
func (s *socket) write(p []byte) (n int, err error) {
	for s.fd.Writable && n < len(p) {
		if !s.sends.spend(s.loop, maxSends) {
			s.goOnLater()
			break
		}
		m, err := s.fd.Write(p[n:min(len(p), n+sendSize)])
		if err == netfd.ErrAgain {
			break
		} else if err != nil {
			return n, s.opError("write", err)
		}
		n += m
		s.sent += int64(m)
	}
	return n, nil
}

// goOnLater makes the loop call run in the next turn.
func (s *socket) goOnLater() {
	if !s.queued {
		s.queued = true
		s.loop.push(s)
	}
}

// run goes on writing, in the turn after one that used up its sends.
func (s *socket) run(*Loop) {
	s.queued = false
	if s.fd.Num >= 0 {
		s.above.onWritable()
	}
}

func (s *socket) opError(op string, err error) error {
	return &net.OpError{Op: op, Net: s.network, Source: s.local, Addr: s.remote, Err: os.NewSyscallError(op, err)}
}

func (s *socket) buffered() int       { return 0 }
func (s *socket) canCloseWrite() bool { return true }

// stopReceiving makes the last reads, and discard, look for bytes that the poller has not
// reported yet. From a standard stream they take nothing.
func (s *socket) stopReceiving() {
	s.fd.Readable = !s.standard && (s.fd.Readable || s.network != "pipe")
}

func (s *socket) closeWrite() error {
	if s.network == "pipe" { // it has one direction
		s.close()
		return nil
	}
	return netfd.CloseWrite(s.fd.Num)
}

func (s *socket) close() {
	if s.fd.Readable && s.network != "pipe" && s.fd.Num >= 0 {
		s.discard()
	}
	s.closeFD()
}

// discard receives the bytes that the reader has not gathered. Closing a socket with unread bytes
// resets the connection, and the peer may lose the last bytes sent to it.
func (s *socket) discard() {
	buf := s.loop.buffers.Get()
	for range maxReceives {
		if n, err := netfd.Recv(s.fd.Num, buf); n < len(buf) || err != nil {
			break
		}
	}
	s.loop.buffers.Put(buf)
}

func (s *socket) abort() { s.close() }

func (s *socket) reset() {
	if s.fd.Num >= 0 && s.network == "tcp" {
		_ = netfd.SetReset(s.fd.Num)
	}
	s.closeFD()
}

// closeFD closes the descriptor without receiving from it.
func (s *socket) closeFD() {
	if s.fd.Num >= 0 {
		s.fd.Close()
		s.onClosed()
	}
}

func (s *socket) control(f func(fd uintptr)) error {
	if s.fd.Num < 0 {
		return net.ErrClosed
	}
	f(uintptr(s.fd.Num))
	return nil
}

func (s *socket) info(name string) any {
	switch {
	case name == "pipe" && s.network == "pipe", name == "socket" && s.network != "pipe":
		return s.fd.Num
	case s.network == "pipe":
	case name == "sockname":
		return s.local
	case name == "peername":
		return s.remote
	}
	return nil
}
