package asyncio

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"time"
)

// A Process is a program that CreateSubprocessExec or CreateSubprocessShell has started. The
// streams are nil unless the options asked for a Pipe. Stdin stays open until it is closed or
// nothing that could read it is left, which may be later than the end of the process.
//
// A process that still runs when its loop closes is killed and waited for. If this program may
// not kill it, since it runs as another user, or if it does not end within seconds, since the
// system holds it, that is reported, and it goes on; a goroutine waits for it until then.
//
// Only tasks and callbacks of its loop may use a Process. Wait and Communicate suspend; its
// other methods do not. It is asyncio.subprocess.Process.
type Process struct {
	Stdin  *StreamWriter
	Stdout *StreamReader
	Stderr *StreamReader

	loop      *Loop
	cmd       *exec.Cmd
	pid       int
	waitDelay time.Duration
	exited    func()        // called when it has ended, or nil
	reaped    chan struct{} // closed once the system has nothing of it any more
	waitErr   error         // the failure of cmd.Wait, once it is reaped
	ended     bool          // the loop knows that it is reaped
	code      int           // the ReturnCode, once ended
	waiters   waitq
}

// CreateSubprocessExec starts a program with arguments. It does not suspend, but the loop
// stands still until the system has started it. A program that is not found
// in PATH is exec.ErrNotFound, one that was named by a path fs.ErrNotExist. In virtual
// time it returns ErrVirtualIO. It is asyncio.create_subprocess_exec.
func CreateSubprocessExec(ctx context.Context, program string, args []string, opts ...ProcessOption) (*Process, error) {
	o := newProcessOptions(opts)
	return startStreams(ctx, exec.Command(program, args...), o)
}

// CreateSubprocessShell starts a command in the system's shell: /bin/sh, or cmd.exe on Windows,
// which gets the command as it is. It does not suspend. It is asyncio.create_subprocess_shell.
func CreateSubprocessShell(ctx context.Context, command string, opts ...ProcessOption) (*Process, error) {
	o := newProcessOptions(opts)
	o.shell = func(cmd *exec.Cmd) { setShellCommand(cmd, command) }
	return startStreams(ctx, shellCommand(command), o)
}

// startStreams starts a process with streams for its pipes.
func startStreams(ctx context.Context, cmd *exec.Cmd, o *processOptions) (*Process, error) {
	p := &Process{loop: RunningLoop(ctx), cmd: cmd, waitDelay: o.waitDelay, reaped: make(chan struct{})}
	err := p.start(o, func(number int, end *os.File) (err error) {
		switch number {
		case 0:
			p.Stdin, err = ConnectWritePipe(ctx, end)
		case 1:
			p.Stdout, err = ConnectReadPipe(ctx, end, WithLimit(o.limit))
		case 2:
			p.Stderr, err = ConnectReadPipe(ctx, end, WithLimit(o.limit))
		}
		return err
	})
	if err != nil {
		p.closePipes()
		return nil, err
	}
	return p, nil
}

// start starts the process. connect takes over the end of a pipe to the process's descriptor of a
// number, unless it fails.
func (p *Process) start(o *processOptions, connect func(number int, end *os.File) error) error {
	l, cmd := p.loop, p.cmd
	l.check()
	switch {
	case l.closed:
		return ErrLoopClosed
	case l.virtual:
		return ErrVirtualIO
	}
	if o.stdin.kind == toStdout || o.stdout.kind == toStdout {
		return errors.New("asyncio: ToStdout is for WithStderr alone")
	}
	if o.command != nil {
		o.command(cmd)
	}
	if o.shell != nil {
		o.shell(cmd)
	}
	var child []*os.File // the child's ends, which are not needed once it has them
	defer func() {
		for _, f := range child {
			f.Close()
		}
	}()
	if err := p.redirect(o, connect, &child); err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	p.pid = cmd.Process.Pid
	l.processes.add(p)
	return nil
}

// redirect sets the standard streams of the command, and makes the pipes.
func (p *Process) redirect(o *processOptions, connect func(int, *os.File) error, child *[]*os.File) error {
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
		if err := connect(0, w); err != nil {
			w.Close()
			return err
		}
	} else if f := o.stdin.inherited(os.Stdin); f != nil {
		p.cmd.Stdin = f
	}
	for i, out := range []struct {
		redirect Redirect
		to       *io.Writer
		own      *os.File
	}{
		{o.stdout, &p.cmd.Stdout, os.Stdout},
		{o.stderr, &p.cmd.Stderr, os.Stderr},
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
			if err := connect(1+i, r); err != nil {
				r.Close()
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
func (p *Process) Pid() int { return p.pid }

// ReturnCode returns the exit code, and whether the process has ended. It is -N if signal N
// has ended it, and 255, as in asyncio, if something else in this program has waited for the
// process, or the program ignores SIGCHLD, so that nobody knows: this is reported. It is
// asyncio's returncode.
func (p *Process) ReturnCode() (code int, ended bool) { return p.code, p.ended }

// Wait suspends until the process has ended and returns its ReturnCode. It does not wait for
// the end of its pipes, which another process may keep open. Any number of tasks may wait. A
// process that fills a pipe nobody reads does not end: see Communicate. It is asyncio's wait.
func (p *Process) Wait(ctx context.Context) (int, error) {
	for !p.ended {
		if err := p.waiters.wait(ctx, waitProcess); err != nil {
			return 0, err
		}
	}
	return p.code, nil
}

// Communicate writes input to Stdin, closes it, reads Stdout and Stderr to their ends, and
// suspends until that is done and the process has ended. What is not a Pipe gives nothing. A
// pipe that the process has passed on to others, and that they keep open, ends with the last of
// them: WithWaitDelay sets a limit to that, at which Communicate closes the pipes and returns
// what there is, and exec.ErrWaitDelay. If it is cancelled the process goes on, the input is
// still written, and what has come stays for the next call, or for Stdout and Stderr. It is
// asyncio's communicate.
func (p *Process) Communicate(ctx context.Context, input []byte) (stdout, stderr []byte, err error) {
	if p.Stdin == nil && len(input) > 0 {
		return nil, nil, errors.New("asyncio: input for a process whose stdin is no Pipe")
	}
	// A group, since its tasks have left the pipes when it returns.
	err = WithTaskGroup(ctx, func(ctx context.Context, tg *TaskGroup) error {
		feed := func(ctx context.Context) error { return p.feed(ctx, input) }
		var pipes []*Task[None]
		for _, job := range []Coro[None]{Do(feed), Do(p.Stdout.collect), Do(p.Stderr.collect)} {
			pipes = append(pipes, GroupTask(tg, job))
		}
		if _, err := p.Wait(ctx); err != nil {
			return err
		}
		return p.linger(ctx, pipes)
	})
	var failed *ExceptionGroup
	if errors.As(err, &failed) {
		err = errors.Join(failed.Errors...)
	}
	if errors.Is(err, exec.ErrWaitDelay) {
		defer p.closePipes()
	} else if err != nil {
		return nil, nil, err
	}
	return p.Stdout.takeAll(), p.Stderr.takeAll(), err
}

// linger waits for the tasks that have to do with pipes, of a process that has ended, until
// the pipes have been silent for the wait delay.
func (p *Process) linger(ctx context.Context, pipes []*Task[None]) error {
	for {
		before := p.collected()
		_, pending, err := Wait(ctx, pipes, WithTimeout(p.waitDelay))
		if err != nil || len(pending) == 0 {
			return err
		}
		if p.collected() == before {
			return exec.ErrWaitDelay
		}
	}
}

// collected returns how many bytes of output wait in the readers.
func (p *Process) collected() (n int) {
	for _, r := range []*StreamReader{p.Stdout, p.Stderr} {
		if r != nil {
			n += r.buf.Len()
		}
	}
	return n
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
	if errors.Is(err, errPipe) || errors.Is(err, errConnReset) || errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// collect receives until the end of the stream. What comes stays in the buffer, where a
// cancellation cannot lose it.
func (r *StreamReader) collect(ctx context.Context) error {
	if r == nil {
		return nil
	}
	for {
		if err := r.fill(ctx); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// takeAll returns what collect has received.
func (r *StreamReader) takeAll() []byte {
	if r == nil {
		return nil
	}
	return r.take(r.buf.Len())
}

// SendSignal sends the process a signal; os.ErrProcessDone if it has ended. It is asyncio's
// send_signal.
func (p *Process) SendSignal(sig os.Signal) error {
	return p.unlessReaped(func(child *os.Process) error { return child.Signal(sig) })
}

// Terminate asks the process to end, by SIGTERM; os.ErrProcessDone if it has ended. Where
// there is no such signal, as on Windows, it is Kill. It is asyncio's terminate.
func (p *Process) Terminate() error { return p.unlessReaped(terminate) }

// Kill ends the process, by SIGKILL; os.ErrProcessDone if it has ended. What it has started
// itself goes on. It is asyncio's kill.
func (p *Process) Kill() error { return p.unlessReaped(kill) }

// kill is a variable for tests, in which there is a process that may not be killed.
var kill = (*os.Process).Kill

// unlessReaped calls fn with the process, whose number may be another's once it is reaped.
func (p *Process) unlessReaped(fn func(*os.Process) error) error {
	select {
	case <-p.reaped:
		return os.ErrProcessDone
	default:
		return fn(p.cmd.Process)
	}
}

// run is called on the loop when the process is reaped.
func (p *Process) run(l *Loop) {
	delete(l.processes, p)
	p.end()
	p.waiters.wakeAll()
	if p.exited != nil {
		p.exited()
	}
	if p.cmd.ProcessState == nil {
		l.report(ExceptionContext{
			Message: "somebody else has waited for a process, whose return code is taken for 255",
			Err:     p.failed(p.waitErr),
		})
	}
}

// end notes how the process, which is reaped, has ended.
func (p *Process) end() {
	p.ended = true
	if state := p.cmd.ProcessState; state != nil {
		p.code = returnCode(state)
	} else {
		p.code = 255
		_ = p.cmd.Process.Release() // Wait has not, since it failed
	}
}

func (p *Process) failed(err error) error {
	return fmt.Errorf("asyncio: process %d (%s): %w", p.pid, p.cmd.Path, err)
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
		p.waitErr = p.cmd.Wait()
		close(p.reaped)
		_ = p.loop.post(p)
	}()
}

// killPatience is how long a process that was killed may take to end.
var killPatience = 3 * time.Second

// kill ends all processes, waits for that, and returns an error for each that goes on.
func (ps processes) kill() (left []error) {
	failures := make(map[*Process]error)
	for p := range ps {
		failures[p] = p.Kill()
	}
	patience, cancel := context.WithTimeout(context.Background(), killPatience)
	defer cancel()
	for p, err := range failures {
		if err == nil || err == os.ErrProcessDone {
			select {
			case <-p.reaped:
			case <-patience.Done():
				err = errors.New("killed, and not ended yet")
			}
		}
		select {
		case <-p.reaped:
			p.end()
		default:
			left = append(left, p.failed(err))
		}
	}
	clear(ps)
	return left
}
