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

// A Process is a program that CreateSubprocessExec or CreateSubprocessShell has started. A
// stream is nil unless the options asked for a Pipe. Stdin stays open until it is closed or no
// process is left that could read from it, which may be later than the end of this process. On
// Windows it is closed with the end of this process.
//
// When the loop closes, it kills a process that is still running and waits for it to end. If
// this program may not kill the process, since that runs as another user, or if the process
// does not end within seconds, since the system holds it, the loop reports that and the process
// goes on. A goroutine waits for it until then.
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
	stdin     *netConn      // the pipe to the process's standard input, if it is not polled, or nil
	exited    func()        // called when the process has ended, or nil
	reaped    chan struct{} // closed once the process is reaped: the system has released its number
	waitErr   error         // the error of cmd.Wait; valid once reaped is closed
	ended     bool          // the loop knows that the process is reaped
	code      int           // the return code; valid once ended
	waiters   waitq
}

// CreateSubprocessExec starts a program with arguments. It does not suspend, but the loop
// stands still until the system has started the program. The error is exec.ErrNotFound if the
// program is not found in PATH, and fs.ErrNotExist if it is named by a path and does not exist.
// In virtual time it returns ErrVirtualIO. On Windows the arguments are quoted as Python quotes
// them, for programs that split their command line by Microsoft's rules; a batch file does not.
// It is asyncio.create_subprocess_exec.
func CreateSubprocessExec(ctx context.Context, program string, args []string, opts ...ProcessOption) (*Process, error) {
	o := newProcessOptions(opts)
	return startStreams(ctx, exec.Command(program, args...), o)
}

// CreateSubprocessShell starts a command in the system's shell: /bin/sh, or on Windows the program
// that the variable ComSpec names, cmd.exe as a rule, which gets the command unchanged. It does not
// suspend. It is asyncio.create_subprocess_shell.
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
			if p.Stdin, err = ConnectWritePipe(ctx, end); err == nil {
				p.setStdin(p.Stdin.stream)
			}
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

// setStdin records the stream of the process's standard input. Without a poller, nothing but a write
// notices that nobody is left to read it.
func (p *Process) setStdin(s *stream) { p.stdin, _ = s.below.(*netConn) }

// start starts the process. It calls connect with this program's end of each pipe and the number of
// the process's descriptor at the other end; connect takes the end over unless it fails.
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
	var child []*os.File // the child's ends of the pipes, which this program closes once the child has them
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

// redirect sets the standard streams of the command and makes the pipes.
func (p *Process) redirect(o *processOptions, connect func(int, *os.File) error, child *[]*os.File) error {
	p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = nil, nil, nil // even if WithCommand has set them
	// The command gets files, never another io.Reader or io.Writer, so that cmd.Wait waits for
	// the process alone and not for goroutines that copy.
	if o.stdin.kind == toPipe {
		r, w, err := processPipe(true)
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
			r, w, err := processPipe(false)
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

// inherited returns the file of a redirect, or nil if it has none. own is this program's
// stream.
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

// Pid returns the process's number. It is asyncio's pid.
func (p *Process) Pid() int { return p.pid }

// ReturnCode returns the exit code, and whether the process has ended. The code is -N if signal
// N has ended the process. As in asyncio it is 255 if nobody knows the code, because something
// else in this program has waited for the process or the program ignores SIGCHLD; the loop
// reports that. It is asyncio's returncode.
func (p *Process) ReturnCode() (code int, ended bool) { return p.code, p.ended }

// Wait suspends until the process has ended and returns its ReturnCode. It does not wait for
// the ends of its pipes, which another process may keep open. Any number of tasks may wait. A
// process that fills a pipe nobody reads from does not end: see Communicate. Wait returns an
// error only if it is cancelled. It is asyncio's wait.
func (p *Process) Wait(ctx context.Context) (int, error) {
	for !p.ended {
		if err := p.waiters.wait(ctx, waitProcess); err != nil {
			return 0, err
		}
	}
	return p.code, nil
}

// Communicate writes input to Stdin, closes it, reads Stdout and Stderr to their ends, and
// suspends until that is done and the process has ended. For a stream that is not a Pipe it
// returns nil. It returns an error if there is input but Stdin is not a Pipe.
//
// A pipe that the process has passed on to other processes ends when the last of them has
// closed it. WithWaitDelay sets a limit to that: at the limit, Communicate closes the pipes and
// returns the output received so far and exec.ErrWaitDelay. If Communicate is cancelled, the
// process goes on, the input is still written, and the output received so far stays for the
// next call, or for Stdout and Stderr. It is asyncio's communicate.
func (p *Process) Communicate(ctx context.Context, input []byte) (stdout, stderr []byte, err error) {
	if p.Stdin == nil && len(input) > 0 {
		return nil, nil, errors.New("asyncio: input for a process whose stdin is no Pipe")
	}
	// A group, so that its tasks no longer use the pipes when it returns.
	err = WithTaskGroup(ctx, func(ctx context.Context, tg *TaskGroup) error {
		feed := func(ctx context.Context) error { return p.feed(ctx, input) }
		var pipes []*Task[None]
		for _, job := range []Coro[None]{Do(feed), Do(p.Stdout.receiveAll), Do(p.Stderr.receiveAll)} {
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

// linger waits for the tasks that use the pipes of a process that has ended. It gives up once
// the pipes have been silent for the wait delay.
func (p *Process) linger(ctx context.Context, pipes []*Task[None]) error {
	for {
		before := p.received()
		_, pending, err := Wait(ctx, pipes, WithTimeout(p.waitDelay))
		if err != nil || len(pending) == 0 {
			return err
		}
		if p.received() == before {
			return exec.ErrWaitDelay
		}
	}
}

// received returns the number of bytes of output in the buffers of the readers.
func (p *Process) received() (n int) {
	for _, r := range []*StreamReader{p.Stdout, p.Stderr} {
		if r != nil {
			n += r.buf.Len()
		}
	}
	return n
}

// feed writes the input and closes Stdin. The process need not read all of it.
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

// receiveAll receives until the end of the stream. The bytes stay in the buffer, where a
// cancellation cannot lose them. r may be nil.
func (r *StreamReader) receiveAll(ctx context.Context) error {
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

// takeAll returns the bytes that receiveAll has received. r may be nil.
func (r *StreamReader) takeAll() []byte {
	if r == nil {
		return nil
	}
	return r.take(r.buf.Len())
}

// SendSignal sends the process a signal. It returns os.ErrProcessDone if the process has ended.
// Windows has no signals: there SIGTERM and os.Kill kill the process, os.Interrupt is Ctrl+Break,
// which only a process with CREATE_NEW_PROCESS_GROUP can be sent (see WithCommand), and another
// signal is an error that is errors.ErrUnsupported. It is asyncio's send_signal.
func (p *Process) SendSignal(sig os.Signal) error {
	return p.unlessReaped(func(*os.Process) error { return sendSignal(p.cmd, sig) })
}

// Terminate asks the process to end, by SIGTERM. It returns os.ErrProcessDone if the process
// has ended. On a system without that signal, such as Windows, Terminate kills the process. It
// is asyncio's terminate.
func (p *Process) Terminate() error { return p.unlessReaped(terminate) }

// Kill ends the process, by SIGKILL; on Windows its return code is 1. It returns os.ErrProcessDone
// if the process has ended. The processes that it has started go on. It is asyncio's kill.
func (p *Process) Kill() error { return p.unlessReaped(kill) }

// kill is a variable so that a test can have a process that may not be killed.
var kill = killProcess

// unlessReaped calls fn with the process, unless it is reaped: then its number may be another
// process's.
func (p *Process) unlessReaped(fn func(*os.Process) error) error {
	select {
	case <-p.reaped:
		return os.ErrProcessDone
	default:
		return fn(p.cmd.Process)
	}
}

// run is called on the loop when the process has been reaped.
func (p *Process) run(l *Loop) {
	delete(l.processes, p)
	p.end()
	if p.stdin != nil {
		p.stdin.watchReader()
	}
	p.waiters.wakeAll()
	if p.exited != nil {
		p.exited()
	}
	if p.cmd.ProcessState == nil {
		l.report(ExceptionContext{
			Message: "something else has waited for a process; its return code is reported as 255",
			Err:     p.wrap(p.waitErr),
		})
	}
}

// end records how the process has ended. The process must be reaped.
func (p *Process) end() {
	p.ended = true
	if state := p.cmd.ProcessState; state != nil {
		p.code = returnCode(state)
	} else {
		p.code = 255
		_ = p.cmd.Process.Release() // cmd.Wait has failed, so it has not done that
	}
}

func (p *Process) wrap(err error) error {
	return fmt.Errorf("asyncio: process %d (%s): %w", p.pid, p.cmd.Path, err)
}

// processes are the processes of a loop that have not ended.
type processes map[*Process]struct{}

// add starts a goroutine that waits for the process.
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

// kill kills all processes, waits until they have ended, and returns an error for each process
// that goes on.
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
			left = append(left, p.wrap(err))
		}
	}
	clear(ps)
	return left
}
