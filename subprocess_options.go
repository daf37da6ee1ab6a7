package asyncio

// This file holds the options of processes.

import (
	"os"
	"os/exec"
	"time"
)

// A ProcessOption is an option of CreateSubprocessExec and CreateSubprocessShell: WithStdin,
// WithStdout, WithStderr, WithCommand, WithPipeLimit or WithWaitDelay.
type ProcessOption interface {
	apply(*processOptions)
	forCreateSubprocess()
}

// A SubprocessOption is an option of SubprocessExec and SubprocessShell, and of the calls that take
// a ProcessOption: WithStdin, WithStdout, WithStderr or WithCommand.
type SubprocessOption interface {
	ProcessOption
	forSubprocess()
}

// A processSetting implements all of these options, as a setting does those of streams.
type processSetting func(*processOptions)

func (s processSetting) apply(o *processOptions) { s(o) }

func (processSetting) forCreateSubprocess() {}
func (processSetting) forSubprocess()       {}

type processOptions struct {
	stdin, stdout, stderr Redirect
	command               func(*exec.Cmd)
	shell                 func(*exec.Cmd) // called after command
	limit                 int
	waitDelay             time.Duration
}

// A Redirect determines what a standard stream of a process is connected to. The zero Redirect
// is the corresponding stream of this program.
type Redirect struct {
	kind redirectKind
	file *os.File
}

type redirectKind uint8

const (
	inherit redirectKind = iota
	toPipe
	toNull
	toStdout
	toFile
)

// These are asyncio.subprocess's PIPE, DEVNULL and STDOUT.
var (
	Pipe     = Redirect{kind: toPipe}   // a stream of the Process
	DevNull  = Redirect{kind: toNull}   // the null device
	ToStdout = Redirect{kind: toStdout} // for WithStderr: the destination of stdout
)

// File connects a standard stream of a process to f, which remains the caller's. It panics if f
// is nil.
func File(f *os.File) Redirect {
	if f == nil {
		panic("asyncio: nil file")
	}
	return Redirect{toFile, f}
}

// WithStdin sets the standard input of a process. It is asyncio's stdin.
func WithStdin(r Redirect) SubprocessOption {
	return processSetting(func(o *processOptions) { o.stdin = r })
}

// WithStdout sets the standard output of a process. It is asyncio's stdout.
func WithStdout(r Redirect) SubprocessOption {
	return processSetting(func(o *processOptions) { o.stdout = r })
}

// WithStderr sets the standard error of a process. It is asyncio's stderr.
func WithStderr(r Redirect) SubprocessOption {
	return processSetting(func(o *processOptions) { o.stderr = r })
}

// WithCommand calls set before the command is started. set may change its directory, its
// environment and so on; the other options determine its standard streams. WithCommand panics
// if set is nil.
func WithCommand(set func(cmd *exec.Cmd)) SubprocessOption {
	if set == nil {
		panic("asyncio: WithCommand needs a function")
	}
	return processSetting(func(o *processOptions) { o.command = set })
}

// WithPipeLimit sets the limit of Stdout and Stderr, as WithLimit does for other streams. It
// panics if n is not positive.
func WithPipeLimit(n int) ProcessOption {
	if n <= 0 {
		panic("asyncio: WithPipeLimit needs a positive number")
	}
	return processSetting(func(o *processOptions) { o.limit = n })
}

// WithWaitDelay makes Communicate stop waiting for the pipes of a process that has ended once
// nothing has been written to them for d. Another process may hold them open: a daemon, for
// instance, keeps its parent's output for good. Without the option, or with Never, Communicate
// waits for the ends of the pipes. It panics if d is negative. It is the WaitDelay of an
// exec.Cmd.
func WithWaitDelay(d time.Duration) ProcessOption {
	if d < 0 {
		panic("asyncio: WithWaitDelay needs a duration that is not negative")
	}
	return processSetting(func(o *processOptions) { o.waitDelay = d })
}

func newProcessOptions(opts []ProcessOption) *processOptions {
	o := &processOptions{limit: defaultLimit, waitDelay: Never}
	applyAll(opts, o)
	return o
}

// newSubprocessOptions redirects each standard stream to a pipe unless an option sets it.
func newSubprocessOptions(opts []SubprocessOption) *processOptions {
	o := &processOptions{stdin: Pipe, stdout: Pipe, stderr: Pipe}
	applyAll(opts, o)
	return o
}
