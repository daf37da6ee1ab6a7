//go:build linux

package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/go-asyncio/asyncio/bench/internal/lab"
)

// testLoad is the smallest load that makes sense.
var testLoad = load{connections: 8, size: 64, warmup: 100, requests: 2000}

func testBench(t *testing.T) *bench {
	t.Helper()
	if _, err := exec.LookPath(compiler()); err != nil {
		t.Skipf("there is no C compiler: %v", err)
	}
	b, err := newBench(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// serve answers each message, in this process, with the reply that reply makes of it.
func serve(t *testing.T, reply func(message []byte) []byte) (port int) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				buf := make([]byte, 4096)
				for {
					n, err := conn.Read(buf)
					if err != nil {
						return
					}
					if _, err := conn.Write(reply(buf[:n])); err != nil {
						return
					}
				}
			}()
		}
	}()
	return listener.Addr().(*net.TCPAddr).Port
}

func TestTheServerSeesAsManyRequestsAsTheLoadCounts(t *testing.T) {
	b := testBench(t)
	for _, size := range []int{1, 64, 4096} {
		var received atomic.Int64
		port := serve(t, func(p []byte) []byte {
			received.Add(int64(len(p)))
			return p
		})
		o := testLoad
		o.size = size
		s, err := b.loadOn(t.Context(), port, os.Getpid(), o)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := received.Load(), int64((o.warmup+o.requests)*size); got != want {
			t.Errorf("of %d bytes each: the server got %d bytes, want %d", size, got, want)
		}
		if s.Requests != o.requests {
			t.Errorf("the load counted %d requests, want %d", s.Requests, o.requests)
		}
	}
}

func TestTheLoadRefusesAWrongReply(t *testing.T) {
	b := testBench(t)
	for name, reply := range map[string]func([]byte) []byte{
		"differs":     func(p []byte) []byte { p[len(p)-1]++; return p },
		"more than":   func(p []byte) []byte { return append(p, 0) },
		"of a before": func([]byte) []byte { return make([]byte, testLoad.size) },
	} {
		_, err := b.loadOn(t.Context(), serve(t, reply), os.Getpid(), testLoad)
		if err == nil || !strings.Contains(err.Error(), "load: a reply differs") && !strings.Contains(err.Error(), "load: the server has sent more") {
			t.Errorf("a reply that is wrong (%s): got %v, want an error of the load", name, err)
		}
	}
}

func TestEachServerIsMeasured(t *testing.T) {
	b := testBench(t)
	peers, err := findPeers(t.Context(), t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	measured := 0
	for _, p := range peers {
		if p.absent != "" {
			continue
		}
		measured++
		s, err := b.measure(t.Context(), p, testLoad)
		if err != nil {
			t.Errorf("%s: %v", p.name, err)
			continue
		}
		if s.Requests != testLoad.requests || s.CPU <= 0 || s.Wall <= 0 || s.P50 <= 0 || s.P99 < s.P50 || s.P99 > s.Wall {
			t.Errorf("%s: got %+v, want %d requests and times that can be", p.name, s, testLoad.requests)
		}
	}
	if measured != 5 {
		t.Errorf("%d servers were measured, want 5: the one in C, the library's three and Go's", measured)
	}
}

func TestTheCPUTimeIsTheServersCPUTime(t *testing.T) {
	b := testBench(t)
	port := serve(t, func(p []byte) []byte { return p })
	before := cpuTime(t)
	s, err := b.loadOn(t.Context(), port, os.Getpid(), testLoad)
	if err != nil {
		t.Fatal(err)
	}
	if most := cpuTime(t) - before + time.Millisecond; s.CPU <= 0 || s.CPU > int64(most) {
		t.Errorf("got %d ns, want more than 0 and at most what getrusage tells: %d", s.CPU, most)
	}
}

// cpuTime returns the CPU time that this process has used.
func cpuTime(t *testing.T) time.Duration {
	t.Helper()
	var r unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &r); err != nil {
		t.Fatal(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

func TestAServerThatDoesNotStartIsAnError(t *testing.T) {
	b := &bench{loadCPU: -1, serverCPU: -1}
	_, err := b.measure(t.Context(), peer{name: "false", argv: []string{"false"}}, testLoad)
	if err == nil || !strings.Contains(err.Error(), "has not told its port") {
		t.Errorf("got %v, want that it has not told its port", err)
	}
}

func TestTheTableComparesWithinARound(t *testing.T) {
	peers := []peer{{name: "C"}, {name: "half as fast"}, {name: "uvloop", absent: "no Python here has it"}}
	// The machine is twice as slow in the second round.
	results := [][]sample{
		{echoSample(3000), echoSample(6000), echoSample(3000)},
		{echoSample(6000), echoSample(12000), echoSample(6000)},
		nil,
	}
	got := strings.Split(strings.TrimSpace(table(peers, results)), "\n")[2:]
	want := []string{
		"| C | 3.00 | 3.00 to 6.00 | 1.00 | 100000 | 5 | 9 | 30% |",
		"| half as fast | 6.00 | 6.00 to 12.00 | 2.00 | 100000 | 5 | 9 | 60% |",
		"| uvloop | absent: no Python here has it | | | | | | |",
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// echoSample returns a sample of a thousand requests, one every 10 microseconds. Each took the
// server the given number of nanoseconds.
func echoSample(cpu int64) sample {
	return sample{Requests: 1000, Wall: 10_000_000, CPU: 1000 * cpu, P50: 5000, P99: 9000}
}

func TestEachRoundMeasuresEachPeerThatIsPresent(t *testing.T) {
	b := testBench(t)
	peers, err := findPeers(t.Context(), t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	peers = []peer{peers[0], {name: "none", absent: "for the test"}}
	results, err := b.measureAll(t.Context(), peers, options{load: testLoad, rounds: 2})
	if err != nil {
		t.Fatal(err)
	}
	if len(results[0]) != 2 || len(results[1]) != 0 {
		t.Errorf("got %d and %d samples, want 2 and 0", len(results[0]), len(results[1]))
	}
}

func TestAnAbsentPythonIsNamed(t *testing.T) {
	python := func(version, uvloop string) lab.Python {
		return lab.Python{Path: "python", Version: version, Uvloop: uvloop}
	}
	for _, test := range []struct {
		name    string
		pythons []lab.Python
		want    string
	}{
		{"none", nil, "uvloop!, asyncio!"},
		{"an old one", []lab.Python{python("3.11.2", "")}, "uvloop!, asyncio!"},
		{"with uvloop", []lab.Python{python("3.11.2", "0.17.0")},
			"uvloop 0.17.0 streams (Python 3.11.2), uvloop 0.17.0 Protocol (Python 3.11.2), asyncio!"},
		{"the first 3.13", []lab.Python{python("3.13.0", ""), python("3.13.1", "")},
			"uvloop!, asyncio streams (Python 3.13.0), asyncio Protocol (Python 3.13.0)"},
	} {
		var got []string
		for _, p := range pythonPeers("echo.py", test.pythons) {
			if p.absent != "" {
				p.name += "!"
			}
			got = append(got, p.name)
		}
		if got := strings.Join(got, ", "); got != test.want {
			t.Errorf("%s: got %s, want %s", test.name, got, test.want)
		}
	}
}

func TestReportNamesTheMachine(t *testing.T) {
	b := &bench{loadCPU: -1, serverCPU: -1}
	got := report(context.Background(), b, options{load: testLoad, rounds: 1}, []peer{{name: "C"}}, [][]sample{{echoSample(3000)}})
	for _, want := range []string{lab.System(), lab.Processor(), "8 connections, 64 bytes", "there is only one"} {
		if !strings.Contains(got, want) {
			t.Errorf("got\n%s\nwant %q in it", got, want)
		}
	}
}
