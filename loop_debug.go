package asyncio

// This file is debug mode: which goroutine calls, and who blocks the loop.

import (
	"log/slog"
	"time"

	"github.com/go-asyncio/asyncio/internal/gid"
)

// check panics in debug mode if the calling goroutine is not the one that the
// loop runs at the moment.
func (l *Loop) check() {
	if l.debug {
		l.checkGoroutine()
	}
}

// checkGoroutine is kept out of check, which is inlined everywhere.
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
// goroutine may ask. One that is not the loop's reads here what the loop writes at the same time,
// whence the norace; but words are not torn, and whatever it reads, old or new, is not its own
// number: a coroutine forgets its number before its goroutine ends, as leave does, and only
// then is it another's.
//
//go:norace
func (l *Loop) here() bool {
	g := gid.G()
	if t := l.current; t != nil {
		c := t.fiber
		return c != nil && c.Is(g)
	}
	return l.goroutine == g
}

// defaultSlow is asyncio's.
const defaultSlow = 100 * time.Millisecond

// runTimed runs r in debug mode and logs it if it is slow. It does not report it: as in asyncio
// that is for the log and not for the exception handler, since nothing has failed.
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
