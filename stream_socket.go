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
	local, remote net.Addr
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

func (s *socket) onReadable()   { s.above.onReadable() }
func (s *socket) onWritable()   { s.above.onWritable() }
func (s *socket) onLoopClosed() { s.above.onClosed() }

func (s *socket) read(p []byte) (int, error) {
	n, err := s.descriptor.read(p)
	switch {
	case err == io.EOF && s.network == "pipe": // nobody can write to it any more
		s.close()
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

func (s *socket) closeWrite() error {
	if s.network == "pipe" { // it has one direction
		s.close()
		return nil
	}
	return netfd.CloseWrite(s.fd)
}

func (s *socket) close() {
	if s.network != "pipe" && s.fd >= 0 {
		s.discard()
	}
	s.drop()
}

// discard receives what has come and nobody will read. A socket that is closed before that
// resets the connection, and the peer may lose what it was sent last. asyncio, which receives
// without being asked, has it in its buffer.
func (s *socket) discard() {
	buf := s.loop.lend()
	for range maxReceives {
		if n, err := netfd.Recv(s.fd, buf); n < len(buf) || err != nil {
			break
		}
	}
	s.loop.spare = append(s.loop.spare, buf)
}

func (s *socket) abort() {
	if s.fd >= 0 && s.network == "tcp" {
		_ = netfd.SetReset(s.fd)
	}
	s.drop()
}

// drop closes the descriptor as it is.
func (s *socket) drop() {
	if s.fd >= 0 {
		s.descriptor.close()
		s.above.onClosed()
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
