package asyncio

// This file is about a stream that calls a protocol, instead of having tasks wait for it. The
// transport stands above the stream, in the place where TLS stands above the stream that carries
// it, and schedules itself when something has happened: below, a task may be on the stack.

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"

	"github.com/go-asyncio/asyncio/internal/netfd"
)

// A Transport is a connection, or an end of a pipe, that calls a Protocol. Write never suspends:
// it sends what goes at once and keeps the rest, which the loop sends when the peer has read. StartTLS
// suspends; its other methods do not. Only callbacks and tasks of its loop may use it. The loop
// holds it until it is closed. It is asyncio's Transport.
type Transport struct {
	stream   *stream
	protocol Protocol
	buffered BufferedProtocol    // the protocol, if it is one
	flow     FlowControlProtocol // the protocol, if it is one
	opening  waitq               // of tasks that wait until the protocol knows of the connection
	cause    error               // what ended the connection, other than the stream's own error

	scheduled bool // it is in the ready queue
	made      bool // ConnectionMade was called
	paused    bool // reading is
	full      bool // the protocol was told to pause writing
	eof       bool // nothing more is to be received
	closing   bool // Close or Abort was called, or the connection is lost
	gone      bool // nothing is below any more
	lost      bool // ConnectionLost was called
}

// newTransport puts a transport with a protocol above a stream.
func newTransport(s *stream, p Protocol) *Transport {
	t := &Transport{stream: s, gone: s.writer.gone, eof: isWritePipe(s)}
	t.SetProtocol(p)
	s.above = t
	t.schedule()
	return t
}

// isWritePipe reports whether a stream has no peer that could send.
func isWritePipe(s *stream) bool {
	below, ok := s.below.(*socket)
	return ok && below.writeOnly
}

// Protocol returns the protocol. It is asyncio's get_protocol.
func (t *Transport) Protocol() Protocol { return t.protocol }

// SetProtocol has the transport call another protocol from now on. That one's ConnectionMade is not
// called. It panics if p is nil. It is asyncio's set_protocol.
func (t *Transport) SetProtocol(p Protocol) {
	t.stream.loop.check()
	if p == nil {
		panic("asyncio: nil protocol")
	}
	t.protocol = p
	t.buffered, _ = p.(BufferedProtocol)
	t.flow, _ = p.(FlowControlProtocol)
}

// PauseReading stops the calls of DataReceived until ResumeReading: what the peer sends fills the
// system's buffers, and then it has to wait. That the connection breaks meanwhile is noticed by a
// write or after ResumeReading. A second call does nothing, nor does one after Close.
// It is asyncio's pause_reading.
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

// IsReading reports whether the transport receives: it is neither paused nor closing. It is
// asyncio's is_reading.
func (t *Transport) IsReading() bool { return !t.paused && !t.IsClosing() }

// Write sends p as far as that goes at once, and keeps a copy of the rest. It returns len(p), or an
// error, and drops p, if the transport is closing (net.ErrClosed), if WriteEOF was called, or if
// the connection is broken, which is then closed. It is asyncio's write.
func (t *Transport) Write(p []byte) (int, error) { return t.wrote(t.stream.writer.Write(p)) }

// WriteString is Write of the bytes of s, which it keeps without a copy. It implements
// io.StringWriter.
func (t *Transport) WriteString(s string) (int, error) {
	return t.wrote(t.stream.writer.WriteString(s))
}

// Writelines writes all lines as one. It adds no line ends. It is asyncio's writelines.
func (t *Transport) Writelines(lines [][]byte) error {
	_, err := t.wrote(0, t.stream.writer.Writelines(lines))
	return err
}

// wrote does what a write has to do in the end, whose results it returns.
func (t *Transport) wrote(n int, err error) (int, error) {
	switch {
	case err == nil:
		t.checkFull()
	case err == t.stream.writer.err && !t.closing:
		t.lose(err)
	}
	return n, err
}

// checkFull tells the protocol if too much is kept.
func (t *Transport) checkFull() {
	if !t.stream.writer.paused || t.full {
		return
	}
	t.full = true
	if t.flow != nil {
		defer reportCallback(t.stream.loop, "PauseWriting")
		t.flow.PauseWriting()
	}
}

// checkRoom tells the protocol if little enough is kept.
func (t *Transport) checkRoom() {
	if !t.full || t.stream.writer.paused {
		return
	}
	t.full = false
	if t.flow != nil && t.stream.writer.err == nil {
		defer reportCallback(t.stream.loop, "ResumeWriting")
		t.flow.ResumeWriting()
	}
}

// CanWriteEOF reports whether WriteEOF can be used: not on TLS. It is asyncio's can_write_eof.
func (t *Transport) CanWriteEOF() bool { return t.stream.writer.CanWriteEOF() }

// WriteEOF ends the stream for the peer, after what was written, while the peer may go on sending.
// A pipe, which has one direction, it closes. A second WriteEOF does nothing; after Close it
// returns net.ErrClosed, and where it cannot be used errors.ErrUnsupported. It is asyncio's
// write_eof.
func (t *Transport) WriteEOF() error { return t.stream.writer.WriteEOF() }

// SetWriteBufferLimits sets the marks at which the protocol is told to pause writing and to resume
// it, in bytes: 64 KiB and 16 KiB if they are not set. It panics unless 0 <= low <= high. It is
// asyncio's set_write_buffer_limits.
func (t *Transport) SetWriteBufferLimits(high, low int) {
	t.stream.writer.SetWriteBufferLimits(high, low)
	t.checkFull()
	if t.full && !t.stream.writer.paused {
		t.schedule()
	}
}

// WriteBufferLimits returns the marks that SetWriteBufferLimits sets. It is asyncio's
// get_write_buffer_limits, which has them the other way round.
func (t *Transport) WriteBufferLimits() (high, low int) {
	return t.stream.writer.high, t.stream.writer.low
}

// WriteBufferSize returns how many bytes were written and not sent. It is asyncio's
// get_write_buffer_size.
func (t *Transport) WriteBufferSize() int { return t.stream.writer.WriteBufferSize() }

// Close closes the connection once all that was written is sent. Nothing is received from now on.
// ConnectionLost is called when it is closed, and never within Close. A second Close does nothing.
// It always returns nil. It is asyncio's close.
func (t *Transport) Close() error {
	t.stream.loop.check()
	if !t.closing {
		t.closing = true
		t.stream.reader.end(io.EOF) // so that nothing is gathered
		_ = t.stream.writer.Close()
		if t.gone {
			t.schedule()
		}
	}
	return nil
}

// Abort closes the connection at once: bytes that the loop still keeps are dropped. ConnectionLost
// is called in the next turn. It is asyncio's abort.
func (t *Transport) Abort() {
	t.stream.loop.check()
	t.lose(nil)
}

// lose is Abort for a reason, or for that of the stream.
func (t *Transport) lose(cause error) {
	if t.gone && t.closing {
		return
	}
	t.closing, t.full = true, false // it does not resume
	if t.cause == nil {
		t.cause = cause
	}
	t.stream.reader.end(io.EOF)
	t.stream.writer.Abort()
	t.schedule()
}

// IsClosing reports whether the transport is closing or closed. It is asyncio's is_closing.
func (t *Transport) IsClosing() bool { return t.closing || t.gone }

// GetExtraInfo tells of what is below the transport, as that of a StreamWriter does. It is
// asyncio's get_extra_info.
func (t *Transport) GetExtraInfo(name string) any { return t.stream.writer.GetExtraInfo(name) }

// LocalAddr returns the address of this end, or nil.
func (t *Transport) LocalAddr() net.Addr { return t.stream.writer.LocalAddr() }

// RemoteAddr returns the address of the peer, or nil.
func (t *Transport) RemoteAddr() net.Addr { return t.stream.writer.RemoteAddr() }

// StartTLS encrypts the connection from here on: the same transport goes on over TLS, and calls the
// same protocol, whose ConnectionMade is not called again. It suspends until the handshake is
// done. Otherwise it is as StreamWriter.StartTLS; a handshake that fails closes the connection. It
// is asyncio's start_tls.
func (t *Transport) StartTLS(ctx context.Context, config *tls.Config, opts ...HandshakeOption) error {
	before := t.stream.below
	err := t.stream.startTLS(ctx, config, t.stream.serverSide, newStreamOptions(opts).handshakeTimeout)
	switch {
	case err == nil:
		t.schedule() // there may be bytes that came with the handshake
	case t.stream.below != before: // it has begun
		t.closing = true
		t.cause = err
		t.schedule()
	}
	return err
}

// schedule has the loop run the transport in the next turn.
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

// receives reports whether the transport wants what comes.
func (t *Transport) receives() bool { return t.made && !t.paused && !t.eof && !t.closing }

// run makes the calls that are due.
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
	// What the peer had sent before the connection broke is received, unless bytes to send are lost.
	if w := &t.stream.writer; w.err != nil && t.made && (t.eof || w.dropped) {
		t.lose(nil)
	}
	t.checkRoom()
	if t.gone && (t.closing || t.eof) && !t.scheduled {
		t.lost = true
		t.callLost()
	}
}

// make tells the protocol of the connection. What has come is received in the next turn.
func (t *Transport) make() {
	t.made = true
	t.callMade()
	t.schedule()
	t.opening.wakeAll()
}

// receive gives the protocol what has come, as much as a stream receives in one turn. The end
// comes in a turn of its own.
func (t *Transport) receive() {
	buf := t.stream.loop.buffers.Get()
	defer t.stream.loop.buffers.Put(buf)
	for i := 0; i < maxReceives && t.receives(); i++ {
		if !t.stream.reader.mayReceive() {
			return
		}
		p := buf
		if t.buffered != nil {
			if p = t.callGetBuffer(); len(p) == 0 { // it has panicked
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

// end is called when nothing more will come.
func (t *Transport) end(err error) {
	t.eof = true
	if err != io.EOF {
		t.lose(err)
	} else if !t.callEOFReceived() || !t.CanWriteEOF() {
		_ = t.Close()
	}
}

// guard is deferred around a call of the protocol: a panic is reported and aborts the connection.
func (t *Transport) guard(callback string) {
	if r := recover(); r != nil {
		t.lose(t.stream.loop.reportPanic(callback, r))
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
	defer reportCallback(t.stream.loop, "ConnectionLost")
	err, w := t.cause, &t.stream.writer
	if err == nil && (w.dropped || !isWritePipe(t.stream)) { // that of a pipe nobody wrote to has just closed
		err = w.err
	}
	t.protocol.ConnectionLost(err)
}
