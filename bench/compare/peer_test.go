package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-asyncio/asyncio/bench/internal/lab"
)

// programs is the folder of the programs that the tests compile, once for all tests.
var programs string

func TestMain(m *testing.M) {
	var err error
	if programs, err = os.MkdirTemp("", "compare"); err != nil {
		log.Fatal(err)
	}
	code := m.Run()
	os.RemoveAll(programs)
	os.Exit(code)
}

var found = sync.OnceValues(func() (*peers, error) { return findPeers(context.Background(), programs, "") })

func foundPeers(t *testing.T) *peers {
	t.Helper()
	p, err := found()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestEachContenderCountsWhatItDoes(t *testing.T) {
	p := foundPeers(t)
	for _, w := range workloads {
		for _, c := range p.contenders(w) {
			t.Run(w.name+"/"+c.name, func(t *testing.T) {
				t.Parallel()
				one, err := measure(t.Context(), c.argv(0))
				if err != nil {
					t.Fatal(err)
				}
				if one.done != 1 {
					t.Errorf("in no time it did %d operations, want 1", one.done)
				}
				if w.memory && one.perTask <= 0 {
					t.Errorf("a task takes %v bytes", one.perTask)
				}
				if !w.once {
					checkTime(t, c, 5*time.Millisecond)
				}
				checkMiscount(t, c)
			})
		}
	}
}

// checkTime checks that the work that a contender reports fills the time that it was given.
func checkTime(t *testing.T, c contender, least time.Duration) {
	t.Helper()
	got, err := measure(t.Context(), c.argv(least))
	if err != nil {
		t.Fatal(err)
	}
	// The printed figures are rounded.
	if took := float64(got.done) * got.nanos; took < 0.99*float64(least) {
		t.Errorf("%d operations of %v ns each are %v ns, want %v at least", got.done, got.nanos, took, least)
	}
}

// checkMiscount checks that a contender fails if its count is wrong.
func checkMiscount(t *testing.T, c contender) {
	t.Helper()
	argv := append([]string{"env", "BENCH_MISCOUNT=1"}, c.argv(0)...)
	if got, err := measure(t.Context(), argv); err == nil || !strings.Contains(err.Error(), ", want ") {
		t.Errorf("with a count that is wrong: got %+v, %v, want the error that it is", got, err)
	}
}

func TestEachSizeIsMeasured(t *testing.T) {
	p := foundPeers(t)
	for _, g := range growth {
		for _, way := range []string{"asyncio", g.rival} {
			if way == "" {
				continue
			}
			t.Run(g.name+"/"+way, func(t *testing.T) {
				t.Parallel()
				sizes := p.sizes(g, way)
				for _, c := range sizes {
					if _, err := measure(t.Context(), c.argv(0)); err != nil {
						t.Error(err)
					}
				}
				checkMiscount(t, sizes[0])
			})
		}
	}
}

func TestEachPeerHasEachWorkload(t *testing.T) {
	var names []string
	for _, w := range workloads {
		names = append(names, w.name)
		if len(w.rivals) == 0 {
			t.Errorf("%s: there is no way in plain Go", w.name)
		}
	}
	slices.Sort(names)
	for _, other := range foundPeers(t).others {
		t.Run(other.name, func(t *testing.T) {
			if other.absent != "" {
				t.Skip("absent: " + other.absent)
			}
			if got := slices.Sorted(slices.Values(other.workloads)); !slices.Equal(got, names) {
				t.Errorf("got %v, want %v", got, names)
			}
		})
	}
}

func TestAnAbsentPeerGivesTheReason(t *testing.T) {
	bin := t.TempDir()
	t.Setenv("PATH", bin)
	script := func(name, text string) string {
		file := filepath.Join(bin, name)
		if err := os.WriteFile(file, []byte("#!/bin/sh\n"+text), 0o700); err != nil {
			t.Fatal(err)
		}
		return file
	}
	ctx := t.Context()
	check := func(name string, p peer, want string) {
		t.Helper()
		if p.name != name || !strings.Contains(p.absent, want) || p.workloads != nil {
			t.Errorf("got %+v, want a %s that is absent: %s", p, name, want)
		}
	}
	check(tokio, tokioPeer(ctx, bin, bin), "there is no cargo here")
	script("cargo", "echo 'no matching package' >&2\nexit 101")
	check(tokio, tokioPeer(ctx, bin, bin), "it cannot be built here: cargo: exit status 101 no matching package")
	script("cargo", "")
	check(tokio, tokioPeer(ctx, bin, bin), "does not tell which workloads it has")
	check(uvloop, pythonPeer(ctx, uvloop, "workloads.py", nil), "there is no Python here that has it")
	python := &lab.Python{Path: script("python3", "echo 'SyntaxError' >&2\nexit 1"), Version: "3.13.0"}
	check(cpython, pythonPeer(ctx, cpython, "workloads.py", python), "does not tell which workloads it has")
}

func TestPython313IsPreferred(t *testing.T) {
	pythons := func(versions ...string) (found []lab.Python) {
		for _, v := range versions {
			version, uvloop, _ := strings.Cut(v, "+")
			found = append(found, lab.Python{Version: version, Uvloop: uvloop})
		}
		return found
	}
	anyone := func(lab.Python) bool { return true }
	withUvloop := func(p lab.Python) bool { return p.Uvloop != "" }
	for _, test := range []struct {
		found []lab.Python
		will  func(lab.Python) bool
		want  string
	}{
		{pythons(), anyone, "none"},
		{pythons("3.11.2"), anyone, "3.11.2"},
		{pythons("3.9.1", "3.14.0", "3.11.2"), anyone, "3.14.0"},
		{pythons("3.14.0", "3.13.0", "3.13.1"), anyone, "3.13.0"},
		{pythons("3.13.0", "3.11.2+0.17.0"), withUvloop, "3.11.2"},
		{pythons("3.13.0"), withUvloop, "none"},
	} {
		got := "none"
		if p := newest(test.found, test.will); p != nil {
			got = p.Version
		}
		if got != test.want {
			t.Errorf("of %v: got %s, want %s", test.found, got, test.want)
		}
	}
}

func TestParse(t *testing.T) {
	const head, line = "goos: linux\npkg: asyncio\n", "BenchmarkLock/asyncio-2 \t 200\t 12.50 ns/op\t 3311 B/task\t 48 B/op\t 2 allocs/op\n"
	for _, test := range []struct {
		name, out string
		want      cost
		err       string
	}{
		{"Go's", head + line + "PASS\n", cost{200, 12.5, 2, 48, 3311}, ""},
		{"another's", "BenchmarkLock/uvloop 7 1000.0 ns/op\n", cost{done: 7, nanos: 1000}, ""},
		{"a line of its own between", head + "hello\n" + line, cost{200, 12.5, 2, 48, 3311}, ""},
		{"nothing", "", cost{}, "got 0 results, want 1"},
		{"no benchmark of that name", head + "PASS\n", cost{}, "got 0 results, want 1"},
		{"two", head + line + line, cost{}, "got 2 results, want 1"},
		{"not a number", "BenchmarkLock/uvloop 7 fast ns/op\n", cost{}, "got 0 results, want 1"},
		{"no time", "BenchmarkLock/uvloop 7 12 B/op\n", cost{}, "took 0 ns"},
		{"none at all", "BenchmarkLock/uvloop 7 0 ns/op\n", cost{}, "took 0 ns"},
	} {
		got, err := parse([]string{"program", "Lock"}, []byte(test.out))
		switch {
		case test.err == "" && (err != nil || got != test.want):
			t.Errorf("%s: got %+v, %v, want %+v", test.name, got, err, test.want)
		case test.err != "" && (err == nil || !strings.Contains(err.Error(), test.err) || !strings.Contains(err.Error(), "program Lock: ")):
			t.Errorf("%s: got %v, want that program Lock %s", test.name, err, test.err)
		}
	}
}

func TestAProgramThatFailsIsAnError(t *testing.T) {
	_, err := measure(t.Context(), []string{"sh", "-c", "echo BenchmarkX 1 5 ns/op; echo counted 1, want 2 >&2; exit 1"})
	if err == nil || !strings.Contains(err.Error(), "counted 1, want 2") {
		t.Errorf("got %v, want what it says", err)
	}
}

// printing returns a contender that appends its name to a file, and prints figures as a benchmark
// does.
func printing(name, file, figures string) contender {
	script := fmt.Sprintf("echo %s >>'%s'; echo BenchmarkX 1 %s", name, file, figures)
	return contender{name: name, argv: func(time.Duration) []string { return []string{"sh", "-c", script} }}
}

func TestEachRoundBeginsWithAnotherContender(t *testing.T) {
	file := filepath.Join(t.TempDir(), "order")
	r := newRow(workload{}, []contender{printing("a", file, "1 ns/op"), printing("b", file, "2 ns/op"), printing("c", file, "3 ns/op")})
	for round := range 3 {
		if err := r.measure(t.Context(), round, 0); err != nil {
			t.Fatal(err)
		}
	}
	order, _ := os.ReadFile(file)
	if got, want := strings.Join(strings.Fields(string(order)), ""), "abcbcacab"; got != want {
		t.Errorf("got the order %s, want %s", got, want)
	}
	for i, want := range []float64{1, 2, 3} {
		if got := r.figures(i); !slices.Equal(got, []float64{want, want, want}) {
			t.Errorf("of %s: got %v, want %v each time", r.contenders[i].name, got, want)
		}
	}
}

func TestMeasuringNothingIsAnError(t *testing.T) {
	r := &results{rounds: 1, peers: &peers{}}
	if err := r.measureAll(t.Context(), regexp.MustCompile("^lock$")); err == nil || !strings.Contains(err.Error(), `matches "^lock$"`) {
		t.Errorf("got %v, want that nothing matches", err)
	}
}

func TestATaskTakesMemory(t *testing.T) {
	r := newRow(workload{memory: true}, []contender{printing("a", os.DevNull, "1 ns/op 0 B/task")})
	if err := r.measure(t.Context(), 0, 0); err == nil || !strings.Contains(err.Error(), "a task takes 0 bytes") {
		t.Errorf("got %v, want that a task takes 0 bytes", err)
	}
}
