package asyncio_test

import (
	"context"
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSyscallConnGivesTheSocket(t *testing.T) {
	needPoller(t, "the stream reads the bytes ahead that the test wants to read from the socket")
	runReal(t, func(ctx context.Context) error {
		c, peer := socketPair(t, ctx)
		raw, err := c.SyscallConn()
		require.NoError(t, err)
		// Drivers probe an idle connection in this way.
		probe := func() (n int, err error) {
			rawErr := raw.Read(func(fd uintptr) bool {
				n, _, err = syscall.Recvfrom(int(fd), make([]byte, 1), syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
				return true
			})
			return n, errors.Join(err, rawErr)
		}
		read := func() string {
			p := make([]byte, 10)
			n := 0
			assert.NoError(t, raw.Read(func(fd uintptr) bool {
				n, err = syscall.Read(int(fd), p)
				return err != syscall.EAGAIN
			}))
			return string(p[:max(n, 0)])
		}
		check := func() {
			_, err := probe()
			assert.ErrorIs(t, err, syscall.EAGAIN)
			time.AfterFunc(5*time.Millisecond, func() { _, _ = peer.Write([]byte("hello")) })
			assert.Equal(t, "hello", read())
			assert.NoError(t, raw.Write(func(fd uintptr) bool {
				_, err = syscall.Write(int(fd), []byte("answer"))
				return true
			}))
			p := make([]byte, 6)
			_, err = io.ReadFull(peer, p)
			assert.NoError(t, err)
			assert.Equal(t, "answer", string(p))
		}
		check()
		elsewhere(ctx, check)
		full := 0
		room := make(chan int64)
		go func() { // there is no reader until the socket is full
			<-room
			n, _ := io.Copy(io.Discard, peer)
			room <- n
		}()
		sent := 0
		for full < 3 {
			require.NoError(t, raw.Write(func(fd uintptr) bool {
				n, err := syscall.Write(int(fd), make([]byte, 64<<10))
				if err == syscall.EAGAIN {
					if full++; full == 1 {
						room <- 0
					}
					return false
				}
				sent += n
				return true
			}))
		}
		require.NoError(t, peer.CloseWrite())
		require.NoError(t, c.CloseWrite())
		require.Equal(t, int64(sent), <-room)
		n, err := probe()
		require.NoError(t, err)
		require.Zero(t, n, "the end")
		require.NoError(t, c.Close())
		_, err = probe()
		require.ErrorIs(t, err, net.ErrClosed)
		inMemory, _ := connPair(ctx)
		_, err = inMemory.SyscallConn()
		opError(t, err, "raw", errors.ErrUnsupported)
		return nil
	})
}
