//go:build unix

package asyncio_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
)

func TestAnAddressWithoutAHostIsThisMachine(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		for _, listen := range []string{"127.0.0.1:0", "[::1]:0", ":0"} {
			server, err := asyncio.StartServer(ctx, echo, listen)
			if errors.Is(err, syscall.EADDRNOTAVAIL) || errors.Is(err, syscall.EAFNOSUPPORT) {
				continue // no IPv6
			}
			require.NoError(t, err)
			_, port, err := net.SplitHostPort(server.Addr().String())
			require.NoError(t, err)
			r, w, err := asyncio.OpenConnection(ctx, ":"+port, asyncio.WithLocalAddr(":0"))
			require.NoError(t, err, listen)
			require.Equal(t, "hello\n", say(t, ctx, r, w, "hello"))
			require.True(t, w.RemoteAddr().(*net.TCPAddr).IP.IsLoopback())
			require.NoError(t, w.Close())
			require.NoError(t, server.Shutdown(ctx, time.Minute))
		}
		server, err := asyncio.StartServer(ctx, echo, ":0", asyncio.WithNetwork("tcp4"))
		require.NoError(t, err)
		_, w, err := asyncio.OpenConnection(ctx, server.Addr().String()) // 0.0.0.0
		require.NoError(t, err)
		require.Equal(t, "127.0.0.1", w.RemoteAddr().(*net.TCPAddr).IP.String())
		require.NoError(t, w.Close())
		port := server.Addr().(*net.TCPAddr).AddrPort().Port()
		require.NoError(t, server.Shutdown(ctx, time.Minute))

		_, _, err = asyncio.OpenConnection(ctx, fmt.Sprintf(":%d", port))
		require.ErrorIs(t, err, syscall.ECONNREFUSED)
		return nil
	})
}

func TestAConnectionThatLosesTheRaceIsClosed(t *testing.T) {
	if !hasLoopback2() {
		t.Skip("the machine has no 127.0.0.2")
	}
	runReal(t, func(ctx context.Context) error {
		// The first attempt is connected, and can no longer be cancelled, when the second wins.
		attempts := -2 // the server's sockets come first
		asyncio.ReplaceLocalAddr(t, func(localAddr func(int, string) net.Addr) func(int, string) net.Addr {
			return func(fd int, network string) net.Addr {
				if asyncio.CurrentTask(ctx) != nil { // not for the server's end
					if attempts++; attempts == 1 {
						require.ErrorIs(t, asyncio.Sleep(ctx, time.Hour), asyncio.ErrCancelled)
					}
				}
				return localAddr(fd, network)
			}
		})
		first, second := twoAddresses(0)
		server, err := asyncio.StartOn(ctx, echo, first, second)
		require.NoError(t, err)
		var addrs []netip.AddrPort
		for _, s := range server.Sockets() {
			addrs = append(addrs, s.Addr().(*net.TCPAddr).AddrPort())
		}
		w, err := asyncio.DialAny(ctx, addrs, asyncio.WithHappyEyeballsDelay(time.Millisecond))
		require.NoError(t, err)
		require.Equal(t, addrs[1].String(), w.RemoteAddr().String())
		require.NoError(t, w.Close())
		server.Close()
		return server.WaitClosed(ctx) // both clients have closed their ends
	})
}

func TestARaceThatEndsWithTheLoopLeavesNoDescriptor(t *testing.T) {
	if !hasLoopback2() {
		t.Skip("the machine has no 127.0.0.2")
	}
	var addrs []netip.AddrPort
	for _, host := range []string{"127.0.0.1", "127.0.0.2"} {
		ln, err := net.Listen("tcp", host+":0")
		require.NoError(t, err)
		defer ln.Close()
		addrs = append(addrs, ln.Addr().(*net.TCPAddr).AddrPort())
	}
	before := openDescriptors(t)
	loop := asyncio.NewLoop(asyncio.WithExceptionHandler(func(*asyncio.Loop, asyncio.ExceptionContext) {}))
	// The loop stops after an attempt has ended and before the task that waits for it gets the
	// connection.
	connected := 0
	asyncio.ReplaceLocalAddr(t, func(localAddr func(int, string) net.Addr) func(int, string) net.Addr {
		return func(fd int, network string) net.Addr {
			connected++
			loop.Stop()
			return localAddr(fd, network)
		}
	})
	asyncio.CreateTask(loop.Context(t.Context()), asyncio.Do(func(ctx context.Context) error {
		_, err := asyncio.DialAny(ctx, addrs, asyncio.WithHappyEyeballsDelay(0))
		t.Errorf("the race has ended: %v", err)
		return err
	}))
	require.NoError(t, loop.RunForever(t.Context()))
	require.NotZero(t, connected)
	require.NoError(t, loop.Close())
	require.Equal(t, before, openDescriptors(t))
}

// silent returns the address of a server that does not answer, since its backlog is full.
func silent(t *testing.T, ctx context.Context) (*asyncio.Server, netip.AddrPort) {
	t.Helper()
	server := serve(t, ctx, echo, asyncio.WithoutServing(), asyncio.WithBacklog(0))
	addr := server.Addr().(*net.TCPAddr).AddrPort()
	for range 10 {
		err := asyncio.Timeout(ctx, 300*time.Millisecond, func(ctx context.Context, _ *asyncio.TimeoutScope) error {
			_, err := asyncio.DialAny(ctx, []netip.AddrPort{addr})
			return err
		})
		if errors.Is(err, asyncio.ErrTimeout) {
			return server, addr
		}
		require.NoError(t, err)
	}
	server.Close()
	t.Skip("the system lets all in")
	return nil, addr
}

func TestTheHappyEyeballsDelayIsTheGivenDelay(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		dead, deadAddr := silent(t, ctx)
		server := serve(t, ctx, echo)
		addrs := []netip.AddrPort{deadAddr, server.Addr().(*net.TCPAddr).AddrPort()}
		w, err := asyncio.DialAny(ctx, addrs, asyncio.WithHappyEyeballsDelay(time.Millisecond))
		require.NoError(t, err)
		require.Equal(t, server.Addr().String(), w.RemoteAddr().String())
		require.NoError(t, w.Close())

		before := openDescriptors(t)
		err = asyncio.Timeout(ctx, 400*time.Millisecond, func(ctx context.Context, _ *asyncio.TimeoutScope) error {
			_, err := asyncio.DialAny(ctx, addrs, asyncio.WithHappyEyeballsDelay(asyncio.Never))
			return err
		})
		require.ErrorIs(t, err, asyncio.ErrTimeout)
		settled(ctx)
		require.LessOrEqual(t, openDescriptors(t), before, "of the cancelled attempt")
		dead.Close()
		return server.Shutdown(ctx, time.Minute)
	})
}

func TestKeepAliveIsSetIfRequested(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		var accepted []int
		server := serve(t, ctx, func(_ context.Context, _ *asyncio.StreamReader, w *asyncio.StreamWriter) error {
			accepted = append(accepted, option(t, w.GetExtraInfo("socket").(int), syscall.SO_KEEPALIVE))
			return nil
		}, asyncio.WithKeepAlive())
		for _, test := range []struct {
			opts []asyncio.ConnectOption
			want bool
		}{{nil, false}, {[]asyncio.ConnectOption{asyncio.WithKeepAlive()}, true}} {
			r, w, err := asyncio.OpenConnection(ctx, server.Addr().String(), test.opts...)
			require.NoError(t, err)
			require.Equal(t, test.want, option(t, w.GetExtraInfo("socket").(int), syscall.SO_KEEPALIVE) != 0)
			_, err = r.Read(ctx, 1)
			require.Equal(t, io.EOF, err)
			require.NoError(t, w.Close())
		}
		require.Len(t, accepted, 2)
		require.NotContains(t, accepted, 0)
		return server.Shutdown(ctx, time.Minute)
	})
}

func TestTheOptionsOfADialerAndAListenerReachTheirConnections(t *testing.T) {
	keepAlive := func(c net.Conn) (value int) {
		raw, err := c.(*asyncio.Conn).SyscallConn()
		require.NoError(t, err)
		require.NoError(t, raw.Control(func(fd uintptr) { value = option(t, int(fd), syscall.SO_KEEPALIVE) }))
		return value
	}
	runReal(t, func(ctx context.Context) error {
		ln, err := asyncio.Listen(ctx, "tcp", "127.0.0.1:0", asyncio.WithKeepAlive(), asyncio.WithMaxConnections(1))
		require.NoError(t, err)
		dialer := asyncio.NewDialer(ctx, asyncio.WithKeepAlive())
		for _, network := range []string{"tcp", "tcp4"} { // one after the other, because of the bound
			c, err := dialer.Dial(network, ln.Addr().String())
			require.NoError(t, err)
			peer, err := ln.Accept()
			require.NoError(t, err)
			require.NotZero(t, keepAlive(c))
			require.NotZero(t, keepAlive(peer))
			require.NoError(t, c.Close())
			require.NoError(t, peer.Close())
		}
		_, err = dialer.Dial("tcp6", ln.Addr().String())
		require.Error(t, err)
		_, err = asyncio.NewDialer(ctx, asyncio.WithLocalAddr("[::1]:0")).Dial("tcp", ln.Addr().String())
		require.ErrorContains(t, err, "no local address of the same family")
		return ln.Close()
	})
}

// option returns the value of a socket option.
func option(t *testing.T, fd, name int) int {
	t.Helper()
	value, err := syscall.GetsockoptInt(fd, syscall.SOL_SOCKET, name)
	require.NoError(t, err)
	return value
}

func TestAMissingUnixSocketIsAnError(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		_, _, err := asyncio.OpenUnixConnection(ctx, filepath.Join(t.TempDir(), "none"))
		require.ErrorIs(t, err, syscall.ENOENT)
		return nil
	})
}
