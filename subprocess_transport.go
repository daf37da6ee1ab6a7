package asyncio

import (
	"context"
	"os"
	"os/exec"
)

// A SubprocessProtocol is a set of callbacks for a process. Its transport calls ConnectionMade
// first; then PipeDataReceived, PipeConnectionLost once for each pipe, and ProcessExited once,
// in the order of the events; and ConnectionLost last, when the process has ended and its pipes
// are closed. They run as callbacks of the loop, outside of any task, so they must not suspend.
// A panic in a callback is reported to the exception handler, and the process goes on. If a
// protocol also has the methods of a FlowControlProtocol, they are called for the standard
// input of the process. It is asyncio's SubprocessProtocol.
type SubprocessProtocol interface {
	// ConnectionMade is called when the process has been started.
	ConnectionMade(t *SubprocessTransport)

	// PipeDataReceived is called with bytes that the process has written to the pipe of its
	// descriptor fd, 1 or 2. They are valid until it returns: a protocol that keeps them makes a copy.
	PipeDataReceived(fd int, data []byte)

	// PipeConnectionLost is called when the pipe of descriptor fd is closed. err is nil or the error
	// that broke the pipe.
	PipeConnectionLost(fd int, err error)

	// ProcessExited is called when the process has ended. Its pipes may still be open.
	ProcessExited()

	// ConnectionLost is called when the process has ended and all its pipes are closed. err is nil.
	ConnectionLost(err error)
}

// A BaseSubprocessProtocol implements SubprocessProtocol with methods that do nothing. Protocols
// embed it. It corresponds to the methods of asyncio's class SubprocessProtocol.
type BaseSubprocessProtocol struct{}

// ConnectionMade does nothing.
func (BaseSubprocessProtocol) ConnectionMade(*SubprocessTransport) {}

// PipeDataReceived does nothing.
func (BaseSubprocessProtocol) PipeDataReceived(int, []byte) {}

// PipeConnectionLost does nothing.
func (BaseSubprocessProtocol) PipeConnectionLost(int, error) {}

// ProcessExited does nothing.
func (BaseSubprocessProtocol) ProcessExited() {}

// ConnectionLost does nothing.
func (BaseSubprocessProtocol) ConnectionLost(error) {}

// A SubprocessTransport is a process that calls a SubprocessProtocol. None of its methods suspends.
// Only tasks and callbacks of its loop may use it. When the loop closes, it treats the process as
// it treats that of a [Process]. It is asyncio's SubprocessTransport.
type SubprocessTransport struct {
	process  *Process
	protocol SubprocessProtocol
	pipes    [3]*Transport
	opening  waitq // the task that waits until ConnectionMade has returned

	scheduled bool // in the ready queue
	made      bool // ConnectionMade was called
	exited    bool // ProcessExited is due
	open      int  // number of pipes that are not closed yet
	closing   bool // Close was called
	lost      bool // ConnectionLost was called
}

// SubprocessExec starts a program with arguments. It makes a protocol with factory and a transport
// that calls it. The standard streams of the process are pipes unless an option sets them, as in
// asyncio. It suspends until the protocol's ConnectionMade has returned. It returns the errors of
// CreateSubprocessExec, and panics if factory is nil or returns nil. It is asyncio's
// subprocess_exec.
func SubprocessExec[P SubprocessProtocol](ctx context.Context, factory func() P, program string, args []string, opts ...SubprocessOption) (*SubprocessTransport, P, error) {
	return startSubprocess(ctx, factory, exec.Command(program, args...), newSubprocessOptions(opts))
}

// SubprocessShell is SubprocessExec for a command in the system's shell, and suspends like it.
// It is asyncio's subprocess_shell.
func SubprocessShell[P SubprocessProtocol](ctx context.Context, factory func() P, command string, opts ...SubprocessOption) (*SubprocessTransport, P, error) {
	o := newSubprocessOptions(opts)
	o.shell = func(cmd *exec.Cmd) { setShellCommand(cmd, command) }
	return startSubprocess(ctx, factory, shellCommand(command), o)
}

func startSubprocess[P SubprocessProtocol](ctx context.Context, factory func() P, cmd *exec.Cmd, o *processOptions) (*SubprocessTransport, P, error) {
	checkFactory(factory == nil)
	l := running(ctx).loop
	p := makeProtocol(factory)
	t := &SubprocessTransport{process: &Process{loop: l, cmd: cmd, reaped: make(chan struct{})}, protocol: p}
	t.process.exited = t.onExited
	if err := t.process.start(o, t.connect); err != nil {
		t.Close()
		return nil, p, err
	}
	t.schedule()
	for !t.made {
		if err := t.opening.wait(ctx, waitProtocol); err != nil {
			t.Close()
			return nil, p, err
		}
	}
	return t, p, nil
}

// connect makes the transport of a pipe to the process.
func (t *SubprocessTransport) connect(fd int, end *os.File) error {
	s, err := openPipe(t.process.loop, end, fd == 0, new(streamOptions))
	if err == nil {
		t.pipes[fd] = newTransport(s, &pipeProtocol{process: t, fd: fd})
		t.open++
		if fd == 0 {
			t.process.setStdin(s)
		}
	}
	return err
}

// Pid returns the process's number. It is asyncio's get_pid.
func (t *SubprocessTransport) Pid() int { return t.process.Pid() }

// ReturnCode returns the same values as ReturnCode of a Process. It is asyncio's get_returncode.
func (t *SubprocessTransport) ReturnCode() (code int, ended bool) { return t.process.ReturnCode() }

// PipeTransport returns the transport of the pipe to the process's descriptor fd: 0, 1 or 2. It
// returns nil if there is no such pipe. It is asyncio's get_pipe_transport.
func (t *SubprocessTransport) PipeTransport(fd int) *Transport {
	if fd < 0 || fd >= len(t.pipes) {
		return nil
	}
	return t.pipes[fd]
}

// SendSignal sends the process a signal. It returns os.ErrProcessDone if the process has ended.
// It is asyncio's send_signal.
func (t *SubprocessTransport) SendSignal(sig os.Signal) error { return t.process.SendSignal(sig) }

// Terminate is Terminate of a Process. It is asyncio's terminate.
func (t *SubprocessTransport) Terminate() error { return t.process.Terminate() }

// Kill is Kill of a Process. It is asyncio's kill.
func (t *SubprocessTransport) Kill() error { return t.process.Kill() }

// Close closes the pipes, and kills the process if it still runs. A second Close does nothing. It
// always returns nil. It is asyncio's close.
func (t *SubprocessTransport) Close() error {
	t.process.loop.check()
	if t.closing {
		return nil
	}
	t.closing = true
	for _, pipe := range t.pipes {
		if pipe != nil {
			_ = pipe.Close()
		}
	}
	if t.process.pid != 0 && !t.process.ended {
		_ = t.process.Kill() // fails if the process has just ended or runs as another user
	}
	return nil
}

// IsClosing reports whether Close was called. It is asyncio's is_closing.
func (t *SubprocessTransport) IsClosing() bool { return t.closing }

// Protocol returns the protocol. It is asyncio's get_protocol.
func (t *SubprocessTransport) Protocol() SubprocessProtocol { return t.protocol }

// SetProtocol makes the transport call p from now on. It does not call p's ConnectionMade. It
// panics if p is nil. It is asyncio's set_protocol.
func (t *SubprocessTransport) SetProtocol(p SubprocessProtocol) {
	t.process.loop.check()
	checkProtocol(p == nil)
	t.protocol = p
}

// schedule makes the loop run the transport in the next turn.
func (t *SubprocessTransport) schedule() {
	if !t.scheduled {
		t.scheduled = true
		t.process.loop.push(t)
	}
}

// onExited is called when the process has ended.
func (t *SubprocessTransport) onExited() {
	t.exited = true
	t.schedule()
}

// run makes the calls of the protocol that are due, except those for the pipes: their transports
// make them, in the turn after ConnectionMade at the earliest.
func (t *SubprocessTransport) run(*Loop) {
	t.scheduled = false
	if !t.made {
		t.made = true
		t.callMade()
		t.opening.wakeAll()
		if t.exited {
			t.schedule()
		}
		return
	}
	if t.exited {
		t.exited = false
		t.callExited()
		t.finish()
	} else if t.process.ended && t.open == 0 && !t.lost {
		t.lost = true
		t.callLost()
	}
}

// finish schedules ConnectionLost once the process has ended and its pipes are closed.
func (t *SubprocessTransport) finish() {
	if t.process.ended && !t.exited && t.open == 0 {
		t.schedule()
	}
}

func (t *SubprocessTransport) callMade() {
	defer reportCallback(t.process.loop, "ConnectionMade", t, t.protocol)
	t.protocol.ConnectionMade(t)
}

func (t *SubprocessTransport) callExited() {
	defer reportCallback(t.process.loop, "ProcessExited", t, t.protocol)
	t.protocol.ProcessExited()
}

func (t *SubprocessTransport) callLost() {
	defer reportCallback(t.process.loop, "ConnectionLost", t, t.protocol)
	t.protocol.ConnectionLost(nil)
}

// A pipeProtocol passes the calls for one pipe on to the protocol of the process.
type pipeProtocol struct {
	BaseProtocol
	process *SubprocessTransport
	fd      int
}

func (p *pipeProtocol) DataReceived(data []byte) {
	defer reportCallback(p.process.process.loop, "PipeDataReceived", p.process, p.process.protocol)
	p.process.protocol.PipeDataReceived(p.fd, data)
}

func (p *pipeProtocol) ConnectionLost(err error) {
	t := p.process
	t.open--
	if t.made {
		p.callLost(err)
	}
	t.finish()
}

func (p *pipeProtocol) callLost(err error) {
	defer reportCallback(p.process.process.loop, "PipeConnectionLost", p.process, p.process.protocol)
	p.process.protocol.PipeConnectionLost(p.fd, err)
}

func (p *pipeProtocol) PauseWriting() {
	if flow, ok := p.process.protocol.(FlowControlProtocol); ok {
		flow.PauseWriting()
	}
}

func (p *pipeProtocol) ResumeWriting() {
	if flow, ok := p.process.protocol.(FlowControlProtocol); ok {
		flow.ResumeWriting()
	}
}
