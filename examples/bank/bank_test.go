package main

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/go-asyncio/asyncio"
)

func simulate(t *testing.T, c config) *bank {
	t.Helper()
	b := newBank(c)
	if _, err := asyncio.Run(t.Context(), asyncio.Do(b.openDoors), asyncio.WithVirtualTime()); err != nil {
		t.Fatal(err)
	}
	if b.served+b.left != b.arrived {
		t.Errorf("%d served and %d left are not the %d arrived", b.served, b.left, b.arrived)
	}
	if len(b.waits) != b.served {
		t.Errorf("%d waited for a counter and got it, %d were served", len(b.waits), b.served)
	}
	if staffed := b.closed * time.Duration(c.counters); b.busy > staffed {
		t.Errorf("%d counters were busy for %v in %v", c.counters, b.busy, b.closed)
	}
	return b
}

func TestMoreCountersServeMore(t *testing.T) {
	c := config{seed: 1, day: 8 * time.Hour, customers: 400, service: 4 * time.Minute, patience: 10 * time.Minute}
	var arrived, left []int
	for c.counters = 1; c.counters <= 8; c.counters++ {
		b := simulate(t, c)
		arrived = append(arrived, b.arrived)
		left = append(left, b.left)
	}
	if slices.Min(arrived) != slices.Max(arrived) {
		t.Errorf("the same seed let %v customers in", arrived)
	}
	if !slices.IsSortedFunc(left, func(a, b int) int { return b - a }) {
		t.Errorf("with 1 to 8 counters %v left", left)
	}
}

// The results of a long day approach those that theory predicts for such a queue (M/M/c+M, Erlang's
// A).
func TestAgreesWithQueueingTheory(t *testing.T) {
	c := config{seed: 1, counters: 3, day: 2000 * time.Hour, customers: 100_000,
		service: 4 * time.Minute, patience: 10 * time.Minute}
	b := simulate(t, c)

	// The rates per minute at which customers come, are served by one counter, and lose patience.
	arrive := float64(c.customers) / c.day.Minutes()
	serve, leave := 1/c.service.Minutes(), 1/c.patience.Minutes()

	// p is the probability, not yet normalized, that n customers are in the bank.
	var sum, queue, busy float64
	for n, p := 0, 1.0; n < 500; n++ {
		atCounters := float64(min(n, c.counters))
		queued := float64(n) - atCounters
		sum += p
		queue += p * queued
		busy += p * atCounters
		next := float64(min(n+1, c.counters))
		p *= arrive / (next*serve + (float64(n+1)-next)*leave)
	}
	for _, test := range []struct {
		name      string
		got, want float64
	}{
		{"customers a minute", float64(b.arrived) / c.day.Minutes(), arrive},
		{"share of those who leave", float64(b.left) / float64(b.arrived), leave * queue / sum / arrive},
		{"busy counters", b.busy.Minutes() / b.closed.Minutes(), busy / sum},
	} {
		if math.Abs(test.got-test.want) > 0.02*test.want {
			t.Errorf("%s: got %.4f, want %.4f within 2%%", test.name, test.got, test.want)
		}
	}
}

func TestHistogram(t *testing.T) {
	for _, test := range []struct {
		values []time.Duration
		width  time.Duration
		bins   []int
	}{
		{[]time.Duration{0}, time.Minute, []int{1}},
		{[]time.Duration{0, time.Minute - 1, time.Minute, 3 * time.Minute}, time.Minute, []int{2, 1, 0, 1}},
		{[]time.Duration{time.Minute, 12 * time.Minute}, 2 * time.Minute, []int{1, 0, 0, 0, 0, 0, 1}},
	} {
		width, bins := histogram(test.values)
		if width != test.width || !slices.Equal(bins, test.bins) {
			t.Errorf("histogram(%v) = %v, %v, want %v, %v", test.values, width, bins, test.width, test.bins)
		}
	}
}

func TestBar(t *testing.T) {
	for n, want := range map[int]int{0: 0, 1: 1, 500: 25, 1000: 50} {
		if got := len(bar(n, 1000)); got != want {
			t.Errorf("the bar of %d of 1000 is %d long, want %d", n, got, want)
		}
	}
}
