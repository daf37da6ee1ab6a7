package asyncio_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
)

// connPair makes a pair of streams in memory and returns a Conn over each.
func connPair(ctx context.Context) (client, server *asyncio.Conn) {
	a, b := asyncio.StreamPair(ctx)
	return asyncio.NewConn(ctx, a.Reader, a.Writer), asyncio.NewConn(ctx, b.Reader, b.Writer)
}

func TestLibrariesThatTakeAConnWorkInATask(t *testing.T) {
	run(t, func(ctx context.Context) error {
		client, server := connPair(ctx)
		serving := asyncio.CreateTask(ctx, asyncio.Do(func(context.Context) error {
			text := textproto.NewConn(server)
			if err := text.PrintfLine("220 ready"); err != nil {
				return err
			}
			for {
				line, err := text.ReadLine()
				if err == io.EOF {
					return text.Close()
				} else if err != nil {
					return err
				}
				if err := text.PrintfLine("250 you said %s", line); err != nil {
					return err
				}
			}
		}))
		text := textproto.NewConn(client)
		_, _, err := text.ReadResponse(220)
		require.NoError(t, err)
		for i := range 100 {
			require.NoError(t, text.PrintfLine("line %d", i))
			_, message, err := text.ReadResponse(250)
			require.NoError(t, err)
			require.Equal(t, fmt.Sprintf("you said line %d", i), message)
		}
		require.NoError(t, client.CloseWrite())
		_, err = serving.Await(ctx)
		require.NoError(t, err)
		_, err = text.ReadLine()
		require.Equal(t, io.EOF, err)
		return text.Close()
	})
}

func TestCryptoTLSWorksOverAConn(t *testing.T) {
	run(t, func(ctx context.Context) error {
		serverConfig, clientConfig := certificates()
		client, server := connPair(ctx)
		data := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
		serving := asyncio.CreateTask(ctx, asyncio.Do(func(context.Context) error {
			conn := tls.Server(server, serverConfig)
			if _, err := conn.Write(data); err != nil {
				return err
			}
			return conn.Close()
		}))
		got, err := io.ReadAll(tls.Client(client, clientConfig))
		require.NoError(t, err)
		require.True(t, bytes.Equal(data, got))
		_, err = serving.Await(ctx)
		return err
	})
}

func TestACancelledReadDoesNotBreakCryptoTLSOverAConn(t *testing.T) {
	run(t, func(ctx context.Context) error {
		serverConfig, clientConfig := certificates()
		clientConn, serverConn := connPair(ctx)
		client, server := tls.Client(clientConn, clientConfig), tls.Server(serverConn, serverConfig)
		handshake := asyncio.CreateTask(ctx, asyncio.Do(func(context.Context) error { return server.Handshake() }))
		require.NoError(t, client.Handshake())
		_, err := handshake.Await(ctx)
		require.NoError(t, err)

		p := make([]byte, 10)
		read := asyncio.CreateTask(ctx, asyncio.Do(func(context.Context) error {
			_, err := client.Read(p)
			return err
		}))
		require.NoError(t, asyncio.Sleep(ctx, time.Second))
		read.Cancel()
		_, err = read.Await(ctx)
		require.ErrorIs(t, err, asyncio.ErrCancelled)
		_, err = server.Write([]byte("still here"))
		require.NoError(t, err)
		_, err = io.ReadFull(client, p)
		require.NoError(t, err)
		require.Equal(t, "still here", string(p))
		return nil
	})
}

func TestDeadlinesOfAConn(t *testing.T) {
	run(t, func(ctx context.Context) error {
		client, server := connPair(ctx)
		p := make([]byte, 10)
		start := asyncio.RunningLoop(ctx).Time()

		require.NoError(t, client.SetReadDeadline(time.Now().Add(5*time.Second)))
		_, err := client.Read(p)
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		require.InDelta(t, 5, (asyncio.RunningLoop(ctx).Time() - start).Seconds(), 0.5)
		_, err = client.Read(p) // the deadline still holds
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		var timeout net.Error
		require.ErrorAs(t, err, &timeout)
		require.True(t, timeout.Timeout())

		require.NoError(t, client.SetReadDeadline(time.Time{}))
		_, err = server.Write([]byte("hello"))
		require.NoError(t, err)
		n, err := client.Read(p)
		require.NoError(t, err)
		require.Equal(t, "hello", string(p[:n]))

		require.NoError(t, client.SetDeadline(time.Now().Add(-time.Second))) // in the past
		_, err = client.Read(p)
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		_, err = client.Write(p)
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)

		require.NoError(t, client.SetWriteDeadline(time.Now().Add(time.Second)))
		_, err = client.Write(make([]byte, 1<<20)) // more than fits, since nobody reads
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		require.NoError(t, client.Close())
		require.ErrorIs(t, client.SetDeadline(time.Now()), net.ErrClosed)
		return nil
	})
}

func TestAClosedConnReturnsErrClosed(t *testing.T) {
	run(t, func(ctx context.Context) error {
		client, server := connPair(ctx)
		read := asyncio.CreateTask(ctx, asyncio.Do(func(context.Context) error {
			_, err := client.Read(make([]byte, 1))
			return err
		}))
		require.NoError(t, asyncio.Sleep(ctx, 0))
		require.NoError(t, client.Close())
		_, err := read.Await(ctx)
		require.ErrorIs(t, err, net.ErrClosed)
		_, err = client.Write([]byte{1})
		require.ErrorIs(t, err, net.ErrClosed)
		_, err = server.Read(make([]byte, 1))
		require.Equal(t, io.EOF, err)
		require.Equal(t, "client", client.LocalAddr().String())
		require.Equal(t, "server", client.RemoteAddr().String())
		return nil
	})
}

func TestTheContextOfAConnEndsItsWaitingCalls(t *testing.T) {
	run(t, func(ctx context.Context) error {
		a, _ := asyncio.StreamPair(ctx)
		derived, cancel := context.WithCancelCause(ctx)
		conn := asyncio.NewConn(derived, a.Reader, a.Writer)
		asyncio.RunningLoop(ctx).CallLater(time.Second, func() { cancel(errBoom) })
		_, err := conn.Read(make([]byte, 1))
		require.ErrorIs(t, err, context.Canceled)
		require.ErrorIs(t, err, errBoom)
		return nil
	})
}
