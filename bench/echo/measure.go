//go:build linux

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// load holds the parameters of the load generator; see c/load.c.
type load struct {
	connections, size, warmup, requests int
}

// A sample is the result of one measurement of a server. The times are in nanoseconds.
type sample struct {
	Requests int   `json:"requests"` // without the warm-up
	Wall     int64 `json:"wall_ns"`
	CPU      int64 `json:"cpu_ns"` // of the server process, user and system
	P50      int64 `json:"p50_ns"`
	P99      int64 `json:"p99_ns"`
}

// perRequest returns the server's CPU time for a request, in microseconds.
func (s sample) perRequest() float64 { return float64(s.CPU) / float64(s.Requests) / 1e3 }

// throughput returns the number of requests a second.
func (s sample) throughput() float64 { return float64(s.Requests) / float64(s.Wall) * 1e9 }

// busy returns the part of the time in which the server was on a core.
func (s sample) busy() float64 { return float64(s.CPU) / float64(s.Wall) }

// A bench holds the load generator and the CPUs of the server and the load. They are -1 if there is
// only one CPU.
type bench struct {
	generator          string
	loadCPU, serverCPU int
}

// newBench builds the load generator in dir.
func newBench(ctx context.Context, dir string) (*bench, error) {
	b := &bench{generator: filepath.Join(dir, "load")}
	b.loadCPU, b.serverCPU = twoCPUs()
	return b, compile(ctx, "c/load.c", b.generator)
}

// twoCPUs returns the first two of the CPUs that this process may use.
func twoCPUs() (first, second int) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err == nil && set.Count() >= 2 {
		var cpus []int
		for i := 0; len(cpus) < 2; i++ {
			if set.IsSet(i) {
				cpus = append(cpus, i)
			}
		}
		return cpus[0], cpus[1]
	}
	log.Print("there is but one CPU: the load takes its part of the server's time")
	return -1, -1
}

// A measurement takes seconds, or longer if the machine stalls.
const measureTimeout = 5 * time.Minute

// measure starts a server, puts the load on it and kills it.
func (b *bench) measure(ctx context.Context, p peer, o load) (sample, error) {
	ctx, cancel := context.WithTimeout(ctx, measureTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, p.argv[0], p.argv[1:]...)
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return sample{}, err
	}
	if err := startOn(b.serverCPU, cmd); err != nil {
		return sample{}, err
	}
	defer func() {
		cancel()
		_ = cmd.Wait() // it was killed, so the error is expected
	}()
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		return sample{}, fmt.Errorf("the server has not told its port: %w", err)
	}
	port, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		return sample{}, err
	}
	return b.loadOn(ctx, port, cmd.Process.Pid, o)
}

// loadOn puts the load on a running server.
func (b *bench) loadOn(ctx context.Context, port, pid int, o load) (sample, error) {
	var args []string
	for _, n := range []int{port, pid, b.loadCPU, o.connections, o.size, o.warmup, o.requests} {
		args = append(args, strconv.Itoa(n))
	}
	cmd := exec.CommandContext(ctx, b.generator, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return sample{}, fmt.Errorf("load: %w: %s", err, bytes.TrimSpace(stderr.Bytes()))
	}
	var s sample
	return s, json.Unmarshal(out, &s)
}

// startOn starts a process that may use only the given CPU. A child inherits the restriction from
// the thread that creates it.
func startOn(cpu int, cmd *exec.Cmd) error {
	if cpu < 0 {
		return cmd.Start()
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var all, one unix.CPUSet
	one.Set(cpu)
	if err := unix.SchedGetaffinity(0, &all); err != nil {
		return err
	}
	if err := unix.SchedSetaffinity(0, &one); err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	return unix.SchedSetaffinity(0, &all)
}
