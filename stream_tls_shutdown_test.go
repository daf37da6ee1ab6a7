//go:build unix

package asyncio_test

import (
	"context"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
)

// patientPair is tlsPair, but the client's Close waits for the server for a minute.
func patientPair(t *testing.T, ctx context.Context) (client, server asyncio.Stream) {
	t.Helper()
	serverConfig, clientConfig := certificates()
	client, server = asyncio.StreamPair(ctx)
	err := asyncio.GatherErr(ctx,
		func(ctx context.Context) error {
			return client.Writer.StartTLS(ctx, clientConfig, asyncio.WithTLSShutdownTimeout(time.Minute))
		},
		func(ctx context.Context) error { return server.Writer.StartTLS(ctx, serverConfig) })
	require.NoError(t, err)
	return client, server
}

func TestATLSCloseWaitsForThePeerIfAskedTo(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		client, server := patientPair(t, ctx)
		_, err := client.Writer.Write([]byte("last words"))
		require.NoError(t, err)
		require.NoError(t, client.Writer.Close())
		require.NoError(t, client.Writer.Close())
		closed := spawn(ctx, client.Writer.WaitClosed)

		got, err := server.Reader.Read(ctx, -1)
		require.NoError(t, err, "the end is announced")
		assert.Equal(t, "last words", string(got))
		_, err = server.Writer.Write(make([]byte, 1<<20)) // more than fits, which the client drops
		require.NoError(t, err)
		require.NoError(t, server.Writer.Drain(ctx))
		require.NoError(t, asyncio.Sleep(ctx, 59*time.Second))
		require.False(t, closed.Done())
		require.NoError(t, server.Writer.Close())
		require.NoError(t, errOf(ctx, closed))
		assert.Equal(t, 59*time.Second, asyncio.RunningLoop(ctx).Time())
		_, err = client.Reader.Read(ctx, 1)
		assert.Equal(t, io.EOF, err)
		require.NoError(t, server.Writer.WaitClosed(ctx))
	})
}

func TestATLSCloseDoesNotWaitUnlessAskedTo(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		client, _ := tlsPair(t, ctx)
		require.NoError(t, client.Writer.Close())
		require.NoError(t, client.Writer.WaitClosed(ctx))
		assert.Zero(t, asyncio.RunningLoop(ctx).Time())
	})
}

func TestATLSCloseThatThePeerDoesNotAnswerTimesOut(t *testing.T) {
	for _, size := range []int{0, 10_000_000} { // the second is more than fits
		inTurn(t, func(ctx context.Context) {
			client, server := patientPair(t, ctx)
			_, err := client.Writer.Write(make([]byte, size))
			require.NoError(t, err)
			require.NoError(t, client.Writer.Close())
			require.ErrorIs(t, client.Writer.WaitClosed(ctx), asyncio.ErrTimeout)
			assert.Equal(t, time.Minute, asyncio.RunningLoop(ctx).Time())
			server.Writer.Abort()
		})
	}
}

func TestAPeerThatClosedFirstIsNotWaitedFor(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		client, server := patientPair(t, ctx)
		_, err := server.Writer.Write([]byte("unread"))
		require.NoError(t, err)
		require.NoError(t, server.Writer.Close())
		require.NoError(t, client.Writer.Close())
		require.NoError(t, client.Writer.WaitClosed(ctx))
		got, err := client.Reader.Read(ctx, -1)
		require.NoError(t, err)
		assert.Equal(t, "unread", string(got))
		assert.Zero(t, asyncio.RunningLoop(ctx).Time())
	})
}

func TestAbortEndsATLSClose(t *testing.T) {
	for _, end := range []func(client, server *asyncio.StreamWriter){
		func(client, _ *asyncio.StreamWriter) { client.Abort() },
		func(client, _ *asyncio.StreamWriter) { client.Reset() },
		func(_, server *asyncio.StreamWriter) { server.Abort() },
		func(_, server *asyncio.StreamWriter) { server.Reset() },
	} {
		for _, first := range []bool{false, true} {
			inTurn(t, func(ctx context.Context) {
				client, server := patientPair(t, ctx)
				if !first {
					require.NoError(t, client.Writer.Close())
					settled(ctx)
				}
				end(client.Writer, server.Writer)
				if first {
					require.NoError(t, client.Writer.Close())
				}
				_ = client.Writer.WaitClosed(ctx)
				assert.Zero(t, asyncio.RunningLoop(ctx).Time())
			})
		}
	}
}

func TestACancelledWaitClosedOfATLSStreamLeavesItClosing(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		client, server := patientPair(t, ctx)
		require.NoError(t, client.Writer.Close())
		wait := spawn(ctx, client.Writer.WaitClosed)
		settled(ctx)
		wait.Cancel()
		require.ErrorIs(t, errOf(ctx, wait), asyncio.ErrCancelled)
		require.NoError(t, server.Writer.Close())
		require.NoError(t, client.Writer.WaitClosed(ctx))
	})
}

func TestTwoTLSPeersThatCloseAtOnceWaitForEachOther(t *testing.T) {
	serverConfig, clientConfig := certificates()
	runReal(t, func(ctx context.Context) error {
		timeout := asyncio.WithTLSShutdownTimeout(time.Hour)
		s, err := asyncio.StartServer(ctx, echo, "127.0.0.1:0", asyncio.WithTLS(serverConfig), timeout)
		require.NoError(t, err)
		for range 20 {
			r, w, err := asyncio.OpenConnection(ctx, s.Addr().String(), asyncio.WithTLS(clientConfig), timeout)
			require.NoError(t, err)
			require.Equal(t, "hello\n", say(t, ctx, r, w, "hello"))
			require.NoError(t, w.Close()) // the handler then ends, and the server closes
			require.NoError(t, w.WaitClosed(ctx))
		}
		return s.Shutdown(ctx, time.Minute)
	})
}

func TestATransportWaitsForItsTLSPeer(t *testing.T) {
	serverConfig, clientConfig := certificates()
	runReal(t, func(ctx context.Context) error {
		timeout := asyncio.WithTLSShutdownTimeout(time.Hour)
		s, err := asyncio.CreateServer(ctx, func() *recorder { return newRecorder(ctx) }, "127.0.0.1:0", asyncio.WithTLS(serverConfig), timeout)
		require.NoError(t, err)
		tr, p, err := asyncio.CreateConnection(ctx, func() *recorder { return newRecorder(ctx) }, s.Addr().String(), asyncio.WithTLS(clientConfig), timeout)
		require.NoError(t, err)
		require.NoError(t, tr.Close())
		eventually(t, ctx, func() bool { return p.lost }, "the end")
		require.NoError(t, p.err)
		return s.Shutdown(ctx, time.Minute)
	})
}

func TestATLSShutdownTimeoutNeedsTLSAndAPositiveTime(t *testing.T) {
	assert.PanicsWithValue(t, "asyncio: WithTLSShutdownTimeout needs a positive duration", func() { asyncio.WithTLSShutdownTimeout(0) })
	runReal(t, func(ctx context.Context) error {
		_, _, err := asyncio.OpenConnection(ctx, "127.0.0.1:1", asyncio.WithTLSShutdownTimeout(1))
		require.EqualError(t, err, "asyncio: WithTLSShutdownTimeout without WithTLS")
		return nil
	})
}
