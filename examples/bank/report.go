package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// report prints a summary of the day and a histogram of the waiting times.
func (b *bank) report(w io.Writer) {
	var total, longest time.Duration
	for _, wait := range b.waits {
		total += wait
		longest = max(longest, wait)
	}
	mean := total / time.Duration(max(1, b.served))
	staffed := b.closed * time.Duration(b.counters)

	fmt.Fprintf(w, "A day of %v with %d counters (seed %d)\n\n", b.day, b.counters, b.seed)
	fmt.Fprintf(w, "customers arrived  %6d\n", b.arrived)
	fmt.Fprintf(w, "          served   %6d\n", b.served)
	fmt.Fprintf(w, "          left     %6d  %s\n", b.left, percent(b.left, b.arrived))
	fmt.Fprintf(w, "mean wait          %6v\n", mean.Round(time.Second))
	fmt.Fprintf(w, "longest wait       %6v\n", longest.Round(time.Second))
	fmt.Fprintf(w, "counters busy      %6s\n", percent(b.busy, staffed))
	fmt.Fprintf(w, "last one out at %9v\n", b.closed.Round(time.Second))

	if len(b.waits) == 0 {
		return
	}
	fmt.Fprint(w, "\nwaiting times of those served\n\n")
	width, bins := histogram(b.waits)
	most := slices.Max(bins)
	for i, n := range bins {
		from := time.Duration(i) * width
		fmt.Fprintf(w, "%3.0f to %3.0f min %6d %s\n",
			from.Minutes(), (from + width).Minutes(), n, bar(n, most))
	}
}

// histogram sorts the values, of which there must be at least one, into bins of equal width. The
// width is the smallest number of minutes that needs no more than a dozen bins.
func histogram(values []time.Duration) (width time.Duration, bins []int) {
	longest := slices.Max(values)
	width = time.Minute
	for longest/width >= 12 {
		width *= 2
	}
	bins = make([]int, longest/width+1)
	for _, v := range values {
		bins[v/width]++
	}
	return width, bins
}

// bar draws a bar for n; most is the largest n of the picture. Only zero has no bar at all.
func bar(n, most int) string {
	const width = 50
	return strings.Repeat("#", (n*width+most-1)/most)
}

func percent[N int | time.Duration](part, whole N) string {
	if whole == 0 {
		return "0%"
	}
	return fmt.Sprintf("%.0f%%", 100*float64(part)/float64(whole))
}
