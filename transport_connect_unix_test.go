//go:build unix

package asyncio_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
)

func TestAnAcceptedSocketIsServedByAProtocol(t *testing.T) {
	serverConfig, clientConfig := certificates()
	for name, opts := range map[string][]asyncio.TLSOption{"plain": nil, "TLS": {asyncio.WithTLS(serverConfig)}} {
		t.Run(name, func(t *testing.T) {
			runReal(t, func(ctx context.Context) error {
				ln, err := net.Listen("tcp", "127.0.0.1:0")
				require.NoError(t, err)
				defer ln.Close()
				accepted := asyncio.CreateTask(ctx, func(ctx context.Context) (*asyncio.Transport, error) {
					fd, err := asyncio.ToThread(ctx, func(context.Context) (int, error) { return acceptDescriptor(ln) })
					require.NoError(t, err)
					server, _, err := asyncio.ConnectAcceptedSocket(ctx, newEchoer, fd, opts...)
					return server, err
				})
				var client []asyncio.ConnectionOption
				if opts != nil {
					client = append(client, asyncio.WithTLS(clientConfig))
				}
				tr, c, err := asyncio.CreateConnection(ctx, newCollector, ln.Addr().String(), client...)
				require.NoError(t, err)
				server, err := accepted.Await(ctx)
				require.NoError(t, err)
				require.Equal(t, tr.LocalAddr().String(), server.RemoteAddr().String())
				tr.WriteString("hello")
				until(ctx, func() bool { return string(c.got) == "hello" })
				tr.Close()
				c.waitLost(ctx)
				until(ctx, server.IsClosing)
				return nil
			})
		})
	}
}

// acceptDescriptor returns a connection's descriptor, which nothing else has.
func acceptDescriptor(ln net.Listener) (fd int, err error) {
	conn, err := ln.Accept()
	if err != nil {
		return -1, err
	}
	defer conn.Close()
	raw, err := conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		return -1, err
	}
	if controlErr := raw.Control(func(old uintptr) { fd, err = syscall.Dup(int(old)) }); controlErr != nil {
		return -1, controlErr
	}
	return fd, err
}

// descriptorPair makes two sockets that are connected to each other. The test closes the second.
func descriptorPair(t *testing.T) (first, second int) {
	t.Helper()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	require.NoError(t, err)
	return fds[0], fds[1]
}

// As in asyncio, the caller has the protocol before it receives anything.
func TestTheCallThatConnectsReturnsBeforeBytesAreReceived(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		fd, peer := descriptorPair(t)
		_, err := syscall.Write(peer, []byte("early"))
		require.NoError(t, err)
		tr, c, err := asyncio.ConnectAcceptedSocket(ctx, newCollector, fd)
		require.NoError(t, err)
		require.Empty(t, c.got)
		until(ctx, func() bool { return string(c.got) == "early" })
		tr.Abort()
		giveWay(ctx, 1)
		return syscall.Close(peer)
	})
}

func TestASocketThatHasATransportGetsNoOther(t *testing.T) {
	needPoller(t, "the descriptor of a transport")
	runReal(t, func(ctx context.Context) error {
		fd, peer := descriptorPair(t)
		tr, c, err := asyncio.ConnectAcceptedSocket(ctx, newCollector, fd)
		require.NoError(t, err)
		_, _, err = asyncio.ConnectAcceptedSocket(ctx, newCollector, tr.GetExtraInfo("socket"))
		require.ErrorContains(t, err, "belongs to a stream")
		_, err = syscall.Write(peer, []byte("x"))
		require.NoError(t, err)
		until(ctx, func() bool { return string(c.got) == "x" })
		tr.Abort()
		giveWay(ctx, 1)
		return syscall.Close(peer)
	})
}

// startTLSOver starts the server's side of a handshake over one of two connected sockets, and
// returns the other.
func startTLSOver(t *testing.T, ctx context.Context, config *tls.Config) (*asyncio.Transport, *recorder, *asyncio.Task[asyncio.None], net.Conn) {
	t.Helper()
	fd, other := descriptorPair(t)
	f := os.NewFile(uintptr(other), "peer")
	peer, err := net.FileConn(f)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	tr, r, err := asyncio.ConnectAcceptedSocket(ctx, func() *recorder { return newRecorder(ctx) }, fd)
	require.NoError(t, err)
	handshake := spawn(ctx, func(ctx context.Context) error { return tr.StartTLS(ctx, config) })
	settled(ctx)
	return tr, r, handshake, peer
}

func TestATransportThatIsClosedDuringAHandshakeIsLostWithoutAnError(t *testing.T) {
	config, _ := certificates()
	for name, end := range map[string]func(*asyncio.Transport){
		"Close": func(tr *asyncio.Transport) { tr.Close() }, "Abort": (*asyncio.Transport).Abort,
	} {
		t.Run(name, func(t *testing.T) {
			runReal(t, func(ctx context.Context) error {
				tr, r, handshake, peer := startTLSOver(t, ctx, config)
				end(tr)
				require.Error(t, errOf(ctx, handshake))
				until(ctx, isLost(r))
				r.trace.expect(t, "made", "after made", "lost None")
				return peer.Close()
			})
		})
	}
}

func TestAPanicDuringAHandshakeLosesTheConnectionEvenIfItIsPaused(t *testing.T) {
	config, clientConfig := certificates()
	config = config.Clone()
	config.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) { panic("no config") }
	runReal(t, func(ctx context.Context) error {
		tr, r, handshake, peer := startTLSOver(t, ctx, config)
		tr.PauseReading()
		_, err := asyncio.ToThread(ctx, func(ctx context.Context) (asyncio.None, error) {
			return asyncio.None{}, tls.Client(peer, clientConfig).HandshakeContext(ctx)
		})
		require.Error(t, err)
		require.ErrorContains(t, errOf(ctx, handshake), "no config")
		until(ctx, isLost(r))
		r.trace.expect(t, "made", "after made", "lost asyncio: panic in a TLS handshake")
		return peer.Close()
	})
}

func TestStartTLSOutsideATaskPanicsAndBeginsNothing(t *testing.T) {
	config, _ := certificates()
	runReal(t, func(ctx context.Context) error {
		fd, peer := descriptorPair(t)
		tr, c, err := asyncio.ConnectAcceptedSocket(ctx, newCollector, fd)
		require.NoError(t, err)
		var panicked any
		asyncio.RunningLoop(ctx).CallSoon(func() {
			defer func() { panicked = recover() }()
			_ = tr.StartTLS(ctx, config)
		})
		giveWay(ctx, 1)
		require.Contains(t, fmt.Sprint(panicked), "outside of any task")
		_, err = syscall.Write(peer, []byte("plain"))
		require.NoError(t, err)
		until(ctx, func() bool { return string(c.got) == "plain" })
		tr.Abort()
		giveWay(ctx, 1)
		return syscall.Close(peer)
	})
}
