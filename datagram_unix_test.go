//go:build unix

package asyncio_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
)

var unixgram = asyncio.WithNetwork("unixgram")

// unixEndpoint makes an endpoint of paths, each of which may be empty.
func unixEndpoint(t *testing.T, ctx context.Context, local, remote string) *asyncio.DatagramEndpoint {
	t.Helper()
	e, err := asyncio.CreateDatagramEndpoint(ctx, local, remote, unixgram)
	require.NoError(t, err)
	return e
}

func TestUnixDatagramsGoThereAndBack(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		dir := t.TempDir()
		server := unixEndpoint(t, ctx, filepath.Join(dir, "server"), "")
		client := unixEndpoint(t, ctx, filepath.Join(dir, "client"), filepath.Join(dir, "server"))
		assert.Equal(t, "unixgram", server.LocalAddr().Network())
		assert.Equal(t, server.LocalAddr().String(), client.RemoteAddr().String())
		sizes := []int{5, 0, 1}
		if runtime.GOOS == "linux" { // other systems have less room
			sizes = append(sizes, 150_000)
		}
		for _, size := range sizes {
			require.NoError(t, client.SendTo(make([]byte, size), nil))
			p, from, err := server.RecvFrom(ctx)
			require.NoError(t, err)
			assert.Len(t, p, size)
			assert.Equal(t, client.LocalAddr(), from)
			require.NoError(t, server.SendTo(p, from))
			p, from, err = client.RecvFrom(ctx)
			require.NoError(t, err)
			assert.Len(t, p, size)
			assert.Equal(t, server.LocalAddr(), from)
		}
		return nil
	})
}

// A program under systemd reports its state to the socket that NOTIFY_SOCKET names.
func TestAnEndpointWithoutAnAddressNotifiesASupervisor(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		path := filepath.Join(t.TempDir(), "notify")
		supervisor, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
		require.NoError(t, err)
		defer supervisor.Close()

		e := unixEndpoint(t, ctx, "", "")
		require.NoError(t, e.SendTo([]byte("READY=1"), &net.UnixAddr{Name: path, Net: "unixgram"}))
		p := make([]byte, 100)
		n, from, err := supervisor.ReadFrom(p)
		require.NoError(t, err)
		assert.Equal(t, "READY=1", string(p[:n]))
		if hasPoller() { // otherwise package net gives it a name
			assert.Nil(t, from)
		}
		return e.Close()
	})
}

// logger is the protocol of a system logger.
type logger struct {
	asyncio.BaseDatagramProtocol
	lines []string
	got   asyncio.Event
}

func (l *logger) DatagramReceived(data []byte, from net.Addr) {
	l.lines = append(l.lines, fmt.Sprintf("%s from %v", data, from))
	l.got.Set()
}

func TestAProtocolReceivesUnixDatagrams(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		path := filepath.Join(t.TempDir(), "log")
		tr, p, err := asyncio.CreateDatagramTransport(ctx, func() *logger { return new(logger) }, path, "", unixgram)
		require.NoError(t, err)
		program, err := net.Dial("unixgram", path) // as package log/syslog does
		require.NoError(t, err)
		defer program.Close()
		_, err = program.Write([]byte("<14>program: started"))
		require.NoError(t, err)
		require.NoError(t, p.got.Wait(ctx))
		assert.Equal(t, []string{"<14>program: started from <nil>"}, p.lines)
		return tr.Close()
	})
}

func TestAnAbstractNameIsNoFile(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux has abstract names")
	}
	runReal(t, func(ctx context.Context) error {
		name := fmt.Sprintf("@asyncio-test-%d", os.Getpid())
		server := unixEndpoint(t, ctx, name, "")
		client := unixEndpoint(t, ctx, "", name)
		require.NoError(t, client.SendTo([]byte("hello"), nil))
		p, _, err := server.RecvFrom(ctx)
		require.NoError(t, err)
		assert.Equal(t, "hello", string(p))
		assert.Equal(t, name, server.LocalAddr().String())
		assert.NoFileExists(t, name)
		return nil
	})
}

func TestAUnixEndpointReplacesASocketButNotAFile(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		path := filepath.Join(t.TempDir(), "socket")
		for range 2 {
			require.NoError(t, unixEndpoint(t, ctx, path, "").Close())
			_, err := os.Lstat(path)
			require.NoError(t, err, "the path stays behind")
		}
		require.NoError(t, os.Remove(path))
		require.NoError(t, os.WriteFile(path, []byte("precious"), 0o600))
		_, err := asyncio.CreateDatagramEndpoint(ctx, path, "", unixgram)
		require.ErrorIs(t, err, syscall.EADDRINUSE)
		assert.FileExists(t, path)
		remote := unixEndpoint(t, ctx, path+"-remote", "")
		_, err = asyncio.CreateDatagramEndpoint(ctx, path, path+"-remote", unixgram)
		require.ErrorIs(t, err, syscall.EADDRINUSE)
		assert.FileExists(t, path)
		require.NoError(t, remote.Close())
		return nil
	})
}

func TestAUnixEndpointThatCannotBeConnectedLeavesNoPath(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		path := filepath.Join(t.TempDir(), "socket")
		_, err := asyncio.CreateDatagramEndpoint(ctx, path, path+"-nobody", unixgram)
		require.ErrorIs(t, err, syscall.ENOENT)
		assert.NoFileExists(t, path)
		for _, option := range []asyncio.DatagramOption{asyncio.WithReusePort(), asyncio.WithBroadcast()} {
			_, err = asyncio.CreateDatagramEndpoint(ctx, path, "", unixgram, option)
			require.ErrorContains(t, err, "for a unix socket")
		}
		assert.NoFileExists(t, path)
		return nil
	})
}

func TestADatagramForNobodyIsAnError(t *testing.T) {
	needPoller(t, "package net reports the error later")
	runReal(t, func(ctx context.Context) error {
		e := unixEndpoint(t, ctx, "", "")
		err := e.SendTo([]byte("hello"), &net.UnixAddr{Name: filepath.Join(t.TempDir(), "nobody"), Net: "unixgram"})
		require.ErrorIs(t, err, syscall.ENOENT)
		require.ErrorContains(t, e.SendTo([]byte("hello"), nil), "without an address")
		require.Error(t, e.SendTo([]byte("hello"), (*net.UnixAddr)(nil)))
		return nil
	})
}

// The poller does not report when another unix socket has room again.
func TestKeptUnixDatagramsAreSentOnceTheReceiverHasRoom(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("other systems return an error if the receiver has no room")
	}
	const n = 2000
	for _, connected := range []bool{true, false} {
		runReal(t, func(ctx context.Context) error {
			server := unixEndpoint(t, ctx, filepath.Join(t.TempDir(), "server"), "")
			var to net.Addr
			remote := server.LocalAddr().String()
			if !connected {
				to, remote = server.LocalAddr(), ""
			}
			client := unixEndpoint(t, ctx, "", remote)
			for i := range n {
				require.NoError(t, client.SendTo([]byte(fmt.Sprint(i)), to))
			}
			require.NoError(t, client.Close()) // it is closed once the kept datagrams are sent
			for i := range n {
				p, _, err := server.RecvFrom(ctx)
				require.NoError(t, err)
				require.Equal(t, fmt.Sprint(i), string(p))
			}
			return client.WaitClosed(ctx)
		})
	}
}

func TestAbortForgetsKeptUnixDatagrams(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		server := unixEndpoint(t, ctx, filepath.Join(t.TempDir(), "server"), "")
		client := unixEndpoint(t, ctx, "", server.LocalAddr().String())
		for range 2000 {
			if client.SendTo([]byte("hello"), nil) != nil { // Linux keeps it, others return an error
				break
			}
		}
		client.Abort()
		return client.WaitClosed(ctx)
	})
}
