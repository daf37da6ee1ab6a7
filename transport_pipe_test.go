package asyncio_test

import (
	"context"
	"io"
	"os"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
)

// osPipe makes a pipe whose ends are closed after the test.
func osPipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	require.NoError(t, err)
	t.Cleanup(func() {
		r.Close()
		w.Close()
	})
	return r, w
}

func TestPipesCallProtocols(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		r, w := osPipe(t)
		reading, in, err := asyncio.ConnectReadPipeTransport(ctx, func() *recorder { return newRecorder(ctx) }, r)
		require.NoError(t, err)
		writing, out, err := asyncio.ConnectWritePipeTransport(ctx, func() *recorder { return newRecorder(ctx) }, w)
		require.NoError(t, err)
		writing.WriteString("hello")
		until(ctx, func() bool { return in.has("after data") })
		require.NoError(t, writing.WriteEOF())
		require.True(t, writing.IsClosing())
		require.False(t, out.lost, "within WriteEOF")
		until(ctx, isLost(in))
		until(ctx, isLost(out))
		require.True(t, reading.IsClosing())
		in.trace.expect(t, "made", "after made", "data hello", "after data", "eof", "lost None", "after eof") // CPython schedules both
		out.trace.expect(t, "made", "after made", "lost None")
		return nil
	})
}

func TestAWritePipeNoticesThatItsReaderHasGone(t *testing.T) {
	needPoller(t, "only a poller notices that a pipe has no reader before something is written")
	runReal(t, func(ctx context.Context) error {
		r, w := osPipe(t)
		writing, out, err := asyncio.ConnectWritePipeTransport(ctx, func() *recorder { return newRecorder(ctx) }, w)
		require.NoError(t, err)
		writing.Write(muchToSend)
		r.Close()
		until(ctx, isLost(out))
		require.ErrorIs(t, out.err, syscall.EPIPE)
		out.trace.expect(t, "made", "after made", "pause", "lost BrokenPipeError")

		r, w = osPipe(t)
		_, out, err = asyncio.ConnectWritePipeTransport(ctx, func() *recorder { return newRecorder(ctx) }, w)
		require.NoError(t, err)
		r.Close()
		until(ctx, isLost(out))
		out.trace.expect(t, "made", "after made", "lost None")
		return nil
	})
}

func TestAWritePipeIsClosedOnceAllIsSent(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		r, w := osPipe(t)
		writing, out, err := asyncio.ConnectWritePipeTransport(ctx, func() *recorder { return newRecorder(ctx) }, w)
		require.NoError(t, err)
		writing.Write(muchToSend)
		require.NoError(t, writing.WriteEOF())
		require.True(t, writing.IsClosing())
		writing.Close()
		n, err := asyncio.ToThread(ctx, func(context.Context) (int64, error) { return io.Copy(io.Discard, r) })
		require.NoError(t, err)
		require.EqualValues(t, len(muchToSend), n)
		require.NoError(t, r.Close())
		until(ctx, isLost(out))
		out.trace.expect(t, "made", "after made", "pause", "resume", "lost None")
		return nil
	})
}

func TestAFileThatIsNoPipeStaysAsItIs(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		f, err := os.CreateTemp(t.TempDir(), "file")
		require.NoError(t, err)
		_, _, err = asyncio.ConnectReadPipeTransport(ctx, func() *recorder { return newRecorder(ctx) }, f)
		require.ErrorContains(t, err, "is not a pipe")
		return f.Close()
	})
}
