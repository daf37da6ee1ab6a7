package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/go-asyncio/asyncio"
)

// A killedError is returned by calls that want to start or end a process that has been ended
// already.
type killedError struct{ name string }

func (e *killedError) Error() string {
	return fmt.Sprintf("Process %s has already been explicitly killed", e.name)
}

// A process is started again when it ends, unless it is ended by its methods or by a signal to this
// program.
type process struct {
	name          string
	program       string
	args          []string
	dir           string
	alwaysRestart bool // also after the exit code 0
	ready         func(ctx context.Context, p *process) (bool, error)
	readyTimeout  time.Duration
	handlers      *handlers
	log           func(action, message string)

	proc          *asyncio.Process // nil before the first start
	running       bool
	killed        bool
	restarting    *asyncio.Task[asyncio.None]
	removeHandler func()

	// lock is held while the process is started, or ended and awaited. Sending a signal needs no
	// lock.
	lock asyncio.Lock
}

func (p *process) logf(action, format string, args ...any) {
	p.log(action, fmt.Sprintf(format, args...))
}

// handleSignal passes a signal on. The process is expected to end, and is not started again.
func (p *process) handleSignal(sig os.Signal) {
	_ = p.proc.SendSignal(sig) // it may have ended
	p.killed = true
	p.logf("signal", "Propagated signal %d to %s", sig, p.name)
}

// start starts the process unless it is running.
func (p *process) start(ctx context.Context) error {
	return p.lock.With(ctx, func(ctx context.Context) error {
		if p.running {
			return nil
		}
		if p.killed {
			return &killedError{p.name}
		}
		p.logf("try-start", "Trying to start %s", p.name)
		proc, err := asyncio.CreateSubprocessExec(ctx, p.program, p.args,
			asyncio.WithCommand(func(cmd *exec.Cmd) { cmd.Dir = p.dir }))
		if err != nil {
			return err
		}
		p.proc = proc
		p.logf("started", "Started %s", p.name)
		p.running = true
		p.restarting = asyncio.CreateTask(ctx, asyncio.Do(p.restartIfNeeded))
		p.removeHandler = p.handlers.add(p.handleSignal)
		return nil
	})
}

// restartIfNeeded waits for the end of the process.
func (p *process) restartIfNeeded(ctx context.Context) error {
	code, err := p.proc.Wait(ctx)
	if err != nil {
		return err
	}
	p.removeHandler()
	p.logf("exited", "%s exited with code %d", p.name, code)
	p.running = false
	if !p.killed && (p.alwaysRestart || code != 0) {
		return p.start(ctx)
	}
	return nil
}

// signalAndWait sends a signal, and waits for the end of the process.
func (p *process) signalAndWait(ctx context.Context, sig os.Signal) error {
	if p.killed {
		return &killedError{p.name}
	}
	return p.lock.With(ctx, func(ctx context.Context) error {
		if err := p.proc.SendSignal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
			return err
		}
		p.killed = true
		p.restarting.Cancel()
		if _, err := p.proc.Wait(ctx); err != nil {
			return err
		}
		p.running = false
		p.removeHandler()
		return nil
	})
}

func (p *process) terminate(ctx context.Context) error { return p.signalAndWait(ctx, syscall.SIGTERM) }

func (p *process) kill(ctx context.Context) error { return p.signalAndWait(ctx, os.Kill) }

// isReady calls ready until it returns true, at growing intervals, and reports whether it has done
// so in time.
func (p *process) isReady(ctx context.Context) (bool, error) {
	loop := asyncio.RunningLoop(ctx)
	start := loop.Time()
	pause := 10 * time.Millisecond
	for {
		if loop.Time()-start > p.readyTimeout || p.killed || p.proc == nil {
			return false, nil
		}
		ready, err := asyncio.WaitFor(ctx, asyncio.Bind(p.ready, p), 5*time.Second)
		if err != nil && !errors.Is(err, asyncio.ErrTimeout) {
			return false, err
		}
		elapsed := loop.Time() - start
		p.logf("ready-wait", "Readyness: %v after %v, next check in %v", ready, elapsed, pause)
		if ready {
			return true, nil
		}
		if err := asyncio.Sleep(ctx, pause); err != nil {
			return false, err
		}
		// The last check comes shortly before the time is over.
		pause *= 2
		if left := p.readyTimeout - (loop.Time() - start); pause > left {
			pause = left - 10*time.Millisecond
		}
	}
}
