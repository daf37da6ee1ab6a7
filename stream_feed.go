package asyncio

import (
	"context"
	"io"
	"net"
	"os"

	"github.com/go-asyncio/asyncio/internal/netfd"
)

// NewStreamReader makes a reader without a connection. It receives the bytes that the program feeds
// to it by FeedData, and ends with FeedEOF or SetException. It is for tests, and for adapters that
// get their bytes from somewhere else than a stream. Nothing limits the bytes that are fed and not
// read. It does not suspend. It is asyncio's StreamReader().
func NewStreamReader(ctx context.Context, opts ...LimitOption) *StreamReader {
	s := newStream(RunningLoop(ctx), newStreamOptions(opts))
	s.below = &fed{above: s}
	return &s.reader
}

// FeedData makes the reader receive a copy of p, and wakes the task that waits to read. Bytes fed
// after SetException or Close are dropped. It panics after FeedEOF, and if the reader has a
// connection: only a reader made by NewStreamReader is fed. It does not suspend. It is asyncio's
// feed_data.
func (r *StreamReader) FeedData(p []byte) {
	f := r.fed("FeedData")
	switch {
	case f.end == io.EOF:
		panic("asyncio: FeedData after FeedEOF")
	case f.end == nil && len(p) > 0:
		f.inbox = append(f.inbox, p...)
		f.above.onReadable()
	}
}

// FeedEOF ends the stream: once the bytes fed before have been read, reads return io.EOF. It does
// nothing once the reader has ended. Like FeedData, it panics if the reader has a connection. It
// does not suspend. It is asyncio's feed_eof.
func (r *StreamReader) FeedEOF() { r.fed("FeedEOF").finish(io.EOF) }

// SetException breaks the stream: once the bytes fed before have been read, reads return err, as
// they do after an error of a connection. In asyncio reads fail at once. It does nothing once the
// reader has ended. It panics if err is nil and, like FeedData, if the reader has a connection. It
// does not suspend. It is asyncio's set_exception.
func (r *StreamReader) SetException(err error) {
	f := r.fed("SetException")
	if err == nil {
		panic("asyncio: SetException of a nil error")
	}
	if err == netfd.ErrAgain { // from below a stream it means that there are no bytes yet
		err = os.NewSyscallError("read", err)
	}
	f.finish(err)
}

// fed returns what is below a reader made by NewStreamReader.
func (r *StreamReader) fed(call string) *fed {
	r.stream.loop.check()
	f, ok := r.stream.below.(*fed)
	if !ok {
		panic("asyncio: " + call + " on a reader that has a connection")
	}
	return f
}

// fed is below a stream that has only a reader, and holds the bytes that the program has fed to it.
type fed struct {
	above streamEvents // the stream
	inbox []byte
	end   error // io.EOF, the error of SetException or net.ErrClosed; nil until then
}

func (f *fed) finish(err error) {
	if f.end == nil {
		f.end = err
		f.above.onReadable()
	}
}

func (f *fed) attach(above streamEvents) { f.above = above }
func (f *fed) readable() bool            { return len(f.inbox) > 0 || f.end != nil }

func (f *fed) read(p []byte) (int, error) {
	switch {
	case len(f.inbox) > 0:
		n := copy(p, f.inbox)
		if f.inbox = f.inbox[n:]; len(f.inbox) == 0 {
			f.inbox = nil
		}
		return n, nil
	case f.end != nil:
		return 0, f.end
	}
	return 0, netfd.ErrAgain
}

// The stream has no writer that the program could reach.
func (f *fed) write(p []byte) (int, error) { return len(p), nil }
func (f *fed) buffered() int               { return 0 }
func (f *fed) canCloseWrite() bool         { return false }
func (f *fed) closeWrite() error           { return nil }
func (f *fed) stopReceiving()              {}

func (f *fed) close() {
	f.inbox = nil
	if f.end == nil {
		f.end = net.ErrClosed
	}
	f.above.onClosed()
}

func (f *fed) abort()          { f.close() }
func (f *fed) reset()          { f.close() }
func (f *fed) info(string) any { return nil }
