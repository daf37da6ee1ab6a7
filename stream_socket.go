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
	network       string       // tcp or unix; pipe
	writeOnly     bool         // it is the write end of a pipe, or serves as one
	standard      bool         // it is a standard stream: unread bytes are for the program and its children
	local, remote net.Addr
	ended         func() // called when it is closed, or nil
	sends         quota
	goingOn       bool // it is in the ready queue, to write on
}

// openSocket makes a stream of a connected socket, which it takes over. remote may be nil.
func openSocket(l *Loop, fd int, network string, remote net.Addr, o *streamOptions) (*stream, error) {
	s := &socket{network: network, remote: remote}
	s.fd.Socket = true
	s.fd.ShortReadIsAll = network == "tcp" // a read from a unix socket stops where a descriptor was sent along
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

// begin registers the descriptor, which it takes over.
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

// checkBroken looks for an error that broke the connection: a stream that nobody reads from or
// writes to would not learn of it otherwise.
func (s *socket) checkBroken() {
	if !s.fd.Hangup || s.fd.Num < 0 {
		return
	}
	if err := s.failure(); err != nil {
		s.above.onBroken(err)
		if s.writeOnly { // nothing is left to be done with it
			s.close()
		}
	}
}

// failure returns why nothing more can be sent, or nil. That the peer has ended its side is no
// reason. The kernel reports a reset only once; when a read finds the end instead, that is
// made good by StreamReader.ended.
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
	if s.ended != nil {
		s.ended()
	}
}

func (s *socket) readable() bool { return s.fd.Readable }

func (s *socket) read(p []byte) (int, error) {
	n, err := s.fd.Read(p[:min(len(p), maxTransfer)])
	switch {
	case s.network == "pipe" && (err == io.EOF || err == errIO):
		// Nobody can write to it any more. EIO is the end of a terminal: of the master of a pty
		// whose slaves are closed, or of one that was hung up.
		s.close()
		err = io.EOF
	case s.network == "pipe" && err == errBadFD: // it is the write end
		s.fd.Readable, err = false, netfd.ErrAgain
	case err != nil && err != netfd.ErrAgain && err != io.EOF:
		err = s.opError("read", err)
	}
	return n, err
}

// maxSends is how often a socket sends in one turn, and sendSize how many bytes at a time, so that
// a peer which takes all that it is sent does not keep the loop to itself.
const (
	maxSends = 32
	sendSize = 64 << 10
)

// write sends as much as there is room for and the turn allows; less than all of p means that
// onWritable will be called.
func (s *socket) write(p []byte) (n int, err error) {
	for s.fd.Writable && n < len(p) {
		if !s.sends.spend(s.loop, maxSends) {
			if !s.goingOn {
				s.goingOn = true
				s.loop.push(s)
			}
			break
		}
		m, err := s.fd.Write(p[n:min(len(p), n+sendSize)])
		if err == netfd.ErrAgain {
			break
		} else if err != nil {
			return n, s.opError("write", err)
		}
		n += m
	}
	return n, nil
}

// run writes on, a turn after one that has had its share of writes.
func (s *socket) run(*Loop) {
	s.goingOn = false
	if s.fd.Num >= 0 {
		s.above.onWritable()
	}
}

func (s *socket) opError(op string, err error) error {
	return &net.OpError{Op: op, Net: s.network, Source: s.local, Addr: s.remote, Err: os.NewSyscallError(op, err)}
}

func (s *socket) buffered() int       { return 0 }
func (s *socket) canCloseWrite() bool { return true }

// stopReceiving has the last reads, and discard, look for what the loop does not know of yet.
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
	s.drop()
}

// discard receives the bytes that the reader has not gathered. A socket that is closed before that
// resets the connection, and the peer may lose the bytes that it was sent last.
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
	s.drop()
}

// drop closes the descriptor as it is.
func (s *socket) drop() {
	if s.fd.Num >= 0 {
		s.fd.Close()
		s.onClosed()
	}
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
