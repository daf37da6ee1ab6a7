//go:build unix

package asyncio_test

import (
	"context"
	"crypto/tls"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
)

func TestAStreamIsMadeOfAConnectionWithoutADescriptor(t *testing.T) {
	serverConfig, clientConfig := certificates()
	runReal(t, func(ctx context.Context) error {
		near, far := net.Pipe()
		r, w, err := asyncio.OpenConnection(ctx, "", asyncio.WithSocket(near))
		require.NoError(t, err)
		peer, closer, err := asyncio.OpenConnection(ctx, "", asyncio.WithSocket(far))
		require.NoError(t, err)
		serving := spawn(ctx, func(ctx context.Context) error { return echo(ctx, peer, closer) })
		require.Equal(t, "hello\n", say(t, ctx, r, w, "hello"))
		require.NoError(t, w.Close())
		require.NoError(t, errOf(ctx, serving))
		require.NoError(t, closer.Close())

		s := serve(t, ctx, echo, asyncio.WithTLS(serverConfig))
		conn := tls.Client(dialed(t, s.Addr()), clientConfig)
		r, w, err = asyncio.OpenConnection(ctx, "", asyncio.WithSocket(conn))
		require.NoError(t, err)
		require.Equal(t, "hello\n", say(t, ctx, r, w, "hello"))
		require.NoError(t, w.Close())
		require.NoError(t, w.WaitClosed(ctx))

		// TLS goes over a connection of any type.
		r, w, err = asyncio.OpenConnection(ctx, "", asyncio.WithSocket(&counted{TCPConn: dialed(t, s.Addr()).(*net.TCPConn)}), asyncio.WithTLS(clientConfig))
		require.NoError(t, err)
		require.Equal(t, "hello\n", say(t, ctx, r, w, "hello"))
		require.NoError(t, w.Close())
		require.NoError(t, w.WaitClosed(ctx))
		return s.Shutdown(ctx, time.Minute)
	})
}

// counted is a connection with a descriptor that does more than reading and writing there.
type counted struct {
	*net.TCPConn
	read atomic.Int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.TCPConn.Read(p)
	c.read.Add(int64(n))
	return n, err
}

func TestTheMethodsOfAConnectionOfTheProgramsAreCalled(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		s := serve(t, ctx, echo)
		conn := &counted{TCPConn: dialed(t, s.Addr()).(*net.TCPConn)}
		r, w, err := asyncio.OpenConnection(ctx, "", asyncio.WithSocket(conn))
		require.NoError(t, err)
		require.Equal(t, "hello\n", say(t, ctx, r, w, "hello"))
		require.NoError(t, w.Close())
		require.NoError(t, w.WaitClosed(ctx))
		assert.EqualValues(t, 6, conn.read.Load())
		return s.Shutdown(ctx, time.Minute)
	})
}

func TestAServerIsMadeOfAListenerOfTheProgramsAndOthers(t *testing.T) {
	serverConfig, clientConfig := certificates()
	runReal(t, func(ctx context.Context) error {
		plain, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		secret, err := tls.Listen("tcp", "127.0.0.1:0", serverConfig)
		require.NoError(t, err)
		s, err := asyncio.StartServer(ctx, echo, "", asyncio.WithSocket(plain), asyncio.WithSocket(secret))
		require.NoError(t, err)
		require.Len(t, s.Sockets(), 2)
		for range 3 {
			r, w, err := asyncio.OpenConnection(ctx, s.Sockets()[0].Addr().String())
			require.NoError(t, err)
			require.Equal(t, "hello\n", say(t, ctx, r, w, "hello"))
			require.NoError(t, w.Close())
			r, w, err = asyncio.OpenConnection(ctx, s.Sockets()[1].Addr().String(), asyncio.WithTLS(clientConfig))
			require.NoError(t, err)
			require.Equal(t, "hello\n", say(t, ctx, r, w, "hello"))
			require.NoError(t, w.Close())
		}
		return s.Shutdown(ctx, time.Minute)
	})
}

func TestAServerThatFailsLeavesAListenerOfTheProgramsOpen(t *testing.T) {
	serverConfig, _ := certificates()
	runReal(t, func(ctx context.Context) error {
		ln, err := tls.Listen("tcp", "127.0.0.1:0", serverConfig)
		require.NoError(t, err)
		_, err = asyncio.StartServer(ctx, echo, "", asyncio.WithSocket(ln), asyncio.WithSocket(3.14))
		require.EqualError(t, err, "asyncio: cannot use a float64 as a net.Listener")
		return ln.Close() // fails if it is closed
	})
}

// lossless is a socket for datagrams of a type of the program's.
type lossless struct{ net.PacketConn }

func TestAnEndpointIsMadeOfADatagramSocketOfTheProgramsOwn(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		conn, err := net.ListenPacket("udp", "127.0.0.1:0")
		require.NoError(t, err)
		e, err := asyncio.CreateDatagramEndpoint(ctx, "", "", asyncio.WithSocket(lossless{conn}))
		require.NoError(t, err)
		client := endpoint(t, ctx, "", e.LocalAddr().String())
		require.NoError(t, client.SendTo([]byte("hello"), nil))
		p, from, err := e.RecvFrom(ctx)
		require.NoError(t, err)
		assert.Equal(t, "hello", string(p))
		require.NoError(t, e.SendTo([]byte("back"), from))
		p, _, err = client.RecvFrom(ctx)
		require.NoError(t, err)
		assert.Equal(t, "back", string(p))
		require.NoError(t, e.Close())
		return e.WaitClosed(ctx)
	})
}
