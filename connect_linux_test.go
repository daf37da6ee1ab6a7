package asyncio_test

import (
	"context"
	"crypto/tls"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/go-asyncio/asyncio"
)

func TestUnixClientsWaitForRoomInTheBacklog(t *testing.T) {
	needPoller(t, "package net chooses the backlog")
	runReal(t, func(ctx context.Context) error {
		path := filepath.Join(t.TempDir(), "socket")
		server, err := asyncio.StartUnixServer(ctx, echo, path, asyncio.WithoutServing(), asyncio.WithBacklog(1))
		require.NoError(t, err)
		var clients []*asyncio.Task[asyncio.None]
		for range 30 {
			clients = append(clients, spawn(ctx, func(ctx context.Context) error {
				r, w, err := asyncio.OpenUnixConnection(ctx, path)
				if err != nil {
					return err
				}
				require.Equal(t, "hello\n", say(t, ctx, r, w, "hello"))
				return w.Close()
			}))
		}
		settled(ctx)
		before := openDescriptors(t)
		err = asyncio.Timeout(ctx, 10*time.Millisecond, func(ctx context.Context, _ *asyncio.TimeoutScope) error {
			_, _, err := asyncio.OpenUnixConnection(ctx, path)
			return err
		})
		require.ErrorIs(t, err, asyncio.ErrTimeout)
		require.Equal(t, before, openDescriptors(t))
		require.NoError(t, server.StartServing())
		_, err = asyncio.Gather(ctx, clients...).Await(ctx)
		require.NoError(t, err)
		return server.Shutdown(ctx, time.Minute)
	})
}

func TestADialFailsIfItsSocketCannotBePolled(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		server := serve(t, ctx, echo)
		file, err := os.Open(filepath.Join(t.TempDir(), "..")) // epoll refuses directories
		require.NoError(t, err)
		defer file.Close()
		// The file takes the place of the socket once the socket is connected.
		asyncio.ReplaceLocalAddr(t, func(localAddr func(int, string) net.Addr) func(int, string) net.Addr {
			return func(fd int, network string) net.Addr {
				addr := localAddr(fd, network)
				require.NoError(t, unix.Dup3(int(file.Fd()), fd, unix.O_CLOEXEC))
				return addr
			}
		})
		_, _, err = asyncio.OpenConnection(ctx, server.Addr().String())
		require.ErrorIs(t, err, syscall.EPERM)
		var op *net.OpError
		require.ErrorAs(t, err, &op)
		require.Equal(t, "dial", op.Op)
		return server.Shutdown(ctx, 0)
	})
}

func TestAPanicInAHandshakeLeavesNoConnection(t *testing.T) {
	withoutDebug(t)
	runReal(t, func(ctx context.Context) error {
		config, _ := certificates()
		server := serve(t, ctx, echo, asyncio.WithTLS(config))
		client := spawn(ctx, func(ctx context.Context) error {
			_, _, err := asyncio.OpenConnection(ctx, server.Addr().String(), asyncio.WithTLS(&tls.Config{
				InsecureSkipVerify: true,
				VerifyConnection:   func(tls.ConnectionState) error { panic("boom") },
			}))
			return err
		})
		var panicked *asyncio.PanicError
		require.ErrorAs(t, errOf(ctx, client), &panicked)
		server.Close()
		return server.WaitClosed(ctx) // the client has closed its end
	})
}
