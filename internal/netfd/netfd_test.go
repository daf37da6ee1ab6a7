//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package netfd_test

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio/internal/netfd"
)

// until makes a call again until it gives something other than ErrAgain.
func until(t *testing.T, call func() error) error {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		if err := call(); err != netfd.ErrAgain {
			return err
		}
	}
	t.Fatal("nothing came")
	return nil
}

func TestStreamSocketsThereAndBack(t *testing.T) {
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
			require.NoError(t, netfd.Error(client))
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

func TestConnectThatIsRefused(t *testing.T) {
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

func TestAddressesThatCannotBe(t *testing.T) {
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

func TestDatagramsThereAndBack(t *testing.T) {
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

func TestDupDoesNotBlock(t *testing.T) {
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer w.Close()
	fd, err := netfd.Dup(r)
	require.NoError(t, err)
	require.NoError(t, r.Close())
	_, err = netfd.Read(fd, make([]byte, 1))
	require.Equal(t, netfd.ErrAgain, err)
	require.NoError(t, netfd.Close(fd))
}

func TestAPipeIsBrokenWhenItsReaderHasGone(t *testing.T) {
	r, w, err := os.Pipe()
	require.NoError(t, err)
	fd, err := netfd.Dup(w)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	require.False(t, netfd.PipeBroken(fd))
	require.NoError(t, r.Close())
	require.True(t, netfd.PipeBroken(fd))
	require.NoError(t, netfd.Close(fd))
	require.False(t, netfd.PipeBroken(fd))

	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	require.NoError(t, err)
	require.False(t, netfd.PipeBroken(fds[0]))
	require.NoError(t, netfd.Close(fds[1]))
	require.True(t, netfd.PipeBroken(fds[0]))
	require.NoError(t, netfd.Close(fds[0]))
}
