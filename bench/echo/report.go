//go:build linux

package main

import (
	"cmp"
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"

	"github.com/go-asyncio/asyncio/bench/internal/lab"
)

// report returns the text for the README.
func report(ctx context.Context, b *bench, o options, peers []peer, results [][]sample) string {
	var s strings.Builder
	s.WriteString(table(peers, results))
	fmt.Fprintf(&s, "\n%d connections, %d bytes, medians of %d rounds of %d requests after %d to warm up.\n",
		o.connections, o.size, o.rounds, o.requests, o.warmup)
	fmt.Fprintf(&s, "%s, %d CPUs, %s, %s, %s.\n", lab.Processor(), runtime.NumCPU(), lab.System(), runtime.Version(), compilerVersion(ctx))
	if b.serverCPU < 0 {
		s.WriteString("The load had to share the server's CPU, since there is only one.\n")
	}
	return s.String()
}

// table writes a row for each peer. The others are compared with the first peer within each round,
// so a change in the speed of the machine matters little.
func table(peers []peer, results [][]sample) string {
	var s strings.Builder
	s.WriteString("| server | CPU µs a request | in all rounds | times C | requests/s | p50 µs | p99 µs | busy |\n")
	s.WriteString("|---|--:|--:|--:|--:|--:|--:|--:|\n")
	for i, p := range peers {
		if p.absent != "" {
			fmt.Fprintf(&s, "| %s | absent: %s | | | | | | |\n", p.name, p.absent)
			continue
		}
		samples := results[i]
		perRequest := all(samples, sample.perRequest)
		var ratios []float64
		for round := range samples {
			ratios = append(ratios, perRequest[round]/results[0][round].perRequest())
		}
		fmt.Fprintf(&s, "| %s | %.2f | %.2f to %.2f | %.2f | %.0f | %.0f | %.0f | %.0f%% |\n", p.name,
			lab.Median(perRequest), slices.Min(perRequest), slices.Max(perRequest), lab.Median(ratios),
			lab.Median(all(samples, sample.throughput)),
			lab.Median(all(samples, func(s sample) float64 { return float64(s.P50) / 1e3 })),
			lab.Median(all(samples, func(s sample) float64 { return float64(s.P99) / 1e3 })),
			100*lab.Median(all(samples, sample.busy)))
	}
	return s.String()
}

func all(samples []sample, figure func(sample) float64) []float64 {
	figures := make([]float64, len(samples))
	for i, s := range samples {
		figures[i] = figure(s)
	}
	return figures
}

func compilerVersion(ctx context.Context) string {
	first, _, _ := strings.Cut(lab.Output(ctx, ".", compiler(), "--version"), "\n")
	return cmp.Or(first, "an unknown C compiler")
}
