//go:build unix

package asyncio_test

import (
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
)

func TestCommunicateCarriesAMegabyteThroughCat(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		p, err := asyncio.CreateSubprocessExec(ctx, "cat", nil, asyncio.WithStdin(asyncio.Pipe), asyncio.WithStdout(asyncio.Pipe))
		require.NoError(t, err)
		input := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
		stdout, stderr, err := p.Communicate(ctx, input)
		require.NoError(t, err)
		require.True(t, bytes.Equal(input, stdout), "%d bytes came back", len(stdout))
		require.Empty(t, stderr)
		code, ended := p.ReturnCode()
		require.True(t, ended)
		require.Zero(t, code)
		require.ErrorIs(t, p.Kill(), os.ErrProcessDone)
		return nil
	})
}

func TestStdoutAndStderrAreApartOrTogether(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		script := "echo out; echo err >&2; exit 3"
		p, err := asyncio.CreateSubprocessShell(ctx, script, asyncio.WithStdout(asyncio.Pipe), asyncio.WithStderr(asyncio.Pipe))
		require.NoError(t, err)
		stdout, stderr, err := p.Communicate(ctx, nil)
		require.NoError(t, err)
		require.Equal(t, []string{"out\n", "err\n"}, []string{string(stdout), string(stderr)})
		code, err := p.Wait(ctx)
		require.NoError(t, err)
		require.Equal(t, 3, code)

		p, err = asyncio.CreateSubprocessShell(ctx, script, asyncio.WithStdout(asyncio.Pipe), asyncio.WithStderr(asyncio.ToStdout))
		require.NoError(t, err)
		stdout, _, err = p.Communicate(ctx, nil)
		require.NoError(t, err)
		require.Equal(t, "out\nerr\n", string(stdout))
		return nil
	})
}

func TestAProcessRunsWhereAndAsItIsTold(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		dir := t.TempDir()
		file, err := os.Create(filepath.Join(dir, "out"))
		require.NoError(t, err)
		defer file.Close()
		p, err := asyncio.CreateSubprocessShell(ctx, `echo "$GREETING from $(basename "$PWD")"`, asyncio.WithStdin(asyncio.DevNull),
			asyncio.WithStdout(asyncio.File(file)), asyncio.WithCommand(func(cmd *exec.Cmd) {
				cmd.Dir = dir
				cmd.Stdin = strings.NewReader("not heard of") // the options are what counts
				cmd.Env = append(os.Environ(), "GREETING=hello")
			}))
		require.NoError(t, err)
		_, err = p.Wait(ctx)
		require.NoError(t, err)
		got, err := os.ReadFile(file.Name())
		require.NoError(t, err)
		require.Equal(t, "hello from "+filepath.Base(dir)+"\n", string(got))
		return nil
	})
}

func TestAProgramThatIsMissingLeavesNothingBehind(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		for range 10 {
			_, err := asyncio.CreateSubprocessExec(ctx, "there-is-no-such-program", nil,
				asyncio.WithStdin(asyncio.Pipe), asyncio.WithStdout(asyncio.Pipe), asyncio.WithStderr(asyncio.Pipe))
			require.ErrorIs(t, err, exec.ErrNotFound)
		}
		return nil
	})
}

func TestADialogueWithAProcess(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		p, err := asyncio.CreateSubprocessExec(ctx, "cat", nil, asyncio.WithStdin(asyncio.Pipe), asyncio.WithStdout(asyncio.Pipe))
		require.NoError(t, err)
		for _, line := range []string{"one\n", "two\n", "three\n"} {
			_, err := p.Stdin.WriteString(line)
			require.NoError(t, err)
			got, err := p.Stdout.ReadLine(ctx)
			require.NoError(t, err)
			require.Equal(t, line, string(got))
		}
		require.NoError(t, p.Stdin.Close())
		_, err = p.Stdout.ReadLine(ctx)
		require.Equal(t, io.EOF, err)
		code, err := p.Wait(ctx)
		require.NoError(t, err)
		require.Zero(t, code)
		return nil
	})
}

func TestASignalEndsAProcess(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		for sig, end := range map[syscall.Signal]func(*asyncio.Process) error{
			syscall.SIGTERM: (*asyncio.Process).Terminate,
			syscall.SIGKILL: (*asyncio.Process).Kill,
			syscall.SIGHUP:  func(p *asyncio.Process) error { return p.SendSignal(syscall.SIGHUP) },
		} {
			p, err := asyncio.CreateSubprocessExec(ctx, "sleep", []string{"1000"})
			require.NoError(t, err)
			_, ended := p.ReturnCode()
			require.False(t, ended)
			require.NoError(t, end(p))
			code, err := p.Wait(ctx)
			require.NoError(t, err)
			require.Equal(t, -int(sig), code)
		}
		return nil
	})
}

func TestACancelledWaitLosesNothing(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		p, err := asyncio.CreateSubprocessExec(ctx, "sleep", []string{"1000"})
		require.NoError(t, err)
		wait := asyncio.Bind(func(ctx context.Context, p *asyncio.Process) (int, error) { return p.Wait(ctx) }, p)
		first, second := asyncio.CreateTask(ctx, wait), asyncio.CreateTask(ctx, wait)
		require.NoError(t, asyncio.Sleep(ctx, 0))
		first.Cancel()
		_, err = first.Await(ctx)
		require.ErrorIs(t, err, asyncio.ErrCancelled)
		require.NoError(t, p.Kill())
		code, err := second.Await(ctx)
		require.NoError(t, err)
		require.Equal(t, -9, code)
		return nil
	})
}

func TestACancelledCommunicateLosesNothing(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		p, err := asyncio.CreateSubprocessShell(ctx, "echo one; read line; echo two", asyncio.WithStdin(asyncio.Pipe), asyncio.WithStdout(asyncio.Pipe))
		require.NoError(t, err)
		// Stdin is the task's own for now.
		stdin := p.Stdin
		p.Stdin = nil
		first := spawn(ctx, func(ctx context.Context) error {
			_, _, err := p.Communicate(ctx, nil)
			return err
		})
		require.NoError(t, asyncio.Sleep(ctx, 50*time.Millisecond))
		first.Cancel()
		require.ErrorIs(t, errOf(ctx, first), asyncio.ErrCancelled)
		p.Stdin = stdin
		stdout, _, err := p.Communicate(ctx, []byte("go on\n"))
		require.NoError(t, err)
		require.Equal(t, "one\ntwo\n", string(stdout))
		return nil
	})
}

// The grandchild tells its number, and is ended by the test.
const grandchild = "sleep 1000 & echo $!"

func TestAGrandchildThatKeepsThePipeHoldsNobodyUp(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		p, err := asyncio.CreateSubprocessShell(ctx, grandchild, asyncio.WithStdout(asyncio.Pipe), asyncio.WithWaitDelay(time.Millisecond))
		require.NoError(t, err)
		code, err := p.Wait(ctx)
		require.NoError(t, err)
		require.Zero(t, code)
		stdout, _, err := p.Communicate(ctx, nil)
		require.ErrorIs(t, err, exec.ErrWaitDelay)
		require.NotEmpty(t, stdout)
		return exec.Command("kill", strings.TrimSpace(string(stdout))).Run()
	})
}

func TestFiveHundredProcesses(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		slots := asyncio.NewSemaphore(16)
		return asyncio.WithTaskGroup(ctx, func(ctx context.Context, tg *asyncio.TaskGroup) error {
			for range 500 {
				tg.Go(func(ctx context.Context) error {
					return slots.With(ctx, func(ctx context.Context) error {
						p, err := asyncio.CreateSubprocessExec(ctx, "echo", []string{"hello"}, asyncio.WithStdout(asyncio.Pipe))
						if err != nil {
							return err
						}
						stdout, _, err := p.Communicate(ctx, nil)
						require.Equal(t, "hello\n", string(stdout))
						return err
					})
				})
			}
			return nil
		})
	})
}

func TestARunThatEndsKillsAndReapsItsProcesses(t *testing.T) {
	var pid int
	runReal(t, func(ctx context.Context) error {
		p, err := asyncio.CreateSubprocessExec(ctx, "sleep", []string{"1000"}, asyncio.WithStdin(asyncio.Pipe), asyncio.WithStdout(asyncio.Pipe))
		require.NoError(t, err)
		pid = p.Pid()
		return syscall.Kill(pid, 0)
	})
	require.ErrorIs(t, syscall.Kill(pid, 0), syscall.ESRCH)
}

func TestProcessesAndVirtualTimeDoNotMix(t *testing.T) {
	run(t, func(ctx context.Context) error {
		_, err := asyncio.CreateSubprocessExec(ctx, "true", nil)
		require.ErrorIs(t, err, asyncio.ErrVirtualIO)
		return nil
	})
}
