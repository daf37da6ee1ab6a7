//go:build !plan9

// Soak runs mixed traffic between a server and its clients for a while, each on a loop of its own.
// It fails if at the end there are more goroutines, descriptors or heap than after the warm-up.
//
//	go run ./integration/soak [-duration 10m] [-clients 50] [-pause 5ms]
//
// Clients echo, chat, close one half, reset, cancel reads, time out, speak TLS, upgrade to TLS, and
// connect to an address on which nobody listens, one after the other, in a random order.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/go-asyncio/asyncio"
)

func main() {
	duration := flag.Duration("duration", 10*time.Minute, "how long")
	clients := flag.Int("clients", 50, "how many clients at a time")
	pause := flag.Duration("pause", 5*time.Millisecond, "what a client waits between two rounds")
	flag.Parse()
	if err := soak(*duration, *clients, *pause); err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
		os.Exit(1)
	}
}

func soak(duration time.Duration, clients int, pause time.Duration) error {
	certs, err := newCertificates()
	if err != nil {
		return err
	}
	addrs, stop, err := startServers(certs)
	if err != nil {
		return err
	}
	c := &client{addrs: addrs, certs: certs, pause: pause, rounds: make(map[string]int), failed: make(map[string]int)}
	_, err = asyncio.Run(context.Background(), asyncio.Do(func(ctx context.Context) error {
		return c.run(ctx, duration, clients)
	}))
	return errors.Join(err, stop())
}

// run has clients make rounds, and measures the process meanwhile.
func (c *client) run(ctx context.Context, duration time.Duration, clients int) error {
	tasks := make([]*asyncio.Task[asyncio.None], clients)
	for i := range tasks {
		tasks[i] = asyncio.CreateTask(ctx, asyncio.Do(c.makeRounds))
	}
	const looks = 10
	var all []usage
	for i := range looks + 1 {
		if i > 0 {
			if err := asyncio.Sleep(ctx, duration/looks); err != nil {
				return err
			}
		}
		// Measure while no round runs, since the traffic itself comes and goes.
		c.halt = true
		for c.busy > 0 {
			if err := asyncio.Sleep(ctx, time.Millisecond); err != nil {
				return err
			}
		}
		if err := asyncio.Sleep(ctx, 200*time.Millisecond); err != nil { // the server's side ends, too
			return err
		}
		u := look()
		all = append(all, u)
		fmt.Printf("%8v  %v  %s\n", time.Duration(i)*duration/looks, u, c.counts())
		c.halt = false
	}
	for _, t := range tasks {
		t.Cancel()
	}
	return flat(all[1:])
}

// usage is the resources that the process uses.
type usage struct {
	goroutines, descriptors int
	heap                    uint64 // bytes after a collection
}

func look() usage {
	debug.FreeOSMemory()
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	u := usage{goroutines: runtime.NumGoroutine(), heap: mem.HeapAlloc}
	if entries, err := os.ReadDir("/proc/self/fd"); err == nil {
		u.descriptors = len(entries)
	}
	return u
}

func (u usage) String() string {
	return fmt.Sprintf("goroutines %d, descriptors %d, heap %d KiB", u.goroutines, u.descriptors, u.heap>>10)
}

// flat compares the last measurement with the first one after the start.
func flat(all []usage) error {
	first, last := all[0], all[len(all)-1]
	var errs []error
	if last.goroutines > first.goroutines+5 {
		errs = append(errs, fmt.Errorf("goroutines grew from %d to %d", first.goroutines, last.goroutines))
	}
	if last.descriptors > first.descriptors+5 {
		errs = append(errs, fmt.Errorf("descriptors grew from %d to %d", first.descriptors, last.descriptors))
	}
	if last.heap > first.heap+first.heap/2+1<<20 {
		errs = append(errs, fmt.Errorf("the heap grew from %d to %d KiB", first.heap>>10, last.heap>>10))
	}
	return errors.Join(errs...)
}

// counts formats the numbers of rounds, by kind.
func (c *client) counts() string {
	var parts []string
	for _, kind := range slices.Sorted(maps.Keys(c.rounds)) {
		part := fmt.Sprintf("%s %d", kind, c.rounds[kind])
		if n := c.failed[kind]; n > 0 {
			part += fmt.Sprintf(" (%d failed)", n)
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, ", ")
}

// startServers starts the servers on a loop of their own, and returns their addresses.
func startServers(certs *certificates) (addrs addresses, stop func() error, err error) {
	ctx, cancel := context.WithCancel(context.Background())
	started, ended := make(chan addresses, 1), make(chan error, 1)
	go func() {
		_, err := asyncio.Run(ctx, asyncio.Do(func(ctx context.Context) error {
			s := &servers{certs: certs, members: make(map[*asyncio.StreamWriter]bool)}
			if err := s.start(ctx); err != nil {
				return err
			}
			started <- s.addrs
			var never asyncio.Event
			return never.Wait(ctx)
		}), asyncio.WithExceptionHandler(func(*asyncio.Loop, asyncio.ExceptionContext) {})) // clients reset on purpose
		if errors.Is(err, asyncio.ErrCancelled) {
			err = nil
		}
		ended <- err
	}()
	stop = func() error { cancel(); return <-ended }
	select {
	case addrs := <-started:
		return addrs, stop, nil
	case err := <-ended:
		cancel()
		return addresses{}, nil, err
	}
}

// addresses holds the addresses of the servers.
type addresses struct{ echo, secret, upgrade, chat string }

// nobody is an address on which nobody listens, and which no other program gets by chance.
const nobody = "127.0.0.1:1"
