package asyncio

// This file is debug mode: which goroutine calls, and who blocks the loop.

import (
	"bytes"
	"log/slog"
	"runtime"
	"strconv"
	"time"
)

// check panics in debug mode if the calling goroutine is not the one that the
// loop runs at the moment.
func (l *Loop) check() {
	if l.debug {
		l.checkGoroutine()
	}
}

func (l *Loop) checkGoroutine() {
	if l.running.Load() && l.goroutine.Load() != goroutineID() {
		panic("asyncio: call from a goroutine that is not the event loop's; use CallSoonThreadsafe or RunCoroutineThreadsafe")
	}
}

// resumeTracked resumes a task in debug mode, in which the loop knows the goroutine
// that it runs.
func (t *task) resumeTracked() {
	l := t.loop
	outer := l.goroutine.Swap(t.coro.Goroutine)
	defer l.goroutine.Store(outer) // deferred for runtime.Goexit
	t.coro.Resume()
}

// goroutineID reads the number of the calling goroutine off its stack trace. It
// is for debug mode alone.
func goroutineID() uint64 {
	var buf [64]byte
	s := bytes.TrimPrefix(buf[:runtime.Stack(buf[:], false)], []byte("goroutine "))
	s, _, _ = bytes.Cut(s, []byte(" "))
	id, _ := strconv.ParseUint(string(s), 10, 64)
	return id
}

// defaultSlow is asyncio's.
const defaultSlow = 100 * time.Millisecond

// runTimed runs r in debug mode and logs it if it is slow.
func (l *Loop) runTimed(r runnable) {
	start := time.Now()
	r.run(l)
	if d := time.Since(start); d >= l.slow {
		what := "callback"
		if t, ok := r.(*task); ok {
			what = t.describe()
		}
		slog.Warn("asyncio: the event loop was blocked", "by", what, "for", d)
	}
}
