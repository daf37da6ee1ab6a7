package asyncio

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"time"

	"github.com/go-asyncio/asyncio/internal/buffer"
	"github.com/go-asyncio/asyncio/internal/netfd"
)

// StartTLS encrypts the connection from here on: the same reader and writer go on over TLS. It
// suspends until the handshake is done, for at most a minute unless WithTLSHandshakeTimeout
// changes that. On a connection that a Server has accepted, StartTLS makes the server's side of
// the handshake. Bytes that the peer has sent already are part of the handshake, not plain text.
// A handshake that fails closes the connection. A client's config needs a ServerName or
// InsecureSkipVerify, and must not allow renegotiation; a server's needs a certificate. With any
// other config StartTLS returns an error and leaves the connection as it is. It does the same,
// with ErrReaderBusy, while another task waits to read. It panics if config is nil. It is
// asyncio's start_tls.
func (w *StreamWriter) StartTLS(ctx context.Context, config *tls.Config, opts ...StartTLSOption) error {
	return w.stream.startTLS(ctx, config, w.stream.serverSide, newStreamOptions(opts))
}

// startTLS is StartTLS for either side. Of the options it heeds the timeouts.
func (s *stream) startTLS(ctx context.Context, config *tls.Config, serverSide bool, o *streamOptions) error {
	running(ctx) // panics outside a task, before anything is changed
	if err := s.writer.refuse(); err != nil {
		return err
	}
	if s.reader.busy() {
		return ErrReaderBusy
	}
	if config == nil {
		panic("asyncio: nil TLS config")
	}
	if err := checkTLS(config, serverSide); err != nil {
		return err
	}
	if !serverSide && config.ServerName == "" && !config.InsecureSkipVerify {
		return errors.New("asyncio: a TLS client's config needs a ServerName or InsecureSkipVerify")
	}
	t := s.insertTLS(config, serverSide)
	t.shutdownTimeout = o.shutdownTimeout
	defer func() { // deferred, since a callback of the config may panic
		t.wire.handshake = nil
		if !t.ready {
			t.below.writer.Close() // the alert for the peer is still sent
		}
	}()
	err := Timeout(ctx, cmp.Or(o.handshakeTimeout, time.Minute), func(ctx context.Context, _ *TimeoutScope) error {
		t.wire.handshake = ctx
		// crypto/tls would watch a context that can be cancelled on another goroutine. Here a
		// cancellation ends the suspension in wire.Read instead.
		return t.conn.HandshakeContext(context.WithoutCancel(ctx))
	})
	if err != nil {
		return err
	}
	t.ready = true
	s.onWritable() // send the bytes written meanwhile
	return nil
}

// checkTLS returns an error if a config cannot be used.
func checkTLS(config *tls.Config, serverSide bool) error {
	switch {
	case config == nil:
		return errors.New("asyncio: WithTLS of a nil config")
	case serverSide && len(config.Certificates) == 0 && config.GetCertificate == nil && config.GetConfigForClient == nil:
		return errors.New("asyncio: a TLS server's config needs Certificates, GetCertificate or GetConfigForClient")
	case !serverSide && config.Renegotiation != tls.RenegotiateNever:
		// crypto/tls would make the second handshake within a read, holding locks that a write
		// needs too. If the task waited there, another task's write would block the loop.
		return errors.New("asyncio: TLS renegotiation is not supported")
	}
	return nil
}

// insertTLS inserts TLS between s and its transport.
func (s *stream) insertTLS(config *tls.Config, serverSide bool) *tlsTransport {
	below := newStream(s.loop, &streamOptions{limit: s.reader.limit})
	below.below, below.above = s.below, s.events()
	below.below.attach(below)
	s.reader.buf.Park(&s.loop.buffers)
	below.reader.buf, s.reader.buf = s.reader.buf, buffer.Received{}
	below.reader.err, s.reader.err = s.reader.err, nil
	below.writer.kept, s.writer.kept = s.writer.kept, buffer.Unsent{}
	t := &tlsTransport{below: below, wire: &wire{below: below}}
	if serverSide {
		t.conn = tls.Server(t.wire, config)
	} else {
		t.conn = tls.Client(t.wire, config)
	}
	s.below = t
	if s.drop != nil {
		s.drop.below = t
	}
	return t
}

// tlsTransport is TLS over the stream below.
type tlsTransport struct {
	below *stream
	wire  *wire
	conn  *tls.Conn
	ready bool // the handshake is done

	shutdownTimeout time.Duration // 0 if Close does not wait for the peer
	shutdown        *tlsShutdown  // since Close, if there is a shutdown timeout, or nil
}

func (t *tlsTransport) attach(above streamEvents) { t.below.above = above }

func (t *tlsTransport) readable() bool { return t.ready }

func (t *tlsTransport) read(p []byte) (int, error) {
	if !t.ready {
		return 0, netfd.ErrAgain
	}
	n, err := t.conn.Read(p)
	if n > 0 {
		return n, nil // the next read returns the error again
	}
	if _, ok := err.(notYet); ok {
		return 0, netfd.ErrAgain
	}
	return 0, err
}

// write encrypts one record at a time, while the stream below keeps few bytes. When that stream
// has sent them, onWritable asks for the rest.
func (t *tlsTransport) write(p []byte) (n int, err error) {
	const record = 16 << 10
	for t.ready && n < len(p) && t.below.writer.kept.Len() < defaultHighWater {
		m, err := t.conn.Write(p[n:min(len(p), n+record)])
		n += m
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

func (t *tlsTransport) buffered() int       { return t.below.writer.WriteBufferSize() }
func (t *tlsTransport) canCloseWrite() bool { return false }
func (t *tlsTransport) closeWrite() error   { return t.conn.CloseWrite() }

// stopReceiving is called by Close. With a shutdown timeout the stream below goes on receiving.
func (t *tlsTransport) stopReceiving() {
	switch {
	case t.shutdownTimeout == 0 || !t.ready:
		t.below.below.stopReceiving()
	case t.shutdown == nil:
		t.beginShutdown()
	}
}

func (t *tlsTransport) close() {
	// If CloseWrite failed, the stream below would report the error through above while the
	// tls.Conn's mutex is held, and we would deadlock. A lost close alert does no harm.
	if t.ready && t.below.writer.err == nil {
		above := t.below.above
		t.below.above = nil
		_ = t.conn.CloseWrite()
		t.below.above = above
		if t.shutdown != nil {
			t.shutdown.wait()
			return
		}
	}
	t.below.writer.Close()
}

func (t *tlsTransport) abort() { t.below.writer.Abort() }
func (t *tlsTransport) reset() { t.below.writer.Reset() }

func (t *tlsTransport) info(name string) any {
	switch name {
	case "ssl_object", "cipher", "peercert":
		// During the handshake a task is suspended that holds a lock of the tls.Conn: asking for
		// the connection's state would block the loop.
		if t.ready {
			return t.secret(name)
		}
		return nil
	}
	return t.below.below.info(name)
}

// secret is info for the names that concern the encryption.
func (t *tlsTransport) secret(name string) any {
	switch state := t.conn.ConnectionState(); {
	case name == "ssl_object":
		return t.conn
	case name == "cipher":
		return tls.CipherSuiteName(state.CipherSuite)
	case len(state.PeerCertificates) > 0:
		return state.PeerCertificates[0]
	}
	return nil
}

// wire is the stream below as crypto/tls sees it. During the handshake Read suspends the running
// task; afterwards it never does, so that no task is suspended while it holds a lock of the
// tls.Conn. Write never suspends.
type wire struct {
	below     *stream
	handshake context.Context // nil when the handshake is over
}

func (w *wire) Read(p []byte) (int, error) {
	if w.handshake != nil {
		return w.below.reader.ReadInto(w.handshake, p)
	}
	n, err := w.below.reader.readNow(p)
	if err == netfd.ErrAgain {
		return 0, notYet{}
	}
	return n, err
}

func (w *wire) Write(p []byte) (int, error)      { return w.below.writer.Write(p) }
func (w *wire) Close() error                     { return w.below.writer.Close() }
func (w *wire) LocalAddr() net.Addr              { return w.below.writer.LocalAddr() }
func (w *wire) RemoteAddr() net.Addr             { return w.below.writer.RemoteAddr() }
func (w *wire) SetDeadline(time.Time) error      { return nil }
func (w *wire) SetReadDeadline(time.Time) error  { return nil }
func (w *wire) SetWriteDeadline(time.Time) error { return nil }

// notYet is the error of a read that would have to wait. It is temporary, so crypto/tls does not
// remember it, and keeps the part of a record that it has read.
type notYet struct{}

func (notYet) Error() string   { return "asyncio: nothing to read yet" }
func (notYet) Timeout() bool   { return true }
func (notYet) Temporary() bool { return true }
