//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package netfd_test

import (
	"net"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio/internal/netfd"
)

// until repeats a call until it returns an error other than ErrAgain and ErrConnecting.
func until(t *testing.T, call func() error) error {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		if err := call(); err != netfd.ErrAgain && err != netfd.ErrConnecting {
			return err
		}
	}
	t.Fatal("nothing came")
	return nil
}

func TestStreamSocketsCarryBytesThereAndBack(t *testing.T) {
	for name, addr := range map[string]net.Addr{
		"tcp4": &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)},
		"tcp6": &net.TCPAddr{IP: net.IPv6loopback},
		"unix": &net.UnixAddr{Name: filepath.Join(t.TempDir(), "socket"), Net: "unix"},
	} {
		t.Run(name, func(t *testing.T) {
			listener, err := netfd.Socket(addr)
			require.NoError(t, err)
			defer netfd.Close(listener)
			if err := netfd.Bind(listener, addr); name == "tcp6" && err != nil {
				t.Skipf("no IPv6 here: %v", err)
			} else {
				require.NoError(t, err)
			}
			require.NoError(t, netfd.Listen(listener, 10))
			network, err := netfd.Network(listener)
			require.NoError(t, err)
			require.True(t, strings.HasPrefix(name, network), "%s is %s", name, network)
			_, _, err = netfd.Accept(listener)
			require.Equal(t, netfd.ErrAgain, err)

			local := netfd.LocalAddr(listener, network)
			client, err := netfd.Socket(local)
			require.NoError(t, err)
			defer netfd.Close(client)
			require.NoError(t, until(t, func() error { return netfd.Connect(client, local) }))
			var server int
			require.NoError(t, until(t, func() (err error) {
				server, _, err = netfd.Accept(listener)
				return err
			}))
			defer netfd.Close(server)
			require.NoError(t, netfd.Connected(client))
			require.Equal(t, local.String(), netfd.RemoteAddr(client, network).String())

			p := make([]byte, 10)
			_, err = netfd.Recv(server, p)
			require.Equal(t, netfd.ErrAgain, err)
			for _, way := range []struct {
				write func(int, []byte) (int, error)
				read  func(int, []byte) (int, error)
			}{{netfd.Send, netfd.Recv}, {netfd.Write, netfd.Read}} {
				n, err := way.write(client, []byte("hello"))
				require.NoError(t, err)
				require.Equal(t, 5, n)
				require.NoError(t, until(t, func() error {
					n, err = way.read(server, p)
					return err
				}))
				require.Equal(t, "hello", string(p[:n]))
			}
			require.NoError(t, netfd.CloseWrite(client))
			require.NoError(t, until(t, func() error {
				n, err := netfd.Recv(server, p)
				require.Zero(t, n)
				return err
			}))
			if network == "tcp" {
				require.NoError(t, netfd.SetNoDelay(client))
				require.NoError(t, netfd.SetKeepAlive(client))
			}
		})
	}
}

func TestARefusedConnectIsAnError(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := ln.Addr()
	require.NoError(t, ln.Close())
	fd, err := netfd.Socket(addr)
	require.NoError(t, err)
	defer netfd.Close(fd)
	err = until(t, func() error { return netfd.Connect(fd, addr) })
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
}

func TestImpossibleAddressesAreErrors(t *testing.T) {
	for _, addr := range []net.Addr{&net.IPAddr{}, nil} {
		_, err := netfd.Socket(addr)
		require.Error(t, err)
	}
	fd, err := netfd.Socket(&net.TCPAddr{IP: net.IPv6loopback})
	require.NoError(t, err)
	defer netfd.Close(fd)
	require.Error(t, netfd.Bind(fd, &net.TCPAddr{IP: net.IP{1, 2, 3}}))
	require.Error(t, netfd.Bind(fd, &net.TCPAddr{IP: net.IPv6loopback, Zone: "no-such-interface"}))
	require.Error(t, netfd.Bind(fd, &net.IPAddr{}))
}

func TestDatagramsGoThereAndBack(t *testing.T) {
	loopback := &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}
	var fds [2]int
	for i := range fds {
		fd, err := netfd.Socket(loopback)
		require.NoError(t, err)
		defer netfd.Close(fd)
		require.NoError(t, netfd.Bind(fd, loopback))
		fds[i] = fd
	}
	require.NoError(t, netfd.SendTo(fds[0], []byte("hello"), netfd.LocalAddr(fds[1], "udp")))
	p := make([]byte, 10)
	require.NoError(t, until(t, func() error {
		n, from, err := netfd.RecvFrom(fds[1], p, "udp")
		if err == nil {
			require.Equal(t, "hello", string(p[:n]))
			require.Equal(t, netfd.LocalAddr(fds[0], "udp").String(), from.String())
		}
		return err
	}))
}

// listening makes a TCP socket that listens.
func listening(t *testing.T) (fd int, addr net.Addr) {
	t.Helper()
	addr = &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}
	fd, err := netfd.Socket(addr)
	require.NoError(t, err)
	t.Cleanup(func() { netfd.Close(fd) })
	require.NoError(t, netfd.Bind(fd, addr))
	require.NoError(t, netfd.Listen(fd, 100))
	return fd, netfd.LocalAddr(fd, "tcp")
}

func TestASignalDoesNotEndConnecting(t *testing.T) {
	_, addr := listening(t)
	fd, err := netfd.Socket(addr)
	require.NoError(t, err)
	defer netfd.Close(fd)
	defer netfd.InConnect(syscall.EINTR, true)()
	require.Equal(t, netfd.ErrConnecting, netfd.Connect(fd, addr))
	require.NoError(t, until(t, func() error { return netfd.Connected(fd) }))
}

// A socket without an error need not be connected.
func TestAnUnconnectedSocketIsNotTakenForAConnectedOne(t *testing.T) {
	_, addr := listening(t)
	fd, err := netfd.Socket(addr)
	require.NoError(t, err)
	defer netfd.Close(fd)
	require.Equal(t, netfd.ErrConnecting, netfd.Connected(fd))
	require.NoError(t, until(t, func() error { return netfd.Connect(fd, addr) }))
	require.NoError(t, netfd.Connected(fd))
}

func TestAFullBacklogOfAUnixServerIsErrAgain(t *testing.T) {
	addr := &net.UnixAddr{Name: filepath.Join(t.TempDir(), "socket"), Net: "unix"}
	listener, err := netfd.Socket(addr)
	require.NoError(t, err)
	defer netfd.Close(listener)
	require.NoError(t, netfd.Bind(listener, addr))
	require.NoError(t, netfd.Listen(listener, 1))
	for range 100 {
		fd, err := netfd.Socket(addr)
		require.NoError(t, err)
		defer netfd.Close(fd)
		if err = netfd.Connect(fd, addr); err != nil {
			if runtime.GOOS == "linux" { // other systems refuse
				require.Equal(t, netfd.ErrAgain, err)
			}
			return
		}
	}
	t.Fatal("a backlog without an end")
}

func TestAcceptSkipsAbortedConnections(t *testing.T) {
	listener, addr := listening(t)
	client, err := netfd.Socket(addr)
	require.NoError(t, err)
	defer netfd.Close(client)
	require.NoError(t, until(t, func() error { return netfd.Connect(client, addr) }))

	defer netfd.InAccept(syscall.EINTR, syscall.ECONNABORTED, syscall.EINTR, syscall.ECONNABORTED)()
	var conn int
	require.NoError(t, until(t, func() error {
		conn, _, err = netfd.Accept(listener)
		return err
	}))
	require.NoError(t, netfd.Close(conn))

	// The number of skipped connections is bounded.
	defer netfd.InAccept(slices.Repeat([]error{syscall.ECONNABORTED}, netfd.MaxAborted)...)()
	_, _, err = netfd.Accept(listener)
	require.Equal(t, syscall.ECONNABORTED, err)
	_, _, err = netfd.Accept(listener)
	require.Equal(t, netfd.ErrAgain, err)
	defer netfd.InAccept(syscall.EPROTO)()
	_, _, err = netfd.Accept(listener)
	require.Equal(t, syscall.EPROTO, err)
}

func TestANumberThatIsNotOpenIsNotADescriptor(t *testing.T) {
	fd, _ := listening(t)
	ok, err := netfd.IsNonblock(fd)
	require.NoError(t, err)
	require.True(t, ok)
	require.NoError(t, syscall.SetNonblock(fd, false))
	ok, err = netfd.IsNonblock(fd)
	require.NoError(t, err)
	require.False(t, ok)
	for _, bad := range []int{-1, 100_000_000, int(^uint(0) >> 1)} {
		_, err := netfd.IsNonblock(bad)
		require.Equal(t, syscall.EBADF, err, bad)
	}
	if beyond := uint64(fd) + 1<<32; uint64(int(beyond)) == beyond { // on 64-bit systems
		_, err := netfd.IsNonblock(int(beyond))
		require.Equal(t, syscall.EBADF, err)
	}
}

func TestAPipeIsBrokenWhenItsReaderHasGone(t *testing.T) {
	var pipe [2]int
	require.NoError(t, syscall.Pipe(pipe[:]))
	require.False(t, netfd.PipeBroken(pipe[1]))
	require.NoError(t, netfd.Close(pipe[0]))
	require.True(t, netfd.PipeBroken(pipe[1]))
	require.NoError(t, netfd.Close(pipe[1]))
	require.False(t, netfd.PipeBroken(pipe[1]))

	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	require.NoError(t, err)
	require.False(t, netfd.PipeBroken(fds[0]))
	require.NoError(t, netfd.Close(fds[1]))
	require.True(t, netfd.PipeBroken(fds[0]))
	require.NoError(t, netfd.Close(fds[0]))
}
