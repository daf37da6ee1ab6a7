// Multicore serves one port with a loop on each core.
//
//	go run ./examples/multicore [-loops N] [ADDR]
//
// Each loop has a goroutine and a listening socket of its own, all with the same address; the
// system spreads the connections among them. The loops share nothing, so their tasks need no lock.
// The server sends back the bytes it receives. Ctrl-C ends it, and prints how many connections each
// loop has served.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"runtime"
	"sync"
	"time"

	"github.com/go-asyncio/asyncio"
)

func main() {
	loops := flag.Int("loops", runtime.NumCPU(), "how many loops")
	flag.Usage = func() {
		fmt.Fprintln(os.Stderr, "usage: multicore [-loops N] [ADDR]")
		flag.PrintDefaults()
	}
	flag.Parse()
	if *loops < 1 || flag.NArg() > 1 {
		flag.Usage()
		os.Exit(2)
	}
	address := "127.0.0.1:0"
	if flag.NArg() == 1 {
		address = flag.Arg(0)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := serveAll(ctx, address, *loops); err != nil {
		fmt.Fprintln(os.Stderr, "multicore:", err)
		os.Exit(1)
	}
}

// serveAll runs the loops until ctx is done.
func serveAll(ctx context.Context, address string, loops int) error {
	// If the address has port 0, the first loop picks the port, and the others use the same.
	found := make(chan net.Addr, 1)
	first := worker{address: address, listening: func(addr net.Addr) { found <- addr }}
	workers := []*worker{&first}
	var running sync.WaitGroup
	running.Go(func() { first.run(ctx); close(found) })
	if addr, ok := <-found; ok {
		fmt.Printf("%d loops listening on %v\n", loops, addr)
		for range loops - 1 {
			w := &worker{address: addr.String(), listening: func(net.Addr) {}}
			workers = append(workers, w)
			running.Go(func() { w.run(ctx) })
		}
	}
	running.Wait()
	var errs []error
	for i, w := range workers {
		fmt.Printf("loop %d: %d connections\n", i+1, w.served)
		errs = append(errs, w.err)
	}
	return errors.Join(errs...)
}

// A worker is a loop and its counters. No other goroutine reads it while it runs.
type worker struct {
	address   string
	listening func(net.Addr)
	served    int
	err       error
}

func (w *worker) run(ctx context.Context) {
	_, err := asyncio.Run(ctx, asyncio.Do(w.serve))
	if !errors.Is(err, asyncio.ErrCancelled) { // Ctrl-C cancels
		w.err = err
	}
}

func (w *worker) serve(ctx context.Context) error {
	server, err := asyncio.StartServer(ctx, w.echo, w.address, asyncio.WithReusePort())
	if err != nil {
		return err
	}
	w.listening(server.Addr())
	var never asyncio.Event
	err = never.Wait(ctx)
	return errors.Join(err, server.Shutdown(context.WithoutCancel(ctx), time.Second))
}

func (w *worker) echo(ctx context.Context, in *asyncio.StreamReader, out *asyncio.StreamWriter) error {
	w.served++
	for {
		p, err := in.Read(ctx, 64<<10)
		if err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		if _, err := out.Write(p); err != nil {
			return err
		}
		if err := out.Drain(ctx); err != nil {
			return err
		}
	}
}
