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

// The names of this library and of the peers that are not written in Go.
const (
	library = "this library"
	tokio   = "tokio"
	uvloop  = "uvloop"
	cpython = "asyncio"
	conc    = "sourcegraph/conc"
)

// A peer is a program that runs workloads and prints their costs in the format of Go's benchmarks.
type peer struct {
	name      string
	version   string
	absent    string   // why the peer is absent, or ""
	workloads []string // names of the workloads that it has
	argv      func(w workload, t time.Duration) []string
}

// A contender is a peer in one workload.
type contender struct {
	name string
	inGo bool // whether it reports its allocations
	argv func(t time.Duration) []string
}

// peers holds the programs that run the workloads.
type peers struct {
	tests  string // the benchmarks of this library, compiled
	conc   string // the benchmarks of sourcegraph/conc, compiled
	others []peer
}

// findPeers finds the peers and compiles into dir those that have to be compiled.
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

// newest returns the newest suitable Python, but prefers 3.13 to all others, since the library
// follows 3.13. It returns nil if there is none.
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

// tokioPeer builds the program in folder, with Debian's tokio if that is installed, and otherwise
// with the version that cargo finds.
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

// programPeer returns a peer that is a program. The program takes a workload's name and a time in
// seconds; with "list" it prints the names of its workloads.
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

// contenders returns the contenders in a workload: the library first, then its rivals in Go, then
// the other peers that are present and have the workload.
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

// benchmark returns the command that runs one benchmark of a compiled test.
func benchmark(binary, pattern string, t time.Duration) []string {
	benchtime := t.String()
	if t == 0 {
		benchtime = "1x"
	}
	return []string{binary, "-test.run=^$", "-test.benchmem", "-test.bench=" + pattern, "-test.benchtime=" + benchtime}
}

// A cost is the cost of one operation, and the number of operations done.
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
