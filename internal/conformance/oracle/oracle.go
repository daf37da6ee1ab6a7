// Package oracle runs scenarios under CPython, whose order of events is the specification of
// package asyncio.
package oracle

import (
	"bufio"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/go-asyncio/asyncio/internal/conformance"
)

//go:embed oracle.py
var source string

// ErrNoPython is returned by Find if there is no Python 3.13.
var ErrNoPython = errors.New("no Python 3.13 found: set PYTHON313 to its path")

// ErrHang is returned for a scenario that CPython did not finish in time.
var ErrHang = errors.New("CPython did not finish the scenario in time")

// Find returns the path of a Python 3.13: $PYTHON313, one in the PATH, or one of pyenv.
func Find() (string, error) {
	candidates := []string{os.Getenv("PYTHON313"), "python3.13", "python3"}
	root := os.Getenv("PYENV_ROOT")
	if home, err := os.UserHomeDir(); root == "" && err == nil {
		root = filepath.Join(home, ".pyenv")
	}
	installed, _ := filepath.Glob(filepath.Join(root, "versions", "3.13*", "bin", "python3.13"))
	for _, path := range append(candidates, installed...) {
		if path == "" {
			continue
		}
		// A shim of pyenv may be in the PATH but not work, so ask it for its version.
		out, err := exec.Command(path, "-c", "import sys; print(*sys.version_info[:2])").Output()
		if err == nil && strings.TrimSpace(string(out)) == "3 13" {
			return path, nil
		}
	}
	return "", ErrNoPython
}

// An Oracle is a Python process that answers scenarios with traces. Only one goroutine may use it.
type Oracle struct {
	python  string
	timeout time.Duration
	process *process
}

// process is a running Python and the traces that it writes.
type process struct {
	cmd    *exec.Cmd
	in     io.WriteCloser
	stderr *strings.Builder
	traces chan answer
}

type answer struct {
	line []byte
	err  error
}

// New returns an oracle. A scenario that takes longer than timeout is abandoned.
func New(python string, timeout time.Duration) *Oracle {
	return &Oracle{python: python, timeout: timeout}
}

// Trace returns CPython's trace of a scenario, which must be one line of JSON.
func (o *Oracle) Trace(scenario []byte) ([]string, error) {
	if o.process == nil {
		p, err := start(o.python)
		if err != nil {
			return nil, err
		}
		o.process = p
	}
	trace, err := o.process.ask(scenario, o.timeout)
	if err != nil {
		o.process.kill()
		o.process = nil
	}
	return trace, err
}

// Close ends the process.
func (o *Oracle) Close() {
	if o.process != nil {
		o.process.kill()
		o.process = nil
	}
}

func start(python string) (*process, error) {
	p := &process{
		cmd:    exec.Command(python, "-c", source, "--jsonl"),
		stderr: new(strings.Builder),
		traces: make(chan answer, 1),
	}
	p.cmd.Stderr = p.stderr
	var err error
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go p.read(bufio.NewReaderSize(out, 1<<16))
	return p, nil
}

// read passes the traces on until the process ends. At most one trace is requested at a time, so
// the send does not block while a trace is awaited.
func (p *process) read(out *bufio.Reader) {
	for {
		line, err := out.ReadBytes('\n')
		p.traces <- answer{line, err}
		if err != nil {
			return
		}
	}
}

func (p *process) ask(scenario []byte, timeout time.Duration) ([]string, error) {
	if _, err := p.in.Write(append(scenario[:len(scenario):len(scenario)], '\n')); err != nil {
		return nil, err
	}
	select {
	case a := <-p.traces:
		if a.err != nil {
			_ = p.cmd.Wait()
			return nil, fmt.Errorf("the oracle died: %w: %s", a.err, lastLine(p.stderr.String()))
		}
		var t conformance.Trace
		if err := json.Unmarshal(a.line, &t); err != nil {
			return nil, fmt.Errorf("the oracle's answer: %w", err)
		}
		return t.Trace, nil
	case <-time.After(timeout):
		return nil, ErrHang
	}
}

func (p *process) kill() {
	_ = p.in.Close()
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}

func lastLine(s string) string {
	s = strings.TrimSpace(s)
	return s[strings.LastIndexByte(s, '\n')+1:]
}
