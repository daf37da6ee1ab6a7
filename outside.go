package asyncio

// This file is how tasks wait for other things of Go's than channels.

import (
	"context"
	"os/exec"
	"sync"
)

// AwaitDone suspends until other is done. It does not suspend if other is done already. No goroutine
// waits meanwhile. AwaitDone returns an error only if it is cancelled, which other does not do, even
// if it is derived from the task's context; call context.Cause to find out why other is done.
func AwaitDone(ctx, other context.Context) error {
	t := running(ctx)
	if other.Err() != nil {
		return nil
	}
	w := &doneWatch{task: t, ctx: other}
	w.node.run = w
	if other.Done() != nil {
		stop := context.AfterFunc(other, t.loop.lookAtWatches)
		t.loop.watches.push(&w.node)
		t.loop.threads.contexts++
		defer func() { // deferred, since the task may be unwound
			t.loop.threads.contexts--
			w.unlink()
			stop()
		}()
	}
	return t.block(ctx, &wait{reason: waitContext}, 0)
}

// A doneWatch wakes a task when a context is done.
type doneWatch struct {
	node // in the loop's list of watches, until the task is woken or leaves
	task *task
	ctx  context.Context
}

func (w *doneWatch) run(l *Loop) {
	defer l.failOnPanic() // a method of the context may panic
	if w.list != nil && w.ctx.Err() != nil {
		w.unlink()
		w.task.wake()
	}
}

// AwaitGroup suspends until the counter of wg is zero. A goroutine calls wg.Wait meanwhile. If
// AwaitGroup is cancelled, it returns at once. The goroutine goes on, since nothing can end a Wait
// but the group itself, and Run or Close waits for it; after ten seconds the loop reports it to the
// exception handler. Do not use wg for another group of goroutines before its counter is zero.
//
// In virtual time the clock does not stand still for the group, which the loop's own tasks may be
// part of. So it is not determined at which instant the task resumes. A group of tasks alone is better off as a TaskGroup.
func AwaitGroup(ctx context.Context, wg *sync.WaitGroup) error {
	l := running(ctx).loop
	_, err := onThread(ctx, l, &l.threads.groups, nil, func(context.Context) (None, error) {
		wg.Wait()
		return None{}, nil
	})
	return err
}

// AwaitCmd suspends until cmd has exited, and returns the error of cmd.Wait, which it calls on
// another goroutine. cmd must have been started. If AwaitCmd is cancelled, it kills the process, or
// calls cmd.Cancel if there is one, as a command of exec.CommandContext does. Then it waits until
// cmd.Wait has returned, and returns ErrCancelled. Set cmd.WaitDelay if children of the process may
// keep its output open. If AwaitCmd is cancelled a second time, it returns at once, and Run or Close
// waits for the goroutine.
//
// Virtual time stands still meanwhile. For processes with streams see [CreateSubprocessExec].
func AwaitCmd(ctx context.Context, cmd *exec.Cmd) error {
	l := running(ctx).loop
	if cmd.Process == nil || cmd.ProcessState != nil {
		return cmd.Wait() // which returns an error at once
	}
	kill := cmd.Cancel
	if kill == nil {
		kill = cmd.Process.Kill
	}
	var result error
	exit := CreateTask(context.WithoutCancel(ctx), Do(func(ctx context.Context) error {
		_, err := onThread(ctx, l, &l.threads.processes, nil, func(ctx context.Context) (None, error) {
			defer context.AfterFunc(ctx, func() { _ = kill() })() // in case the loop closes
			result = cmd.Wait()
			return None{}, nil
		})
		return err
	}), WithName("wait for "+cmd.Path))
	unwound := true
	defer func() {
		if unwound {
			_ = kill()
		}
	}()
	_, err := Shield(ctx, exit).Await(ctx)
	unwound = false
	if err != nil {
		if !exit.Done() {
			_ = kill()
			if _, _, again := Wait(context.WithoutCancel(ctx), []*Task[None]{exit}); again != nil {
				return again
			}
		}
		return err
	}
	return result
}
