package asyncio

// This file describes streams, for inspection. The loop has no list of them: they are found above the
// descriptors of the reactor and above the blockers.

import (
	"net"
	"time"
)

// A StreamInfo describes a stream at one time: a connection, or one end of a pipe.
type StreamInfo struct {
	Kind          string   // tcp, unix, pipe, or the network of a connection of the program's own
	TLS           bool     // it is encrypted, or makes the handshake
	Local, Remote net.Addr // nil if it has none

	Received int64 // bytes that have come from the system; with TLS, encrypted
	Sent     int64 // bytes that the system has taken; with TLS, encrypted
	Unread   int   // bytes received that the program has not read; the system may have more
	Unsent   int   // bytes written that the system has not taken

	Limit      int  // of the reader; see WithLimit
	High, Low  int  // the marks of the writer; see StreamWriter.SetWriteBufferLimits
	Full       bool // Drain waits, since the peer does not read
	Paused     bool // reading was paused by Transport.PauseReading
	Ended      bool // no more bytes will be received
	WriteEnded bool // WriteEOF was called
	Closing    bool // the stream was closed or is broken, and bytes may still be sent

	Opened time.Duration // the loop's time when it was opened, or Never if that is not known
	Reader uint64        // the ID of the task that waits to read, or 0
	Writer uint64        // the ID of the first task that waits in Drain, or 0
}

// Streams describes the loop's streams over descriptors and connections that are not closed, in no
// particular order. It leaves out those of StreamPair. It does not suspend.
func (l *Loop) Streams() []StreamInfo {
	l.check()
	var infos []StreamInfo
	for s := range l.streams {
		infos = append(infos, s.describe())
	}
	return infos
}

// streams ranges over the streams of the loop. Of a stream with TLS, it yields the encrypted one.
func (l *Loop) streams(yield func(*stream) bool) {
	for h := range l.reactor.Handlers {
		if s, ok := h.(*socket); ok {
			if top := topStream(s.above); top != nil && !yield(top) {
				return
			}
		}
	}
	for b := range l.blockers.open {
		if c, ok := b.(*netConn); ok {
			if top := topStream(c.above); top != nil && !yield(top) {
				return
			}
		}
	}
}

// topStream returns the stream above a transport, or nil if that was dropped.
func topStream(above streamEvents) *stream {
	s := streamOf(above)
	for s != nil && s.above != nil {
		next := streamOf(s.above)
		if next == nil {
			break // a Transport
		}
		s = next
	}
	return s
}

func streamOf(events streamEvents) *stream {
	switch e := events.(type) {
	case *stream:
		return e
	case *dropWatch:
		return e.stream.Value()
	}
	return nil
}

func (s *stream) describe() StreamInfo {
	r, w := &s.reader, &s.writer
	i := StreamInfo{
		Local: w.LocalAddr(), Remote: w.RemoteAddr(), Unread: r.buf.Len(), Unsent: w.WriteBufferSize(), Limit: r.limit,
		High: w.high, Low: w.low, Full: w.paused, Ended: r.err != nil, WriteEnded: w.barred == errWriteEOF,
		Closing: w.IsClosing(), Opened: s.opened,
	}
	if r.busy() {
		i.Reader = r.task.id
	}
	if first := w.drainers.head; first != nil {
		i.Writer = first.run.(*task).id
	}
	if t, ok := s.above.(*Transport); ok {
		i.Paused = t.paused
	}
	below := s.below
	if t, ok := below.(*tlsTransport); ok {
		i.TLS, below = true, t.below.below
		i.Unread += t.below.reader.buf.Len()
	}
	switch b := below.(type) {
	case *socket:
		i.Kind, i.Received, i.Sent = b.network, b.received, b.sent
	case *netConn:
		i.Kind, i.Received, i.Sent = b.network, b.received, b.sent
		i.Unread += b.end - b.start
		if b.file != nil {
			i.Kind = "pipe"
		}
	}
	return i
}
