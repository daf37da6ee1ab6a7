package asyncio_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
)

const kib = 1 << 10

func TestDrainWaitsForThePeerBetweenTheMarks(t *testing.T) {
	run(t, func(ctx context.Context) error {
		var r trace
		client, server := asyncio.StreamPair(ctx) // 64 KiB are under way
		w := client.Writer
		_, err := w.Write(make([]byte, 128*kib))
		require.NoError(t, err)
		require.Equal(t, 64*kib, w.WriteBufferSize())
		require.NoError(t, w.Drain(ctx)) // just as much as may be kept
		_, err = w.Write(make([]byte, 128*kib))
		require.NoError(t, err)
		for i := range 3 {
			asyncio.CreateTask(ctx, asyncio.Do(func(ctx context.Context) error {
				err := w.Drain(ctx)
				r.add("drainer %d (%v), %d KiB kept", i, err, w.WriteBufferSize()/kib)
				return nil
			}))
		}
		for range 4 {
			require.NoError(t, asyncio.Sleep(ctx, time.Second))
			got, err := server.Reader.ReadExactly(ctx, 64*kib)
			require.NoError(t, err)
			r.add("%d KiB read", len(got)/kib)
		}
		require.NoError(t, asyncio.Sleep(ctx, time.Second))
		r.expect(t, "64 KiB read", "64 KiB read", "64 KiB read",
			"drainer 0 (<nil>), 0 KiB kept", "drainer 1 (<nil>), 0 KiB kept", "drainer 2 (<nil>), 0 KiB kept", "64 KiB read")
		return nil
	})
}

func TestTheMarksCanBeSet(t *testing.T) {
	run(t, func(ctx context.Context) error {
		client, _ := asyncio.StreamPair(ctx)
		w := client.Writer
		_, err := w.Write(make([]byte, 66*kib))
		require.NoError(t, err)
		w.SetWriteBufferLimits(kib, 0)
		drained := asyncio.CreateTask(ctx, asyncio.Do(w.Drain))
		require.NoError(t, asyncio.Sleep(ctx, time.Second))
		require.False(t, drained.Done())
		w.SetWriteBufferLimits(4*kib, 3*kib)
		_, err = drained.Await(ctx)
		require.NoError(t, err)
		require.Panics(t, func() { w.SetWriteBufferLimits(1, 2) })
		require.Panics(t, func() { w.SetWriteBufferLimits(1, -1) })
		return nil
	})
}

func TestACancelledDrainLosesNothing(t *testing.T) {
	run(t, func(ctx context.Context) error {
		client, server := asyncio.StreamPair(ctx)
		_, err := client.Writer.Write(make([]byte, 256*kib))
		require.NoError(t, err)
		err = asyncio.Timeout(ctx, time.Second, func(ctx context.Context, _ *asyncio.TimeoutScope) error {
			return client.Writer.Drain(ctx)
		})
		require.ErrorIs(t, err, asyncio.ErrTimeout)
		_, err = server.Reader.ReadExactly(ctx, 256*kib)
		require.NoError(t, err)
		return client.Writer.Drain(ctx)
	})
}

func TestCloseSendsWhatIsKeptFirst(t *testing.T) {
	run(t, func(ctx context.Context) error {
		client, server := asyncio.StreamPair(ctx)
		_, err := client.Writer.Write(make([]byte, 256*kib))
		require.NoError(t, err)
		require.NoError(t, client.Writer.Close())
		require.NoError(t, client.Writer.Close())
		require.True(t, client.Writer.IsClosing())
		_, err = client.Writer.Write([]byte{1})
		require.ErrorIs(t, err, net.ErrClosed)
		closed := asyncio.CreateTask(ctx, asyncio.Do(client.Writer.WaitClosed))
		require.NoError(t, asyncio.Sleep(ctx, time.Second))
		require.False(t, closed.Done())
		got, err := server.Reader.Read(ctx, -1)
		require.NoError(t, err)
		require.Len(t, got, 256*kib)
		_, err = closed.Await(ctx)
		require.NoError(t, err)
		return client.Writer.WaitClosed(ctx)
	})
}

func TestWriteEOFComesAfterWhatIsKept(t *testing.T) {
	run(t, func(ctx context.Context) error {
		client, server := asyncio.StreamPair(ctx)
		require.True(t, client.Writer.CanWriteEOF())
		_, err := client.Writer.Write(make([]byte, 256*kib))
		require.NoError(t, err)
		require.NoError(t, client.Writer.WriteEOF())
		require.NoError(t, client.Writer.WriteEOF())
		_, err = client.Writer.Write([]byte{1})
		require.EqualError(t, err, "asyncio: write after WriteEOF")
		got, err := server.Reader.Read(ctx, -1)
		require.NoError(t, err)
		require.Len(t, got, 256*kib)
		// The other half goes on.
		_, err = fmt.Fprint(server.Writer, "and back\n")
		require.NoError(t, err)
		line, err := client.Reader.ReadLine(ctx)
		require.NoError(t, err)
		require.Equal(t, "and back\n", string(line))
		return nil
	})
}

func TestAbortDropsWhatIsKept(t *testing.T) {
	run(t, func(ctx context.Context) error {
		client, server := asyncio.StreamPair(ctx)
		_, err := client.Writer.Write(make([]byte, 256*kib))
		require.NoError(t, err)
		drain := asyncio.CreateTask(ctx, asyncio.Do(client.Writer.Drain))
		require.NoError(t, asyncio.Sleep(ctx, 0))
		client.Writer.Abort()
		client.Writer.Abort()
		_, err = drain.Await(ctx)
		require.ErrorIs(t, err, net.ErrClosed)
		require.NoError(t, client.Writer.WaitClosed(ctx))
		got, err := server.Reader.Read(ctx, -1)
		require.NoError(t, err)
		require.Len(t, got, 64*kib, "bytes that were under way")
		return nil
	})
}

func TestAWriteToAPeerThatHasGoneFails(t *testing.T) {
	run(t, func(ctx context.Context) error {
		client, server := asyncio.StreamPair(ctx)
		require.NoError(t, server.Writer.Close())
		_, err := client.Writer.Write([]byte{1})
		require.ErrorIs(t, err, syscall.EPIPE)
		_, err = client.Writer.Write([]byte{1})
		require.ErrorIs(t, err, syscall.EPIPE)
		require.ErrorIs(t, client.Writer.Drain(ctx), syscall.EPIPE)
		require.NoError(t, client.Writer.Close())
		require.ErrorIs(t, client.Writer.WaitClosed(ctx), syscall.EPIPE)
		return nil
	})
}

// As in asyncio, where who finds IsClosing true need not call Close.
func TestWaitClosedClosesAConnectionThatIsBroken(t *testing.T) {
	run(t, func(ctx context.Context) error {
		client, server := asyncio.StreamPair(ctx)
		server.Writer.Reset()
		_, err := client.Writer.WriteString("x")
		require.ErrorIs(t, err, syscall.ECONNRESET)
		require.True(t, client.Writer.IsClosing())
		require.ErrorIs(t, client.Writer.WaitClosed(ctx), syscall.ECONNRESET)
		return nil
	})
}

func TestADrainThatWaitsLearnsOfAReset(t *testing.T) {
	run(t, func(ctx context.Context) error {
		client, server := asyncio.StreamPair(ctx)
		_, err := client.Writer.Write(make([]byte, 256*kib))
		require.NoError(t, err)
		drain := asyncio.CreateTask(ctx, asyncio.Do(client.Writer.Drain))
		require.NoError(t, asyncio.Sleep(ctx, 0))
		server.Writer.Reset()
		_, err = drain.Await(ctx)
		require.ErrorIs(t, err, syscall.ECONNRESET)
		return nil
	})
}

func TestCloseWhileTasksReadAndWrite(t *testing.T) {
	run(t, func(ctx context.Context) error {
		client, server := asyncio.StreamPair(ctx)
		writer := asyncio.CreateTask(ctx, asyncio.Do(func(ctx context.Context) error {
			for {
				if _, err := client.Writer.Write(make([]byte, 100*kib)); err != nil {
					return err
				}
				if err := client.Writer.Drain(ctx); err != nil {
					return err
				}
			}
		}))
		reader := asyncio.CreateTask(ctx, func(ctx context.Context) ([]byte, error) { return client.Reader.Read(ctx, 1) })
		require.NoError(t, asyncio.Sleep(ctx, time.Second))
		require.NoError(t, client.Writer.Close())
		_, err := server.Reader.Read(ctx, -1)
		require.NoError(t, err)
		_, err = reader.Await(ctx)
		require.Equal(t, io.EOF, err)
		_, err = writer.Await(ctx)
		require.ErrorIs(t, err, net.ErrClosed)
		return nil
	})
}

func TestDrainOfAClosedWriterGivesWay(t *testing.T) {
	run(t, func(ctx context.Context) error {
		var r trace
		client, _ := asyncio.StreamPair(ctx)
		require.NoError(t, client.Writer.Close())
		asyncio.CreateTask(ctx, asyncio.Do(func(context.Context) error { r.add("another task"); return nil }))
		require.ErrorIs(t, client.Writer.Drain(ctx), net.ErrClosed)
		r.add("drained")
		r.expect(t, "another task", "drained")
		return nil
	})
}

func TestWritelinesAddsNothing(t *testing.T) {
	run(t, func(ctx context.Context) error {
		client, server := asyncio.StreamPair(ctx)
		require.NoError(t, client.Writer.Writelines([][]byte{[]byte("a"), []byte("b\n"), nil}))
		require.NoError(t, client.Writer.WriteEOF())
		got, err := server.Reader.Read(ctx, -1)
		require.NoError(t, err)
		require.Equal(t, "ab\n", string(got))
		return nil
	})
}

func TestTheEndsOfAPairHaveAddresses(t *testing.T) {
	run(t, func(ctx context.Context) error {
		client, server := asyncio.StreamPair(ctx)
		require.Equal(t, client.Writer.LocalAddr(), server.Writer.RemoteAddr())
		require.Equal(t, "server", client.Writer.RemoteAddr().String())
		require.Equal(t, "memory", client.Writer.LocalAddr().Network())
		require.Nil(t, client.Writer.GetExtraInfo("socket"))
		require.Nil(t, client.Writer.GetExtraInfo("no such thing"))
		return nil
	})
}

func TestASocketTellsOfItself(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		s, err := asyncio.StartServer(ctx, echo, "127.0.0.1:0")
		require.NoError(t, err)
		_, w, err := asyncio.OpenConnection(ctx, s.Addr().String())
		require.NoError(t, err)
		require.Equal(t, s.Addr().String(), w.GetExtraInfo("peername").(net.Addr).String())
		require.NotZero(t, w.GetExtraInfo("sockname").(*net.TCPAddr).Port)
		require.Positive(t, w.GetExtraInfo("socket"))
		require.Nil(t, w.GetExtraInfo("ssl_object"))
		require.NoError(t, w.Close())
		require.Equal(t, s.Addr().String(), w.RemoteAddr().String()) // still
		return s.Shutdown(ctx, time.Minute)
	})
}

func TestTheMemoryOfAWriterIsBoundedByDrain(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		s, err := asyncio.StartServer(ctx, func(ctx context.Context, _ *asyncio.StreamReader, w *asyncio.StreamWriter) error {
			return w.WaitClosed(ctx) // reads nothing
		}, "127.0.0.1:0")
		require.NoError(t, err)
		_, w, err := asyncio.OpenConnection(ctx, s.Addr().String())
		require.NoError(t, err)
		err = asyncio.Timeout(ctx, 100*time.Millisecond, func(ctx context.Context, _ *asyncio.TimeoutScope) error {
			for {
				if _, err := w.Write(make([]byte, 10*kib)); err != nil {
					return err
				}
				if err := w.Drain(ctx); err != nil {
					return err
				}
			}
		})
		require.ErrorIs(t, err, asyncio.ErrTimeout)
		require.LessOrEqual(t, w.WriteBufferSize(), 74*kib)
		w.Abort()
		s.AbortClients()
		s.Close()
		return s.WaitClosed(ctx)
	})
}

func TestAnEchoOverASocketAllocatesNothing(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		s, err := asyncio.StartServer(ctx, func(ctx context.Context, r *asyncio.StreamReader, w *asyncio.StreamWriter) error {
			p := make([]byte, 100)
			for {
				n, err := r.ReadInto(ctx, p)
				if err != nil {
					return nil
				}
				if _, err := w.Write(p[:n]); err != nil {
					return err
				}
				if err := w.Drain(ctx); err != nil {
					return err
				}
			}
		}, "127.0.0.1:0")
		require.NoError(t, err)
		r, w, err := asyncio.OpenConnection(ctx, s.Addr().String())
		require.NoError(t, err)
		p := make([]byte, 64)
		allocs := testing.AllocsPerRun(1000, func() {
			_, _ = w.Write(p)
			_, _ = r.ReadInto(ctx, p)
		})
		require.Zero(t, allocs, "allocations of a round trip, both sides")
		require.NoError(t, w.Close())
		return s.Shutdown(ctx, time.Minute)
	})
}
