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

// defaultLimit is asyncio's.
const defaultLimit = 64 << 10

// A StreamReader reads what the peer has sent. Its methods suspend until there is enough,
// and not at all if there is. One task at a time may read: while it waits a second one gets
// ErrReaderBusy, also if there are bytes for it. A read that is cancelled or times out loses
// nothing: what has come stays for the next. The end of the stream is io.EOF, also after the
// stream's own writer was closed. What breaks the connection comes after the bytes that came
// before it. Only tasks of its loop may use it. It is asyncio's StreamReader.
type StreamReader struct {
	stream  *stream
	limit   int
	buf     buffer.Received
	err     error // why nothing more will come: io.EOF or what broke the connection
	task    *task // that waits to read
	expired bool  // the deadline of a Conn has passed

	receives quota
}

// Read suspends until there are bytes and returns at most n of them, or io.EOF at the end of
// the stream. If n is negative it returns all until the end, which may be nothing, and no
// io.EOF. The bytes are the caller's. It is asyncio's read.
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

// ReadInto reads into p, without making a copy, and returns how many bytes it has read. It
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

// ReadLine returns the next line with its "\n". A last line that has none is returned
// without, and io.EOF after it. A line that is longer than the limit is dropped, as far as it
// has come, with a *LimitOverrunError. It suspends until it has a line. It is asyncio's
// readline.
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

// Lines ranges over the lines, as ReadLine returns them. It suspends until it has the next
// line. It ends with the stream, or after an error other than a *LimitOverrunError. It is
// asyncio's "async for line in reader".
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

// ReadExactly returns n bytes, and suspends until they have come. If the stream ends before,
// it returns an *IncompleteReadError with those that came. It panics if n is negative. It is
// asyncio's readexactly.
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

// ReadUntil returns the bytes to the end of the first separator, whichever ends first, and
// suspends until it has come. If the stream ends before there is one, it returns an
// *IncompleteReadError with those that came. If there are more bytes than the limit before the separator, it returns a
// *LimitOverrunError and they can still be read. It panics without a separator and if one is
// empty. It is asyncio's readuntil.
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

// findAny finds the separator that ends first and does not begin before from.
func findAny(p []byte, from int, separators []string) (start, end int) {
	for _, sep := range separators {
		var i int
		if len(sep) == 1 {
			i = bytes.IndexByte(p[from:], sep[0])
		} else {
			i = bytes.Index(p[from:], []byte(sep))
		}
		// Of two that end together the shorter one counts, as in asyncio.
		if e := from + i + len(sep); i >= 0 && (end == 0 || e < end || e == end && from+i > start) {
			start, end = from+i, e
		}
	}
	return start, end
}

// AtEOF reports whether the stream has ended and nothing is left to read. A connection that
// broke is not at its end: to read gives the error. It does not suspend. It is asyncio's
// at_eof.
func (r *StreamReader) AtEOF() bool {
	if !r.busy() && r.buf.Len() == 0 && r.receives.spend(r.stream.loop, maxReceives) {
		_ = r.fillNow() // an end is kept in r.err
	}
	return r.err == io.EOF && r.buf.Len() == 0
}

// Close closes the read end of a pipe, which has no writer. For a connection it does what
// its StreamWriter's Close does. It does not suspend and returns nil.
func (r *StreamReader) Close() error { return r.stream.writer.Close() }

// fill receives more into the buffer, and suspends until there is some.
func (r *StreamReader) fill(ctx context.Context) error {
	had := r.buf.Len()
	for {
		if err := r.admit(ctx); err != nil {
			if r.buf.Len() > had { // Close has gathered it meanwhile
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

// receive is fill into memory of the caller's.
func (r *StreamReader) receive(ctx context.Context, p []byte) (int, error) {
	for {
		if err := r.admit(ctx); err != nil {
			if r.buf.Len() > 0 { // Close has gathered it meanwhile
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

// readNow is ReadInto that does not suspend, but returns netfd.ErrAgain.
func (r *StreamReader) readNow(p []byte) (int, error) {
	if r.buf.Len() == 0 {
		if err := r.fillNow(); err != nil {
			return 0, err
		}
	}
	return r.copyTo(p), nil
}

// fillNow is fill that does not suspend, but returns netfd.ErrAgain.
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

// gather receives what has come, before the stream is closed: asyncio, which receives without
// being asked, has it in its reader, and it can still be read. The bounds are for a peer that
// sends without end, and for one that sends in records of a byte.
func (r *StreamReader) gather() {
	for range 1000 {
		if r.buf.Len() >= maxReceives*buffer.Size || r.fillNow() != nil {
			break
		}
	}
	r.buf.Park(&r.stream.loop.buffers)
}

// maxReceives is how often a stream receives in one turn, so that a peer which sends
// without end does not keep the loop to itself.
const maxReceives = 4

// busy reports whether a task waits to read, which one that runtime.Goexit has ended does not.
func (r *StreamReader) busy() bool { return r.task != nil && r.task.state == pending }

// admit returns nil if the running task may try to receive.
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

// giveWay is admit for a task that has received as often as it may in one turn. It goes on
// reading meanwhile: nobody else may have what comes in the middle.
func (r *StreamReader) giveWay(ctx context.Context) error {
	if err := r.pause(ctx); err != nil {
		return err
	}
	return r.admit(ctx)
}

// pause gives way for one turn, in the middle of a read.
func (r *StreamReader) pause(ctx context.Context) error {
	r.task = running(ctx)
	err := Sleep(ctx, 0)
	r.task = nil
	return err
}

// await suspends until it is worth another try to receive.
func (r *StreamReader) await(ctx context.Context) error {
	t := running(ctx)
	r.task = t
	err := t.block(ctx, &wait{reason: waitStreamData}, 0)
	r.task = nil
	return err
}

// ended is end for what a receive has found. A socket tells of a reset once: if it has told a
// write, it gives the reader an end that is none. After EPIPE it is one, since the peer had
// closed its side before.
func (r *StreamReader) ended(reason error) error {
	if broken := r.stream.writer.err; reason == io.EOF && broken != nil && !errors.Is(broken, errPipe) {
		reason = broken
	}
	r.end(reason)
	return r.err
}

// end notes that nothing more will come.
func (r *StreamReader) end(reason error) {
	if r.err == nil {
		r.err = reason
		if reason != io.EOF {
			r.stream.writer.fail(reason)
		}
	}
	r.wakeUp()
}

// wakeUp has the task that waits to read try again.
func (r *StreamReader) wakeUp() {
	if r.task != nil && r.task.fiber != nil { // which it has not if the loop has killed it
		r.task.wake()
	}
}

// portion is how many bytes are copied in a turn, of a buffer that holds many.
const portion = 8 << 20

// grow makes room in a large buffer. If it is cancelled, that is as it was.
func (r *StreamReader) grow(ctx context.Context) error {
	p, err := r.copyOut(ctx, r.buf.Len(), 2*r.buf.Len())
	if err == nil {
		r.buf.Own(&r.stream.loop.buffers, p)
	}
	return err
}

// copyOut returns a copy of the first n bytes, with room for size, a portion of which it makes
// in a turn.
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

// rawMemory returns memory for n bytes that need not be cleared, which takes as long as to copy.
func rawMemory(n int) []byte {
	var b strings.Builder
	b.Grow(n)
	b.WriteByte(0)
	return unsafe.Slice(unsafe.StringData(b.String()), n)[:0]
}

// take takes n bytes out of the buffer.
func (r *StreamReader) take(n int) []byte { return r.buf.Take(&r.stream.loop.buffers, n) }

// An IncompleteReadError says that the stream ended too early. It is io.EOF if nothing had
// come, and io.ErrUnexpectedEOF otherwise. It is asyncio's IncompleteReadError.
type IncompleteReadError struct {
	Partial  []byte // what came
	Expected int    // how many bytes were asked for; 0 if it was a separator
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

// A LimitOverrunError says that more bytes than the stream's limit came before a
// separator. It is asyncio's LimitOverrunError.
type LimitOverrunError struct {
	Consumed int // how many bytes are in the buffer that no separator begins in
	found    bool
}

func (e *LimitOverrunError) Error() string {
	if e.found {
		return "asyncio: separator found, but what is before it exceeds the limit of the stream"
	}
	return "asyncio: separator not found, and what has come exceeds the limit of the stream"
}
