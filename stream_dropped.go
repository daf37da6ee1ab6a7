package asyncio

import (
	"fmt"
	"runtime"
	"strings"
	"weak"
)

// A dropWatch stands between a stream and its transport, which the reactor's table of descriptors
// refers to. It keeps the stream alive only while the stream has something to send. So a stream
// that the program drops without closing it becomes garbage, as in asyncio and in package net.
// Its connection is closed then, and debug mode reports it. The streams that a server has
// accepted need no dropWatch: the server refers to them, and closes them.
type dropWatch struct {
	loop    *Loop
	stream  weak.Pointer[stream]
	busy    *stream   // the stream, while it has something to send
	below   transport // the stream's transport
	cleanup runtime.Cleanup
	opened  string // the file and line that opened the stream, or "" if that was not in debug mode
}

// watchDrop arranges for s, which is new, to be closed when it becomes garbage.
func (s *stream) watchDrop() {
	d := &dropWatch{loop: s.loop, stream: weak.Make(s), below: s.below}
	if s.loop.debug {
		d.opened = callerOutside()
	}
	d.cleanup = runtime.AddCleanup(s, func(d *dropWatch) { _ = d.loop.post(d) }, d)
	s.drop = d
	s.below.attach(d)
}

// run is called on the loop once the stream is garbage.
func (d *dropWatch) run(l *Loop) {
	d.below.close()
	if !l.debug {
		return
	}
	opened := "before debug mode was turned on"
	if d.opened != "" {
		opened = "at " + d.opened
	}
	l.report(ExceptionContext{Message: "stream was dropped without Close; it was opened " + opened})
}

// hold keeps the stream alive while it is not idle.
func (d *dropWatch) hold(s *stream, idle bool) {
	if idle {
		d.busy = nil
	} else {
		d.busy = s
	}
}

func (d *dropWatch) onReadable() {
	if s := d.stream.Value(); s != nil {
		s.onReadable()
	}
}

func (d *dropWatch) onWritable() {
	if d.busy != nil {
		d.busy.onWritable()
	}
}

func (d *dropWatch) onBroken(err error) {
	if s := d.stream.Value(); s != nil {
		s.onBroken(err)
	}
}

func (d *dropWatch) onClosed() {
	d.cleanup.Stop()
	if s := d.stream.Value(); s != nil {
		s.onClosed()
	}
}

// callerOutside returns the file and line of the program's call into this package.
func callerOutside() string {
	pcs := make([]uintptr, 64)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs)])
	for {
		f, more := frames.Next()
		if !strings.HasPrefix(f.Function, "github.com/go-asyncio/asyncio.") {
			return fmt.Sprintf("%s:%d", f.File, f.Line)
		}
		if !more {
			return "an unknown place"
		}
	}
}
