package asyncio_test

import (
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/go-asyncio/asyncio"
)

// terminal returns the two sides of a pseudoterminal, both of them blocking.
func terminal(t *testing.T) (master, tty *os.File) {
	t.Helper()
	open := func(path string) *os.File {
		fd, err := unix.Open(path, unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
		if err != nil {
			t.Skipf("no pseudoterminals here: %v", err)
		}
		f := os.NewFile(uintptr(fd), path)
		t.Cleanup(func() { f.Close() })
		return f
	}
	master = open("/dev/ptmx")
	require.NoError(t, unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0))
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	require.NoError(t, err)
	return master, open(fmt.Sprintf("/dev/pts/%d", n))
}

func TestATerminalSharedWithOthersStillBlocksForThem(t *testing.T) {
	needPoller(t, "a stream takes a file over without duplicating its descriptor")
	master, tty := terminal(t)
	talk(t, tty, tty, master, master, "\x04", func() { require.True(t, blocks(t, tty)) })
	require.True(t, blocks(t, tty))
}

// The controlling side of a terminal cannot be reopened: opening it would make another terminal.
func TestADescriptorMadeNonBlockingBlocksAgainAfterItsLastStream(t *testing.T) {
	needPoller(t, "a stream takes a file over without duplicating its descriptor")
	for _, closes := range []bool{true, false} {
		master, tty := terminal(t)
		share := shareOf(t, master)
		runReal(t, func(ctx context.Context) error {
			again := shareOf(t, master)
			reader, err := asyncio.ConnectReadPipe(ctx, master)
			require.NoError(t, err)
			writer, err := asyncio.ConnectWritePipe(ctx, again)
			require.NoError(t, err)
			require.False(t, blocks(t, share))
			_, err = tty.WriteString("hello\n")
			require.NoError(t, err)
			line, err := reader.ReadLine(ctx)
			require.NoError(t, err)
			require.Equal(t, "hello\r\n", string(line))
			require.NoError(t, reader.Close())
			require.False(t, blocks(t, share), "while a stream is left")
			if closes {
				require.NoError(t, writer.Close())
				require.True(t, blocks(t, share))
			}
			return nil
		})
		require.True(t, blocks(t, share))
	}
}
