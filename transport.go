package asyncio

// This file holds the transport of a stream: it calls a protocol, so that no task waits for the
// stream. It stands above the stream, where TLS stands above the stream that carries it. When
// the stream notifies it, it calls the protocol in the next turn and not at once, since a task
// may be on the stack.

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"

	"github.com/go-asyncio/asyncio/internal/netfd"
)

// A Transport is a connection, or one end of a pipe, that calls a Protocol. StartTLS and SendFile
// suspend; its other methods do not. Only tasks and callbacks of its loop may use it. The loop holds a reference
// to it until it is closed. It is asyncio's Transport.
type Transport struct {
	stream   *stream
	protocol Protocol
	buffered BufferedProtocol    // the protocol, if it is a BufferedProtocol, or nil
	flow     FlowControlProtocol // the protocol, if it is a FlowControlProtocol, or nil
	opening  waitq               // the task that waits until ConnectionMade has returned
	cause    error               // the error that ended the connection, if it is not the stream's own, or nil

	scheduled bool // in the ready queue
	made      bool // ConnectionMade was called
	paused    bool // PauseReading was called
	full      bool // PauseWriting was called, and ResumeWriting not yet
	eof       bool // no more bytes will be received
	closing   bool // Close or Abort was called, or the connection broke
	gone      bool // the stream is closed
	lost      bool // ConnectionLost was called
}

// newTransport makes a transport above a stream, which calls p.
func newTransport(s *stream, p Protocol) *Transport {
	t := &Transport{stream: s, gone: s.writer.gone, eof: isWritePipe(s)}
	t.SetProtocol(p)
	s.above = t
	t.schedule()
	return t
}

// isWritePipe reports whether a stream is the writing end of a pipe, which receives nothing.
func isWritePipe(s *stream) bool {
	switch below := s.below.(type) {
	case *socket:
		return below.writeOnly
	case *netConn:
		return below.writeOnly
	}
	return false
}

// Protocol returns the protocol. It is asyncio's get_protocol.
func (t *Transport) Protocol() Protocol { return t.protocol }

// SetProtocol makes the transport call p from now on. It does not call p's ConnectionMade. It
// panics if p is nil. It is asyncio's set_protocol.
func (t *Transport) SetProtocol(p Protocol) {
	t.stream.loop.check()
	checkProtocol(p == nil)
	t.protocol = p
	t.buffered, _ = p.(BufferedProtocol)
	t.flow, _ = p.(FlowControlProtocol)
}

// PauseReading stops the calls of DataReceived until ResumeReading. Meanwhile the bytes that the
// peer sends fill the system's buffers, and then the peer has to wait. If the connection breaks
// meanwhile, the transport notices that at a write or after ResumeReading. A second PauseReading
// does nothing, nor does one after Close. It is asyncio's pause_reading.
func (t *Transport) PauseReading() {
	t.stream.loop.check()
	t.paused = true
}

// ResumeReading undoes PauseReading. It is asyncio's resume_reading.
func (t *Transport) ResumeReading() {
	t.stream.loop.check()
	if t.paused {
		t.paused = false
		t.schedule()
	}
}

// IsReading reports whether the transport receives, which it does unless it is paused or
// closing. It is asyncio's is_reading.
func (t *Transport) IsReading() bool { return !t.paused && !t.IsClosing() }

// Write sends the bytes of p that the system takes at once, and keeps a copy of the rest, which the
// loop sends once the peer has read. It returns len(p). If the transport is closing, Write drops p
// and returns net.ErrClosed. It also drops p and returns an error if WriteEOF was called or the
// connection is broken; a broken connection it closes. It is asyncio's write.
func (t *Transport) Write(p []byte) (int, error) { return t.wrote(t.stream.writer.Write(p)) }

// WriteString is Write of the bytes of s. It keeps the rest without a copy. It implements
// io.StringWriter.
func (t *Transport) WriteString(s string) (int, error) {
	return t.wrote(t.stream.writer.WriteString(s))
}

// Writelines writes all lines in one Write. It adds no line ends. It is asyncio's writelines.
func (t *Transport) Writelines(lines [][]byte) error {
	_, err := t.wrote(0, t.stream.writer.Writelines(lines))
	return err
}

// wrote ends a write and returns the write's results: it pauses the protocol if too many bytes are
// kept, and closes the connection if the write found it broken.
func (t *Transport) wrote(n int, err error) (int, error) {
	switch {
	case err == nil:
		t.checkFull()
	case err == t.stream.writer.err && !t.closing:
		t.lose(err)
	}
	return n, err
}

// checkFull calls PauseWriting if the high water mark is exceeded and it was not called yet.
func (t *Transport) checkFull() {
	if !t.stream.writer.paused || t.full {
		return
	}
	t.full = true
	if t.flow != nil {
		defer reportCallback(t.stream.loop, "PauseWriting", t, t.protocol)
		t.flow.PauseWriting()
	}
}

// checkRoom calls ResumeWriting if it is due: PauseWriting was called and the low water mark is
// reached.
func (t *Transport) checkRoom() {
	if !t.full || t.stream.writer.paused {
		return
	}
	t.full = false
	if t.flow != nil && t.stream.writer.err == nil {
		defer reportCallback(t.stream.loop, "ResumeWriting", t, t.protocol)
		t.flow.ResumeWriting()
	}
}

// CanWriteEOF reports whether WriteEOF can be used. On TLS it cannot. It is asyncio's
// can_write_eof.
func (t *Transport) CanWriteEOF() bool { return t.stream.writer.CanWriteEOF() }

// WriteEOF ends this side of the connection once the written bytes are sent. The peer may go on
// sending. A pipe has only one direction, so WriteEOF closes it. A second WriteEOF does nothing. It
// returns net.ErrClosed after Close, and errors.ErrUnsupported if CanWriteEOF is false. It is
// asyncio's write_eof.
func (t *Transport) WriteEOF() error {
	err := t.stream.writer.WriteEOF()
	if err == nil && isWritePipe(t.stream) {
		t.closing = true
	}
	return err
}

// SetWriteBufferLimits sets the high and the low water mark, in bytes. The transport calls
// PauseWriting when it keeps more than high unsent bytes, and then ResumeWriting when it keeps no
// more than low. The defaults are 64 KiB and 16 KiB. In asyncio low is a quarter of high if it is
// not given. It panics unless 0 <= low <= high. It is asyncio's set_write_buffer_limits.
func (t *Transport) SetWriteBufferLimits(high, low int) {
	t.stream.writer.SetWriteBufferLimits(high, low)
	t.checkFull()
	if t.full && !t.stream.writer.paused {
		t.schedule()
	}
}

// WriteBufferLimits returns the water marks that SetWriteBufferLimits sets. It is asyncio's
// get_write_buffer_limits, which returns them in the reverse order.
func (t *Transport) WriteBufferLimits() (high, low int) {
	return t.stream.writer.high, t.stream.writer.low
}

// WriteBufferSize returns the number of bytes that were written and are not sent yet. It is
// asyncio's get_write_buffer_size.
func (t *Transport) WriteBufferSize() int { return t.stream.writer.WriteBufferSize() }

// Close closes the connection once the written bytes are sent. The transport receives nothing from
// now on. It calls ConnectionLost when the connection is closed, never before Close returns. A
// second Close does nothing. Close always returns nil. It is asyncio's close.
func (t *Transport) Close() error {
	t.stream.loop.check()
	if !t.closing {
		t.closing = true
		t.stream.reader.end(io.EOF) // so that no received bytes are buffered
		_ = t.stream.writer.Close()
		if t.gone {
			t.schedule()
		}
	}
	return nil
}

// Abort closes the connection at once and drops the bytes that are not sent yet. ConnectionLost is
// called in the next turn. It is asyncio's abort.
func (t *Transport) Abort() {
	t.stream.loop.check()
	t.lose(nil)
}

// lose is Abort, with the error for ConnectionLost. A nil cause stands for the stream's own
// error, if it has one.
func (t *Transport) lose(cause error) {
	if t.gone && t.closing {
		return
	}
	t.closing, t.full = true, false // ResumeWriting is not called any more
	if t.cause == nil {
		t.cause = cause
	}
	t.stream.reader.end(io.EOF)
	t.stream.writer.Abort()
	t.schedule()
}

// IsClosing reports whether the transport is closing or closed. It is asyncio's is_closing.
func (t *Transport) IsClosing() bool { return t.closing || t.gone }

// GetExtraInfo returns the same values as GetExtraInfo of a StreamWriter. It is asyncio's
// get_extra_info.
func (t *Transport) GetExtraInfo(name string) any { return t.stream.writer.GetExtraInfo(name) }

// LocalAddr returns the address of this end, or nil.
func (t *Transport) LocalAddr() net.Addr { return t.stream.writer.LocalAddr() }

// RemoteAddr returns the address of the peer, or nil.
func (t *Transport) RemoteAddr() net.Addr { return t.stream.writer.RemoteAddr() }

// StartTLS encrypts the connection from here on. The transport then goes on over TLS with the same
// protocol, whose ConnectionMade it does not call again. It suspends until the handshake is done.
// If the handshake fails, it closes the connection. In all else it is StreamWriter.StartTLS. It is
// asyncio's start_tls.
func (t *Transport) StartTLS(ctx context.Context, config *tls.Config, opts ...StartTLSOption) (err error) {
	before := t.stream.below
	err = errHandshakePanic // unless startTLS returns
	defer func() {
		if t.stream.below != before { // the handshake has begun
			t.handshaken(err)
		}
	}()
	err = t.stream.startTLS(ctx, config, t.stream.serverSide, newStreamOptions(opts))
	return err
}

var errHandshakePanic = errors.New("asyncio: panic in a TLS handshake")

// handshaken is called at the end of a handshake, whose failure has closed the stream.
func (t *Transport) handshaken(err error) {
	if err != nil && !t.closing {
		t.closing, t.cause = true, err
	}
	t.schedule() // bytes may have come with the handshake
}

// schedule makes the loop run the transport in the next turn.
func (t *Transport) schedule() {
	if !t.scheduled {
		t.scheduled = true
		t.stream.loop.push(t)
	}
}

func (t *Transport) onReadable() {
	if t.receives() {
		t.schedule()
	}
}

func (t *Transport) onWritable() {
	if t.full && !t.stream.writer.paused {
		t.schedule()
	}
}

func (t *Transport) onBroken(error) { t.schedule() }

func (t *Transport) onClosed() {
	t.gone = true
	t.schedule()
}

// receives reports whether the transport receives bytes now.
func (t *Transport) receives() bool { return t.made && !t.paused && !t.eof && !t.closing }

// run makes the calls of the protocol that are due.
func (t *Transport) run(*Loop) {
	t.scheduled = false
	switch {
	case t.lost:
		return
	case !t.made:
		t.make()
	case t.receives():
		t.receive()
	}
	// Bytes that the peer sent before the connection broke are received first, unless kept bytes
	// were lost when it broke.
	if w := &t.stream.writer; w.err != nil && t.made && (t.eof || w.dropped) {
		t.lose(nil)
	}
	t.checkRoom()
	if t.gone && (t.closing || t.eof) && !t.scheduled {
		t.lost = true
		t.callLost()
	}
}

// make calls ConnectionMade. The call that made the connection returns in the next turn, and only
// then are bytes received that have come already. A connection that was closed meanwhile is lost
// at once.
func (t *Transport) make() {
	t.made = true
	t.callMade()
	t.opening.wakeAll()
	if !t.gone {
		t.schedule()
	}
}

// receive passes received bytes to the protocol, at most maxReceives times in one turn, as a stream
// does. The end of the connection comes in a turn of its own.
func (t *Transport) receive() {
	buf := t.stream.loop.buffers.Get()
	defer t.stream.loop.buffers.Put(buf)
	for i := 0; i < maxReceives && t.receives(); i++ {
		if !t.stream.reader.mayReceive() {
			return
		}
		p := buf
		if t.buffered != nil {
			if p = t.callGetBuffer(); !t.receives() { // GetBuffer has panicked, or closed or paused the transport
				return
			}
		}
		n, err := t.stream.reader.receiveNow(p)
		switch {
		case n > 0 && t.buffered != nil:
			t.callBufferUpdated(n)
		case n > 0:
			t.callDataReceived(p[:n])
		case err == netfd.ErrAgain:
			return
		case i > 0:
			t.schedule()
			return
		default:
			t.end(err)
			return
		}
	}
	if t.receives() {
		t.schedule()
	}
}

// end is called when no more bytes will come. err is io.EOF or the error that broke the connection.
func (t *Transport) end(err error) {
	t.eof = true
	if err != io.EOF {
		t.lose(err)
	} else if !t.callEOFReceived() || !t.CanWriteEOF() {
		_ = t.Close()
	}
}

// guard is deferred around a call of the protocol. It reports a panic and aborts the connection.
func (t *Transport) guard(callback string) {
	if r := recover(); r != nil {
		t.lose(t.stream.loop.reportPanic(callback, r, t, t.protocol))
	}
}

func (t *Transport) callMade() {
	defer t.guard("ConnectionMade")
	t.protocol.ConnectionMade(t)
}

func (t *Transport) callDataReceived(p []byte) {
	defer t.guard("DataReceived")
	t.protocol.DataReceived(p)
}

func (t *Transport) callGetBuffer() (p []byte) {
	defer t.guard("GetBuffer")
	if p = t.buffered.GetBuffer(-1); len(p) == 0 {
		panic(errEmptyBuffer)
	}
	return p
}

var errEmptyBuffer = errors.New("asyncio: GetBuffer returned an empty buffer")

func (t *Transport) callBufferUpdated(n int) {
	defer t.guard("BufferUpdated")
	t.buffered.BufferUpdated(n)
}

func (t *Transport) callEOFReceived() (keepOpen bool) {
	defer t.guard("EOFReceived")
	return t.protocol.EOFReceived()
}

func (t *Transport) callLost() {
	defer reportCallback(t.stream.loop, "ConnectionLost", t, t.protocol)
	err, w := t.cause, &t.stream.writer
	// A write pipe that breaks without losing bytes has only lost its reader: that is no error.
	if err == nil && (w.dropped || !isWritePipe(t.stream)) {
		err = w.err
	}
	t.protocol.ConnectionLost(err)
}
