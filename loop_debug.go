package asyncio

// This file is debug mode: which goroutine calls, and who blocks the loop.

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/go-asyncio/asyncio/internal/gid"
)

// debugVariable is the environment variable that turns debug mode on for all loops.
const debugVariable = "GOASYNCIODEBUG"

// SetDebug turns debug mode on or off; see [WithDebug]. It is asyncio's set_debug.
func (l *Loop) SetDebug(on bool) {
	l.checkGoroutine()
	l.debug = on
	if l.running.Load() {
		l.push(callback(l.followDebug)) // a callback, so that no task drives when it runs
	}
}

// GetDebug reports whether debug mode is on. It is asyncio's get_debug.
func (l *Loop) GetDebug() bool { return l.debug }

// followDebug has the loop make all steps itself in debug mode. It must not be called in a task.
func (l *Loop) followDebug() {
	if l.timed == l.debug {
		return
	}
	l.timed = l.debug
	if l.timed {
		l.undriven++
	} else {
		l.undriven--
	}
}

// SetSlowCallbackDuration sets the duration from which on debug mode logs a callback or a step
// of a task as slow; see [WithSlowCallbackDuration]. It panics if d is negative.
func (l *Loop) SetSlowCallbackDuration(d time.Duration) {
	l.check()
	l.slow = notNegative(d)
}

// SlowCallbackDuration returns the duration from which on debug mode logs what is slow. It is
// asyncio's slow_callback_duration.
func (l *Loop) SlowCallbackDuration() time.Duration { return l.slow }

func notNegative(d time.Duration) time.Duration {
	if d < 0 {
		panic("asyncio: a slow callback duration must not be negative")
	}
	return d
}

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

// bind notes in debug mode that tasks of l wait in q. It panics if those of another loop have, unless
// that loop is closed.
func (q *waitq) bind(l *Loop, reason waitReason) {
	for {
		bound := q.loop.Load()
		if bound == l {
			return
		}
		if bound != nil && !bound.IsClosed() {
			panic(fmt.Sprintf("asyncio: wait for %s that is bound to a different event loop", reason))
		}
		if q.loop.CompareAndSwap(bound, l) {
			return
		}
	}
}

// defaultSlow is asyncio's.
const defaultSlow = 100 * time.Millisecond

// runTimed runs r in debug mode and logs it if it is slow. It does not report it: as in asyncio
// that is for the log and not for the exception handler, since nothing has failed.
func (l *Loop) runTimed(r runnable) {
	start := time.Now()
	r.run(l)
	if d := time.Since(start); d >= l.slow && l.debug { // still
		what := "callback"
		if t, ok := r.(*task); ok {
			what = t.describe()
		}
		slog.Warn("asyncio: the event loop was blocked", "by", what, "for", d)
	}
}
