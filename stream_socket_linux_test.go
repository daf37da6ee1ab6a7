package asyncio_test

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/go-asyncio/asyncio"
)

// pty opens a pseudoterminal, whose master is opened for reading, writing or both.
func pty(t *testing.T, flag int) (master, slave *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", flag|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no pseudo terminals here: %v", err)
	}
	raw, err := master.SyscallConn()
	require.NoError(t, err)
	n := 0
	require.NoError(t, raw.Control(func(fd uintptr) {
		require.NoError(t, unix.IoctlSetPointerInt(int(fd), unix.TIOCSPTLCK, 0))
		n, err = unix.IoctlGetInt(int(fd), unix.TIOCGPTN)
		require.NoError(t, err)
	}))
	slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no pseudo terminals here: %v", err)
	}
	return master, slave
}

// The system reports this end as EIO.
func TestAPseudoTerminalEndsWhenItsProgramHasGone(t *testing.T) {
	for _, waits := range []bool{false, true} {
		runReal(t, func(ctx context.Context) error {
			master, slave := pty(t, os.O_RDWR)
			_, err := slave.WriteString("last words")
			require.NoError(t, err)
			r, err := asyncio.ConnectReadPipe(ctx, master)
			require.NoError(t, err)
			if waits {
				asyncio.RunningLoop(ctx).CallLater(5*time.Millisecond, func() { _ = slave.Close() })
			} else {
				require.NoError(t, slave.Close())
			}
			got, err := r.Read(ctx, -1)
			require.NoError(t, err)
			require.Equal(t, "last words", string(got))
			require.True(t, r.AtEOF())
			return nil
		})
	}
}

// The system may report a descriptor that is only for writing as readable.
func TestAWriterWhosePseudoTerminalHangsUpIsClosedWithoutAnError(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		master, slave := pty(t, os.O_WRONLY)
		w, err := asyncio.ConnectWritePipe(ctx, master)
		require.NoError(t, err)
		require.NoError(t, slave.Close())
		require.NoError(t, asyncio.Sleep(ctx, 5*time.Millisecond))
		require.NoError(t, w.Close())
		return w.WaitClosed(ctx)
	})
}
