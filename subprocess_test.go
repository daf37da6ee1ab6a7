//go:build unix

package asyncio_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
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

func TestStdoutAndStderrAreSeparateOrCombined(t *testing.T) {
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

func TestAProcessRunsWithItsDirectoryEnvironmentAndFiles(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		dir := t.TempDir()
		file, err := os.Create(filepath.Join(dir, "out"))
		require.NoError(t, err)
		defer file.Close()
		p, err := asyncio.CreateSubprocessShell(ctx, `echo "$GREETING from $(basename "$PWD")"`, asyncio.WithStdin(asyncio.DevNull),
			asyncio.WithStdout(asyncio.File(file)), asyncio.WithCommand(func(cmd *exec.Cmd) {
				cmd.Dir = dir
				cmd.Stdin = strings.NewReader("not heard of") // the options override it
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
			// Not SIGHUP, which the child of a program under nohup ignores.
			syscall.SIGUSR1: func(p *asyncio.Process) error { return p.SendSignal(syscall.SIGUSR1) },
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
		// This task uses stdin for now.
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

func TestACommunicateCancelledAfterAnEndLosesNothing(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		p, err := asyncio.CreateSubprocessShell(ctx, "echo one; exec >&-; echo two >&2; read line",
			asyncio.WithStdin(asyncio.Pipe), asyncio.WithStdout(asyncio.Pipe), asyncio.WithStderr(asyncio.Pipe))
		require.NoError(t, err)
		stdin := p.Stdin
		p.Stdin = nil
		line, err := p.Stderr.ReadLine(ctx) // stdout has ended by then
		require.NoError(t, err)
		require.Equal(t, "two\n", string(line))
		first := spawn(ctx, func(ctx context.Context) error {
			_, _, err := p.Communicate(ctx, nil)
			return err
		})
		settled(ctx)
		first.Cancel()
		require.ErrorIs(t, errOf(ctx, first), asyncio.ErrCancelled)
		p.Stdin = stdin
		stdout, _, err := p.Communicate(ctx, nil)
		require.NoError(t, err)
		require.Equal(t, "one\n", string(stdout))
		return nil
	})
}

func TestCommunicateFailsAtOnceIfAnotherTaskReads(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		p, err := asyncio.CreateSubprocessExec(ctx, "cat", nil, asyncio.WithStdin(asyncio.Pipe), asyncio.WithStdout(asyncio.Pipe))
		require.NoError(t, err)
		stdin := p.Stdin
		p.Stdin = nil
		reader := spawn(ctx, func(ctx context.Context) error { _, err := p.Stdout.ReadLine(ctx); return err })
		settled(ctx)
		_, _, err = p.Communicate(ctx, nil)
		require.ErrorIs(t, err, asyncio.ErrReaderBusy)
		_, err = stdin.WriteString("line\n")
		require.NoError(t, err)
		require.NoError(t, errOf(ctx, reader))
		require.NoError(t, stdin.Close())
		_, err = p.Wait(ctx)
		return err
	})
}

// The grandchild prints its number, so that the test can end it.
const grandchild = "sleep 1000 & echo $!"

func TestWithWaitDelayLimitsTheWaitForAGrandchildThatKeepsThePipe(t *testing.T) {
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

func TestCommunicateWaitsForTheOutputOfAGrandchild(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		p, err := asyncio.CreateSubprocessShell(ctx, "(sleep 1.5; echo late) & echo early", asyncio.WithStdout(asyncio.Pipe))
		require.NoError(t, err)
		stdout, _, err := p.Communicate(ctx, nil)
		require.NoError(t, err)
		require.Equal(t, "early\nlate\n", string(stdout))
		return nil
	})
}

func TestACancelledCommunicateEndsWhileAGrandchildKeepsThePipe(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		p, err := asyncio.CreateSubprocessShell(ctx, grandchild, asyncio.WithStdout(asyncio.Pipe))
		require.NoError(t, err)
		err = asyncio.Timeout(ctx, 100*time.Millisecond, func(ctx context.Context, _ *asyncio.TimeoutScope) error {
			_, _, err := p.Communicate(ctx, nil)
			return err
		})
		require.ErrorIs(t, err, asyncio.ErrTimeout)
		number, err := p.Stdout.ReadLine(ctx) // the line is not lost
		require.NoError(t, err)
		return exec.Command("kill", strings.TrimSpace(string(number))).Run()
	})
}

func TestStdinStaysOpenForAGrandchild(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		p, err := asyncio.CreateSubprocessShell(ctx, "exec 3<&0; cat <&3 & exit 3",
			asyncio.WithStdin(asyncio.Pipe), asyncio.WithStdout(asyncio.Pipe))
		require.NoError(t, err)
		code, err := p.Wait(ctx)
		require.NoError(t, err)
		require.Equal(t, 3, code)
		require.False(t, p.Stdin.IsClosing())
		stdout, _, err := p.Communicate(ctx, []byte("for the grandchild"))
		require.NoError(t, err)
		require.Equal(t, "for the grandchild", string(stdout))
		return nil
	})
}

func TestStdinBreaksWhenNobodyIsLeftToReadIt(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		p, err := asyncio.CreateSubprocessExec(ctx, "true", nil, asyncio.WithStdin(asyncio.Pipe))
		require.NoError(t, err)
		_, err = p.Wait(ctx)
		require.NoError(t, err)
		_, err = p.Stdin.WriteString("lost")
		require.Error(t, err)
		require.True(t, p.Stdin.IsClosing())
		require.Error(t, p.Stdin.WaitClosed(ctx))
		_, _, err = p.Communicate(ctx, []byte("lost")) // bytes that a process does not read are not an error
		return err
	})
}

func TestStdinIsClosedWhenNobodyIsLeftToReadIt(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		p, err := asyncio.CreateSubprocessExec(ctx, "true", nil, asyncio.WithStdin(asyncio.Pipe))
		require.NoError(t, err)
		require.ErrorIs(t, p.Stdin.WaitClosed(ctx), syscall.EPIPE)
		require.Equal(t, -1, p.Stdin.GetExtraInfo("pipe"), "the descriptor")
		_, err = p.Wait(ctx)
		return err
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

func TestARunEndsEvenIfAProcessCannotBeKilled(t *testing.T) {
	for name, c := range map[string]struct {
		kill func(*os.Process) error
		want string
	}{
		"it is another user's":   {func(*os.Process) error { return syscall.EPERM }, "operation not permitted"},
		"the system holds it":    {func(*os.Process) error { return nil }, "not ended yet"},
		"it ends in its own way": {(*os.Process).Kill, ""},
	} {
		t.Run(name, func(t *testing.T) {
			if c.want != "" {
				defer asyncio.DenyKill(c.kill, time.Millisecond)()
			}
			var reports []string
			var pid int
			_, err := asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
				p, err := asyncio.CreateSubprocessExec(ctx, "sleep", []string{"1000"})
				require.NoError(t, err)
				pid = p.Pid()
				return nil
			}), asyncio.WithExceptionHandler(func(_ *asyncio.Loop, c asyncio.ExceptionContext) {
				reports = append(reports, fmt.Sprintf("%s: %v", c.Message, c.Err))
			}))
			require.NoError(t, err)
			if c.want == "" {
				require.Empty(t, reports)
				return
			}
			require.Len(t, reports, 1)
			require.Contains(t, reports[0], fmt.Sprintf("a process goes on after the end of its loop: asyncio: process %d (", pid))
			require.Contains(t, reports[0], c.want)
			require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
			require.Eventually(t, func() bool { return syscall.Kill(pid, 0) == syscall.ESRCH }, time.Minute, time.Millisecond,
				"nobody waits for the process")
		})
	}
}

func TestAProcessThatARunKilledHasAReturnCode(t *testing.T) {
	var p *asyncio.Process
	runReal(t, func(ctx context.Context) (err error) {
		p, err = asyncio.CreateSubprocessExec(ctx, "sleep", []string{"1000"})
		return err
	})
	code, ended := p.ReturnCode()
	require.True(t, ended)
	require.Equal(t, -9, code)
	require.ErrorIs(t, p.Kill(), os.ErrProcessDone)
}

// The system reaps the children of a program that ignores SIGCHLD.
func TestAProcessThatIsReapedElsewhereReturns255(t *testing.T) {
	signal.Ignore(syscall.SIGCHLD)
	defer func() { // signal.Reset leaves it ignored
		c := make(chan os.Signal, 1)
		signal.Notify(c, syscall.SIGCHLD)
		signal.Stop(c)
	}()
	descriptors := openDescriptors(t)
	var reports []string
	_, err := asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
		p, err := asyncio.CreateSubprocessExec(ctx, "cat", nil, asyncio.WithStdin(asyncio.Pipe), asyncio.WithStdout(asyncio.Pipe))
		require.NoError(t, err)
		pid := p.Pid()
		stdout, _, err := p.Communicate(ctx, []byte("hello"))
		require.NoError(t, err)
		require.Equal(t, "hello", string(stdout))
		code, err := p.Wait(ctx)
		require.NoError(t, err)
		require.Equal(t, 255, code)
		code, ended := p.ReturnCode()
		require.True(t, ended)
		require.Equal(t, 255, code)
		require.Equal(t, pid, p.Pid())
		for _, call := range []func() error{p.Kill, p.Terminate, func() error { return p.SendSignal(syscall.SIGUSR1) }} {
			require.ErrorIs(t, call(), os.ErrProcessDone)
		}
		require.LessOrEqual(t, openDescriptors(t), descriptors+2, "descriptors, of which the poller has two")
		return nil
	}), asyncio.WithExceptionHandler(func(_ *asyncio.Loop, c asyncio.ExceptionContext) {
		reports = append(reports, fmt.Sprintf("%s: %v", c.Message, c.Err))
	}))
	require.NoError(t, err)
	require.Len(t, reports, 1)
	require.Contains(t, reports[0], "something else has waited for a process")
}

func TestToStdoutIsOnlyForStderr(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		for _, opt := range []asyncio.ProcessOption{asyncio.WithStdin(asyncio.ToStdout), asyncio.WithStdout(asyncio.ToStdout)} {
			_, err := asyncio.CreateSubprocessExec(ctx, "true", nil, asyncio.WithStderr(asyncio.Pipe), opt)
			require.ErrorContains(t, err, "ToStdout")
		}
		return nil
	})
}

func TestWithPipeLimitBoundsALine(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		p, err := asyncio.CreateSubprocessExec(ctx, "echo", []string{"0123456789"}, asyncio.WithStdout(asyncio.Pipe), asyncio.WithPipeLimit(5))
		require.NoError(t, err)
		_, err = p.Stdout.ReadUntil(ctx, "\n")
		var overrun *asyncio.LimitOverrunError
		require.ErrorAs(t, err, &overrun)
		stdout, _, err := p.Communicate(ctx, nil)
		require.NoError(t, err)
		require.Equal(t, "0123456789\n", string(stdout))
		return nil
	})
}

func TestProcessesAndVirtualTimeDoNotMix(t *testing.T) {
	run(t, func(ctx context.Context) error {
		_, err := asyncio.CreateSubprocessExec(ctx, "true", nil)
		require.ErrorIs(t, err, asyncio.ErrVirtualIO)
		return nil
	})
}
