package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/go-asyncio/asyncio/internal/conformance"
	"github.com/go-asyncio/asyncio/internal/conformance/gen"
	"github.com/go-asyncio/asyncio/internal/conformance/oracle"
)

// A difference is a scenario whose traces differ.
type difference struct {
	index     int
	name      string
	scenario  []byte // in JSON
	want, got []string
}

// firstDiff returns the number of the first line that differs, and that line of each trace.
func (d *difference) firstDiff() (n int, want, got string) {
	at := func(trace []string, i int) string {
		if i < len(trace) {
			return trace[i]
		}
		return "(nothing)"
	}
	for at(d.want, n) == at(d.got, n) {
		n++
	}
	return n, at(d.want, n), at(d.got, n)
}

func (d *difference) print(w io.Writer) {
	n, want, got := d.firstDiff()
	fmt.Fprintf(w, "%s differs in line %d:\n  CPython: %s\n  port:    %s\n", d.name, n+1, want, got)
}

// counts holds the numbers of scenarios by outcome.
type counts struct {
	profile                               string
	seed                                  uint64
	equal, differ, recursion, hang, lines int
}

func (c *counts) String() string {
	return fmt.Sprintf("%s, seeds from %d: %d equal (%d lines), %d differ, %d left out (CPython ran out of stack: %d, did not finish: %d)",
		c.profile, c.seed, c.equal, c.lines, c.differ, c.recursion+c.hang, c.recursion, c.hang)
}

// scenarios returns a function that returns the i-th scenario, for each i below n.
func (c *config) scenarios() (func(i int) []byte, error) {
	if c.in != "" {
		return c.readScenarios()
	}
	profiles := gen.Profiles()
	if c.profile != "all" {
		if !slices.Contains(profiles, c.profile) {
			return nil, fmt.Errorf("no profile %q", c.profile)
		}
		profiles = []string{c.profile}
	}
	return func(i int) []byte {
		text, err := json.Marshal(gen.New(profiles[i%len(profiles)], c.seed+uint64(i)))
		if err != nil {
			panic(err)
		}
		return text
	}, nil
}

func (c *config) readScenarios() (func(i int) []byte, error) {
	f, err := os.Open(c.in)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var texts [][]byte
	for n, line := range conformance.Lines(f) {
		if line.Err == nil {
			_, line.Err = conformance.Decode(line.Text)
		}
		if line.Err != nil {
			return nil, fmt.Errorf("%s, line %d: %w", c.in, n, line.Err)
		}
		texts = append(texts, line.Text)
	}
	c.n, c.profile, c.seed = len(texts), c.in, 0
	return func(i int) []byte { return texts[i] }, nil
}

// compare runs all scenarios and returns the differences, in order.
func (c *config) compare(scenarios func(i int) []byte) (*counts, []*difference) {
	total := &counts{profile: c.profile, seed: c.seed}
	var (
		mu    sync.Mutex
		next  int
		diffs []*difference
		wg    sync.WaitGroup
	)
	work := func() {
		o := oracle.New(c.python, c.timeout)
		defer o.Close()
		for {
			mu.Lock()
			i := next
			next++
			if !c.quiet && i > 0 && i%1000 == 0 {
				fmt.Fprintf(os.Stderr, "%d of %d, %d differ\n", i, c.n, total.differ)
			}
			mu.Unlock()
			if i >= c.n {
				return
			}
			d, err := c.try(o, scenarios(i))
			mu.Lock()
			total.add(d, err)
			if err == nil && d.got != nil {
				d.index = i
				diffs = append(diffs, d)
			}
			mu.Unlock()
		}
	}
	for range c.workers {
		wg.Go(work)
	}
	wg.Wait()
	slices.SortFunc(diffs, func(a, b *difference) int { return a.index - b.index })
	return total, diffs
}

func (c *counts) add(d *difference, err error) {
	switch {
	case errors.Is(err, errRecursion):
		c.recursion++
	case err != nil:
		c.hang++
		fmt.Fprintln(os.Stderr, "left out:", err)
	case d.got != nil:
		c.differ++
	default:
		c.equal++
		c.lines += len(d.want)
	}
}

// errRecursion is the error of a scenario in which CPython ran out of stack, because tasks that
// awaited one another in a ring were cancelled.
var errRecursion = errors.New("RECURSION")

// try runs a scenario on both sides. It returns nil if the traces are equal.
func (c *config) try(o *oracle.Oracle, scenario []byte) (*difference, error) {
	sc, err := conformance.Decode(scenario)
	if err != nil {
		return nil, err
	}
	d := &difference{name: sc.Name, scenario: scenario}
	if d.want, err = o.Trace(scenario); err != nil {
		return nil, fmt.Errorf("%s: %w", sc.Name, err)
	}
	if d.want[len(d.want)-1] == errRecursion.Error() {
		return nil, errRecursion
	}
	d.got = runPort(sc, c.timeout)
	if slices.Equal(d.want, d.got) {
		d.got = nil
	}
	return d, nil
}

// runPort runs the scenario on package asyncio. If it does not end in time, it is abandoned with
// its goroutine.
func runPort(sc *conformance.Scenario, timeout time.Duration) []string {
	trace := make(chan []string, 1)
	go func() {
		defer func() {
			if p := recover(); p != nil {
				trace <- []string{fmt.Sprintf("(Run panicked: %v)", p)}
			}
		}()
		trace <- conformance.Run(sc)
	}()
	select {
	case t := <-trace:
		return t
	case <-time.After(timeout):
		return []string{hung}
	}
}

const hung = "(did not finish)"
