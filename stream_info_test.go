package asyncio_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
)

// streamTo returns the description of the stream with this local address.
func streamTo(t *testing.T, loop *asyncio.Loop, local net.Addr) asyncio.StreamInfo {
	t.Helper()
	for _, s := range loop.Streams() {
		if s.Local != nil && s.Local.String() == local.String() {
			return s
		}
	}
	require.Fail(t, "there is no such stream", "%v", local)
	return asyncio.StreamInfo{}
}

func TestALoopDescribesItsStreams(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		loop := asyncio.RunningLoop(ctx)
		loop.Inspect(true)
		accepted := asyncio.NewFuture[asyncio.Stream](loop)
		server, err := asyncio.StartServer(ctx, func(ctx context.Context, r *asyncio.StreamReader, w *asyncio.StreamWriter) error {
			_ = accepted.SetResult(asyncio.Stream{Reader: r, Writer: w})
			return new(asyncio.Event).Wait(ctx)
		}, "127.0.0.1:0", asyncio.WithLimit(1000))
		require.NoError(t, err)
		_, client, err := asyncio.OpenConnection(ctx, server.Addr().String())
		require.NoError(t, err)
		peer, err := accepted.Await(ctx)
		require.NoError(t, err)

		// A task reads one end, which gets less than it waits for.
		reader := asyncio.CreateTask(ctx, func(ctx context.Context) ([]byte, error) { return peer.Reader.ReadExactly(ctx, 100) })
		_, err = client.WriteString("hello")
		require.NoError(t, err)
		s := asyncio.StreamInfo{}
		eventually(t, ctx, func() bool { s = streamTo(t, loop, server.Addr()); return s.Received == 5 }, "the bytes arrive")
		assert.Equal(t, "tcp", s.Kind)
		assert.Equal(t, client.LocalAddr().String(), s.Remote.String())
		assert.Equal(t, 5, s.Unread)
		assert.Equal(t, 1000, s.Limit)
		assert.Equal(t, idOf(loop, reader), s.Reader)
		assert.False(t, s.TLS || s.Full || s.Ended || s.WriteEnded || s.Closing || s.Paused)
		assert.LessOrEqual(t, s.Opened, loop.Time())
		c := streamTo(t, loop, client.LocalAddr())
		assert.EqualValues(t, 5, c.Sent)
		assert.Equal(t, 64<<10, c.Limit)

		// A task writes more than the peer reads.
		client.SetWriteBufferLimits(10, 5)
		writer := spawn(ctx, func(ctx context.Context) error {
			if _, err := client.Write(make([]byte, 32<<20)); err != nil {
				return err
			}
			return client.Drain(ctx)
		})
		giveWay(ctx, 3)
		c = streamTo(t, loop, client.LocalAddr())
		assert.True(t, c.Full)
		assert.Equal(t, idOf(loop, writer), c.Writer)
		assert.EqualValues(t, 32<<20+5, int(c.Sent)+c.Unsent)
		assert.Equal(t, [2]int{10, 5}, [2]int{c.High, c.Low})
		_, err = reader.Await(ctx)
		require.NoError(t, err)
		require.NoError(t, client.WriteEOF())
		assert.True(t, streamTo(t, loop, client.LocalAddr()).WriteEnded)
		n, err := peer.Reader.Read(ctx, -1)
		require.NoError(t, err)
		assert.Len(t, n, 32<<20-95)
		s = streamTo(t, loop, server.Addr())
		assert.True(t, s.Ended)
		assert.EqualValues(t, 32<<20+5, s.Received)

		server.Close()
		server.AbortClients()
		client.Abort()
		for range 20 {
			giveWay(ctx, 1)
		}
		eventually(t, ctx, func() bool { return len(loop.Streams()) == 0 }, "they are closed")
		return nil
	})
}

// idOf returns the ID of a task.
func idOf(loop *asyncio.Loop, task asyncio.AnyTask) uint64 {
	for _, i := range loop.Snapshot() {
		if i.Task == task {
			return i.ID
		}
	}
	return 0
}

func TestAnEncryptedStreamIsDescribedOnce(t *testing.T) {
	withoutDebug(t)
	runReal(t, func(ctx context.Context) error {
		serverConfig, clientConfig := certificates()
		server, err := asyncio.StartServer(ctx, echo, "127.0.0.1:0", asyncio.WithTLS(serverConfig))
		require.NoError(t, err)
		defer server.Close()
		in, out, err := asyncio.OpenConnection(ctx, server.Addr().String(), asyncio.WithTLS(clientConfig))
		require.NoError(t, err)
		defer out.Close()
		_, err = out.WriteString("hello")
		require.NoError(t, err)
		_, err = in.ReadExactly(ctx, 5)
		require.NoError(t, err)
		loop := asyncio.RunningLoop(ctx)
		streams := loop.Streams()
		require.Len(t, streams, 2)
		for _, s := range streams {
			assert.True(t, s.TLS)
			assert.Equal(t, "tcp", s.Kind)
			assert.Greater(t, s.Received, int64(5), "with the handshake")
			assert.Greater(t, s.Sent, int64(5))
			assert.Equal(t, asyncio.Never, s.Opened, "before the inspection")
		}
		servers := loop.Servers()
		require.Len(t, servers, 1)
		assert.True(t, servers[0].TLS)
		return nil
	})
}

func TestAPipeIsAStreamToo(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		r, w, err := os.Pipe()
		require.NoError(t, err)
		in, err := asyncio.ConnectReadPipe(ctx, r)
		require.NoError(t, err)
		defer in.Close()
		defer w.Close()
		_, err = w.Write([]byte("hello"))
		require.NoError(t, err)
		_, err = in.ReadExactly(ctx, 2)
		require.NoError(t, err)
		streams := asyncio.RunningLoop(ctx).Streams()
		require.Len(t, streams, 1)
		assert.Equal(t, "pipe", streams[0].Kind)
		assert.Nil(t, streams[0].Local)
		assert.EqualValues(t, 5, streams[0].Received)
		assert.Equal(t, 3, streams[0].Unread)
		return nil
	})
}

// A patient protocol pauses reading.
type patient struct{ asyncio.BaseProtocol }

func (*patient) ConnectionMade(t *asyncio.Transport) { t.PauseReading() }

func TestATransportThatHasPausedReadingIsDescribed(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		server, err := asyncio.StartServer(ctx, echo, "127.0.0.1:0")
		require.NoError(t, err)
		defer server.Close()
		transport, _, err := asyncio.CreateConnection(ctx, func() *patient { return new(patient) }, server.Addr().String())
		require.NoError(t, err)
		defer transport.Abort()
		assert.True(t, streamTo(t, asyncio.RunningLoop(ctx), transport.GetExtraInfo("sockname").(net.Addr)).Paused)
		return nil
	})
}

// A connection of the program's own has no descriptor.
func TestAStreamOverAConnectionOfTheProgramsOwnIsDescribed(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		ours, theirs := net.Pipe()
		r, w := asyncio.StreamOver(ctx, ours)
		go func() {
			_, _ = theirs.Write(bytes.Repeat([]byte("x"), 100))
			_, _ = io.ReadFull(theirs, make([]byte, 50))
		}()
		_, err := r.ReadExactly(ctx, 1)
		require.NoError(t, err)
		_, err = w.Write(make([]byte, 50))
		require.NoError(t, err)
		loop := asyncio.RunningLoop(ctx)
		var s asyncio.StreamInfo
		eventually(t, ctx, func() bool {
			streams := loop.Streams()
			require.Len(t, streams, 1)
			s = streams[0]
			return s.Sent == 50
		}, "it is sent")
		assert.EqualValues(t, 100, s.Received)
		assert.Equal(t, 99, s.Unread)
		assert.Equal(t, "pipe", s.Kind)
		require.NoError(t, w.Close())
		return theirs.Close()
	})
}

func TestALoopDescribesItsServers(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		loop := asyncio.RunningLoop(ctx)
		assert.Empty(t, loop.Servers())
		var end asyncio.Event
		server, err := asyncio.StartServer(ctx, func(ctx context.Context, r *asyncio.StreamReader, _ *asyncio.StreamWriter) error {
			return end.Wait(ctx)
		}, "127.0.0.1:0", asyncio.WithMaxConnections(2))
		require.NoError(t, err)
		idle, err := asyncio.StartServer(ctx, echo, "127.0.0.1:0", asyncio.WithoutServing())
		require.NoError(t, err)
		var clients []*asyncio.StreamWriter
		for range 3 {
			_, c, err := asyncio.OpenConnection(ctx, server.Addr().String())
			require.NoError(t, err)
			clients = append(clients, c)
		}
		find := func(addr net.Addr) asyncio.ServerInfo {
			for _, s := range loop.Servers() {
				if len(s.Addrs) > 0 && s.Addrs[0].String() == addr.String() {
					return s
				}
			}
			return asyncio.ServerInfo{}
		}
		addr := server.Addr()
		want := asyncio.ServerInfo{Network: "tcp", Addrs: []net.Addr{addr}, Serving: true, Full: true, Connections: 2, Handlers: 2, MaxConnections: 2}
		eventually(t, ctx, func() bool { return find(addr).Full }, "two of three connections are accepted")
		assert.Equal(t, want, find(addr))
		assert.Equal(t, asyncio.ServerInfo{Network: "tcp", Addrs: []net.Addr{idle.Addr()}}, find(idle.Addr()))
		idle.Close()

		server.Close()
		servers := loop.Servers()
		require.Len(t, servers, 1, "one of the two has no connections")
		assert.Equal(t, asyncio.ServerInfo{Network: "tcp", Closed: true, Connections: 2, Handlers: 2, MaxConnections: 2}, servers[0])
		end.Set()
		eventually(t, ctx, func() bool { return len(loop.Servers()) == 0 }, "the connections end")
		for _, c := range clients {
			c.Abort()
		}
		return asyncio.Sleep(ctx, time.Millisecond)
	})
}
