//go:build unix

package asyncio_test

import (
	"context"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
)

// socketpair makes two connected non-blocking sockets. It closes them at the end of the test unless
// the test has closed them.
func socketpair(t *testing.T) (a, b int) {
	t.Helper()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	require.NoError(t, err)
	for _, fd := range fds {
		require.NoError(t, syscall.SetNonblock(fd, true))
	}
	return fds[0], fds[1]
}

func closeFD(t *testing.T, fds ...int) {
	t.Helper()
	for _, fd := range fds {
		require.NoError(t, syscall.Close(fd))
	}
}

func writeFD(t *testing.T, fd int, s string) {
	t.Helper()
	_, err := syscall.Write(fd, []byte(s))
	require.NoError(t, err)
}

func TestAReaderIsCalledAsLongAsThereIsSomethingToRead(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		l := asyncio.RunningLoop(ctx)
		a, b := socketpair(t)
		calls := 0
		var third asyncio.Event
		require.NoError(t, l.AddReader(a, func() {
			require.Nil(t, asyncio.CurrentTask(ctx))
			if calls++; calls == 3 { // and reads nothing
				third.Set()
			}
		}))
		writeFD(t, b, "x")
		require.NoError(t, third.Wait(ctx))
		require.True(t, l.RemoveReader(a))
		require.False(t, l.RemoveReader(a))
		calls = 0
		require.NoError(t, asyncio.Sleep(ctx, time.Millisecond))
		require.Zero(t, calls)
		closeFD(t, a, b)
		return nil
	})
}

func TestASecondReaderReplacesTheFirst(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		l := asyncio.RunningLoop(ctx)
		a, b := socketpair(t)
		var second asyncio.Event
		require.NoError(t, l.AddReader(a, func() { t.Error("the first was called") }))
		require.NoError(t, l.AddReader(a, second.Set))
		writeFD(t, b, "x")
		require.NoError(t, second.Wait(ctx))
		require.True(t, l.RemoveReader(a))
		closeFD(t, a, b)
		return nil
	})
}

func TestTheReaderAndTheWriterOfADescriptorAreIndependent(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		l := asyncio.RunningLoop(ctx)
		a, b := socketpair(t)
		var readable, writable asyncio.Event
		require.NoError(t, l.AddReader(a, func() { readable.Set(); l.RemoveReader(a) }))
		require.NoError(t, l.AddWriter(a, func() { writable.Set(); l.RemoveWriter(a) }))
		require.NoError(t, writable.Wait(ctx))
		require.False(t, readable.IsSet())
		require.False(t, l.RemoveWriter(a))
		writeFD(t, b, "x")
		require.NoError(t, readable.Wait(ctx))
		closeFD(t, a, b)
		return nil
	})
}

func TestADescriptorMayBeClosedUnderThePoller(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		l := asyncio.RunningLoop(ctx)
		a, b := socketpair(t)
		require.NoError(t, l.AddReader(a, func() { t.Error("called for a descriptor that is closed") }))
		closeFD(t, a, b)
		require.NoError(t, asyncio.Sleep(ctx, time.Millisecond))
		// The number belongs to another descriptor now.
		c, d := socketpair(t)
		require.Equal(t, []int{a, b}, []int{c, d})
		var heard asyncio.Event
		require.NoError(t, l.AddReader(c, heard.Set))
		writeFD(t, d, "x")
		require.NoError(t, heard.Wait(ctx))
		closeFD(t, c, d)
		require.True(t, l.RemoveReader(c))
		return nil
	})
}

func TestAddReaderRefusesTheDescriptorOfAStream(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		s, err := asyncio.StartServer(ctx, echo, "127.0.0.1:0")
		require.NoError(t, err)
		_, w, err := asyncio.OpenConnection(ctx, s.Addr().String())
		require.NoError(t, err)
		l := asyncio.RunningLoop(ctx)
		require.ErrorContains(t, l.AddReader(w.GetExtraInfo("socket").(int), func() {}), "belongs to a stream")
		require.False(t, l.RemoveReader(w.GetExtraInfo("socket").(int)))
		require.NoError(t, w.Close())
		return s.Shutdown(ctx, time.Minute)
	})
}

func TestAddReaderRefusesNumbersThatAreNotDescriptors(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		l := asyncio.RunningLoop(ctx)
		require.Error(t, l.AddReader(-1, func() {}))
		require.ErrorIs(t, l.AddReader(1<<20, func() {}), syscall.EBADF)
		require.False(t, l.RemoveReader(-1))
		require.False(t, l.RemoveWriter(1<<20))
		require.Panics(t, func() { _ = l.AddReader(0, nil) })
		return nil
	})
}

func TestAPanicInAReaderIsReported(t *testing.T) {
	reports := 0
	a, b := socketpair(t)
	defer closeFD(t, a, b)
	_, err := asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
		l := asyncio.RunningLoop(ctx)
		var called asyncio.Event
		require.NoError(t, l.AddReader(a, func() {
			l.RemoveReader(a)
			called.Set()
			panic("boom")
		}))
		writeFD(t, b, "x")
		return called.Wait(ctx)
	}), asyncio.WithExceptionHandler(func(*asyncio.Loop, asyncio.ExceptionContext) { reports++ }))
	require.NoError(t, err)
	require.Equal(t, 1, reports)
}

func TestClosingALoopLeavesTheCallersDescriptorsOpen(t *testing.T) {
	a, b := socketpair(t)
	runReal(t, func(ctx context.Context) error {
		return asyncio.RunningLoop(ctx).AddReader(a, func() {})
	})
	closeFD(t, a, b)
	l := asyncio.NewLoop()
	require.NoError(t, l.Close())
	require.ErrorIs(t, l.AddReader(0, func() {}), asyncio.ErrLoopClosed)
}

func TestOtherGoroutinesWakeALoopThatPolls(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		l := asyncio.RunningLoop(ctx)
		a, b := socketpair(t)
		defer closeFD(t, a, b)
		require.NoError(t, l.AddReader(a, func() {}))
		for range 1000 {
			_, err := asyncio.ToThread(ctx, func(context.Context) (int, error) { return 0, nil })
			require.NoError(t, err)
		}
		var woken asyncio.Event
		go func() { _ = l.CallSoonThreadsafe(woken.Set) }()
		require.NoError(t, woken.Wait(ctx))
		return nil
	})
}

func TestALoopThatPollsIsNeverEarly(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		l := asyncio.RunningLoop(ctx)
		a, b := socketpair(t)
		defer closeFD(t, a, b)
		require.NoError(t, l.AddReader(a, func() {}))
		for _, d := range []time.Duration{1, time.Microsecond, 100 * time.Microsecond, time.Millisecond, 1500 * time.Microsecond} {
			start := time.Now()
			require.NoError(t, asyncio.Sleep(ctx, d))
			require.GreaterOrEqual(t, time.Since(start), d)
		}
		return nil
	})
}

func TestTheContextOfARunEndsALoopThatPolls(t *testing.T) {
	a, b := socketpair(t)
	defer closeFD(t, a, b)
	outer, cancel := context.WithCancel(t.Context())
	_, err := asyncio.Run(outer, asyncio.Do(func(ctx context.Context) error {
		if err := asyncio.RunningLoop(ctx).AddReader(a, func() {}); err != nil {
			return err
		}
		go cancel()
		return asyncio.Sleep(ctx, time.Hour)
	}))
	require.ErrorIs(t, err, context.Canceled)
}

func TestSockCalls(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		l := asyncio.RunningLoop(ctx)
		a, b := socketpair(t)
		recv := asyncio.CreateTask(ctx, func(ctx context.Context) ([]byte, error) { return l.SockRecv(ctx, a, 100) })
		require.NoError(t, asyncio.Sleep(ctx, 0))
		require.NoError(t, l.SockSendAll(ctx, b, []byte("hello")))
		got, err := recv.Await(ctx)
		require.NoError(t, err)
		require.Equal(t, "hello", string(got))

		// The system takes only a part of this at once.
		const size = 8 << 20
		send := asyncio.CreateTask(ctx, asyncio.Do(func(ctx context.Context) error { return l.SockSendAll(ctx, b, make([]byte, size)) }))
		p, total := make([]byte, 64<<10), 0
		for total < size {
			n, err := l.SockRecvInto(ctx, a, p)
			require.NoError(t, err)
			total += n
		}
		_, err = send.Await(ctx)
		require.NoError(t, err)

		// A cancelled receive loses nothing.
		recv = asyncio.CreateTask(ctx, func(ctx context.Context) ([]byte, error) { return l.SockRecv(ctx, a, 100) })
		require.NoError(t, asyncio.Sleep(ctx, 0))
		recv.Cancel()
		_, err = recv.Await(ctx)
		require.ErrorIs(t, err, asyncio.ErrCancelled)
		writeFD(t, b, "kept")
		got, err = l.SockRecv(ctx, a, 100)
		require.NoError(t, err)
		require.Equal(t, "kept", string(got))

		closeFD(t, b)
		got, err = l.SockRecv(ctx, a, 100)
		require.NoError(t, err)
		require.Empty(t, got)
		require.ErrorIs(t, l.SockSendAll(ctx, a, []byte{1}), syscall.EPIPE)
		closeFD(t, a)
		_, err = l.SockRecv(ctx, a, 1)
		require.ErrorIs(t, err, syscall.EBADF)
		return nil
	})
}

// Between two calls the caller may close the descriptor, and its number may be in use again.
func TestSockCallsWorkOnAReusedNumber(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		l := asyncio.RunningLoop(ctx)
		for range 3 {
			a, b := socketpair(t)
			recv := asyncio.CreateTask(ctx, func(ctx context.Context) ([]byte, error) { return l.SockRecv(ctx, a, 1) })
			require.NoError(t, asyncio.Sleep(ctx, 0))
			writeFD(t, b, "x")
			_, err := recv.Await(ctx)
			require.NoError(t, err)
			closeFD(t, a, b)
		}
		return nil
	})
}

func TestSockConnectAndAccept(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		l := asyncio.RunningLoop(ctx)
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		file, err := listener.(*net.TCPListener).File()
		require.NoError(t, err)
		require.NoError(t, listener.Close())
		defer file.Close()
		fd := int(file.Fd())
		require.NoError(t, syscall.SetNonblock(fd, true))

		accept := asyncio.CreateTask(ctx, func(ctx context.Context) (int, error) {
			conn, peer, err := l.SockAccept(ctx, fd)
			require.NotNil(t, peer)
			return conn, err
		})
		client, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
		require.NoError(t, err)
		require.NoError(t, syscall.SetNonblock(client, true))
		require.NoError(t, l.SockConnect(ctx, client, listener.Addr()))
		server, err := accept.Await(ctx)
		require.NoError(t, err)
		require.NoError(t, l.SockSendAll(ctx, client, []byte("hello")))
		got, err := l.SockRecv(ctx, server, 10)
		require.NoError(t, err)
		require.Equal(t, "hello", string(got))
		closeFD(t, client, server)

		require.NoError(t, file.Close())
		client, err = syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
		require.NoError(t, err)
		require.NoError(t, syscall.SetNonblock(client, true))
		require.ErrorIs(t, l.SockConnect(ctx, client, listener.Addr()), syscall.ECONNREFUSED)
		closeFD(t, client)
		return nil
	})
}

func TestSockDatagrams(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		l := asyncio.RunningLoop(ctx)
		var fds [2]int
		var addrs [2]net.Addr
		for i := range fds {
			conn, err := net.ListenPacket("udp", "127.0.0.1:0")
			require.NoError(t, err)
			file, err := conn.(*net.UDPConn).File()
			require.NoError(t, err)
			defer file.Close()
			addrs[i], fds[i] = conn.LocalAddr(), int(file.Fd())
			require.NoError(t, conn.Close())
			require.NoError(t, syscall.SetNonblock(fds[i], true))
		}
		recv := asyncio.CreateTask(ctx, func(ctx context.Context) ([]byte, error) {
			p, from, err := l.SockRecvFrom(ctx, fds[1], 100)
			require.Equal(t, addrs[0].String(), from.String())
			return p, err
		})
		require.NoError(t, asyncio.Sleep(ctx, 0))
		n, err := l.SockSendTo(ctx, fds[0], []byte("hello"), addrs[1])
		require.NoError(t, err)
		require.Equal(t, 5, n)
		got, err := recv.Await(ctx)
		require.NoError(t, err)
		require.Equal(t, "hello", string(got))
		return nil
	})
}

func TestPipesAreStreams(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		in, out, err := os.Pipe()
		require.NoError(t, err)
		r, err := asyncio.ConnectReadPipe(ctx, in)
		require.NoError(t, err)
		w, err := asyncio.ConnectWritePipe(ctx, out)
		require.NoError(t, err)
		require.True(t, w.CanWriteEOF())
		require.Positive(t, w.GetExtraInfo("pipe"))
		send := asyncio.CreateTask(ctx, asyncio.Do(func(ctx context.Context) error {
			for range 100 {
				if _, err := w.Write(make([]byte, 10_000)); err != nil {
					return err
				}
				if err := w.Drain(ctx); err != nil {
					return err
				}
			}
			return w.Close()
		}))
		got, err := r.Read(ctx, -1)
		require.NoError(t, err)
		require.Len(t, got, 1_000_000)
		_, err = send.Await(ctx)
		require.NoError(t, err)

		in, out, err = os.Pipe()
		require.NoError(t, err)
		r, err = asyncio.ConnectReadPipe(ctx, in)
		require.NoError(t, err)
		w, err = asyncio.ConnectWritePipe(ctx, out)
		require.NoError(t, err)
		_, err = w.Write(make([]byte, 1_000_000)) // more than fits into the pipe
		require.NoError(t, err)
		require.NoError(t, w.WriteEOF())
		require.NoError(t, w.WriteEOF())
		_, err = w.WriteString("x")
		require.ErrorContains(t, err, "write after WriteEOF")
		got, err = r.Read(ctx, -1)
		require.NoError(t, err)
		require.Len(t, got, 1_000_000)
		require.NoError(t, w.WaitClosed(ctx))

		in, out, err = os.Pipe()
		require.NoError(t, err)
		r, err = asyncio.ConnectReadPipe(ctx, in)
		require.NoError(t, err)
		w, err = asyncio.ConnectWritePipe(ctx, out)
		require.NoError(t, err)
		require.NoError(t, r.Close())
		_, err = w.Write([]byte{1})
		require.ErrorIs(t, err, syscall.EPIPE)
		require.NoError(t, w.Close())

		file, err := os.Open("go.mod")
		require.NoError(t, err)
		_, err = asyncio.ConnectReadPipe(ctx, file)
		require.ErrorContains(t, err, "is not a pipe")
		return file.Close()
	})
}
