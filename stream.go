package asyncio

// This file joins the two halves of a stream with each other and with the transport below them.
//
// A stream receives only when its task reads, so unread bytes stay in the system's buffers and,
// once these are full, with the peer. Written bytes are sent at once if possible; the writer
// keeps the rest.

import (
	"io"
	"time"
)

// A Stream is the two halves of a connection.
type Stream struct {
	Reader *StreamReader
	Writer *StreamWriter
}

// stream is the two halves of a connection and the transport below them.
type stream struct {
	loop       *Loop
	below      transport
	reader     StreamReader
	writer     StreamWriter
	serverSide bool
	above      streamEvents  // the TLS stream that this one carries, the Transport over it, or nil
	drop       *dropWatch    // closes the stream when it becomes garbage, or nil
	conn       streamOwner   // the connection of the server that has accepted the stream, or nil
	opened     time.Duration // the loop's time, or Never if the loop was not inspected then
}

// A streamOwner is notified when its stream is closed.
type streamOwner interface{ onClosed() }

// A transport moves the bytes of a stream. None of its methods suspends. When a read or a write
// is worth another try, it notifies the stream: see streamEvents.
type transport interface {
	attach(streamEvents)
	readable() bool              // false if it is known that there are no bytes to read yet
	read(p []byte) (int, error)  // netfd.ErrAgain if there are no bytes yet, io.EOF at the end
	write(p []byte) (int, error) // returns n < len(p) if there is no more room for now; onWritable follows
	buffered() int               // bytes that write took and has not sent
	stopReceiving()              // called before the last reads: bytes that arrive later are not wanted
	canCloseWrite() bool
	closeWrite() error
	close()               // calls onClosed, at once or when the buffered bytes are sent and it is closed
	abort()               // close that drops the buffered bytes
	reset()               // abort that the peer sees as a reset, where possible
	info(name string) any // for GetExtraInfo
}

// streamEvents are the notifications of a transport to the stream above it.
type streamEvents interface {
	onReadable()        // there may be bytes to read, or the end
	onWritable()        // there may be room to write
	onBroken(err error) // nothing more can be sent; received bytes can still be read
	onClosed()          // once, after close, abort or the end of the loop
}

// newStream makes a stream that has no transport yet.
func newStream(l *Loop, o *streamOptions) *stream {
	s := &stream{loop: l, opened: Never}
	if l.recorder != nil {
		s.opened = l.Time()
	}
	s.reader.stream, s.reader.limit = s, o.limit
	s.writer.stream = s
	s.writer.high, s.writer.low = defaultHighWater, defaultHighWater/4
	return s
}

// events returns the receiver of the transport's notifications: the stream, or its dropWatch.
func (s *stream) events() streamEvents {
	if s.drop != nil {
		return s.drop
	}
	return s
}

func (s *stream) halves() Stream { return Stream{&s.reader, &s.writer} }

func (s *stream) onReadable() {
	s.reader.wakeUp()
	if s.above != nil {
		s.above.onReadable()
	}
}

func (s *stream) onWritable() {
	if s.writer.kept.Len() == 0 && !s.writer.paused { // the usual case: each event of a socket says that there is room
		return
	}
	s.writer.flush()
	if s.above != nil {
		s.above.onWritable()
	}
}

func (s *stream) onBroken(err error) { s.writer.fail(err) }

func (s *stream) onClosed() {
	s.reader.end(io.EOF)
	s.writer.closed()
	if s.above != nil {
		s.above.onClosed()
	}
	if s.conn != nil {
		s.conn.onClosed()
	}
}
