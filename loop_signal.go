package asyncio

import (
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"sync"
	"sync/atomic"
)

// signals are the listeners of a loop, by signal.
type signals map[os.Signal]*signalListener

// A signalListener is a goroutine that receives one signal, and the callbacks that it posts to
// the loop. There is one listener for each signal, not one for each callback, so that no signal
// reaches both of two callbacks when one replaces the other.
type signalListener struct {
	heard chan os.Signal
	gone  chan struct{} // closed when the goroutine has ended

	mu          sync.Mutex
	handler     *signalHandler // set by AddSignalHandler, or nil
	interrupter *interrupter   // notified if there is no handler; or nil
}

// set changes the callbacks of a signal. It starts the listener with the first callback and
// stops it with the last one.
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

// stop ends the goroutine and waits until it has ended.
func (ln *signalListener) stop() {
	signal.Stop(ln.heard)
	close(ln.heard)
	<-ln.gone
}

// A signalHandler is the callback that AddSignalHandler has set.
type signalHandler struct {
	loop *Loop
	fn   func()

	pending atomic.Bool // the handler is in the ready queue or the mailbox
}

// AddSignalHandler makes the loop call fn, outside of any task, when the program receives sig.
// It replaces an earlier handler of sig. As in the system itself, a signal that comes again
// before fn was called counts once. While there is a handler for os.Interrupt, WithInterrupt
// does nothing. A handler does not keep a loop in virtual time from jumping to its next timer,
// or from a deadlock. While there is a handler, a signal that was ignored when the program
// began is handled, too.
//
// AddSignalHandler returns ErrLoopClosed after Close. It returns an error for a signal that
// cannot be handled: there is no signal of that number, the system does not deliver it to
// programs, or the Go runtime keeps it to itself, as it does SIGSEGV and other signals that
// report a fault. On Windows it takes os.Interrupt, which stands for Ctrl+C and Ctrl+Break, and
// syscall.SIGTERM, for the end of the session or of the console's window, after which the system
// leaves the program some seconds. It panics if sig or fn is nil. It does not suspend. It is
// asyncio's add_signal_handler, which asyncio does not have on Windows.
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

// RemoveSignalHandler removes the handler of sig and reports whether there was one. The signal
// then has the effect again that it had before. It does not suspend. It is asyncio's
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
		old.fn = nil // old may be scheduled
	}
	l.signals.set(sig, func(ln *signalListener) { ln.handler = h })
}

// post schedules the handler unless it is scheduled already. The listener's goroutine calls it.
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

// interruptIgnored reports whether SIGINT was ignored when the program began, as it is under
// nohup and in the background of a shell script. Whoever arranged that wants no program to
// receive it. It is recorded here because package os/signal forgets it once the program asks
// for the signal. WebAssembly has no signals, and package os/signal panics there.
var interruptIgnored = runtime.GOARCH != "wasm" && signal.Ignored(os.Interrupt)

// An interrupter makes SIGINT cancel a task, for WithInterrupt.
type interrupter struct {
	task      *task
	heard     int  // signals received; the listener's goroutine alone uses it
	cancelled bool // the signal has cancelled the task; the loop's goroutine alone uses it
}

// cancelOnInterrupt makes SIGINT cancel t. The function that it returns undoes that, and sets
// *err to ErrInterrupted if nothing but SIGINT has cancelled t.
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

// exitInterrupted is the exit code of a program that SIGINT has ended: 128 plus the number of
// the signal.
const exitInterrupted = 130
