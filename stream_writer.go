package asyncio

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"unsafe"

	"github.com/go-asyncio/asyncio/internal/buffer"
)

// defaultHighWater is asyncio's default high-water mark.
const defaultHighWater = 64 << 10

// A StreamWriter sends bytes to the peer. Write never suspends: it sends as much as it can at
// once and keeps the rest, which the loop sends as the peer reads. Drain suspends while too many
// bytes are kept; a program that writes without draining keeps in memory all bytes that the peer
// does not read. Drain, SendFile, WaitClosed and StartTLS suspend; its other methods do not. Only tasks and
// callbacks of its loop may use it. It is asyncio's StreamWriter.
type StreamWriter struct {
	stream    *stream
	kept      buffer.Unsent
	high, low int
	paused    bool // more than high bytes were buffered, and have not come down to low since
	drainers  waitq
	closers   waitq
	closing   bool  // Close, Abort or Reset was called
	gone      bool  // the transport is closed
	expired   bool  // the write deadline of a Conn has passed
	barred    error // errWriteEOF or errSendFile, for as long as Write must not be called, or nil
	err       error // the error that broke the connection, or nil
	dropped   bool  // kept bytes were lost when the connection broke
}

// Write sends as much of p as it can at once, and keeps a copy of the rest. It sends a large p in
// parts, one in each turn, so that others get their share. Copying 100 MB takes a while, too;
// WriteString avoids it. Write returns len(p), or an error if the writer is closed
// (net.ErrClosed), if WriteEOF was called, or if the connection is broken. It never suspends. It
// is asyncio's write.
func (w *StreamWriter) Write(p []byte) (int, error) { return w.write(p, false) }

// write sends as much of p as it can at once, and keeps the rest. If p is constant, which means
// that nobody will change it, it keeps p itself, and otherwise a copy.
func (w *StreamWriter) write(p []byte, constant bool) (int, error) {
	w.stream.loop.check()
	if err := w.refuse(); err != nil {
		return 0, err
	}
	n := 0
	if w.kept.Len() == 0 {
		var err error
		if n, err = w.stream.below.write(p); err != nil {
			w.fail(err)
			return n, err
		}
	}
	if constant {
		w.kept.Own(&w.stream.loop.buffers, p[n:])
	} else {
		w.kept.Add(&w.stream.loop.buffers, p[n:])
	}
	if !w.paused && w.WriteBufferSize() > w.high {
		w.paused = true
	}
	w.hold()
	return len(p), nil
}

// WriteString is Write of the bytes of s, but keeps the rest without copying it. It implements
// io.StringWriter.
func (w *StreamWriter) WriteString(s string) (int, error) {
	return w.write(unsafe.Slice(unsafe.StringData(s), len(s)), true)
}

// Writelines writes the lines one after the other. It adds no line ends. It never suspends. It is
// asyncio's writelines.
func (w *StreamWriter) Writelines(lines [][]byte) error {
	for {
		n, size := 0, 0 // of the next lines that are sent together
		for n < len(lines) && (n == 0 || size+len(lines[n]) <= sendSize) {
			size += len(lines[n])
			n++
		}
		var err error
		if n == 1 {
			_, err = w.Write(lines[0])
		} else {
			_, err = w.write(bytes.Join(lines[:n], nil), true)
		}
		if lines = lines[n:]; err != nil || len(lines) == 0 {
			return err
		}
	}
}

// Drain suspends while too many bytes are kept: once there are more than the high-water mark, it
// waits until there are no more than the low-water mark. Otherwise it returns at once, except
// that it suspends for one turn after the writer was closed. It returns the error that broke the
// connection, if any, and net.ErrClosed once the stream is closed. It is asyncio's drain.
func (w *StreamWriter) Drain(ctx context.Context) error {
	if w.closing && w.err == nil {
		if err := Sleep(ctx, 0); err != nil {
			return err
		}
	}
	for w.paused && w.err == nil && !w.gone {
		if w.expired {
			return os.ErrDeadlineExceeded
		}
		if err := w.drainers.wait(ctx, waitPeer); err != nil {
			return err
		}
	}
	if w.gone && w.err == nil {
		return net.ErrClosed
	}
	return w.err
}

// CanWriteEOF reports whether WriteEOF is supported, which it is not over TLS. It does not
// suspend. It is asyncio's can_write_eof.
func (w *StreamWriter) CanWriteEOF() bool { return w.stream.below.canCloseWrite() }

// WriteEOF ends the stream for the peer, once all written bytes are sent. The peer may go on
// sending. A pipe, which has only one direction, is closed. A second WriteEOF does nothing. After
// Close it returns net.ErrClosed, and where it is not supported errors.ErrUnsupported. It never
// suspends. It is asyncio's write_eof.
func (w *StreamWriter) WriteEOF() error {
	w.stream.loop.check()
	switch {
	case !w.CanWriteEOF():
		return errors.ErrUnsupported
	case w.barred == errWriteEOF:
		return nil
	}
	if err := w.refuse(); err != nil {
		return err
	}
	w.barred = errWriteEOF
	if w.kept.Len() > 0 {
		return nil // flush calls closeWrite later
	}
	return w.stream.below.closeWrite()
}

// Close closes both halves of the stream, once all written bytes are sent. It never suspends: use
// WaitClosed to wait for that. The reader still returns the bytes that arrived before, up to 256
// KiB, and then io.EOF, also to a task that is waiting for more. A second Close does nothing. It
// always returns nil. It is asyncio's close.
func (w *StreamWriter) Close() error {
	w.stream.loop.check()
	if !w.closing {
		w.close()
		if w.kept.Len() == 0 {
			w.stream.below.close()
		}
	}
	return nil
}

// Abort closes the stream at once, even after Close. It drops the bytes that the loop still
// keeps; the peer gets the bytes that the system has taken, and then the end. It never suspends,
// and does nothing once the stream is closed. It is asyncio's WriteTransport.abort.
func (w *StreamWriter) Abort() {
	w.stream.loop.check()
	if !w.gone {
		w.close()
		w.kept = buffer.Unsent{}
		w.stream.below.abort()
	}
}

// Reset is Abort, but also drops the bytes that the system has taken and not sent: the peer of a
// TCP connection, or of a StreamPair, sees a reset instead of the end. On other streams it is the
// same as Abort. It has no counterpart in asyncio.
func (w *StreamWriter) Reset() {
	w.stream.loop.check()
	if !w.gone {
		w.close()
		w.kept = buffer.Unsent{}
		w.stream.below.reset()
	}
}

// close ends both halves for the program; the transport stays open.
func (w *StreamWriter) close() {
	if !w.closing {
		w.stream.below.stopReceiving()
		w.stream.reader.gather()
		w.closing = true
		w.stream.reader.end(io.EOF)
		if d := w.stream.drop; d != nil {
			d.cleanup.Stop()
		}
	}
}

// IsClosing reports whether the writer was closed or the connection is broken: the peer has reset
// it, or the other end of the pipe is closed. A peer that has only ended its own side has not
// broken the connection. It is asyncio's is_closing.
func (w *StreamWriter) IsClosing() bool { return w.closing || w.err != nil }

// WaitClosed suspends until the stream is closed; call Close first. If the connection breaks,
// WaitClosed closes the stream itself, as asyncio does. It returns the error that broke the
// connection, if any. It is asyncio's wait_closed.
func (w *StreamWriter) WaitClosed(ctx context.Context) error {
	for !w.gone {
		if w.err != nil && !w.closing {
			_ = w.Close()
			continue
		}
		if err := w.closers.wait(ctx, waitStreamEnd); err != nil {
			return err
		}
	}
	return w.err
}

// GetExtraInfo returns information about the transport: "peername" and "sockname" are a net.Addr,
// "socket" or "pipe" is the descriptor as an int, "ssl_object" a *tls.Conn, "cipher" the name of
// a cipher suite and "peercert" an *x509.Certificate, these three once the handshake is done. It
// returns nil for anything that the transport does not have. It does not suspend. It is asyncio's
// get_extra_info.
func (w *StreamWriter) GetExtraInfo(name string) any { return w.stream.below.info(name) }

// LocalAddr returns the address of this end, or nil.
func (w *StreamWriter) LocalAddr() net.Addr {
	addr, _ := w.GetExtraInfo("sockname").(net.Addr)
	return addr
}

// RemoteAddr returns the address of the peer, or nil.
func (w *StreamWriter) RemoteAddr() net.Addr {
	addr, _ := w.GetExtraInfo("peername").(net.Addr)
	return addr
}

// SetWriteBufferLimits sets the high-water and low-water marks of Drain, in bytes. The defaults
// are 64 KiB and 16 KiB. It panics unless 0 <= low <= high. It is asyncio's
// set_write_buffer_limits.
func (w *StreamWriter) SetWriteBufferLimits(high, low int) {
	w.stream.loop.check()
	if low < 0 || high < low {
		panic(fmt.Sprintf("asyncio: high (%d) must be >= low (%d) must be >= 0", high, low))
	}
	w.high, w.low = high, low
	w.paused = w.paused && w.WriteBufferSize() > low || w.WriteBufferSize() > high
	w.hold()
	if !w.paused {
		w.drainers.wakeAll()
	}
}

// WriteBufferSize returns the number of bytes written but not sent yet. It is asyncio's
// get_write_buffer_size.
func (w *StreamWriter) WriteBufferSize() int { return w.kept.Len() + w.stream.below.buffered() }

// refuse returns the error of a writer that takes no more bytes, or nil.
func (w *StreamWriter) refuse() error {
	switch {
	case w.err != nil:
		return w.err
	case w.closing:
		return net.ErrClosed
	}
	return w.barred
}

var errWriteEOF = errors.New("asyncio: write after WriteEOF")

// flush sends kept bytes while there is room.
func (w *StreamWriter) flush() {
	if w.err != nil || w.gone {
		return
	}
	if w.kept.Len() > 0 {
		for w.kept.Len() > 0 {
			p := w.kept.First()
			n, err := w.stream.below.write(p)
			if err != nil {
				w.fail(err)
				return
			}
			if w.kept.Drop(&w.stream.loop.buffers, n); n < len(p) {
				w.resume()
				return
			}
		}
		w.finish()
	}
	w.resume()
}

// hold keeps the stream alive while bytes are kept or Drain may wait. At other times the stream
// does not need onWritable.
func (w *StreamWriter) hold() {
	if d := w.stream.drop; d != nil {
		d.hold(w.stream, w.kept.Len() == 0 && !w.paused)
	}
}

// finish closes the stream, or its sending half, if Close or WriteEOF left that until all bytes
// were sent.
func (w *StreamWriter) finish() {
	switch {
	case w.closing:
		w.stream.below.stopReceiving()
		w.stream.below.close()
	case w.barred == errWriteEOF:
		if err := w.stream.below.closeWrite(); err != nil {
			w.fail(err)
		}
	}
}

// resume ends the pause once no more than low bytes are buffered.
func (w *StreamWriter) resume() {
	if w.paused && w.WriteBufferSize() <= w.low {
		w.paused = false
		w.drainers.wakeAll()
	}
	w.hold()
}

// fail records that nothing more can be sent. Bytes that the peer has sent can still be read.
func (w *StreamWriter) fail(err error) {
	if w.err != nil || w.gone {
		return
	}
	w.err = err
	w.dropped = w.WriteBufferSize() > 0
	w.kept, w.paused = buffer.Unsent{}, false
	w.hold()
	w.drainers.wakeAll()
	w.closers.wakeAll() // see WaitClosed
	if w.stream.above != nil {
		w.stream.above.onBroken(err)
	}
	if w.closing {
		w.stream.below.close()
	}
}

// closed records that the transport is closed.
func (w *StreamWriter) closed() {
	w.closing, w.gone = true, true
	w.kept, w.paused = buffer.Unsent{}, false
	w.hold()
	w.drainers.wakeAll()
	w.closers.wakeAll()
}
