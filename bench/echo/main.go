//go:build linux

// Echo measures echo servers over TCP: the CPU time that the server takes for a request, with this
// library's streams and with the alternatives. README.md in the parent folder describes it and
// holds the result.
//
// Each server is a process of its own, on one core, and the load is another process, on another
// core. The servers take turns, round after round, since the speed of a machine changes from one
// minute to the next.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"

	"github.com/go-asyncio/asyncio/bench/internal/lab"
)

type options struct {
	load
	rounds  int
	quick   bool
	pythons string
	readme  string
}

func main() {
	log.SetFlags(0)
	var o options
	flag.IntVar(&o.rounds, "rounds", 15, "how often each server is measured")
	flag.IntVar(&o.requests, "requests", 100_000, "requests of one measurement")
	flag.IntVar(&o.warmup, "warmup", 20_000, "requests before it, to warm up")
	flag.IntVar(&o.connections, "connections", 64, "connections, each with one request at a time")
	flag.IntVar(&o.size, "size", 64, "bytes of a request, 4096 at most")
	flag.BoolVar(&o.quick, "quick", false, "3 rounds of 20,000 requests and no -readme, to see that it works")
	flag.StringVar(&o.pythons, "python", "", "further Pythons to look for uvloop in, with commas between")
	flag.StringVar(&o.readme, "readme", "", "the file to write the table to, between the markers <!-- echo:begin --> and <!-- echo:end -->")
	flag.Parse()
	if o.quick {
		o.rounds, o.requests, o.warmup, o.readme = 3, 20_000, 2_000, ""
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, o); err != nil {
		log.Fatal("echo: ", err)
	}
}

func run(ctx context.Context, o options) error {
	dir, err := os.MkdirTemp("", "echo")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	b, err := newBench(ctx, dir)
	if err != nil {
		return err
	}
	peers, err := findPeers(ctx, dir, lab.FindPythons(ctx, o.pythons))
	if err != nil {
		return err
	}
	results, err := b.measureAll(ctx, peers, o)
	if err != nil {
		return err
	}
	text := report(ctx, b, o, peers, results)
	fmt.Print(text)
	if o.readme == "" {
		return nil
	}
	return lab.WriteBetween(o.readme, "echo", text)
}

// measureAll returns the samples of each peer, one for each round, and none for absent peers. Each
// round begins with another peer.
func (b *bench) measureAll(ctx context.Context, peers []peer, o options) ([][]sample, error) {
	results := make([][]sample, len(peers))
	for round := range o.rounds {
		for i := range peers {
			i = (i + round) % len(peers)
			p := peers[i]
			if p.absent != "" {
				continue
			}
			s, err := b.measure(ctx, p, o.load)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", p.name, err)
			}
			log.Printf("round %d of %d: %-36s %6.2f µs", round+1, o.rounds, p.name, s.perRequest())
			results[i] = append(results[i], s)
		}
	}
	return results, nil
}
