// Portscan prints which TCP ports of a host are open.
//
//	go run ./examples/portscan [-j tries] [-timeout 1s] HOST FROM-TO
//
// It tries up to -j ports at a time. Scan only hosts that you are allowed to scan.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/go-asyncio/asyncio"
)

func main() {
	jobs := flag.Int("j", 500, "try that many ports at a time (`tries`)")
	timeout := flag.Duration("timeout", time.Second, "how long to wait for a port")
	flag.Usage = func() {
		fmt.Fprintln(os.Stderr, "usage: portscan [flags] HOST FROM-TO")
		flag.PrintDefaults()
	}
	flag.Parse()
	from, to, err := portRange(flag.Arg(1))
	if flag.NArg() != 2 || err != nil || *jobs < 1 {
		if err != nil && flag.NArg() == 2 {
			fmt.Fprintln(os.Stderr, "portscan:", err)
		}
		flag.Usage()
		os.Exit(2)
	}
	open, err := asyncio.Run(context.Background(), func(ctx context.Context) ([]int, error) {
		return scan(ctx, flag.Arg(0), from, to, *jobs, *timeout)
	}, asyncio.WithInterrupt())
	for _, port := range open {
		fmt.Println(port)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "portscan:", err)
		os.Exit(1)
	}
	fmt.Fprintf(os.Stderr, "portscan: %d of %d ports are open\n", len(open), to-from+1)
}

// portRange parses "80" or "1-1024".
func portRange(s string) (from, to int, err error) {
	first, last, isRange := strings.Cut(s, "-")
	if !isRange {
		last = first
	}
	from, err = strconv.Atoi(first)
	if err == nil {
		to, err = strconv.Atoi(last)
	}
	if err != nil || from < 1 || to > 65535 || from > to {
		return 0, 0, fmt.Errorf("%q is not a range of ports", s)
	}
	return from, to, nil
}

// scan returns the open ports in order.
func scan(ctx context.Context, host string, from, to, jobs int, timeout time.Duration) ([]int, error) {
	// Look the name up once, and not once for each port.
	addrs, err := asyncio.RunningLoop(ctx).GetAddrInfo(ctx, "tcp", net.JoinHostPort(host, strconv.Itoa(from)))
	if err != nil {
		return nil, err
	}
	address := addrs[0].Addr().String()
	var open []int
	slots := asyncio.NewSemaphore(jobs)
	err = asyncio.WithTaskGroup(ctx, func(ctx context.Context, tg *asyncio.TaskGroup) error {
		for port := from; port <= to; port++ {
			if err := slots.Acquire(ctx); err != nil {
				return err
			}
			tg.Go(func(ctx context.Context) error {
				defer slots.Release()
				isOpen, err := try(ctx, net.JoinHostPort(address, strconv.Itoa(port)), timeout)
				if isOpen {
					open = append(open, port)
				}
				return err
			})
		}
		return nil
	})
	slices.Sort(open)
	return open, err
}

// try connects to an address. A port that refuses, cannot be reached or does not answer is closed.
func try(ctx context.Context, address string, timeout time.Duration) (open bool, err error) {
	err = asyncio.Timeout(ctx, timeout, func(ctx context.Context, _ *asyncio.TimeoutScope) error {
		_, w, err := asyncio.OpenConnection(ctx, address)
		if err == nil {
			w.Abort()
		}
		return err
	})
	switch {
	case err == nil:
		return true, nil
	case errors.Is(err, syscall.EMFILE): // -j is too large for this system
		return false, err
	case errors.Is(err, asyncio.ErrCancelled):
		return false, err
	default:
		return false, nil
	}
}
