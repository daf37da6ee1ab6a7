package asyncio_test

import (
	"context"
	"crypto/tls"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
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
		require.PanicsWithValue(t, "asyncio: nil StreamOption", func() { asyncio.StreamPair(ctx, nil) })
		require.Panics(t, func() { asyncio.StreamPair(ctx, asyncio.WithTLS(&tls.Config{})) })
		return nil
	})
}

// A configuration that could not be loaded must not make a connection in the clear.
func TestAStreamThatIsToBeEncryptedIsNeverInTheClear(t *testing.T) {
	serverConfig, clientConfig := certificates()
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
		_, err = asyncio.CreateDatagramEndpoint(ctx, "127.0.0.1:0", "", asyncio.WithTLS(serverConfig))
		require.Error(t, err)
		r, w, err := os.Pipe()
		require.NoError(t, err)
		_, err = asyncio.ConnectReadPipe(ctx, r, asyncio.WithTLS(clientConfig))
		require.Error(t, err)
		require.NoError(t, r.Close()) // it is still the caller's
		return w.Close()
	})
}

// The connection is made by then, and must not stay.
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

func TestANetworkThatThereIsNotIsAnError(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		for _, network := range []string{"", "tpc", "udp", "unix", "tcp5"} {
			_, _, err := asyncio.OpenConnection(ctx, "127.0.0.1:1", asyncio.WithNetwork(network))
			require.ErrorAs(t, err, new(net.UnknownNetworkError), network)
			_, err = asyncio.StartServer(ctx, echo, "127.0.0.1:0", asyncio.WithNetwork(network))
			require.ErrorAs(t, err, new(net.UnknownNetworkError), network)
		}
		for _, network := range []string{"", "tcp4", "upd", "unix"} {
			_, err := asyncio.CreateDatagramEndpoint(ctx, "127.0.0.1:0", "", asyncio.WithNetwork(network))
			require.ErrorAs(t, err, new(net.UnknownNetworkError), network)
		}
		return nil
	})
}

// An option that a call would ignore is a mistake, of which the caller would not learn.
func TestAnOptionThatIsNotForACallIsAnError(t *testing.T) {
	options := map[string]asyncio.StreamOption{
		"WithTLS":                 asyncio.WithTLS(&tls.Config{Certificates: []tls.Certificate{{}}}),
		"WithTLSHandshakeTimeout": asyncio.WithTLSHandshakeTimeout(time.Minute),
		"WithLimit":               asyncio.WithLimit(1000),
		"WithNetwork":             asyncio.WithNetwork("tcp4"),
		"WithLocalAddr":           asyncio.WithLocalAddr("127.0.0.1:0"),
		"WithHappyEyeballsDelay":  asyncio.WithHappyEyeballsDelay(time.Second),
		"WithKeepAlive":           asyncio.WithKeepAlive(),
		"WithBacklog":             asyncio.WithBacklog(10),
		"WithReusePort":           asyncio.WithReusePort(),
		"WithMaxConnections":      asyncio.WithMaxConnections(10),
		"WithoutServing":          asyncio.WithoutServing(),
		"WithBroadcast":           asyncio.WithBroadcast(),
	}
	nothing := func(context.Context, *asyncio.StreamReader, *asyncio.StreamWriter) error { return nil }
	calls := []struct {
		call     func(ctx context.Context, opt asyncio.StreamOption) error
		isNotFor string
	}{
		{func(ctx context.Context, opt asyncio.StreamOption) error {
			_, _, err := asyncio.OpenConnection(ctx, "127.0.0.1:1", opt)
			return err
		}, "WithBacklog WithReusePort WithMaxConnections WithoutServing WithBroadcast"},
		{func(ctx context.Context, opt asyncio.StreamOption) error {
			_, err := asyncio.NewDialer(ctx, opt).Dial("unix", "/nowhere")
			return err
		}, "WithBacklog WithReusePort WithMaxConnections WithoutServing WithBroadcast"},
		{func(ctx context.Context, opt asyncio.StreamOption) error {
			_, err := asyncio.StartServer(ctx, nothing, "127.0.0.1:0", opt)
			return err
		}, "WithLocalAddr WithHappyEyeballsDelay WithBroadcast"},
		{func(ctx context.Context, opt asyncio.StreamOption) error {
			_, err := asyncio.Listen(ctx, "unix", "/nowhere/socket", opt)
			return err
		}, "WithLocalAddr WithHappyEyeballsDelay WithBroadcast"},
		{func(ctx context.Context, opt asyncio.StreamOption) error {
			_, err := asyncio.CreateDatagramEndpoint(ctx, "127.0.0.1:0", "", opt)
			return err
		}, "WithTLS WithTLSHandshakeTimeout WithLimit WithLocalAddr WithHappyEyeballsDelay WithKeepAlive WithBacklog WithMaxConnections WithoutServing"},
		{func(ctx context.Context, opt asyncio.StreamOption) error {
			s, _ := asyncio.StreamPair(ctx)
			return s.Writer.StartTLS(ctx, &tls.Config{}, opt) // without a ServerName
		}, "WithTLS WithLimit WithNetwork WithLocalAddr WithHappyEyeballsDelay WithKeepAlive WithBacklog WithReusePort WithMaxConnections WithoutServing WithBroadcast"},
	}
	runReal(t, func(ctx context.Context) error {
		for i, c := range calls {
			for name, opt := range options {
				const message = "this call has no option "
				err := c.call(ctx, opt)
				if strings.Contains(c.isNotFor+" ", name+" ") {
					assert.ErrorContains(t, err, message+name, "call %d", i)
				} else if err != nil {
					assert.NotContains(t, err.Error(), message, "call %d", i)
				}
			}
		}
		_, _, err := asyncio.OpenConnection(ctx, "127.0.0.1:1", options["WithTLSHandshakeTimeout"])
		assert.EqualError(t, err, "asyncio: WithTLSHandshakeTimeout without WithTLS")
		assert.Panics(t, func() { asyncio.StreamPair(ctx, options["WithKeepAlive"]) })
		return nil
	})
}
