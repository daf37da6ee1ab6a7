package asyncio

// This file is debug mode. It checks which goroutine calls, and logs the entries that block the
// loop.

import (
	"log/slog"
	"time"

	"github.com/go-asyncio/asyncio/internal/gid"
)

// check panics in debug mode if the loop is running and the caller is not its running task or
// callback.
func (l *Loop) check() {
	if l.debug {
		l.checkGoroutine()
	}
}

// checkGoroutine is kept out of check, so that check is inlined.
//
//go:noinline
func (l *Loop) checkGoroutine() {
	if l.running.Load() && !l.here() {
		panic(wrongGoroutine)
	}
}

const wrongGoroutine = "asyncio: call from a goroutine that is not the event loop's; use CallSoonThreadsafe or RunCoroutineThreadsafe, " +
	"or ToThread for a library that starts goroutines"

// here reports whether the caller is the running task, or a callback of the running loop. Any
// goroutine may ask. A goroutine other than the loop's reads fields that the loop writes at the
// same time, hence the norace. That is harmless: words are not torn, and no value that it can read,
// old or new, is its own number. A fiber clears its number before its goroutine ends, and endRun
// clears the number of the run; only after that can another goroutine get it.
//
//go:norace
func (l *Loop) here() bool {
	g := gid.G()
	if t := l.current; t != nil {
		f := t.fiber
		return f != nil && f.Is(g)
	}
	return l.goroutine == g
}

// defaultSlow is asyncio's default.
const defaultSlow = 100 * time.Millisecond

// runTimed runs r in debug mode, and logs r if it is slow. As in asyncio, that goes to the log and
// not to the exception handler, since nothing has failed.
func (l *Loop) runTimed(r runnable) {
	start := time.Now()
	r.run(l)
	if d := time.Since(start); d >= l.slow {
		name := "callback"
		if t, ok := r.(*task); ok {
			name = t.describe()
		}
		slog.Warn("asyncio: the event loop was blocked", "by", name, "for", d)
	}
}
