// Command compare runs random scenarios under CPython 3.13 and on package asyncio, and prints where
// their traces differ.
//
//	go run ./internal/conformance/compare -n 20000 -seed 1
//
// The exit code is 1 if there is a difference, and 2 if no CPython 3.13 was found.
package main

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/go-asyncio/asyncio/internal/conformance/gen"
	"github.com/go-asyncio/asyncio/internal/conformance/oracle"
)

func main() {
	var c config
	flag.IntVar(&c.n, "n", 1000, "number of scenarios")
	flag.Uint64Var(&c.seed, "seed", 1, "seed of the first scenario; the others have those that follow")
	flag.StringVar(&c.profile, "profile", "all", "what to concentrate on: all, or "+strings.Join(gen.Profiles(), ", "))
	flag.StringVar(&c.in, "in", "", "compare the scenarios of this `file`, one a line, and make none")
	flag.StringVar(&c.out, "out", "", "write the scenarios that differ to this `file`, one a line, shrunk ones first")
	flag.IntVar(&c.shrink, "shrink", 3, "make that many of the differing scenarios as small as can be")
	flag.IntVar(&c.workers, "workers", runtime.GOMAXPROCS(0), "number of Python processes")
	flag.DurationVar(&c.timeout, "timeout", 20*time.Second, "give a scenario up after that time")
	flag.BoolVar(&c.quiet, "quiet", false, "print nothing but differences and the count")
	flag.Parse()

	differ, err := c.main()
	switch {
	case errors.Is(err, oracle.ErrNoPython):
		fmt.Fprintln(os.Stderr, "compare:", err)
		os.Exit(2)
	case err != nil:
		fmt.Fprintln(os.Stderr, "compare:", err)
		os.Exit(3)
	case differ:
		os.Exit(1)
	}
}

type config struct {
	n, shrink, workers int
	seed               uint64
	profile, in, out   string
	timeout            time.Duration
	quiet              bool
	python             string
}

func (c *config) main() (differ bool, err error) {
	if c.python, err = oracle.Find(); err != nil {
		return false, err
	}
	scenarios, err := c.scenarios()
	if err != nil {
		return false, err
	}
	began := time.Now()
	counts, diffs := c.compare(scenarios)
	for _, d := range diffs {
		d.print(os.Stdout)
	}
	fmt.Printf("%s, in %.1fs\n", counts, time.Since(began).Seconds())
	small := c.shrinkAll(diffs)
	if c.out != "" && len(diffs) > 0 {
		err = write(c.out, small, diffs)
	}
	return len(diffs) > 0, err
}

// shrinkAll makes the first differing scenarios small, and prints them with both traces.
func (c *config) shrinkAll(diffs []*difference) (small []*difference) {
	for _, d := range diffs[:min(c.shrink, len(diffs))] {
		d = c.shrinkOne(d)
		fmt.Printf("\n%s made small:\n%s\n", d.name, d.scenario)
		fmt.Printf("CPython:\n  %s\nport:\n  %s\n",
			strings.Join(d.want, "\n  "), strings.Join(d.got, "\n  "))
		small = append(small, d)
	}
	return small
}

func write(path string, lists ...[]*difference) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(f)
	for _, diffs := range lists {
		for _, d := range diffs {
			fmt.Fprintf(out, "%s\n", d.scenario)
		}
	}
	return errors.Join(out.Flush(), f.Close())
}
