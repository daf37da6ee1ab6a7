package asyncio

import (
	"fmt"
	"maps"
	"os"
	"os/signal"
	"sync/atomic"
)

// signals is the loop's signal handlers, and the goroutine that hears the signals while
// there are any.
type signals struct {
	handlers      map[os.Signal]*signalHandler
	stopListening func()      // ends the goroutine, if there is one
	interrupt     atomic.Bool // there is a handler for os.Interrupt
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
// jumping to its next timer, or from a deadlock. It returns an error for signals that
// cannot be handled, and ErrLoopClosed. It is asyncio's add_signal_handler.
func (l *Loop) AddSignalHandler(sig os.Signal, fn func()) error {
	l.checkCallback(fn == nil)
	if l.closed {
		return ErrLoopClosed
	}
	if sig == os.Kill || sig.String() == "stopped (signal)" {
		return fmt.Errorf("asyncio: signal %v cannot be handled", sig)
	}
	s := &l.signals
	if s.handlers == nil {
		s.handlers = make(map[os.Signal]*signalHandler)
	}
	if h := s.handlers[sig]; h != nil {
		h.cancel()
	}
	h := &signalHandler{loop: l, fn: fn}
	s.handlers[sig] = h
	s.listen()
	return nil
}

// RemoveSignalHandler undoes AddSignalHandler and reports whether there was something to
// undo. The signal then does again what it did before. It is asyncio's
// remove_signal_handler.
func (l *Loop) RemoveSignalHandler(sig os.Signal) bool {
	l.check()
	h := l.signals.handlers[sig]
	if h == nil {
		return false
	}
	h.cancel()
	delete(l.signals.handlers, sig)
	l.signals.listen()
	return true
}

// listen has a goroutine hear just the signals that have a handler. It takes over from the
// one before without a gap, in which a signal could end the program.
func (s *signals) listen() {
	stop := s.stopListening
	s.stopListening = nil
	if len(s.handlers) > 0 {
		s.stopListening = hear(maps.Clone(s.handlers))
	}
	s.interrupt.Store(s.handlers[os.Interrupt] != nil)
	if stop != nil {
		stop()
	}
}

// hear starts the goroutine. The function that it returns ends it, and waits for that.
func hear(handlers map[os.Signal]*signalHandler) (stop func()) {
	heard := make(chan os.Signal, 2*len(handlers))
	for sig := range handlers {
		signal.Notify(heard, sig)
	}
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		for sig := range heard {
			handlers[sig].post()
		}
	}()
	return func() {
		signal.Stop(heard)
		close(heard)
		<-gone
	}
}

// stop ends the goroutine, if there is one.
func (s *signals) stop() {
	if s.stopListening != nil {
		s.stopListening()
		s.stopListening = nil
	}
}

// post schedules the handler, unless it is. It is called from the signals' goroutine.
func (h *signalHandler) post() {
	if !h.pending.Swap(true) {
		_ = h.loop.post(h) // a closed loop has no use for it
	}
}

func (h *signalHandler) run() {
	h.pending.Store(false)
	if h.fn != nil {
		h.loop.call(h.fn)
	}
}

func (h *signalHandler) cancel() { h.fn = nil }
