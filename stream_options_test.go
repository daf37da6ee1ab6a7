package asyncio_test

import (
	"context"
	"crypto/tls"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
)

func TestOptionsThatMakeNoSensePanicAtOnce(t *testing.T) {
	for name, option := range map[string]func(){
		"limit":             func() { asyncio.WithLimit(0) },
		"handshake timeout": func() { asyncio.WithTLSHandshakeTimeout(0) },
		"negative one":      func() { asyncio.WithTLSHandshakeTimeout(-time.Second) },
		"eyeballs delay":    func() { asyncio.WithHappyEyeballsDelay(-1) },
		"backlog":           func() { asyncio.WithBacklog(-1) },
		"connections":       func() { asyncio.WithMaxConnections(0) },
	} {
		require.Panics(t, option, name)
	}
	run(t, func(ctx context.Context) error {
		for name, call := range map[string]func(){
			"OpenConnection":         func() { _, _, _ = asyncio.OpenConnection(ctx, "", nil) },
			"OpenUnixConnection":     func() { _, _, _ = asyncio.OpenUnixConnection(ctx, "", nil) },
			"NewDialer":              func() { asyncio.NewDialer(ctx, nil) },
			"StartServer":            func() { _, _ = asyncio.StartServer(ctx, echo, "", nil) },
			"StartUnixServer":        func() { _, _ = asyncio.StartUnixServer(ctx, echo, "", nil) },
			"Listen":                 func() { _, _ = asyncio.Listen(ctx, "", "", nil) },
			"ConnectReadPipe":        func() { _, _ = asyncio.ConnectReadPipe(ctx, os.Stdin, nil) },
			"StreamPair":             func() { asyncio.StreamPair(ctx, nil) },
			"StartTLS":               func() { _ = new(asyncio.StreamWriter).StartTLS(ctx, &tls.Config{}, nil) },
			"CreateDatagramEndpoint": func() { _, _ = asyncio.CreateDatagramEndpoint(ctx, "", "", nil) },
		} {
			require.PanicsWithValue(t, "asyncio: nil option", call, name)
		}
		return nil
	})
}

// If the configuration could not be loaded, the connection must not be made without encryption.
func TestAStreamWithTLSIsNeverUnencrypted(t *testing.T) {
	_, clientConfig := certificates()
	renegotiating := clientConfig.Clone()
	renegotiating.Renegotiation = tls.RenegotiateFreelyAsClient
	runReal(t, func(ctx context.Context) error {
		s, err := asyncio.StartServer(ctx, func(context.Context, *asyncio.StreamReader, *asyncio.StreamWriter) error {
			t.Error("connected")
			return nil
		}, "127.0.0.1:0")
		require.NoError(t, err)
		path := filepath.Join(t.TempDir(), "socket")
		for name, config := range map[string]*tls.Config{"nil": nil, "renegotiation": renegotiating} {
			_, _, err := asyncio.OpenConnection(ctx, s.Addr().String(), asyncio.WithTLS(config))
			require.Error(t, err, name)
			_, _, err = asyncio.OpenUnixConnection(ctx, path, asyncio.WithTLS(config))
			require.Error(t, err, name)
			require.NotErrorIs(t, err, os.ErrNotExist, name)
		}
		s.Close()
		for name, config := range map[string]*tls.Config{"nil": nil, "no certificate": {}} {
			_, err := asyncio.StartServer(ctx, echo, "127.0.0.1:0", asyncio.WithTLS(config))
			require.Error(t, err, name)
			_, err = asyncio.StartUnixServer(ctx, echo, path, asyncio.WithTLS(config))
			require.Error(t, err, name)
		}
		return nil
	})
}

// The connection exists by then, and must be closed.
func TestAConnectionWhoseTLSCannotBeginIsClosed(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		ended := asyncio.NewFuture[asyncio.None](asyncio.RunningLoop(ctx))
		path := filepath.Join(t.TempDir(), "socket")
		s, err := asyncio.StartUnixServer(ctx, func(ctx context.Context, r *asyncio.StreamReader, _ *asyncio.StreamWriter) error {
			_, err := r.Read(ctx, -1)
			require.NoError(t, err)
			return ended.SetResult(asyncio.None{})
		}, path)
		require.NoError(t, err)
		_, _, err = asyncio.OpenUnixConnection(ctx, path, asyncio.WithTLS(&tls.Config{}))
		require.ErrorContains(t, err, "ServerName")
		_, err = ended.Await(ctx)
		require.NoError(t, err)
		s.Close()
		return s.WaitClosed(ctx)
	})
}

func TestAnUnknownNetworkIsAnError(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		for _, network := range []string{"", "tpc", "udp", "unix", "tcp5"} {
			_, _, err := asyncio.OpenConnection(ctx, "127.0.0.1:1", asyncio.WithNetwork(network))
			require.ErrorAs(t, err, new(net.UnknownNetworkError), network)
			_, err = asyncio.StartServer(ctx, echo, "127.0.0.1:0", asyncio.WithNetwork(network))
			require.ErrorAs(t, err, new(net.UnknownNetworkError), network)
		}
		for _, network := range []string{"", "tcp", "tcp4", "upd", "unix"} {
			_, err := asyncio.CreateDatagramEndpoint(ctx, "127.0.0.1:0", "", asyncio.WithNetwork(network))
			require.ErrorAs(t, err, new(net.UnknownNetworkError), network)
		}
		return nil
	})
}

func nothing(context.Context, *asyncio.StreamReader, *asyncio.StreamWriter) error { return nil }

func TestAHandshakeTimeoutWithoutAHandshakeIsAnError(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		timeout := asyncio.WithTLSHandshakeTimeout(time.Minute)
		for name, call := range map[string]func() error{
			"OpenConnection":     func() error { _, _, err := asyncio.OpenConnection(ctx, "127.0.0.1:1", timeout); return err },
			"OpenUnixConnection": func() error { _, _, err := asyncio.OpenUnixConnection(ctx, "nowhere", timeout); return err },
			"Dial":               func() error { _, err := asyncio.NewDialer(ctx, timeout).Dial("tcp", "127.0.0.1:1"); return err },
			"StartServer":        func() error { _, err := asyncio.StartServer(ctx, nothing, "127.0.0.1:0", timeout); return err },
			"StartUnixServer":    func() error { _, err := asyncio.StartUnixServer(ctx, nothing, "nowhere", timeout); return err },
			"Listen":             func() error { _, err := asyncio.Listen(ctx, "unix", "nowhere", timeout); return err },
		} {
			require.ErrorContains(t, call(), "asyncio: WithTLSHandshakeTimeout without WithTLS", name)
		}
		return nil
	})
}

// A Dialer and Listen learn only from an argument that the socket is a unix socket.
func TestAnOptionOnlyForTCPIsAnErrorForAUnixSocket(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		dir, err := os.MkdirTemp("", "")
		require.NoError(t, err)
		defer os.RemoveAll(dir)
		path := filepath.Join(dir, "socket")
		for name, opt := range map[string]asyncio.ListenOption{
			"WithKeepAlive": asyncio.WithKeepAlive(), "WithReusePort": asyncio.WithReusePort(),
		} {
			_, err := asyncio.Listen(ctx, "unix", path, opt)
			require.EqualError(t, err, "asyncio: "+name+" for a unix socket")
		}
		ln, err := asyncio.Listen(ctx, "unix", path, asyncio.WithBacklog(10), asyncio.WithMaxConnections(10))
		require.NoError(t, err)
		for name, opt := range map[string]asyncio.DialOption{
			"WithKeepAlive":          asyncio.WithKeepAlive(),
			"WithLocalAddr":          asyncio.WithLocalAddr("127.0.0.1:0"),
			"WithHappyEyeballsDelay": asyncio.WithHappyEyeballsDelay(asyncio.Never),
		} {
			_, err := asyncio.NewDialer(ctx, opt).Dial("unix", path)
			require.ErrorAs(t, err, new(*net.OpError))
			require.ErrorContains(t, err, "asyncio: "+name+" for a unix socket")
		}
		c, err := asyncio.NewDialer(ctx).Dial("unix", path)
		require.NoError(t, err)
		require.NoError(t, c.Close())
		return ln.Close()
	})
}
