package asyncio

import (
	"io"
	"net"
	"os"

	"github.com/go-asyncio/asyncio/internal/netfd"
)

// socket is a connected stream socket, or one end of a pipe, under a stream.
type socket struct {
	descriptor
	above         streamEvents // the stream
	network       string       // tcp or unix; pipe
	writeOnly     bool         // it is the write end of a pipe, or serves as one
	standard      bool         // it is a standard stream: unread bytes are for the program and its children
	local, remote net.Addr
	ended         func() // called when it is closed, or nil
}

// openSocket makes a stream of a connected socket, which it takes over. remote may be nil.
func openSocket(l *Loop, fd int, network string, remote net.Addr, o *streamOptions) (*stream, error) {
	s := &socket{network: network, remote: remote}
	s.socket = true
	s.whole = network == "tcp" // a unix socket stops where a descriptor was sent along
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
	st.under, s.above = s, st
	s.writable = true // what it is not, the first write finds out
	if err := s.open(l, fd, s); err != nil {
		return nil, err
	}
	return st, nil
}

func (s *socket) attach(above streamEvents) { s.above = above }

// onReadable also looks for what broke the connection, which a stream that nobody reads from
// or writes to would not learn otherwise.
func (s *socket) onReadable() {
	s.above.onReadable()
	if s.hangup && s.fd >= 0 {
		if err := s.failure(); err != nil {
			s.above.onBroken(err)
			if s.writeOnly { // nothing is left to be done with it
				s.close()
			}
		}
	}
}

// failure returns why nothing more can be sent, or nil. That the peer has ended its side is no
// reason. The kernel reports a reset only once; when a read finds the end instead, that is
// made good by StreamReader.ended.
func (s *socket) failure() error {
	if s.network == "pipe" {
		if netfd.PipeBroken(s.fd) {
			return s.failed("write", errPipe)
		}
	} else if err := netfd.Error(s.fd); err != nil {
		return s.failed("read", err)
	}
	return nil
}

func (s *socket) onWritable()   { s.above.onWritable() }
func (s *socket) onLoopClosed() { s.onClosed() }

func (s *socket) onClosed() {
	s.above.onClosed()
	if s.ended != nil {
		s.ended()
	}
}

func (s *socket) read(p []byte) (int, error) {
	n, err := s.descriptor.read(p)
	switch {
	case s.network == "pipe" && (err == io.EOF || err == errIO):
		// Nobody can write to it any more. EIO is the end of a terminal: of the master of a pty
		// whose slaves are closed, or of one that was hung up.
		s.close()
		err = io.EOF
	case s.network == "pipe" && err == errBadFD: // it is the write end
		s.readable, err = false, errAgain
	case err != nil && err != errAgain && err != io.EOF:
		err = s.failed("read", err)
	}
	return n, err
}

func (s *socket) write(p []byte) (int, error) {
	n, err := s.descriptor.write(p)
	if err != nil {
		err = s.failed("write", err)
	}
	return n, err
}

func (s *socket) failed(op string, err error) error {
	return &net.OpError{Op: op, Net: s.network, Source: s.local, Addr: s.remote, Err: os.NewSyscallError(op, err)}
}

func (s *socket) buffered() int       { return 0 }
func (s *socket) canCloseWrite() bool { return true }

// stopReceiving has the last reads, and discard, look for what the loop does not know of yet.
func (s *socket) stopReceiving() {
	s.readable = !s.standard && (s.readable || s.network != "pipe")
}

func (s *socket) closeWrite() error {
	if s.network == "pipe" { // it has one direction
		s.close()
		return nil
	}
	return netfd.CloseWrite(s.fd)
}

func (s *socket) close() {
	if s.readable && s.network != "pipe" && s.fd >= 0 {
		s.discard()
	}
	s.drop()
}

// discard receives what the reader has not gathered. A socket that is closed before that
// resets the connection, and the peer may lose what it was sent last.
func (s *socket) discard() {
	buf := s.loop.buffers.get()
	for range maxReceives {
		if n, err := netfd.Recv(s.fd, buf); n < len(buf) || err != nil {
			break
		}
	}
	s.loop.buffers.put(buf)
}

func (s *socket) abort() { s.close() }

func (s *socket) reset() {
	if s.fd >= 0 && s.network == "tcp" {
		_ = netfd.SetReset(s.fd)
	}
	s.drop()
}

// drop closes the descriptor as it is.
func (s *socket) drop() {
	if s.fd >= 0 {
		s.descriptor.close()
		s.onClosed()
	}
}

func (s *socket) info(name string) any {
	switch {
	case name == "pipe" && s.network == "pipe", name == "socket" && s.network != "pipe":
		return s.fd
	case s.network == "pipe":
	case name == "sockname":
		return s.local
	case name == "peername":
		return s.remote
	}
	return nil
}
