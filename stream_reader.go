package asyncio

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
	"os"
	"strings"
	"unsafe"

	"github.com/go-asyncio/asyncio/internal/buffer"
	"github.com/go-asyncio/asyncio/internal/netfd"
)

// defaultLimit is asyncio's default limit.
const defaultLimit = 64 << 10

// A StreamReader reads the bytes that the peer has sent. Its read methods suspend until enough
// bytes have arrived. If enough are there already, they suspend in two cases only, so that a fast
// peer does not keep the loop to itself: a fifth receive in one turn waits for the next turn, and a
// buffer of more than 8 MiB is copied in portions of 8 MiB, one a turn. Only one task at a time may
// read: while it waits, another task gets ErrReaderBusy, even if there are bytes for it. A read
// that is cancelled or times out loses nothing: the bytes that have arrived stay for the next read.
// The end of the stream is io.EOF, also after the stream's own writer was closed. An error that
// breaks the connection is returned only after the bytes received before it have been read. Only
// tasks of its loop may use it. It is asyncio's StreamReader.
type StreamReader struct {
	stream  *stream
	limit   int
	buf     buffer.Received
	err     error // io.EOF or the error that broke the connection, once no more bytes will come
	task    *task // the task that waits to read, or nil
	expired bool  // the read deadline of a Conn has passed

	receives quota
}

// Read returns at most n bytes, and suspends until there is at least one. At the end of the
// stream it returns io.EOF. If n is negative, it returns all bytes up to the end, possibly none,
// and no io.EOF. The slice is the caller's to keep. It is asyncio's read.
func (r *StreamReader) Read(ctx context.Context, n int) ([]byte, error) {
	if n < 0 {
		return r.readAll(ctx)
	}
	if n == 0 {
		return nil, nil
	}
	if r.busy() {
		return nil, ErrReaderBusy
	}
	if r.buf.Len() == 0 {
		if err := r.fill(ctx); err != nil {
			return nil, err
		}
	}
	return r.take(min(n, r.buf.Len())), nil
}

func (r *StreamReader) readAll(ctx context.Context) ([]byte, error) {
	for {
		switch err := r.fill(ctx); err {
		case nil:
		case io.EOF:
			return r.take(r.buf.Len()), nil
		default:
			return nil, err
		}
	}
}

// ReadInto is Read into p: it allocates no slice, and returns the number of bytes read. It
// suspends as Read does. It has no counterpart in asyncio.
func (r *StreamReader) ReadInto(ctx context.Context, p []byte) (int, error) {
	if r.busy() {
		return 0, ErrReaderBusy
	}
	if r.buf.Len() == 0 && len(p) > 0 {
		return r.receive(ctx, p)
	}
	return r.copyTo(p), nil
}

func (r *StreamReader) copyTo(p []byte) int {
	n := copy(p, r.buf.Bytes())
	r.buf.Drop(&r.stream.loop.buffers, n)
	return n
}

// ReadLine returns the next line, including its "\n". If the stream ends without a "\n", ReadLine
// returns the rest, and io.EOF the next time. If a line is longer than the limit, ReadLine drops
// the part that has arrived and returns a *LimitOverrunError. It suspends until a line has
// arrived. It is asyncio's readline.
func (r *StreamReader) ReadLine(ctx context.Context) ([]byte, error) {
	line, err := r.ReadUntil(ctx, "\n")
	switch err := err.(type) {
	case nil:
		return line, nil
	case *IncompleteReadError:
		if len(err.Partial) == 0 {
			return nil, io.EOF
		}
		return err.Partial, nil
	case *LimitOverrunError:
		if rest := r.buf.Bytes()[err.Consumed:]; len(rest) > 0 && rest[0] == '\n' {
			r.buf.Drop(&r.stream.loop.buffers, err.Consumed+1)
		} else {
			r.buf.Drop(&r.stream.loop.buffers, r.buf.Len())
		}
		return nil, err
	default:
		return nil, err
	}
}

// Lines returns an iterator over the lines that ReadLine returns. It suspends until the next line
// has arrived. The iteration ends with the stream, or after an error other than a
// *LimitOverrunError. It is asyncio's "async for line in reader".
func (r *StreamReader) Lines(ctx context.Context) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for {
			line, err := r.ReadLine(ctx)
			if err == io.EOF {
				return
			}
			if !yield(line, err) {
				return
			}
			if _, ok := err.(*LimitOverrunError); err != nil && !ok {
				return
			}
		}
	}
}

// ReadExactly returns n bytes, and suspends until they have arrived. If the stream ends first, it
// returns an *IncompleteReadError with the bytes that did arrive. It panics if n is negative. It
// is asyncio's readexactly.
func (r *StreamReader) ReadExactly(ctx context.Context, n int) ([]byte, error) {
	if n < 0 {
		panic("asyncio: ReadExactly of a negative number of bytes")
	}
	if r.busy() {
		return nil, ErrReaderBusy
	}
	for r.buf.Len() < n {
		switch err := r.fill(ctx); err {
		case nil:
		case io.EOF:
			return nil, &IncompleteReadError{Partial: r.take(r.buf.Len()), Expected: n}
		default:
			return nil, err
		}
	}
	if n > portion && n < r.buf.Len() {
		p, err := r.copyOut(ctx, n, n)
		if err == nil {
			r.buf.Drop(&r.stream.loop.buffers, n)
		}
		return p, err
	}
	return r.take(n), nil
}

// ReadUntil returns the bytes up to and including the first separator, and suspends until it has
// arrived. Of several separators, the first to end counts. If the stream ends without a
// separator, ReadUntil returns an *IncompleteReadError with the bytes that did arrive. If more
// bytes than the limit precede the separator, it returns a *LimitOverrunError, and the bytes can
// still be read. It panics if it is given no separator or an empty one. It is asyncio's
// readuntil.
func (r *StreamReader) ReadUntil(ctx context.Context, separators ...string) ([]byte, error) {
	shortest, longest := math.MaxInt, 0
	for _, sep := range separators {
		shortest, longest = min(shortest, len(sep)), max(longest, len(sep))
	}
	if longest == 0 || shortest == 0 {
		panic("asyncio: ReadUntil needs a separator of at least one byte")
	}
	if r.busy() {
		return nil, ErrReaderBusy
	}
	for searched := 0; ; {
		if start, end := findAny(r.buf.Bytes(), searched, separators); end > 0 {
			if start > r.limit {
				return nil, &LimitOverrunError{Consumed: start, found: true}
			}
			return r.take(end), nil
		}
		searched = max(searched, r.buf.Len()+1-longest)
		if searched > r.limit {
			return nil, &LimitOverrunError{Consumed: searched}
		}
		switch err := r.fill(ctx); err {
		case nil:
		case io.EOF:
			return nil, &IncompleteReadError{Partial: r.take(r.buf.Len())}
		default:
			return nil, err
		}
	}
}

// findAny finds the separator that ends first, of those that begin at from or later. If there is
// none, end is 0.
func findAny(p []byte, from int, separators []string) (start, end int) {
	for _, sep := range separators {
		var i int
		if len(sep) == 1 {
			i = bytes.IndexByte(p[from:], sep[0])
		} else {
			i = bytes.Index(p[from:], []byte(sep))
		}
		// Of two separators that end together the shorter counts, as in asyncio.
		if e := from + i + len(sep); i >= 0 && (end == 0 || e < end || e == end && from+i > start) {
			start, end = from+i, e
		}
	}
	return start, end
}

// AtEOF reports whether the stream has ended and all its bytes have been read. A connection that
// broke is not at its end: reading from it returns the error. AtEOF does not suspend. It is
// asyncio's at_eof.
func (r *StreamReader) AtEOF() bool {
	if !r.busy() && r.buf.Len() == 0 && r.receives.spend(r.stream.loop, maxReceives) {
		_ = r.fillNow() // fillNow keeps the end in r.err
	}
	return r.err == io.EOF && r.buf.Len() == 0
}

// Close closes the read end of a pipe, which has no writer. On a connection it does the same as
// its StreamWriter's Close. It does not suspend, and returns nil.
func (r *StreamReader) Close() error { return r.stream.writer.Close() }

// fill receives bytes into the buffer, and suspends until there are some.
func (r *StreamReader) fill(ctx context.Context) error {
	had := r.buf.Len()
	for {
		if err := r.admit(ctx); err != nil {
			if r.buf.Len() > had { // Close has gathered bytes meanwhile
				return nil
			}
			return err
		}
		if r.buf.Len() > portion && r.buf.IsFull() {
			if err := r.grow(ctx); err != nil {
				return err
			}
		}
		if err := r.fillNow(); err != netfd.ErrAgain {
			return err
		}
		if err := r.await(ctx); err != nil {
			return err
		}
	}
}

// receive is fill, into the caller's memory p.
func (r *StreamReader) receive(ctx context.Context, p []byte) (int, error) {
	for {
		if err := r.admit(ctx); err != nil {
			if r.buf.Len() > 0 { // Close has gathered bytes meanwhile
				return r.copyTo(p), nil
			}
			return 0, err
		}
		n, err := r.stream.below.read(p)
		if n > 0 {
			return n, nil
		}
		if err != netfd.ErrAgain {
			return 0, r.ended(err)
		}
		if err := r.await(ctx); err != nil {
			return 0, err
		}
	}
}

// readNow is ReadInto, but returns netfd.ErrAgain instead of suspending.
func (r *StreamReader) readNow(p []byte) (int, error) {
	if r.buf.Len() == 0 {
		if err := r.fillNow(); err != nil {
			return 0, err
		}
	}
	return r.copyTo(p), nil
}

// mayReceive reports whether receiveNow may return anything but netfd.ErrAgain.
func (r *StreamReader) mayReceive() bool {
	return r.buf.Len() > 0 || r.err != nil || r.stream.below.readable()
}

// receiveNow is receive, but returns netfd.ErrAgain instead of suspending.
func (r *StreamReader) receiveNow(p []byte) (int, error) {
	switch {
	case r.buf.Len() > 0:
		return r.copyTo(p), nil
	case r.err != nil:
		return 0, r.err
	}
	n, err := r.stream.below.read(p)
	if n > 0 || err == netfd.ErrAgain {
		return n, err
	}
	return 0, r.ended(err)
}

// fillNow is fill, but returns netfd.ErrAgain instead of suspending.
func (r *StreamReader) fillNow() error {
	if r.err != nil {
		return r.err
	}
	n, err := r.stream.below.read(r.buf.Space(&r.stream.loop.buffers))
	if n > 0 {
		r.buf.Grow(n)
		return nil
	}
	r.buf.Park(&r.stream.loop.buffers)
	if err != netfd.ErrAgain {
		return r.ended(err)
	}
	return err
}

// gather receives the bytes that have arrived, before the stream is closed. They can still be
// read, as in asyncio, which receives without being asked and so has them in its reader. The
// number of bytes is bounded for a peer that sends without end, and the number of reads for a
// peer that sends records of one byte.
func (r *StreamReader) gather() {
	for range 1000 {
		if r.buf.Len() >= maxReceives*buffer.Size || r.fillNow() != nil {
			break
		}
	}
	r.buf.Park(&r.stream.loop.buffers)
}

// maxReceives is the number of times that a stream receives in one turn, so that a peer that
// sends without end does not keep the loop to itself.
const maxReceives = 4

// busy reports whether a task waits to read. A task that runtime.Goexit has ended does not count.
func (r *StreamReader) busy() bool { return r.task != nil && r.task.state == pending }

// admit returns nil once the running task may try to receive. If the turn's receives are used up,
// it suspends for a turn.
func (r *StreamReader) admit(ctx context.Context) error {
	switch l := r.stream.loop; {
	case r.busy():
		return ErrReaderBusy
	case r.err != nil:
		return r.err
	case r.expired:
		return os.ErrDeadlineExceeded
	case !r.receives.spend(l, maxReceives):
		return r.giveWay(ctx)
	}
	return nil
}

// giveWay is admit for a task that has used up the turn's receives. The reader stays busy
// meanwhile: no other task may take bytes out of the middle of a read.
func (r *StreamReader) giveWay(ctx context.Context) error {
	if err := r.pause(ctx); err != nil {
		return err
	}
	return r.admit(ctx)
}

// pause suspends for one turn, in the middle of a read.
func (r *StreamReader) pause(ctx context.Context) error {
	r.task = running(ctx)
	err := Sleep(ctx, 0)
	r.task = nil
	return err
}

// await suspends until wakeUp is called.
func (r *StreamReader) await(ctx context.Context) error {
	t := running(ctx)
	r.task = t
	err := t.block(ctx, &wait{reason: waitStreamData}, 0)
	r.task = nil
	return err
}

// ended is end for the error that a receive returned. The kernel reports a reset only once. If a
// write got it, the next receive sees a plain end of file, which ended turns back into the reset.
// EPIPE is different: the peer had closed its side before, so the end is real.
func (r *StreamReader) ended(reason error) error {
	if broken := r.stream.writer.err; reason == io.EOF && broken != nil && !errors.Is(broken, errPipe) {
		reason = broken
	}
	r.end(reason)
	return r.err
}

// end records that no more bytes will be received.
func (r *StreamReader) end(reason error) {
	if r.err == nil {
		r.err = reason
		if reason != io.EOF {
			r.stream.writer.fail(reason)
		}
	}
	r.wakeUp()
}

// wakeUp wakes the task that waits to read, if any, to try again.
func (r *StreamReader) wakeUp() {
	if r.task != nil && r.task.fiber != nil { // nil once the loop has killed the task
		r.task.wake()
	}
}

// portion is the number of bytes of a large buffer that are copied in one turn.
const portion = 8 << 20

// grow makes room in a large buffer. If it is cancelled, the buffer is unchanged.
func (r *StreamReader) grow(ctx context.Context) error {
	p, err := r.copyOut(ctx, r.buf.Len(), 2*r.buf.Len())
	if err == nil {
		r.buf.Own(&r.stream.loop.buffers, p)
	}
	return err
}

// copyOut returns a copy of the first n bytes, with a capacity of size. It copies a portion in
// each turn.
func (r *StreamReader) copyOut(ctx context.Context, n, size int) ([]byte, error) {
	p := rawMemory(size)
	for {
		p = append(p, r.buf.Bytes()[len(p):min(n, len(p)+portion)]...)
		if len(p) == n {
			return p, nil
		}
		if err := r.pause(ctx); err != nil {
			return nil, err
		}
	}
}

// rawMemory returns memory for n bytes that is not cleared, since clearing takes as long as
// copying.
func rawMemory(n int) []byte {
	var b strings.Builder
	b.Grow(n)
	b.WriteByte(0)
	return unsafe.Slice(unsafe.StringData(b.String()), n)[:0]
}

// take removes the first n bytes from the buffer and returns them.
func (r *StreamReader) take(n int) []byte { return r.buf.Take(&r.stream.loop.buffers, n) }

// An IncompleteReadError reports that the stream ended too early. It is io.EOF if no bytes had
// arrived, and io.ErrUnexpectedEOF otherwise. It is asyncio's IncompleteReadError.
type IncompleteReadError struct {
	Partial  []byte // the bytes that arrived
	Expected int    // the number of bytes asked for; 0 for a separator
}

func (e *IncompleteReadError) Error() string {
	if e.Expected == 0 {
		return fmt.Sprintf("asyncio: %d bytes read and then the end of the stream, without a separator", len(e.Partial))
	}
	return fmt.Sprintf("asyncio: %d bytes read of %d expected and then the end of the stream", len(e.Partial), e.Expected)
}

// Unwrap returns io.EOF or io.ErrUnexpectedEOF.
func (e *IncompleteReadError) Unwrap() error {
	if len(e.Partial) == 0 {
		return io.EOF
	}
	return io.ErrUnexpectedEOF
}

// A LimitOverrunError reports that more bytes than the stream's limit arrived before a separator.
// It is asyncio's LimitOverrunError.
type LimitOverrunError struct {
	Consumed int // the number of bytes at the front of the buffer in which no separator begins
	found    bool
}

func (e *LimitOverrunError) Error() string {
	if e.found {
		return "asyncio: separator found, but what is before it exceeds the limit of the stream"
	}
	return "asyncio: separator not found, and what has come exceeds the limit of the stream"
}
