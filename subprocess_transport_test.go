//go:build unix

package asyncio_test

import (
	"context"
	"fmt"
	"os/exec"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
)

// A processRecorder records the calls of a process.
type processRecorder struct {
	trace
	t      *asyncio.SubprocessTransport
	out    string
	onData func()
	lost   bool
}

func newProcessRecorder() *processRecorder { return new(processRecorder) }

func (r *processRecorder) ConnectionMade(t *asyncio.SubprocessTransport) {
	r.t = t
	r.add("made")
}

func (r *processRecorder) PipeDataReceived(fd int, p []byte) {
	r.out += fmt.Sprintf("%d:%s", fd, p)
	r.add("data %d", fd)
	if r.onData != nil {
		r.onData()
	}
}

func (r *processRecorder) PipeConnectionLost(fd int, err error) { r.add("pipe %d lost %v", fd, err) }
func (r *processRecorder) ProcessExited()                       { r.add("exited") }

func (r *processRecorder) ConnectionLost(err error) {
	r.lost = true
	r.add("lost %v", err)
}

func (r *processRecorder) waitLost(ctx context.Context) { until(ctx, func() bool { return r.lost }) }

func TestAProcessCallsItsProtocol(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		tr, r, err := asyncio.SubprocessExec(ctx, newProcessRecorder, "cat", nil)
		require.NoError(t, err)
		r.expect(t, "made")
		require.Positive(t, tr.Pid())
		_, ended := tr.ReturnCode()
		require.False(t, ended)
		tr.PipeTransport(0).WriteString("hello")
		until(ctx, func() bool { return r.out == "1:hello" })
		require.NoError(t, tr.PipeTransport(0).WriteEOF())
		r.waitLost(ctx)
		require.ElementsMatch(t, []string{"made", "data 1", "pipe 0 lost <nil>", "pipe 1 lost <nil>", "pipe 2 lost <nil>", "exited", "lost <nil>"}, r.trace)
		require.Equal(t, "lost <nil>", r.trace[len(r.trace)-1])
		code, ended := tr.ReturnCode()
		require.True(t, ended)
		require.Zero(t, code)
		require.Nil(t, tr.PipeTransport(3))
		return nil
	})
}

func TestAShellCommandCallsItsProtocol(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		tr, r, err := asyncio.SubprocessShell(ctx, newProcessRecorder, "echo out; echo err >&2; exit 3", asyncio.WithStdin(asyncio.DevNull))
		require.NoError(t, err)
		require.Nil(t, tr.PipeTransport(0))
		r.waitLost(ctx)
		require.Contains(t, []string{"1:out\n2:err\n", "2:err\n1:out\n"}, r.out)
		code, _ := tr.ReturnCode()
		require.Equal(t, 3, code)
		return nil
	})
}

func TestAProcessThatEndsAtOnceCallsItsProtocolInOrder(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		for range 10 {
			_, r, err := asyncio.SubprocessExec(ctx, newProcessRecorder, "true", nil,
				asyncio.WithStdin(asyncio.DevNull), asyncio.WithStdout(asyncio.DevNull), asyncio.WithStderr(asyncio.DevNull))
			require.NoError(t, err)
			r.waitLost(ctx)
			r.expect(t, "made", "exited", "lost <nil>")
		}
		return nil
	})
}

func TestCloseOfAProcessKillsIt(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		tr, r, err := asyncio.SubprocessExec(ctx, newProcessRecorder, "sleep", []string{"1000"})
		require.NoError(t, err)
		tr.Close()
		tr.Close()
		require.True(t, tr.IsClosing())
		r.waitLost(ctx)
		code, _ := tr.ReturnCode()
		require.Equal(t, -int(syscall.SIGKILL), code)
		return nil
	})
}

func TestAProcessProtocolMaySignal(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		tr, r, err := asyncio.SubprocessExec(ctx, newProcessRecorder, "sleep", []string{"1000"})
		require.NoError(t, err)
		require.NoError(t, tr.Terminate())
		r.waitLost(ctx)
		code, _ := tr.ReturnCode()
		require.Equal(t, -int(syscall.SIGTERM), code)
		require.Error(t, tr.Kill())
		require.Error(t, tr.SendSignal(syscall.SIGTERM))
		return nil
	})
}

func TestAProgramThatIsNotThereHasNoTransport(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		_, _, err := asyncio.SubprocessExec(ctx, newProcessRecorder, "there-is-no-such-program", nil)
		require.ErrorIs(t, err, exec.ErrNotFound)
		settled(ctx)
		return nil
	})
}

func TestAPanicOfAProcessProtocolIsReportedAndNotTheEnd(t *testing.T) {
	var reports []asyncio.ExceptionContext
	_, err := asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
		tr, r, err := asyncio.SubprocessExec(ctx, newProcessRecorder, "cat", nil)
		require.NoError(t, err)
		r.onData = func() { panic(r.out) }
		tr.PipeTransport(0).WriteString("x")
		until(ctx, func() bool { return len(reports) == 1 })
		require.Equal(t, map[string]any{"transport": tr, "protocol": r}, reports[0].Extra)
		tr.PipeTransport(0).Close()
		r.waitLost(ctx)
		return nil
	}), asyncio.WithExceptionHandler(func(_ *asyncio.Loop, c asyncio.ExceptionContext) {
		reports = append(reports, c)
	}))
	require.NoError(t, err)
	require.Len(t, reports, 1)
	require.Equal(t, "panic in PipeDataReceived of a protocol", reports[0].Message)
}
