//go:build linux

package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// report is what goes into the README.
func report(ctx context.Context, b *bench, o options, peers []peer, results [][]sample) string {
	var s strings.Builder
	s.WriteString(table(peers, results))
	fmt.Fprintf(&s, "\n%d connections, %d bytes, medians of %d rounds of %d requests after %d to warm up.\n",
		o.connections, o.size, o.rounds, o.requests, o.warmup)
	fmt.Fprintf(&s, "%s, %d CPUs, Linux %s, %s, %s.\n", processor(), runtime.NumCPU(), kernel(), runtime.Version(), compilerVersion(ctx))
	if b.serverCPU < 0 {
		s.WriteString("The load had to share the server's CPU: there is but one.\n")
	}
	return s.String()
}

// table has a row for each peer. The first peer is what the others are compared with, in
// each round for itself, so that it matters little how fast the machine was then.
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
			median(perRequest), slices.Min(perRequest), slices.Max(perRequest), median(ratios),
			median(all(samples, sample.throughput)),
			median(all(samples, func(s sample) float64 { return float64(s.P50) / 1e3 })),
			median(all(samples, func(s sample) float64 { return float64(s.P99) / 1e3 })),
			100*median(all(samples, sample.busy)))
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

// median sorts a copy of the figures; of an even number it takes the mean of the two in
// the middle.
func median(figures []float64) float64 {
	sorted := slices.Sorted(slices.Values(figures))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

const (
	beginMarker = "<!-- echo:begin -->\n"
	endMarker   = "<!-- echo:end -->"
)

// writeBetweenMarkers puts text into a file in place of what stands between the markers.
func writeBetweenMarkers(file, text string) error {
	old, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	before, rest, ok := strings.Cut(string(old), beginMarker)
	_, after, ok2 := strings.Cut(rest, endMarker)
	if !ok || !ok2 {
		return fmt.Errorf("%s has no markers", file)
	}
	return os.WriteFile(file, []byte(before+beginMarker+text+endMarker+after), 0o644)
}

func processor() string {
	info, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(info)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}

func kernel() string {
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return "of an unknown version"
	}
	return unix.ByteSliceToString(name.Release[:])
}

func compilerVersion(ctx context.Context) string {
	out, _ := exec.CommandContext(ctx, compiler(), "--version").Output()
	first, _, _ := strings.Cut(string(out), "\n")
	return cmp.Or(first, "an unknown C compiler")
}
