package asyncio_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
)

func TestAwaitDone(t *testing.T) {
	inBothTimes(t, func(ctx context.Context) error {
		other, cancel := context.WithCancel(context.Background())
		before := goroutines()
		tasks := make([]*asyncio.Task[asyncio.None], 100)
		for i := range tasks {
			tasks[i] = spawn(ctx, func(ctx context.Context) error { return asyncio.AwaitDone(ctx, other) })
		}
		giveWay(ctx, 1)
		assert.LessOrEqual(t, goroutines(), before+len(tasks), "no goroutines but the tasks'")
		cancel()
		assert.False(t, tasks[0].Done())
		for _, task := range tasks {
			require.NoError(t, errOf(ctx, task))
		}
		require.NoError(t, asyncio.AwaitDone(ctx, other), "done already")

		other, cancel = context.WithCancel(context.Background())
		go cancel()
		return asyncio.AwaitDone(ctx, other)
	})
}

func TestAwaitDoneOfADerivedContextIsNotCancelledByIt(t *testing.T) {
	run(t, func(ctx context.Context) error {
		derived, cancel := context.WithCancel(ctx)
		asyncio.RunningLoop(ctx).CallLater(time.Second, cancel)
		require.NoError(t, asyncio.AwaitDone(ctx, derived))
		assert.Equal(t, time.Second, asyncio.RunningLoop(ctx).Time())

		ctx, cancel = context.WithTimeout(ctx, time.Millisecond)
		defer cancel()
		return asyncio.AwaitDone(context.WithoutCancel(ctx), ctx)
	})
}

func TestADeadlockNamesAContextThatIsNeverDone(t *testing.T) {
	_, err := asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
		return asyncio.AwaitDone(ctx, context.Background())
	}), asyncio.WithVirtualTime())
	assert.ErrorContains(t, err, "asyncio: deadlock: Task-1 waits for the end of a context at outside_test.go:")
}

func TestAwaitGroup(t *testing.T) {
	inBothTimes(t, func(ctx context.Context) error {
		var wg sync.WaitGroup
		require.NoError(t, asyncio.AwaitGroup(ctx, &wg))
		release := make(chan struct{})
		for range 10 {
			wg.Go(func() { <-release })
		}
		waiting := make([]*asyncio.Task[asyncio.None], 100)
		for i := range waiting {
			waiting[i] = spawn(ctx, func(ctx context.Context) error { return asyncio.AwaitGroup(ctx, &wg) })
		}
		giveWay(ctx, 2)
		close(release)
		for _, task := range waiting {
			require.NoError(t, errOf(ctx, task))
		}
		return nil
	})
}

// A task of the loop is part of the group and sleeps.
func TestVirtualTimeMovesOnWhileATaskAwaitsAGroup(t *testing.T) {
	run(t, func(ctx context.Context) error {
		var wg sync.WaitGroup
		wg.Add(1)
		asyncio.RunningLoop(ctx).CallLater(time.Hour, wg.Done)
		require.NoError(t, asyncio.AwaitGroup(ctx, &wg))
		assert.Equal(t, time.Hour, asyncio.RunningLoop(ctx).Time())
		return nil
	})
}

func TestVirtualTimeReportsATaskWhoseGroupNobodyEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r trace
		_, err := asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
			var wg sync.WaitGroup
			wg.Add(1)
			time.AfterFunc(time.Minute, wg.Done)
			return asyncio.AwaitGroup(ctx, &wg)
		}), asyncio.WithVirtualTime(), asyncio.WithExceptionHandler(func(_ *asyncio.Loop, c asyncio.ExceptionContext) { r.add("%s", c.Message) }))
		require.NoError(t, err)
		r.expect(t, "virtual time has stood still for 10s, until other goroutines act: Task-1 waits for a sync.WaitGroup")
	})
}

func TestACancelledAwaitOfAGroupReturnsAtOnceAndTheRunWaitsForTheGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r trace
		begun := time.Now()
		_, err := asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
			var wg sync.WaitGroup
			wg.Add(1)
			task := spawn(ctx, func(ctx context.Context) error { return asyncio.AwaitGroup(ctx, &wg) })
			giveWay(ctx, 1)
			synctest.Wait() // until the goroutine is in wg.Wait
			task.CancelCause(errBoom)
			assert.ErrorIs(t, errOf(ctx, task), errBoom)
			time.AfterFunc(time.Minute, wg.Done)
			r.add("main returns")
			return nil
		}), asyncio.WithExceptionHandler(func(_ *asyncio.Loop, c asyncio.ExceptionContext) {
			assert.Contains(t, c.Message, "the loop cannot close for 10s")
			assert.Contains(t, c.Message, "AwaitGroup")
			r.add("reported")
		}))
		require.NoError(t, err)
		assert.Equal(t, time.Minute, time.Since(begun))
		r.expect(t, "main returns", "reported")
	})
}

// helperCommand returns a command that copies its input to its output and exits with a code.
func helperCommand(t *testing.T, code string) *exec.Cmd {
	t.Helper()
	if runtime.GOOS == "js" || runtime.GOOS == "wasip1" {
		t.Skip("there are no processes")
	}
	exe, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(exe, "-test.run=^TestHelperCommand$")
	cmd.Env = append(os.Environ(), "ASYNCIO_HELPER="+code)
	return cmd
}

// TestHelperCommand is the program of helperCommand.
func TestHelperCommand(t *testing.T) {
	code := os.Getenv("ASYNCIO_HELPER")
	if code == "" {
		t.Skip("it is not run as a program")
	}
	_, _ = io.Copy(os.Stdout, os.Stdin)
	os.Exit(int(code[0] - '0'))
}

func TestAwaitCmd(t *testing.T) {
	inBothTimes(t, func(ctx context.Context) error {
		cmd := helperCommand(t, "0")
		in, out := bytes.NewBufferString("hello"), new(bytes.Buffer)
		cmd.Stdin, cmd.Stdout = in, out
		assert.ErrorContains(t, asyncio.AwaitCmd(ctx, cmd), "not started")
		require.NoError(t, cmd.Start())
		require.NoError(t, asyncio.AwaitCmd(ctx, cmd))
		assert.Equal(t, "hello", out.String())
		assert.ErrorContains(t, asyncio.AwaitCmd(ctx, cmd), "Wait was already called")

		cmd = helperCommand(t, "3")
		require.NoError(t, cmd.Start())
		var exit *exec.ExitError
		require.ErrorAs(t, asyncio.AwaitCmd(ctx, cmd), &exit)
		assert.Equal(t, 3, exit.ExitCode())
		return nil
	})
}

func TestACancelledAwaitOfACommandKillsIt(t *testing.T) {
	for _, derived := range []bool{false, true} {
		inBothTimes(t, func(ctx context.Context) error {
			cmd := helperCommand(t, "0")
			in, err := cmd.StdinPipe()
			require.NoError(t, err)
			defer in.Close()
			require.NoError(t, cmd.Start())
			waitCtx, cancel := context.WithCancelCause(ctx)
			task := spawn(ctx, func(ctx context.Context) error {
				if derived {
					ctx = waitCtx
				}
				err := asyncio.AwaitCmd(ctx, cmd)
				require.NotNil(t, cmd.ProcessState, "Wait has returned")
				assert.False(t, cmd.ProcessState.Success())
				return err
			})
			giveWay(ctx, 3)
			cancel(errBoom)
			task.CancelCause(errBoom)
			err = errOf(ctx, task)
			assert.ErrorIs(t, err, asyncio.ErrCancelled)
			assert.ErrorIs(t, err, errBoom)
			return nil
		})
	}
}

func TestACancelledAwaitOfACommandCallsItsCancel(t *testing.T) {
	inBothTimes(t, func(ctx context.Context) error {
		cmd := helperCommand(t, "0")
		cancelCtx, cancel := context.WithCancel(context.Background())
		defer cancel()
		command := exec.CommandContext(cancelCtx, cmd.Path, cmd.Args[1:]...)
		command.Env = cmd.Env
		in, err := command.StdinPipe()
		require.NoError(t, err)
		command.Cancel = in.Close // the program ends by itself
		require.NoError(t, command.Start())
		task := spawn(ctx, func(ctx context.Context) error { return asyncio.AwaitCmd(ctx, command) })
		giveWay(ctx, 3)
		task.Cancel()
		assert.ErrorIs(t, errOf(ctx, task), asyncio.ErrCancelled)
		assert.True(t, command.ProcessState.Success())
		return nil
	})
}

func TestARunThatIsAbandonedKillsTheCommandThatATaskAwaits(t *testing.T) {
	cmd := helperCommand(t, "0")
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	defer in.Close()
	require.NoError(t, cmd.Start())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
			spawn(ctx, func(ctx context.Context) error { return asyncio.AwaitCmd(ctx, cmd) })
			giveWay(ctx, 3)
			runtime.Goexit()
			return errors.New("not reached")
		}))
	}()
	<-ended
	if cmd.ProcessState == nil { // the goroutine had not called Wait yet
		_ = cmd.Wait()
	}
	assert.False(t, cmd.ProcessState.Success())
}
