// Compare measures this library and its alternatives: plain Go, other Go libraries, tokio, and
// asyncio and uvloop in Python. It writes the results to a page and draws a chart.
//
// Each measurement runs in a process of its own. The contenders take turns, round after round, and
// are compared within a round, since the speed of a machine changes from one minute to the next.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/go-asyncio/asyncio/bench/internal/lab"
)

type options struct {
	rounds  int
	time    time.Duration
	quick   bool
	run     string
	pythons string
	results string
	chart   string
	readme  string
}

func main() {
	log.SetFlags(0)
	var o options
	flag.IntVar(&o.rounds, "rounds", 7, "how often each is measured")
	flag.DurationVar(&o.time, "time", 300*time.Millisecond, "how long a measurement takes at least")
	flag.BoolVar(&o.quick, "quick", false, "1 round of 20ms that writes nothing, to see that it works")
	flag.StringVar(&o.run, "run", "", "the workloads, as a regular expression; unless they are all, nothing is written")
	flag.StringVar(&o.pythons, "python", "", "further Pythons to look for uvloop in, with commas between")
	flag.StringVar(&o.results, "results", "", "the file to write the tables to")
	flag.StringVar(&o.chart, "chart", "", "the file to draw the chart to, as SVG")
	flag.StringVar(&o.readme, "readme", "", "the file to say it in short in, between the markers <!-- speed:begin --> and <!-- speed:end -->")
	flag.Parse()
	if o.quick {
		o.rounds, o.time = 1, 20*time.Millisecond
	}
	if o.quick || o.run != "" {
		o.results, o.chart, o.readme = "", "", ""
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, o); err != nil {
		log.Fatal("compare: ", err)
	}
}

func run(ctx context.Context, o options) error {
	wanted, err := regexp.Compile(o.run)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "compare")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	p, err := findPeers(ctx, dir, o.pythons)
	if err != nil {
		return err
	}
	for _, other := range p.others {
		if other.absent != "" {
			log.Printf("%s is absent: %s", other.name, other.absent)
		}
	}
	r := &results{rounds: o.rounds, time: o.time, peers: p}
	if err := r.measureAll(ctx, wanted); err != nil {
		return err
	}
	page := r.page(ctx)
	fmt.Print(page)
	for file, text := range map[string]string{o.results: page, o.chart: r.chart()} {
		if file == "" {
			continue
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			return err
		}
	}
	if o.readme == "" {
		return nil
	}
	return lab.WriteBetween(o.readme, "speed", r.short())
}

// results holds all the measurements.
type results struct {
	rounds int
	time   time.Duration
	peers  *peers
	rows   []row
	growth []curve
}

// A curve holds the measurements of one way to do a benchmark of BenchmarkGrowth. The contenders
// are its sizes.
type curve struct {
	way string
	row
}

// A row holds the measurements of a workload.
type row struct {
	workload
	contenders []contender
	costs      [][]cost // of each contender in each round
}

// measureAll measures all workloads whose names match wanted, and the growth of the costs.
func (r *results) measureAll(ctx context.Context, wanted *regexp.Regexp) error {
	for _, w := range workloads {
		if wanted.MatchString(w.name) {
			r.rows = append(r.rows, newRow(w, r.peers.contenders(w)))
		}
	}
	for _, g := range growth {
		name := "Growth/" + g.name
		if !wanted.MatchString(name) {
			continue
		}
		r.growth = append(r.growth, curve{library, newRow(workload{name: name, title: g.title}, r.peers.sizes(g, "asyncio"))})
		if g.rival != "" {
			r.growth = append(r.growth, curve{g.rival, newRow(workload{name: name}, r.peers.sizes(g, g.rival))})
		}
	}
	rows := slices.Clone(r.rows)
	for _, c := range r.growth {
		rows = append(rows, c.row)
	}
	if len(rows) == 0 {
		return fmt.Errorf("there is no workload that matches %q", wanted)
	}
	begin := time.Now()
	for round := range r.rounds {
		for _, row := range rows {
			if err := row.measure(ctx, round, r.time); err != nil {
				return err
			}
		}
		log.Printf("round %d of %d, %v", round+1, r.rounds, time.Since(begin).Round(time.Second))
	}
	return nil
}

func newRow(w workload, contenders []contender) row {
	return row{w, contenders, make([][]cost, len(contenders))}
}

// measure measures each contender once. Each round begins with another contender.
func (r row) measure(ctx context.Context, round int, t time.Duration) error {
	if r.once {
		t = 0
	}
	for i := range r.contenders {
		i = (i + round) % len(r.contenders)
		argv := r.contenders[i].argv(t)
		c, err := measure(ctx, argv)
		if err != nil {
			return err
		}
		if r.memory && c.perTask <= 0 {
			return fmt.Errorf("%s: a task takes %v bytes", strings.Join(argv, " "), c.perTask)
		}
		r.costs[i] = append(r.costs[i], c)
	}
	return nil
}

// find returns the number of a contender, or -1.
func (r row) find(name string) int {
	return slices.IndexFunc(r.contenders, func(c contender) bool { return c.name == name })
}

// figures returns the figures by which a contender is compared: nanoseconds for a part of an
// operation, or the bytes of a task.
func (r row) figures(i int) []float64 {
	figures := make([]float64, len(r.costs[i]))
	for round, c := range r.costs[i] {
		if r.memory {
			figures[round] = c.perTask
		} else {
			figures[round] = c.nanos / float64(max(r.each, 1))
		}
	}
	return figures
}

// ratios returns this library's costs as multiples of another's, round by round.
func (r row) ratios(other []float64) []float64 {
	return quotients(r.figures(0), other)
}

func quotients(a, b []float64) []float64 {
	q := make([]float64, len(a))
	for i := range a {
		q[i] = a[i] / b[i]
	}
	return q
}

// allocs returns the number of allocations in a part of an operation.
func (r row) allocs(i int) float64 {
	return r.costs[i][len(r.costs[i])-1].allocs / float64(max(r.each, 1))
}
