package asyncio

// This file is about what the two halves of a stream have in common, and what
// they run over.
//
// A stream receives only when its task reads, so what the task does not read stays in the
// system's buffers and, when these are full, with the peer. What is written is sent at
// once if it can be; the rest waits in the writer.

import "io"

// A Stream is the two halves of a connection.
type Stream struct {
	Reader *StreamReader
	Writer *StreamWriter
}

// stream is the two halves of a connection and what is below them.
type stream struct {
	loop       *Loop
	below      transport
	reader     StreamReader
	writer     StreamWriter
	serverSide bool
	above      streamEvents // the encrypted stream that this one carries, or the Transport over it, or nil
	drop       *dropWatch   // nil if it is not watched
}

// A transport moves the bytes of a stream. No call of it suspends. It notifies the stream
// when that may go on: see streamEvents.
type transport interface {
	attach(streamEvents)
	readable() bool              // false if it is known that there is nothing to read yet
	read(p []byte) (int, error)  // netfd.ErrAgain if there is nothing yet, io.EOF at the end
	write(p []byte) (int, error) // takes less than all only if it is full
	buffered() int               // what write took and has not sent
	stopReceiving()              // read is to give no more than what has come
	canCloseWrite() bool
	closeWrite() error
	close()               // calls onClosed, now or when what is buffered has gone
	abort()               // calls onClosed, now
	reset()               // abort that the peer sees as a reset, where that is possible
	info(name string) any // for GetExtraInfo
}

// streamEvents are the notifications of a transport to the stream above it.
type streamEvents interface {
	onReadable()        // there may be something to read, or the end
	onWritable()        // there may be room to write
	onBroken(err error) // nothing more can be sent; what has come can still be read
	onClosed()          // once, after close, abort or the end of the loop
}

// newStream makes a stream over nothing.
func newStream(l *Loop, o *streamOptions) *stream {
	s := &stream{loop: l}
	s.reader.stream, s.reader.limit = s, o.limit
	s.writer.stream = s
	s.writer.high, s.writer.low = defaultHighWater, defaultHighWater/4
	return s
}

// events returns what the transport of the stream is to call.
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
}
