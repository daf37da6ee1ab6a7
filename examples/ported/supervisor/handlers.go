package main

import (
	"os"
	"slices"
	"syscall"

	"github.com/go-asyncio/asyncio"
)

// Handlers are called when a signal asks this program to end.
type handlers struct {
	funcs []*func(sig os.Signal)
	exit  func() // called after them
}

// handleSignals makes the loop call the handlers, and exit after them.
func handleSignals(loop *asyncio.Loop, exit func()) (*handlers, error) {
	h := &handlers{exit: exit}
	for _, sig := range []os.Signal{syscall.SIGINT, syscall.SIGTERM} {
		if err := loop.AddSignalHandler(sig, func() { h.handle(sig) }); err != nil {
			return nil, err
		}
	}
	return h, nil
}

// add adds a handler, and returns a function that removes it.
func (h *handlers) add(handler func(sig os.Signal)) (remove func()) {
	h.funcs = append(h.funcs, &handler)
	return func() {
		h.funcs = slices.DeleteFunc(h.funcs, func(f *func(os.Signal)) bool { return f == &handler })
	}
}

func (h *handlers) handle(sig os.Signal) {
	for _, handler := range h.funcs {
		(*handler)(sig)
	}
	h.exit()
}
