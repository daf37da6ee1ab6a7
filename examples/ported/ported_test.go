//go:build unix

// Package ported_test drives the ported programs, and compares their output with the output that
// the Python originals printed when this test drove them.
package ported_test

import (
	"bufio"
	"bytes"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"
)

var record = flag.Bool("record", false, "drive the Python originals, and write their output to testdata")

var binDir string // folder of the programs

func TestMain(m *testing.M) {
	os.Exit(buildAndRun(m))
}

func buildAndRun(m *testing.M) int {
	flag.Parse()
	dir, err := os.MkdirTemp("", "asyncio-ported-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binDir = dir
	args := []string{"build", "-o", dir + string(filepath.Separator)}
	if info, ok := debug.ReadBuildInfo(); ok {
		// Under go test -race the programs are built with the race detector too.
		if slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"}) {
			args = append(args, "-race")
		}
	}
	if out, err := exec.Command("go", append(args, "./...")...).CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "go build: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

func TestReadmeNamesEveryPort(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	mains, err := filepath.Glob("*/main.go")
	if err != nil || len(mains) == 0 {
		t.Fatalf("no programs: %v", err)
	}
	for _, main := range mains {
		if name := filepath.Dir(main); !strings.Contains(string(readme), fmt.Sprintf("[%s](%[1]s)", name)) {
			t.Errorf("README.md does not name %s", name)
		}
	}
}

// A program is a running port, or the original of it.
type program struct {
	t      *testing.T
	cmd    *exec.Cmd
	stdout *bufio.Reader
	stderr bytes.Buffer
	out    strings.Builder // the lines read so far
}

func start(t *testing.T, dir, name string, args ...string) *program {
	t.Helper()
	path := filepath.Join(binDir, name)
	if *record {
		script, err := filepath.Abs(filepath.Join("testdata", name+".py"))
		if err != nil {
			t.Fatal(err)
		}
		path, args = "python3.13", append([]string{script}, args...)
	}
	p := &program{t: t, cmd: exec.Command(path, args...)}
	p.cmd.Dir = dir
	p.cmd.Env = append(os.Environ(), "PYTHONUNBUFFERED=1")
	p.cmd.Stderr = &p.stderr
	pipe, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
	})
	p.stdout = bufio.NewReader(pipe)
	return p
}

// until reads lines until one contains text, and returns that line.
func (p *program) until(text string) string {
	p.t.Helper()
	for {
		line, err := p.stdout.ReadString('\n')
		p.out.WriteString(line)
		if strings.Contains(line, text) {
			return line
		}
		if err != nil {
			_ = p.cmd.Wait()
			p.t.Fatalf("no line with %q: %v, stdout:\n%s\nstderr:\n%s", text, err, &p.out, &p.stderr)
		}
	}
}

// wait waits for the end of the program and returns all lines that it printed.
func (p *program) wait() string {
	p.t.Helper()
	_, _ = io.Copy(&p.out, p.stdout)
	if err := p.cmd.Wait(); err != nil || p.stderr.Len() > 0 {
		p.t.Errorf("%v, stderr:\n%s", err, &p.stderr)
	}
	return p.out.String()
}

// compare compares a transcript with testdata/NAME.out.
func compare(t *testing.T, name, transcript string) {
	t.Helper()
	file := filepath.Join("testdata", name+".out")
	if *record {
		if err := os.WriteFile(file, []byte(transcript), 0o666); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	got, expected := strings.Split(transcript, "\n"), strings.Split(string(want), "\n")
	for i := range max(len(got), len(expected)) {
		if i >= len(got) || i >= len(expected) || got[i] != expected[i] {
			t.Fatalf("line %d differs, got:\n%s\nwant:\n%s", i+1, transcript, want)
		}
	}
}

// listen listens on a free port, for a peer that calls within a minute.
func listen(t *testing.T) (ln *net.TCPListener, host, port string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	ln = l.(*net.TCPListener)
	_ = ln.SetDeadline(time.Now().Add(time.Minute))
	host, port, _ = net.SplitHostPort(l.Addr().String())
	return ln, host, port
}
