package asyncio_test

import (
	"context"
	"errors"
	"fmt"
	"io"
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

func TestSyscallConnGivesTheSocket(t *testing.T) {
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
