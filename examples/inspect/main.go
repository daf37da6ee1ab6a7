//go:build !plan9

// Inspect serves the page of package inspect about a small, busy shop.
//
//	go run ./examples/inspect [-deadlock D] [ADDR]
//
// The shop has three faults, and the page shows them. Of every four orders, one leaves behind an audit
// that waits for an event that never comes. Every few seconds a report computes for so long that
// everything else stands still: it is among the slow steps, with its stack. Half a minute after the
// start, two transfers wait for each other for ever, and the printer of their receipts waits for both.
// Branches order over TCP, so there are a server and streams to see, and the queues of the shop. Ctrl-C
// ends the program, and Ctrl-\ prints what all tasks do.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"syscall"
	"time"

	"github.com/go-asyncio/asyncio"
	"github.com/go-asyncio/asyncio/inspect"
)

func main() {
	after := flag.Duration("deadlock", 30*time.Second, "time until the deadlock")
	flag.Usage = func() {
		fmt.Fprintln(os.Stderr, "usage: inspect [-deadlock D] [ADDR]")
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() > 1 {
		flag.Usage()
		os.Exit(2)
	}
	address := "127.0.0.1:0"
	if flag.NArg() == 1 {
		address = flag.Arg(0)
	}
	if err := serve(address, *after); err != nil {
		fmt.Fprintln(os.Stderr, "inspect:", err)
		os.Exit(1)
	}
}

// serve runs the shop and its page until Ctrl-C.
func serve(address string, after time.Duration) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	fmt.Printf("listening on %s\nthe page is http://%[1]s/debug/asyncio/\n", listener.Addr())
	_, err = asyncio.Run(context.Background(), asyncio.Do(func(ctx context.Context) error {
		loop := asyncio.RunningLoop(ctx)
		defer inspect.DumpOnSignal(syscall.SIGQUIT, os.Stderr, loop)()

		mux := http.NewServeMux()
		mux.Handle("/debug/asyncio/", inspect.NewHandler([]*asyncio.Loop{loop}, inspect.WithCancel()))
		server := &http.Server{Handler: mux}
		defer server.Close()
		go server.Serve(listener)
		return newShop().run(ctx, after)
	}), asyncio.WithInterrupt(), asyncio.WithInspection())
	if errors.Is(err, asyncio.ErrInterrupted) {
		return nil
	}
	return err
}
