package asyncio

import (
	"fmt"
	"time"
)

// WithTLSShutdownTimeout makes Close of an encrypted stream wait until the peer has closed its side,
// too, for at most d. Bytes that come meanwhile are dropped. When the time is over, the connection
// is aborted, even if written bytes are left, and WaitClosed returns an error that is ErrTimeout.
// Without the option, Close announces the end to the peer and does not wait for an answer; in
// asyncio it waits for 30 seconds. It panics if d is not positive. It is asyncio's
// ssl_shutdown_timeout.
func WithTLSShutdownTimeout(d time.Duration) StartTLSOption {
	if d <= 0 {
		panic("asyncio: WithTLSShutdownTimeout needs a positive duration")
	}
	return setting(func(o *streamOptions) { o.shutdownTimeout = d })
}

// A tlsShutdown is the end of a tlsTransport with a shutdown timeout, from Close on. It stands
// between the stream below and the stream above. Once the written bytes are encrypted, it waits for
// the peer's end.
type tlsShutdown struct {
	t       *tlsTransport
	above   streamEvents
	timer   *TimerHandle
	waiting bool // for the peer's end
	queued  bool // in the ready queue
}

// beginShutdown is called when the stream above is closed.
func (t *tlsTransport) beginShutdown() {
	s := &tlsShutdown{t: t, above: t.below.above}
	s.timer = t.below.loop.CallLater(t.shutdownTimeout, s.timeOut)
	t.shutdown, t.below.above = s, s
}

// wait makes the shutdown wait for the peer, or if it waits already, which means that the
// connection is broken, end.
func (s *tlsShutdown) wait() {
	if s.waiting {
		s.end()
		return
	}
	s.waiting = true
	s.schedule()
}

func (s *tlsShutdown) schedule() {
	if !s.queued {
		s.queued = true
		s.t.below.loop.push(s)
	}
}

// run looks for the peer's end. It drops a bounded number of bytes.
func (s *tlsShutdown) run(l *Loop) {
	s.queued = false
	buf := l.buffers.Get()
	defer l.buffers.Put(buf)
	for range maxReceives {
		if _, err := s.t.conn.Read(buf); err != nil {
			if _, ok := err.(notYet); !ok {
				s.end()
			}
			return
		}
	}
	s.schedule()
}

// end closes the stream below.
func (s *tlsShutdown) end() { s.t.below.writer.Close() }

func (s *tlsShutdown) timeOut() {
	s.above.onBroken(errTLSShutdown)
	s.t.below.writer.Abort()
}

var errTLSShutdown = fmt.Errorf("asyncio: the peer has not closed the TLS connection: %w", ErrTimeout)

func (s *tlsShutdown) onReadable() {
	if s.waiting {
		s.schedule()
	} else {
		s.above.onReadable()
	}
}

func (s *tlsShutdown) onWritable()        { s.above.onWritable() }
func (s *tlsShutdown) onBroken(err error) { s.above.onBroken(err) }

func (s *tlsShutdown) onClosed() {
	s.timer.Cancel()
	s.above.onClosed()
}
