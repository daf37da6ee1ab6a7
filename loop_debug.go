package asyncio

// This file is debug mode. It checks which goroutine calls, and logs the entries that block the
// loop.

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
	l.record((on || l.inspected) && !l.closed)
	l.instrument()
}

// GetDebug reports whether debug mode is on. It is asyncio's get_debug.
func (l *Loop) GetDebug() bool { return l.debug }

// SetSlowCallbackDuration sets the duration from which debug mode logs a callback or a task step as
// slow; see [WithSlowCallbackDuration]. It panics if d is negative.
func (l *Loop) SetSlowCallbackDuration(d time.Duration) {
	l.check()
	l.slow = notNegative(d)
	l.unwatch()
	if l.running.Load() {
		l.watch()
	}
}

// SlowCallbackDuration returns the duration from which debug mode logs a callback or a task step as
// slow. It is asyncio's slow_callback_duration.
func (l *Loop) SlowCallbackDuration() time.Duration { return l.slow }

func notNegative(d time.Duration) time.Duration {
	if d < 0 {
		panic("asyncio: a slow callback duration must not be negative")
	}
	return d
}

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

// IsCurrent reports whether the caller is on the loop's goroutine: whether it is the running task, or
// a callback of the running loop. Any goroutine may call it. It corresponds to comparing a loop with
// the result of asyncio's get_running_loop.
func (l *Loop) IsCurrent() bool { return l.running.Load() && l.here() }

// here reports whether the caller is the running task, a callback of the running loop, or a handler
// that a task which drives calls between two steps. Any goroutine may ask. A goroutine other than
// the loop's reads fields that the loop writes at the same time, hence the norace. That is harmless:
// words are not torn, and no value that it can read, old or new, is its own number. A fiber clears
// its number before its goroutine ends, and endRun clears the number of the run; only after that
// can another goroutine get it.
//
//go:norace
func (l *Loop) here() bool {
	g := gid.G()
	if d := l.driver; d != nil && d.isOn(g) { // current is then the task that it has resumed last
		return true
	}
	if t := l.current; t != nil {
		return t.isOn(g)
	}
	return l.goroutine == g
}

// isOn reports whether the fiber of t has the goroutine g.
//
//go:norace
func (t *task) isOn(g uintptr) bool {
	f := t.fiber
	return f != nil && f.Is(g)
}

// bind records that tasks of l wait in q. It panics if tasks of another loop have waited there,
// unless that loop is closed.
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

// defaultSlow is asyncio's default.
const defaultSlow = 100 * time.Millisecond

// runInstrumented runs r in debug mode, or while the loop is observed. In debug mode it logs r if it
// is slow. As in asyncio, that goes to the log and not to the exception handler, since nothing has
// failed.
func (l *Loop) runInstrumented(r runnable) {
	var start time.Time
	var e entry
	if l.debug {
		start, e = time.Now(), l.step().entry
	}
	if o := l.observation; o != nil {
		o.run(r)
	} else {
		r.run(l)
	}
	if start.IsZero() || !l.debug { // r may have turned debug mode off
		return
	}
	if d := time.Since(start); d >= l.slow {
		name := "callback"
		if t, ok := r.(*task); ok {
			name = t.describe()
		}
		l.slowSteps.time(e, SlowStep{Name: name, Begin: start, Took: d})
		slog.Warn("asyncio: the event loop was blocked", "by", name, "for", d)
	}
}
