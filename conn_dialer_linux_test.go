package asyncio_test

import (
	"context"
	"fmt"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
)

func TestADialThatHangsEndsWithItsContext(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		// Once the backlog is full, further connections wait.
		fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
		require.NoError(t, err)
		defer syscall.Close(fd)
		require.NoError(t, syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
		require.NoError(t, syscall.Listen(fd, 0))
		sa, err := syscall.Getsockname(fd)
		require.NoError(t, err)
		address := fmt.Sprintf("127.0.0.1:%d", sa.(*syscall.SockaddrInet4).Port)
		hang := func(bound context.Context) error {
			for {
				short, cancel := context.WithTimeout(bound, 100*time.Millisecond)
				c, err := asyncio.NewDialer(ctx).DialContext(short, "tcp", address)
				cancel()
				if err != nil {
					return err
				}
				defer c.Close()
			}
		}
		opError(t, hang(ctx), "dial", context.DeadlineExceeded)
		elsewhere(ctx, func() {
			err := hang(context.Background())
			opError(t, err, "dial", context.DeadlineExceeded)
			assert.True(t, err.(net.Error).Timeout())
		})
		return nil
	})
}
