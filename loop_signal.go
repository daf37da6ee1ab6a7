package asyncio

import (
	"fmt"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
)

// signals is who hears what on a loop.
type signals map[os.Signal]*signalListener

// A signalListener is a goroutine that hears one signal, and who is told of it. There is one for
// a signal, and not one for each that wants to be told, so that no signal is told to two
// when one follows the other.
type signalListener struct {
	heard chan os.Signal
	gone  chan struct{} // closed when the goroutine has ended

	mu          sync.Mutex
	handler     *signalHandler // what AddSignalHandler has set
	interrupter *interrupter   // who is told if there is no handler
}

// set changes who is told of a signal, and starts and ends its listener with the first and
// the last of them.
func (s *signals) set(sig os.Signal, change func(*signalListener)) {
	ln := (*s)[sig]
	if ln == nil {
		ln = &signalListener{heard: make(chan os.Signal, 2), gone: make(chan struct{})}
		if *s == nil {
			*s = make(signals)
		}
		(*s)[sig] = ln
		go ln.hear()
		signal.Notify(ln.heard, sig)
	}
	ln.mu.Lock()
	change(ln)
	unused := ln.handler == nil && ln.interrupter == nil
	ln.mu.Unlock()
	if unused {
		delete(*s, sig)
		ln.stop()
	}
}

func (s signals) handler(sig os.Signal) *signalHandler {
	if ln := s[sig]; ln != nil {
		return ln.handler
	}
	return nil
}

// stop ends all listeners.
func (s signals) stop() {
	for _, ln := range s {
		ln.stop()
	}
	clear(s)
}

func (ln *signalListener) hear() {
	defer close(ln.gone)
	for range ln.heard {
		ln.mu.Lock()
		handler, interrupter := ln.handler, ln.interrupter
		ln.mu.Unlock()
		if handler != nil {
			handler.post()
		} else if interrupter != nil {
			interrupter.post()
		}
	}
}

// stop ends the goroutine and waits for that.
func (ln *signalListener) stop() {
	signal.Stop(ln.heard)
	close(ln.heard)
	<-ln.gone
}

// A signalHandler is what AddSignalHandler has set.
type signalHandler struct {
	loop *Loop
	fn   func()

	pending atomic.Bool // it is in the ready queue or the mailbox
}

// AddSignalHandler has the loop call fn, outside of any task, when the program gets the
// signal. It takes the place of an earlier one. As in the system itself a signal that
// comes again before fn was called counts once. While a handler for os.Interrupt is set,
// WithInterrupt does nothing. A handler does not keep a loop in virtual time from
// jumping to its next timer, or from a deadlock. A signal that was ignored when the program
// began is handled, too, while a handler is set.
//
// It returns an error for signals that cannot be handled, since there are none of that number,
// the system does not let a program have them, or the Go runtime keeps them to itself, as it
// does SIGSEGV and others that report a fault; and ErrLoopClosed. It does not suspend. It is
// asyncio's add_signal_handler.
func (l *Loop) AddSignalHandler(sig os.Signal, fn func()) error {
	l.checkCallback(fn == nil)
	if sig == nil {
		panic("asyncio: nil signal")
	}
	if l.closed {
		return ErrLoopClosed
	}
	if !deliverable(sig) {
		return fmt.Errorf("asyncio: signal %v cannot be handled", sig)
	}
	l.setSignalHandler(sig, &signalHandler{loop: l, fn: fn})
	return nil
}

// RemoveSignalHandler undoes AddSignalHandler and reports whether there was something to
// undo. The signal then does again what it did before. It does not suspend. It is asyncio's
// remove_signal_handler.
func (l *Loop) RemoveSignalHandler(sig os.Signal) bool {
	l.check()
	if l.signals.handler(sig) == nil {
		return false
	}
	l.setSignalHandler(sig, nil)
	return true
}

func (l *Loop) setSignalHandler(sig os.Signal, h *signalHandler) {
	if old := l.signals.handler(sig); old != nil {
		old.fn = nil // it may be scheduled
	}
	l.signals.set(sig, func(ln *signalListener) { ln.handler = h })
}

// post schedules the handler, unless it is. It is called from the listener's goroutine.
func (h *signalHandler) post() {
	if !h.pending.Swap(true) {
		_ = h.loop.post(h) // a closed loop has no use for it
	}
}

func (h *signalHandler) run(l *Loop) {
	h.pending.Store(false)
	if h.fn != nil {
		l.call(h.fn)
	}
}

// interruptIgnored reports that SIGINT was ignored when the program began, as it is under nohup
// and in the background of a shell script: whoever did that wants no program to hear it.
// Package os/signal forgets it when the signal is asked for.
var interruptIgnored = signal.Ignored(os.Interrupt)

// An interrupter has SIGINT cancel a task, for WithInterrupt.
type interrupter struct {
	task      *task
	heard     int  // on the listener's goroutine
	cancelled bool // on the loop's
}

// cancelOnInterrupt has SIGINT cancel t. The function it returns ends that, and
// makes ErrInterrupted of a cancellation that was SIGINT's alone.
func (t *task) cancelOnInterrupt(err *error) (restore func()) {
	i := &interrupter{task: t}
	signals := &t.loop.signals
	signals.set(os.Interrupt, func(ln *signalListener) { ln.interrupter = i })
	return func() {
		if !t.loop.closed {
			signals.set(os.Interrupt, func(ln *signalListener) { ln.interrupter = nil })
		}
		if i.cancelled && isCancelled(*err) && t.uncancel() == 0 {
			*err = ErrInterrupted
		}
	}
}

func (i *interrupter) post() {
	if i.heard++; i.heard > 1 {
		os.Exit(exitInterrupted)
	}
	i.task.loop.CallSoonThreadsafe(func() { i.cancelled = i.task.cancel(ErrInterrupted) })
}

// exitInterrupted is the exit code of a program that SIGINT ended: 128 and the
// signal's number.
const exitInterrupted = 130
