package asyncio_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
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
		client, server := asyncio.StreamPair(ctx) // 64 KiB are in transit
		w := client.Writer
		_, err := w.Write(make([]byte, 128*kib))
		require.NoError(t, err)
		require.Equal(t, 64*kib, w.WriteBufferSize())
		require.NoError(t, w.Drain(ctx)) // exactly the high mark
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

func TestCloseFirstSendsTheKeptBytes(t *testing.T) {
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

func TestWriteEOFComesAfterTheKeptBytes(t *testing.T) {
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
		// The other half stays open.
		_, err = fmt.Fprint(server.Writer, "and back\n")
		require.NoError(t, err)
		line, err := client.Reader.ReadLine(ctx)
		require.NoError(t, err)
		require.Equal(t, "and back\n", string(line))
		return nil
	})
}

func TestAbortDropsTheKeptBytes(t *testing.T) {
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

// As in asyncio, a task that finds IsClosing true need not call Close.
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

func TestAResetEndsAWaitingDrain(t *testing.T) {
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

func TestDrainOfAClosedWriterYields(t *testing.T) {
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

func TestASocketAnswersGetExtraInfo(t *testing.T) {
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
		require.Equal(t, s.Addr().String(), w.RemoteAddr().String()) // even now
		return s.Shutdown(ctx, time.Minute)
	})
}

func TestTheMemoryOfAWriterIsBoundedByDrain(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		s, err := asyncio.StartServer(ctx, func(ctx context.Context, _ *asyncio.StreamReader, w *asyncio.StreamWriter) error {
			return w.WaitClosed(ctx) // without reading
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
	needPoller(t, "a goroutine that starts allocates")
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

// Even without a read or write, a stream detects that its connection is broken.
func TestAnIdleStreamDetectsAReset(t *testing.T) {
	for name, pair := range map[string]func(*testing.T, context.Context) (client, server asyncio.Stream){
		"plain": func(_ *testing.T, ctx context.Context) (client, server asyncio.Stream) {
			return asyncio.StreamPair(ctx)
		},
		"TLS": tlsPair,
	} {
		t.Run(name, func(t *testing.T) {
			run(t, func(ctx context.Context) error {
				client, server := pair(t, ctx)
				_, err := server.Writer.WriteString("last words")
				require.NoError(t, err)
				closed := spawn(ctx, client.Writer.WaitClosed)
				settled(ctx)
				require.False(t, closed.Done())
				server.Writer.Reset()
				require.True(t, client.Writer.IsClosing())
				require.ErrorIs(t, client.Writer.Drain(ctx), syscall.ECONNRESET)
				_, err = client.Writer.WriteString("x")
				require.ErrorIs(t, err, syscall.ECONNRESET)
				join(ctx, closed)
				require.ErrorIs(t, closed.Exception(), syscall.ECONNRESET)
				got, err := client.Reader.ReadExactly(ctx, 10)
				require.NoError(t, err)
				require.Equal(t, "last words", string(got))
				return nil
			})
		})
	}
}

func TestAPeerThatEndsItsSideDoesNotBreakTheConnection(t *testing.T) {
	run(t, func(ctx context.Context) error {
		client, server := asyncio.StreamPair(ctx)
		require.NoError(t, server.Writer.WriteEOF())
		settled(ctx)
		require.False(t, client.Writer.IsClosing())
		require.NoError(t, client.Writer.Drain(ctx))
		_, err := client.Writer.WriteString("on it goes\n")
		require.NoError(t, err)
		line, err := server.Reader.ReadLine(ctx)
		require.NoError(t, err)
		require.Equal(t, "on it goes\n", string(line))
		return nil
	})
}

// In asyncio these bytes are in the StreamReader by then.
func TestBytesReceivedBeforeCloseCanBeReadAfterIt(t *testing.T) {
	for name, pair := range map[string]func(*testing.T, context.Context) (client, server asyncio.Stream){
		"plain": func(_ *testing.T, ctx context.Context) (client, server asyncio.Stream) {
			return asyncio.StreamPair(ctx)
		},
		"TLS": tlsPair,
	} {
		t.Run(name, func(t *testing.T) {
			run(t, func(ctx context.Context) error {
				for name, end := range map[string]func(*asyncio.StreamWriter){
					"close": func(w *asyncio.StreamWriter) { require.NoError(t, w.Close()) },
					"abort": (*asyncio.StreamWriter).Abort,
					"reset": (*asyncio.StreamWriter).Reset,
				} {
					client, server := pair(t, ctx)
					for range 100 { // with TLS, a record each
						_, err := server.Writer.WriteString("0123456789")
						require.NoError(t, err)
					}
					got, err := client.Reader.ReadExactly(ctx, 5)
					require.NoError(t, err)
					require.Equal(t, "01234", string(got))
					end(client.Writer)
					got, err = client.Reader.Read(ctx, -1)
					require.NoError(t, err, name)
					require.Len(t, got, 995, name)
					_, err = client.Reader.Read(ctx, 1)
					require.Equal(t, io.EOF, err, name)
					require.NoError(t, client.Writer.WaitClosed(ctx))
				}
				return nil
			})
		})
	}
}

// The bytes wake the task, and before it runs another task closes the stream.
func TestAWokenReadGetsItsBytesEvenIfTheStreamIsClosed(t *testing.T) {
	run(t, func(ctx context.Context) error {
		for name, read := range map[string]func(context.Context, *asyncio.StreamReader) ([]byte, error){
			"Read": func(ctx context.Context, r *asyncio.StreamReader) ([]byte, error) { return r.Read(ctx, 100) },
			"ReadInto": func(ctx context.Context, r *asyncio.StreamReader) ([]byte, error) {
				p := make([]byte, 100)
				n, err := r.ReadInto(ctx, p)
				return p[:n], err
			},
			"ReadLine":    func(ctx context.Context, r *asyncio.StreamReader) ([]byte, error) { return r.ReadLine(ctx) },
			"ReadExactly": func(ctx context.Context, r *asyncio.StreamReader) ([]byte, error) { return r.ReadExactly(ctx, 6) },
			"all":         func(ctx context.Context, r *asyncio.StreamReader) ([]byte, error) { return r.Read(ctx, -1) },
		} {
			client, server := asyncio.StreamPair(ctx)
			task := asyncio.CreateTask(ctx, func(ctx context.Context) ([]byte, error) { return read(ctx, client.Reader) })
			giveWay(ctx, 1)
			_, err := server.Writer.WriteString("hello\n")
			require.NoError(t, err)
			require.NoError(t, client.Writer.Close())
			got, err := task.Await(ctx)
			require.NoError(t, err, name)
			require.Equal(t, "hello\n", string(got), name)
		}
		return nil
	})
}

// The peer of a closing stream does not send more bytes that nobody will read.
func TestCloseReceivesOnlyTheBytesThatHaveArrived(t *testing.T) {
	run(t, func(ctx context.Context) error {
		client, server := asyncio.StreamPair(ctx)
		_, err := server.Writer.Write(make([]byte, 1<<20))
		require.NoError(t, err)
		require.NoError(t, client.Writer.Close())
		require.ErrorIs(t, server.Writer.Drain(ctx), syscall.EPIPE)
		got, err := client.Reader.Read(ctx, -1)
		require.NoError(t, err)
		require.Len(t, got, 64*kib)
		return nil
	})
}

func TestDrainEndsAtALowMarkOfZero(t *testing.T) {
	run(t, func(ctx context.Context) error {
		client, server := asyncio.StreamPair(ctx)
		client.Writer.SetWriteBufferLimits(0, 0)
		_, err := client.Writer.Write(make([]byte, 65*kib))
		require.NoError(t, err)
		drained := spawn(ctx, client.Writer.Drain)
		settled(ctx)
		require.False(t, drained.Done())
		_, err = server.Reader.ReadExactly(ctx, 65*kib)
		require.NoError(t, err)
		_, err = drained.Await(ctx)
		return err
	})
}

// A writer whose peer is always a little behind holds only the unsent bytes, not all that were ever
// written.
func TestAWriterThatIsNeverEmptyHoldsOnlyUnsentBytes(t *testing.T) {
	run(t, func(ctx context.Context) error {
		for _, size := range []int{10, 10_000, 1_000_000} {
			client, server := asyncio.StreamPair(ctx)
			_, err := client.Writer.Write(make([]byte, 2_000_000))
			require.NoError(t, err)
			before := heap()
			for n := 0; n < 20_000_000; n += size {
				_, err := client.Writer.Write(make([]byte, size))
				require.NoError(t, err)
				_, err = server.Reader.ReadExactly(ctx, size)
				require.NoError(t, err)
				if size == 10 && n > 200_000 {
					break
				}
			}
			require.Greater(t, client.Writer.WriteBufferSize(), 1_000_000)
			require.Less(t, heap()-before, 2_500_000, "bytes, with pieces of %d", size)
			client.Writer.Abort()
		}
		return nil
	})
}

// The bytes are sent in order, however they were written.
func TestKeptBytesAreSentInOrder(t *testing.T) {
	run(t, func(ctx context.Context) error {
		client, server := asyncio.StreamPair(ctx)
		var want []byte
		for i := range 300 {
			p := make([]byte, (i*i*37)%5000+i%3*300_000*(i/250))
			for j := range p {
				p[j] = byte(i*7 + j)
			}
			want = append(want, p...)
			_, err := client.Writer.Write(p)
			require.NoError(t, err)
			clear(p) // it belongs to the caller again
			if i%50 == 0 {
				got, err := server.Reader.ReadExactly(ctx, min(len(want), 70_000))
				require.NoError(t, err)
				require.True(t, bytes.Equal(want[:len(got)], got))
				want = want[len(got):]
			}
		}
		require.NoError(t, client.Writer.Close())
		got, err := server.Reader.Read(ctx, -1)
		require.NoError(t, err)
		require.True(t, bytes.Equal(want, got))
		return client.Writer.WaitClosed(ctx)
	})
}

func TestAStringIsKeptWithoutACopy(t *testing.T) {
	text := strings.Repeat("0123456789abcdef", 1<<20)
	run(t, func(ctx context.Context) error {
		client, server := asyncio.StreamPair(ctx)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := client.Writer.WriteString(text)
		require.NoError(t, err)
		runtime.ReadMemStats(&after)
		require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(len(text)/2))
		_, err = client.Writer.WriteString("a little more")
		require.NoError(t, err)
		_, err = client.Writer.Write([]byte(", and more"))
		require.NoError(t, err)
		require.NoError(t, client.Writer.Close())
		got, err := server.Reader.Read(ctx, -1)
		require.Equal(t, text+"a little more, and more", string(got))
		return err
	})
}

// After the loop has sent a string, it does not receive into the string's memory.
func TestAKeptStringDoesNotChange(t *testing.T) {
	text := strings.Repeat("a", 64*kib)
	run(t, func(ctx context.Context) error {
		client, server := asyncio.StreamPair(ctx)
		_, err := client.Writer.Write(make([]byte, 64*kib)) // all that can be in transit at a time
		require.NoError(t, err)
		_, err = client.Writer.WriteString(text)
		require.NoError(t, err)
		_, err = server.Reader.ReadExactly(ctx, 128*kib)
		require.NoError(t, err)
		for range 4 {
			_, err = server.Writer.Write(bytes.Repeat([]byte("b"), 64*kib))
			require.NoError(t, err)
			got, err := client.Reader.ReadExactly(ctx, 64*kib)
			require.NoError(t, err)
			require.Equal(t, bytes.Repeat([]byte("b"), 64*kib), got)
		}
		require.Equal(t, strings.Repeat("a", 64*kib), text)
		return nil
	})
}
