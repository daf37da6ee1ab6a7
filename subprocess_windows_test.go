package asyncio_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/windows"

	"github.com/go-asyncio/asyncio"
)

func init() {
	children["arguments"] = func() { fmt.Printf("%q\n", os.Args[1:]) }
	children["copies"] = func() { _, _ = io.Copy(os.Stdout, os.Stdin) }
	children["waits"] = func() { time.Sleep(time.Hour) }
	children["interrupted"] = func() {
		_, err := asyncio.Run(context.Background(), asyncio.Do(func(ctx context.Context) error {
			fmt.Println("ready")
			return asyncio.Sleep(ctx, time.Hour)
		}), asyncio.WithInterrupt())
		fmt.Println("Run:", err)
	}
	children["handles signals"] = func() {
		_, _ = asyncio.Run(context.Background(), asyncio.Do(func(ctx context.Context) error {
			l := asyncio.RunningLoop(ctx)
			for _, sig := range []os.Signal{syscall.SIGTERM, syscall.SIGHUP, os.Kill} {
				fmt.Println(sig, l.AddSignalHandler(sig, func() {}))
			}
			var heard asyncio.Event
			fmt.Println(os.Interrupt, l.AddSignalHandler(os.Interrupt, heard.Set))
			fmt.Println("ready")
			err := heard.Wait(ctx)
			fmt.Println("heard:", err, l.RemoveSignalHandler(os.Interrupt))
			return nil
		}))
	}
}

// child is an option that makes the process of this program's file run one of the children.
func child(name string, flags uint32) asyncio.ProcessOption {
	return asyncio.WithCommand(func(cmd *exec.Cmd) {
		cmd.Env = append(os.Environ(), "ASYNCIO_TEST_CHILD="+name)
		cmd.SysProcAttr = &syscall.SysProcAttr{CreationFlags: flags}
	})
}

// outputTo is an option that sends the standard output of a process to the reader.
func outputTo(t *testing.T) (*os.File, *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	require.NoError(t, err)
	t.Cleanup(func() { r.Close(); w.Close() })
	return r, w
}

// runShell runs a command in the shell and returns its output.
func runShell(t *testing.T, command string, opts ...asyncio.ProcessOption) string {
	t.Helper()
	r, w := outputTo(t)
	_, err := asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
		p, err := asyncio.CreateSubprocessShell(ctx, command, append(opts, asyncio.WithStdout(asyncio.File(w)))...)
		require.NoError(t, err)
		_, err = p.Wait(ctx)
		return err
	}))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	out, err := io.ReadAll(r)
	require.NoError(t, err)
	return string(out)
}

func TestTheShellGetsItsCommandUnchanged(t *testing.T) {
	for command, want := range map[string]string{
		`echo "quoted  text" & echo more`:               "\"quoted  text\" \r\nmore\r\n",
		`"` + os.Getenv("ComSpec") + `" /c "echo a  b"`: "a  b\r\n",
		`echo back\slash\" "50%"`:                       "back\\slash\\\" \"50%\"\r\n",
	} {
		assert.Equal(t, want, runShell(t, command), command)
	}
	attributes := asyncio.WithCommand(func(cmd *exec.Cmd) { cmd.SysProcAttr = new(syscall.SysProcAttr) })
	assert.Equal(t, "\"a  b\"\r\n", runShell(t, `echo "a  b"`, attributes))
}

func TestTheShellIsFoundWithoutASearch(t *testing.T) {
	t.Chdir(t.TempDir())
	require.NoError(t, os.WriteFile("cmd.exe", nil, 0o777))
	t.Setenv("PATH", "")
	assert.Equal(t, "hello\r\n", runShell(t, "echo hello"))
	t.Setenv("ComSpec", "")
	assert.Equal(t, "hello\r\n", runShell(t, "echo hello"))
	t.Setenv("ComSpec", filepath.Join(t.TempDir(), "none.exe"))
	_, err := asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
		_, err := asyncio.CreateSubprocessShell(ctx, "echo hello")
		return err
	}))
	assert.ErrorIs(t, err, os.ErrNotExist)
}

func TestArgumentsArriveAsTheyAre(t *testing.T) {
	args := []string{"", "a b", `"`, `\`, `a\\b`, `a\"b c\\`, "%PATH%", "^&|<>", "tab\tand\nline", "ünï"}
	r, w := outputTo(t)
	_, err := asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
		p, err := asyncio.CreateSubprocessExec(ctx, os.Args[0], args, child("arguments", 0), asyncio.WithStdout(asyncio.File(w)))
		require.NoError(t, err)
		code, err := p.Wait(ctx)
		require.Zero(t, code)
		return err
	}))
	require.NoError(t, err)
	got, err := bufio.NewReader(r).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, fmt.Sprintf("%q\n", args), got)
}

func TestTerminateAndKillAreTheSame(t *testing.T) {
	_, err := asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
		for name, end := range map[string]func(*asyncio.Process) error{
			"Terminate": (*asyncio.Process).Terminate,
			"Kill":      (*asyncio.Process).Kill,
			"SIGTERM":   func(p *asyncio.Process) error { return p.SendSignal(syscall.SIGTERM) },
			"os.Kill":   func(p *asyncio.Process) error { return p.SendSignal(os.Kill) },
		} {
			p, err := asyncio.CreateSubprocessExec(ctx, os.Args[0], nil, child("waits", 0))
			require.NoError(t, err)
			require.ErrorIs(t, p.SendSignal(syscall.SIGHUP), errors.ErrUnsupported)
			require.ErrorContains(t, p.SendSignal(os.Interrupt), "CREATE_NEW_PROCESS_GROUP")
			require.NoError(t, end(p), name)
			code, err := p.Wait(ctx)
			require.NoError(t, err)
			require.Equal(t, 1, code, name)
			require.ErrorIs(t, end(p), os.ErrProcessDone, name)
			require.ErrorIs(t, p.SendSignal(os.Interrupt), os.ErrProcessDone)
		}
		return nil
	}))
	require.NoError(t, err)
}

// Between the end of a process and its reaping, Windows refuses to kill it.
func TestKillingAProcessThatHasEndedIsNoError(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), "ASYNCIO_TEST_CHILD=arguments")
	require.NoError(t, cmd.Start())
	require.NoError(t, cmd.Process.WithHandle(func(handle uintptr) {
		_, err := windows.WaitForSingleObject(windows.Handle(handle), windows.INFINITE)
		require.NoError(t, err)
	}))
	require.NoError(t, asyncio.KillProcess(cmd.Process))
	require.NoError(t, cmd.Wait())
	require.ErrorIs(t, asyncio.KillProcess(cmd.Process), os.ErrProcessDone)
}

// needConsole skips the test if this process has no console, as under Wine without a terminal.
func needConsole(t *testing.T) {
	t.Helper()
	if _, err := windows.GetConsoleCP(); err != nil {
		t.Skip("there is no console to send Ctrl+Break by: ", err)
	}
}

// interrupt starts a child in a process group of its own, sends it os.Interrupt once it is ready,
// and returns its output.
func interrupt(t *testing.T, name string) string {
	t.Helper()
	needConsole(t)
	r, w := outputTo(t)
	var out strings.Builder
	_, err := asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
		p, err := asyncio.CreateSubprocessExec(ctx, os.Args[0], nil, child(name, windows.CREATE_NEW_PROCESS_GROUP), asyncio.WithStdout(asyncio.File(w)))
		require.NoError(t, err)
		require.NoError(t, w.Close())
		for lines := bufio.NewScanner(r); lines.Scan(); {
			if lines.Text() == "ready" {
				require.NoError(t, p.SendSignal(os.Interrupt))
			} else {
				fmt.Fprintln(&out, lines.Text())
			}
		}
		code, err := p.Wait(ctx)
		require.Zero(t, code)
		return err
	}))
	require.NoError(t, err)
	return out.String()
}

func TestCtrlBreakCancelsMain(t *testing.T) {
	require.Equal(t, "Run: asyncio: interrupted\n", interrupt(t, "interrupted"))
}

func TestASignalHandlerIsForCtrlBreakAndTheEndOfTheSession(t *testing.T) {
	require.Equal(t, "terminated <nil>\n"+
		"hangup asyncio: signal hangup cannot be handled\n"+
		"killed asyncio: signal killed cannot be handled\n"+
		"interrupt <nil>\n"+
		"heard: <nil> true\n", interrupt(t, "handles signals"))
}

// handles returns how many handles this process has.
func handles(t *testing.T) (n uint32) {
	t.Helper()
	count := windows.NewLazySystemDLL("kernel32.dll").NewProc("GetProcessHandleCount")
	ok, _, err := count.Call(uintptr(windows.CurrentProcess()), uintptr(unsafe.Pointer(&n)))
	require.NotZero(t, ok, "%v", err)
	return n
}

func TestCommunicateCarriesAMegabyteThroughAProcess(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		p, err := asyncio.CreateSubprocessExec(ctx, os.Args[0], nil, child("copies", 0), asyncio.WithStdin(asyncio.Pipe), asyncio.WithStdout(asyncio.Pipe))
		require.NoError(t, err)
		input := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
		stdout, _, err := p.Communicate(ctx, input)
		require.NoError(t, err)
		require.True(t, bytes.Equal(input, stdout), "%d bytes came back", len(stdout))

		// The process does not read its input.
		p, err = asyncio.CreateSubprocessExec(ctx, os.Args[0], nil, child("arguments", 0), asyncio.WithStdin(asyncio.Pipe), asyncio.WithStdout(asyncio.Pipe))
		require.NoError(t, err)
		stdout, _, err = p.Communicate(ctx, input)
		require.NoError(t, err)
		require.Equal(t, "[]\n", string(stdout))
		return nil
	})
}

func TestAProcessLeavesNoHandle(t *testing.T) {
	many := func() {
		_, err := asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
			for range 10 {
				p, err := asyncio.CreateSubprocessExec(ctx, os.Args[0], nil, child("waits", 0), asyncio.WithStdin(asyncio.Pipe), asyncio.WithStdout(asyncio.Pipe))
				require.NoError(t, err)
				require.NoError(t, p.Kill())
				_, err = p.Wait(ctx)
				require.NoError(t, err)
				_, err = asyncio.CreateSubprocessExec(ctx, os.Args[0], nil, child("waits", 0)) // killed by the loop
				require.NoError(t, err)
				_, err = asyncio.CreateSubprocessExec(ctx, os.Args[0]+".none", nil)
				require.Error(t, err)
			}
			return nil
		}))
		require.NoError(t, err)
	}
	many()
	before := handles(t)
	many()
	require.Less(t, handles(t), before+10)
}
