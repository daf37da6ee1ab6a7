// Supervisor starts processes, starts them again when they fail, and ends them.
//
//	go run ./examples/ported/supervisor DIR
//
// The processes keep their files in the directory DIR. In the end it waits for SIGTERM or SIGINT.
//
// It is a port of simpervisor (github.com/jupyterhub/simpervisor, BSD), without its own way to wait
// on Windows.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/go-asyncio/asyncio"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: supervisor DIR")
		os.Exit(2)
	}
	s := &session{dir: os.Args[1]}
	_, err := asyncio.Run(context.Background(), asyncio.Do(s.run))
	if err != nil && !errors.Is(err, errExit) {
		fmt.Fprintln(os.Stderr, "supervisor:", err)
		os.Exit(1)
	}
}

// errExit is the cause of the cancellation when a signal ends the program.
var errExit = errors.New("the program ends")

type session struct {
	dir      string
	handlers *handlers
}

func (s *session) run(ctx context.Context) error {
	loop := asyncio.RunningLoop(ctx)
	var err error
	s.handlers, err = handleSignals(loop, func() {
		for _, task := range loop.AllTasks() {
			task.CancelCause(errExit)
		}
	})
	if err != nil {
		return err
	}
	for _, part := range []func(context.Context) error{s.restarts, s.restartsAlways, s.readiness, s.signals} {
		if err := part(ctx); err != nil {
			return err
		}
	}
	return nil
}

// shell returns a process that runs a script.
func (s *session) shell(name, script string) *process {
	return &process{
		name: name, program: "sh", args: []string{"-c", script}, dir: s.dir,
		readyTimeout: time.Minute, handlers: s.handlers,
		log: func(action, message string) {
			if action != "ready-wait" { // its message has times in it
				fmt.Printf("[%s] %s\n", action, message)
			}
		},
	}
}

func (s *session) exists(name string) bool {
	_, err := os.Stat(filepath.Join(s.dir, name))
	return err == nil
}

// runs counts the lines of a file.
func (s *session) runs(name string) int {
	data, _ := os.ReadFile(filepath.Join(s.dir, name)) // which may not be there yet
	return strings.Count(string(data), "run")
}

func until(ctx context.Context, condition func() bool) error {
	for !condition() {
		if err := asyncio.Sleep(ctx, 10*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}

func (s *session) restarts(ctx context.Context) error {
	p := s.shell("flaky", "echo run >> runs; test $(wc -l < runs) = 3")
	if err := p.start(ctx); err != nil {
		return err
	}
	err := until(ctx, func() bool {
		code, ended := p.proc.ReturnCode()
		return ended && code == 0 && !p.running
	})
	fmt.Println("runs:", s.runs("runs"))
	return err
}

func (s *session) restartsAlways(ctx context.Context) error {
	p := s.shell("always", "echo run >> always; test $(wc -l < always) = 3 && exec sleep 1000; exit 0")
	p.alwaysRestart = true
	if err := p.start(ctx); err != nil {
		return err
	}
	if err := until(ctx, func() bool { return s.runs("always") == 3 && p.running }); err != nil {
		return err
	}
	err := p.kill(ctx)
	p.showEnd()
	return err
}

// showEnd prints the state of a process that has ended.
func (p *process) showEnd() {
	code, _ := p.proc.ReturnCode()
	fmt.Println("running:", python(p.running), "code:", code)
}

func (s *session) readiness(ctx context.Context) error {
	p := s.shell("server", "trap 'exit 7' TERM; touch up; while :; do sleep 0.01; done")
	p.ready = func(context.Context, *process) (bool, error) { return s.exists("up"), nil }
	showReady := func(name string) error {
		ready, err := p.isReady(ctx)
		fmt.Printf("%s: %s\n", name, python(ready))
		return err
	}
	if err := showReady("ready before the start"); err != nil {
		return err
	}
	if err := asyncio.GatherErr(ctx, p.start, p.start); err != nil {
		return err
	}
	pid := p.proc.Pid()
	if err := showReady("ready"); err != nil {
		return err
	}
	fmt.Println("running:", python(p.running), "the same process:", python(p.proc.Pid() == pid))
	p.ready = func(context.Context, *process) (bool, error) { return false, nil }
	p.readyTimeout = 100 * time.Millisecond
	if err := showReady("ready in time"); err != nil {
		return err
	}
	if err := p.terminate(ctx); err != nil {
		return err
	}
	p.showEnd()
	for _, again := range []func(context.Context) error{p.start, p.terminate, p.kill} {
		err := again(ctx)
		if _, ok := errors.AsType[*killedError](err); !ok {
			return err
		}
		fmt.Println("error:", err)
	}
	return showReady("ready after the end")
}

func (s *session) signals(ctx context.Context) error {
	for _, name := range []string{"first", "second"} {
		if err := s.shell(name, "exec sleep 1000").start(ctx); err != nil {
			return err
		}
	}
	fmt.Println("waiting for a signal")
	var forever asyncio.Event
	err := forever.Wait(ctx)
	if errors.Is(err, asyncio.ErrCancelled) {
		fmt.Println("main is cancelled")
	}
	return err
}

// python formats a bool as the original prints it.
func python(b bool) string {
	if b {
		return "True"
	}
	return "False"
}
