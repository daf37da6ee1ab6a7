package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/perf/benchfmt"

	"github.com/go-asyncio/asyncio/bench/internal/lab"
)

// The names of this library and of the peers that are not Go.
const (
	library = "this library"
	tokio   = "tokio"
	uvloop  = "uvloop"
	cpython = "asyncio"
	conc    = "sourcegraph/conc"
)

// A peer is a program that does workloads and prints what they cost, in the format of Go's
// benchmarks.
type peer struct {
	name      string
	version   string
	absent    string   // why there is none here
	workloads []string // the names of those that it has
	argv      func(w workload, t time.Duration) []string
}

// A contender is a peer in one workload.
type contender struct {
	name string
	inGo bool // it tells of its allocations
	argv func(t time.Duration) []string
}

// peers is what the workloads are done with.
type peers struct {
	tests  string // the benchmarks of this library, compiled
	conc   string // those with sourcegraph/conc
	others []peer
}

// findPeers compiles into dir what has to be compiled.
func findPeers(ctx context.Context, dir, pythons string) (*peers, error) {
	root := lab.Output(ctx, ".", "go", "list", "-m", "-f", "{{.Dir}}", "github.com/go-asyncio/asyncio")
	sources := filepath.Join(root, "bench", "compare")
	p := &peers{tests: filepath.Join(dir, "asyncio.test"), conc: filepath.Join(dir, "conc.test")}
	for program, folder := range map[string]string{p.tests: root, p.conc: filepath.Join(sources, "conc")} {
		if err := lab.Run(ctx, folder, "go", "test", "-c", "-o", program, "."); err != nil {
			return nil, err
		}
	}
	found := lab.FindPythons(ctx, pythons)
	script := filepath.Join(sources, "python", "workloads.py")
	p.others = []peer{
		tokioPeer(ctx, filepath.Join(sources, "tokio"), dir),
		pythonPeer(ctx, uvloop, script, newest(found, func(p lab.Python) bool { return p.Uvloop != "" })),
		pythonPeer(ctx, cpython, script, newest(found, func(lab.Python) bool { return true })),
	}
	return p, nil
}

// newest returns the newest Python that will do, but 3.13 before all others, since that is
// what the library follows; nil if there is none.
func newest(found []lab.Python, will func(lab.Python) bool) *lab.Python {
	var best *lab.Python
	rank := func(p *lab.Python) int {
		minor, _ := strconv.Atoi(strings.Split(p.Version, ".")[1])
		if minor == 13 {
			return 1000
		}
		return minor
	}
	for i := range found {
		if p := &found[i]; will(*p) && (best == nil || rank(p) > rank(best)) {
			best = p
		}
	}
	return best
}

func pythonPeer(ctx context.Context, name, script string, python *lab.Python) peer {
	if python == nil {
		return peer{name: name, absent: "there is no Python here that has it"}
	}
	loop, version := "asyncio", "CPython "+python.Version
	if name == uvloop {
		loop, version = "uvloop", python.Uvloop+" on "+version
	}
	return programPeer(ctx, name, version, python.Path, script, loop)
}

// tokioPeer builds the program in folder with Debian's tokio if that is installed, and else
// with the one that cargo finds.
func tokioPeer(ctx context.Context, folder, dir string) peer {
	if _, err := exec.LookPath("cargo"); err != nil {
		return peer{name: tokio, absent: "there is no cargo here"}
	}
	var source []string
	const debian = "/usr/share/cargo/registry"
	if found, _ := filepath.Glob(debian + "/tokio-1.*"); len(found) > 0 {
		source = []string{"--offline", "--config", `source.crates-io.replace-with="debian"`,
			"--config", `source.debian.directory="` + debian + `"`}
	}
	build := append([]string{"build", "--release", "--quiet", "--target-dir", dir}, source...)
	if err := lab.Run(ctx, folder, "cargo", build...); err != nil {
		return peer{name: tokio, absent: "it cannot be built here: " + strings.Join(strings.Fields(err.Error()), " ")}
	}
	version := lab.Output(ctx, folder, "rustc", "--version")
	tree := lab.Output(ctx, folder, "cargo", append([]string{"tree", "--depth=1", "--prefix=none"}, source...)...)
	for line := range strings.Lines(tree) {
		if v, ok := strings.CutPrefix(strings.TrimSpace(line), "tokio v"); ok {
			version = v + ", " + version
		}
	}
	return programPeer(ctx, tokio, version, filepath.Join(dir, "release", "tokio-workloads"))
}

// programPeer is a program that is given a workload's name and a time in seconds, and with
// "list" tells which workloads it has.
func programPeer(ctx context.Context, name, version string, program ...string) peer {
	list := strings.Fields(lab.Output(ctx, ".", program[0], append(program[1:], "list")...))
	if len(list) == 0 {
		return peer{name: name, absent: strings.Join(program, " ") + " does not tell which workloads it has"}
	}
	return peer{
		name:      name,
		version:   version,
		workloads: list,
		argv: func(w workload, t time.Duration) []string {
			return slices.Concat(program, []string{w.name, fmt.Sprint(t.Seconds())})
		},
	}
}

// contenders returns who does a workload: the library first, then its rivals in Go, and then
// the others that are here and have it.
func (p *peers) contenders(w workload) []contender {
	inGo := func(name, binary, sub string) contender {
		pattern := "^Benchmark" + w.name + "$/^" + regexp.QuoteMeta(sub) + "$"
		return contender{name, true, func(t time.Duration) []string { return benchmark(binary, pattern, t) }}
	}
	all := []contender{inGo(library, p.tests, cmp.Or(w.library, "asyncio"))}
	for _, rival := range w.rivals {
		all = append(all, inGo(rival, p.tests, rival))
	}
	if w.conc {
		all = append(all, inGo(conc, p.conc, "conc"))
	}
	for _, other := range p.others {
		if slices.Contains(other.workloads, w.name) {
			all = append(all, contender{other.name, false, func(t time.Duration) []string { return other.argv(w, t) }})
		}
	}
	return all
}

// sizes returns one way to do a benchmark of BenchmarkGrowth, at each size.
func (p *peers) sizes(g growing, way string) []contender {
	var all []contender
	for _, size := range g.sizes {
		pattern := "^BenchmarkGrowth$/^" + g.name + "$/^" + regexp.QuoteMeta(way) + "$/^" + size + "$"
		all = append(all, contender{size, true, func(t time.Duration) []string { return benchmark(p.tests, pattern, t) }})
	}
	return all
}

// benchmark is how one benchmark of a compiled test is run.
func benchmark(binary, pattern string, t time.Duration) []string {
	benchtime := t.String()
	if t == 0 {
		benchtime = "1x"
	}
	return []string{binary, "-test.run=^$", "-test.benchmem", "-test.bench=" + pattern, "-test.benchtime=" + benchtime}
}

// A cost is what one operation costs, and how many were done.
type cost struct {
	done                 int
	nanos, allocs, bytes float64
	perTask              float64 // bytes of memory that a task takes while it waits
}

// measure runs a benchmark, which must print one result.
func measure(ctx context.Context, argv []string) (cost, error) {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return cost{}, fmt.Errorf("%s: %w\n%s%s", strings.Join(argv, " "), err, out, stderr.Bytes())
	}
	return parse(argv, out)
}

func parse(argv []string, out []byte) (c cost, err error) {
	found := 0
	for r := benchfmt.NewReader(bytes.NewReader(out), argv[0]); r.Scan(); {
		result, ok := r.Result().(*benchfmt.Result)
		if !ok {
			continue
		}
		found++
		c.done = result.Iters
		for _, v := range result.Values {
			switch cmp.Or(v.OrigUnit, v.Unit) {
			case "ns/op":
				c.nanos = v.OrigValue
			case "allocs/op":
				c.allocs = v.Value
			case "B/op":
				c.bytes = v.Value
			case "B/task":
				c.perTask = v.Value
			}
		}
	}
	if found != 1 {
		return c, fmt.Errorf("%s: got %d results, want 1:\n%s", strings.Join(argv, " "), found, out)
	}
	if c.nanos <= 0 {
		return c, fmt.Errorf("%s: took %v ns:\n%s", strings.Join(argv, " "), c.nanos, out)
	}
	return c, nil
}
