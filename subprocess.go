package asyncio

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// A Process is a program that CreateSubprocessExec or CreateSubprocessShell has started. The
// streams are nil unless the options asked for a Pipe. A process that still runs when its loop
// closes is killed. Only tasks and callbacks of its loop may use it. Wait and Communicate
// suspend; its other methods do not. It is asyncio.subprocess.Process.
type Process struct {
	Stdin  *StreamWriter
	Stdout *StreamReader
	Stderr *StreamReader

	loop      *Loop
	cmd       *exec.Cmd
	waitDelay time.Duration
	reaped    chan struct{} // closed once the system has nothing of it any more
	ended     bool          // and the loop knows
	waiters   waitq
}

// A ProcessOption is an option of CreateSubprocessExec and CreateSubprocessShell.
type ProcessOption func(*processOptions)

type processOptions struct {
	stdin, stdout, stderr Redirect
	command               func(*exec.Cmd)
	limit                 int
	waitDelay             time.Duration
}

// A Redirect tells what a standard stream of a process is connected to. The zero Redirect is
// what the program itself has.
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
	DevNull  = Redirect{kind: toNull}   // nothing
	ToStdout = Redirect{kind: toStdout} // for WithStderr: where stdout goes
)

// File connects a standard stream of a process to f, which remains the caller's.
func File(f *os.File) Redirect { return Redirect{toFile, f} }

// WithStdin says what the standard input of a process is. It is asyncio's stdin.
func WithStdin(r Redirect) ProcessOption { return func(o *processOptions) { o.stdin = r } }

// WithStdout says what the standard output of a process is. It is asyncio's stdout.
func WithStdout(r Redirect) ProcessOption { return func(o *processOptions) { o.stdout = r } }

// WithStderr says what the standard error of a process is. It is asyncio's stderr.
func WithStderr(r Redirect) ProcessOption { return func(o *processOptions) { o.stderr = r } }

// WithCommand has set change the command before it is started: its directory, its
// environment and so on. The standard streams are set by the other options.
func WithCommand(set func(cmd *exec.Cmd)) ProcessOption {
	return func(o *processOptions) { o.command = set }
}

// WithPipeLimit sets the limit of the streams of Stdout and Stderr, as WithLimit does.
func WithPipeLimit(n int) ProcessOption { return func(o *processOptions) { o.limit = n } }

// WithWaitDelay sets how long Communicate waits, once the process has ended, for pipes that
// another process keeps open and writes nothing to: a second if it is not given.
func WithWaitDelay(d time.Duration) ProcessOption {
	return func(o *processOptions) { o.waitDelay = d }
}

// CreateSubprocessExec starts a program with arguments. It does not suspend, but the loop
// stands still until the system has started it. A program that is not found
// in PATH is exec.ErrNotFound, one that was named by a path fs.ErrNotExist. In virtual
// time it returns ErrVirtualIO. It is asyncio.create_subprocess_exec.
func CreateSubprocessExec(ctx context.Context, program string, args []string, opts ...ProcessOption) (*Process, error) {
	return startProcess(ctx, exec.Command(program, args...), opts)
}

// CreateSubprocessShell starts a command in the system's shell. It does not suspend. It is
// asyncio.create_subprocess_shell.
func CreateSubprocessShell(ctx context.Context, command string, opts ...ProcessOption) (*Process, error) {
	shell := []string{"/bin/sh", "-c"}
	if os.PathSeparator == '\\' {
		shell = []string{"cmd", "/c"}
	}
	return startProcess(ctx, exec.Command(shell[0], append(shell[1:], command)...), opts)
}

func startProcess(ctx context.Context, cmd *exec.Cmd, opts []ProcessOption) (_ *Process, err error) {
	l := RunningLoop(ctx)
	l.check()
	switch {
	case l.closed:
		return nil, ErrLoopClosed
	case l.virtual:
		return nil, ErrVirtualIO
	}
	o := &processOptions{limit: defaultLimit, waitDelay: time.Second}
	for _, opt := range opts {
		opt(o)
	}
	if o.command != nil {
		o.command(cmd)
	}
	p := &Process{loop: l, cmd: cmd, waitDelay: o.waitDelay, reaped: make(chan struct{})}
	var child []*os.File // the child's ends, which are not needed once it has them
	defer func() {
		for _, f := range child {
			f.Close()
		}
		if err != nil {
			p.closePipes()
		}
	}()
	if err := p.redirect(ctx, o, &child); err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	l.processes.add(p)
	return p, nil
}

// redirect sets the standard streams of the command, and makes the pipes.
func (p *Process) redirect(ctx context.Context, o *processOptions, child *[]*os.File) error {
	p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = nil, nil, nil // whatever WithCommand has set
	// What the command is given is a file, never another io.Reader or io.Writer: so
	// cmd.Wait waits for the process and for no goroutine that copies.
	if o.stdin.kind == toPipe {
		r, w, err := os.Pipe()
		if err != nil {
			return err
		}
		*child = append(*child, r)
		p.cmd.Stdin = r
		if p.Stdin, err = ConnectWritePipe(ctx, w); err != nil {
			return err
		}
	} else if f := o.stdin.inherited(os.Stdin); f != nil {
		p.cmd.Stdin = f
	}
	for _, out := range []struct {
		redirect Redirect
		to       *io.Writer
		stream   **StreamReader
		own      *os.File
	}{
		{o.stdout, &p.cmd.Stdout, &p.Stdout, os.Stdout},
		{o.stderr, &p.cmd.Stderr, &p.Stderr, os.Stderr},
	} {
		if out.redirect.kind == toStdout {
			*out.to = p.cmd.Stdout
		} else if out.redirect.kind == toPipe {
			r, w, err := os.Pipe()
			if err != nil {
				return err
			}
			*child = append(*child, w)
			*out.to = w
			if *out.stream, err = ConnectReadPipe(ctx, r, WithLimit(o.limit)); err != nil {
				return err
			}
		} else if f := out.redirect.inherited(out.own); f != nil {
			*out.to = f
		}
	}
	return nil
}

// inherited returns the file that a redirect stands for, or nil for none.
func (r Redirect) inherited(own *os.File) *os.File {
	switch r.kind {
	case inherit:
		return own
	case toFile:
		return r.file
	default:
		return nil
	}
}

func (p *Process) closePipes() {
	if p.Stdin != nil {
		p.Stdin.Abort()
	}
	for _, r := range []*StreamReader{p.Stdout, p.Stderr} {
		if r != nil {
			_ = r.Close()
		}
	}
}

// Pid returns the number of the process.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// ReturnCode returns the exit code, and whether the process has ended. It is -N if signal N
// has ended it. It is asyncio's returncode.
func (p *Process) ReturnCode() (code int, ended bool) {
	if !p.ended {
		return 0, false
	}
	if status, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return -int(status.Signal()), true
	}
	return p.cmd.ProcessState.ExitCode(), true
}

// Wait suspends until the process has ended and returns its ReturnCode. It does not wait for
// the end of its pipes, which another process may keep open. Any number of tasks may wait. A
// process that fills a pipe nobody reads does not end: see Communicate. It is asyncio's wait.
func (p *Process) Wait(ctx context.Context) (int, error) {
	for !p.ended {
		if err := p.waiters.wait(ctx, "a process"); err != nil {
			return 0, err
		}
	}
	code, _ := p.ReturnCode()
	return code, nil
}

// Communicate writes input to Stdin, closes it, reads Stdout and Stderr to their ends, and
// suspends until that is done and the process has ended. What is not a Pipe gives nothing. If
// the process has ended, and others that it has started keep its pipes open and silent for
// WithWaitDelay, it returns what there is, and exec.ErrWaitDelay. If it is cancelled the
// process goes on, and what has come stays for the next call. It is asyncio's communicate.
func (p *Process) Communicate(ctx context.Context, input []byte) (stdout, stderr []byte, err error) {
	if p.Stdin == nil && len(input) > 0 {
		return nil, nil, errors.New("asyncio: input for a process whose stdin is no Pipe")
	}
	out, errOut := &collector{from: p.Stdout}, &collector{from: p.Stderr}
	tasks := []*Task[None]{
		CreateTask(ctx, Do(func(ctx context.Context) error { return p.feed(ctx, input) })),
		CreateTask(ctx, Do(out.collect)),
		CreateTask(ctx, Do(errOut.collect)),
	}
	defer func() {
		for _, t := range tasks {
			t.Cancel()
		}
	}()
	if _, err := p.Wait(ctx); err != nil {
		return nil, nil, err
	}
	for {
		before := out.come() + errOut.come()
		_, pending, err := Wait(ctx, tasks, WithTimeout(p.waitDelay))
		if err != nil {
			return nil, nil, err
		}
		if len(pending) == 0 {
			break
		}
		if out.come()+errOut.come() == before {
			defer p.closePipes()
			return out.all(), errOut.all(), exec.ErrWaitDelay
		}
	}
	for _, t := range tasks {
		err = errors.Join(err, t.Exception())
	}
	return out.all(), errOut.all(), err
}

// feed writes the input and closes Stdin. A process need not read all of it.
func (p *Process) feed(ctx context.Context, input []byte) error {
	if p.Stdin == nil {
		return nil
	}
	defer p.Stdin.Close()
	_, err := p.Stdin.Write(input)
	if err == nil {
		err = p.Stdin.Drain(ctx)
	}
	if errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// A collector reads a pipe to its end. Until then what has come stays in the reader.
type collector struct {
	from *StreamReader // nil if there is none
	got  []byte
}

func (c *collector) collect(ctx context.Context) (err error) {
	if c.from != nil {
		c.got, err = c.from.Read(ctx, -1)
	}
	return err
}

// come returns how many bytes have come.
func (c *collector) come() int {
	if c.from == nil {
		return 0
	}
	return len(c.got) + c.from.buf.len()
}

// all returns what has come, be it before the end.
func (c *collector) all() []byte {
	if c.from == nil {
		return nil
	}
	return append(c.got, c.from.take(c.from.buf.len())...)
}

// SendSignal sends the process a signal; os.ErrProcessDone if it has ended. It is asyncio's
// send_signal.
func (p *Process) SendSignal(sig os.Signal) error { return p.cmd.Process.Signal(sig) }

// Terminate asks the process to end, by SIGTERM; os.ErrProcessDone if it has ended. It is
// asyncio's terminate.
func (p *Process) Terminate() error { return p.SendSignal(syscall.SIGTERM) }

// Kill ends the process, by SIGKILL; os.ErrProcessDone if it has ended. What it has started
// itself goes on. It is asyncio's kill.
func (p *Process) Kill() error { return p.cmd.Process.Kill() }

// run is called on the loop when the process has ended.
func (p *Process) run(*Loop) {
	p.ended = true
	delete(p.loop.processes, p)
	if p.Stdin != nil {
		_ = p.Stdin.Close()
	}
	p.waiters.wakeAll()
}

// processes are those of a loop that have not ended.
type processes map[*Process]struct{}

// add has a goroutine wait for the process.
func (ps *processes) add(p *Process) {
	if *ps == nil {
		*ps = make(processes)
	}
	(*ps)[p] = struct{}{}
	go func() {
		defer close(p.reaped)
		_ = p.cmd.Wait() // the process's state tells
		_ = p.loop.post(p)
	}()
}

// kill ends all processes and waits for that.
func (ps processes) kill() {
	for p := range ps {
		_ = p.Kill() // it may have ended
	}
	for p := range ps {
		<-p.reaped
	}
}
