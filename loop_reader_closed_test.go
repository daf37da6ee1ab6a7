//go:build unix

package asyncio_test

import (
	"context"
	"net"
	"os"
	"runtime"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/go-asyncio/asyncio"
)

// A duplicate, such as a child process may have, keeps the socket of a closed descriptor open.
// Events on that socket do not concern the loop.
func TestAClosedDescriptorIsNoLongerPolled(t *testing.T) {
	needPoller(t, "AddReader and the Sock calls need one")
	// Each case leaves a duplicate of a descriptor that was closed while it was polled, and makes
	// the duplicate ready.
	var left []int
	leave := func(t *testing.T, fd int) {
		t.Helper()
		dup, err := syscall.Dup(fd)
		require.NoError(t, err)
		left = append(left, dup)
	}
	cases := map[string]func(t *testing.T, ctx context.Context, l *asyncio.Loop){
		"SockRecv": func(t *testing.T, ctx context.Context, l *asyncio.Loop) {
			a, b := socketpair(t)
			recv := asyncio.CreateTask(ctx, func(ctx context.Context) ([]byte, error) { return l.SockRecv(ctx, a, 1) })
			giveWay(ctx, 1)
			writeFD(t, b, "xyz")
			_, err := recv.Await(ctx)
			require.NoError(t, err)
			leave(t, a)
			closeFD(t, a, b)
		},
		"SockRecv that is cancelled": func(t *testing.T, ctx context.Context, l *asyncio.Loop) {
			a, b := socketpair(t)
			recv := asyncio.CreateTask(ctx, func(ctx context.Context) ([]byte, error) { return l.SockRecv(ctx, a, 1) })
			giveWay(ctx, 1)
			recv.Cancel()
			_, err := recv.Await(ctx)
			require.ErrorIs(t, err, asyncio.ErrCancelled)
			require.Zero(t, asyncio.Polled(l), "no task waits for it")
			leave(t, a)
			writeFD(t, b, "x")
			closeFD(t, a, b)
		},
		"SockSendAll": func(t *testing.T, ctx context.Context, l *asyncio.Loop) {
			a, b := socketpair(t)
			fillFD(t, a)
			send := spawn(ctx, func(ctx context.Context) error { return l.SockSendAll(ctx, a, []byte("x")) })
			giveWay(ctx, 1)
			emptyFD(t, b)
			require.NoError(t, errOf(ctx, send))
			leave(t, a)
			closeFD(t, a, b)
		},
		"SockRecv and SockSendAll": func(t *testing.T, ctx context.Context, l *asyncio.Loop) {
			a, b := socketpair(t)
			fillFD(t, a)
			recv := asyncio.CreateTask(ctx, func(ctx context.Context) ([]byte, error) { return l.SockRecv(ctx, a, 1) })
			send := spawn(ctx, func(ctx context.Context) error { return l.SockSendAll(ctx, a, []byte("x")) })
			giveWay(ctx, 1)
			emptyFD(t, b)
			require.NoError(t, errOf(ctx, send))
			giveWay(ctx, 3)
			require.False(t, recv.Done())
			writeFD(t, b, "xyz")
			require.NoError(t, errOf(ctx, recv))
			leave(t, a)
			closeFD(t, a, b)
		},
		"SockConnect and SockAccept": func(t *testing.T, ctx context.Context, l *asyncio.Loop) {
			ln, addr := tcpListener(t)
			accept := asyncio.CreateTask(ctx, func(ctx context.Context) (int, error) {
				conn, _, err := l.SockAccept(ctx, ln)
				return conn, err
			})
			giveWay(ctx, 1)
			client := tcpSocket(t)
			require.NoError(t, l.SockConnect(ctx, client, addr))
			server, err := accept.Await(ctx)
			require.NoError(t, err)
			leave(t, ln)
			leave(t, client)
			closeFD(t, client, server, ln)
		},
		"AddReader and AddWriter": func(t *testing.T, ctx context.Context, l *asyncio.Loop) {
			a, b := socketpair(t)
			require.NoError(t, l.AddReader(a, func() {}))
			require.NoError(t, l.AddWriter(a, func() {}))
			recv := asyncio.CreateTask(ctx, func(ctx context.Context) ([]byte, error) { return l.SockRecv(ctx, a, 1) })
			giveWay(ctx, 1)
			writeFD(t, b, "xyz")
			require.NoError(t, errOf(ctx, recv))
			require.True(t, l.RemoveReader(a))
			require.True(t, l.RemoveWriter(a))
			leave(t, a)
			closeFD(t, a, b)
		},
		"a stream": func(t *testing.T, ctx context.Context, l *asyncio.Loop) {
			ln, addr := tcpListener(t)
			_, w, err := asyncio.OpenConnection(ctx, addr.String())
			require.NoError(t, err)
			conn, _, err := l.SockAccept(ctx, ln)
			require.NoError(t, err)
			leave(t, w.GetExtraInfo("socket").(int))
			require.NoError(t, w.Close())
			writeFD(t, conn, "x")
			closeFD(t, conn, ln)
		},
		"a pipe": func(t *testing.T, ctx context.Context, _ *asyncio.Loop) {
			in, out, err := os.Pipe()
			require.NoError(t, err)
			r, err := asyncio.ConnectReadPipe(ctx, in)
			require.NoError(t, err)
			w, err := asyncio.ConnectWritePipe(ctx, out)
			require.NoError(t, err)
			leave(t, w.GetExtraInfo("pipe").(int))
			require.NoError(t, w.Close())
			require.NoError(t, r.Close())
		},
		"a pipe that was watched": func(t *testing.T, ctx context.Context, l *asyncio.Loop) {
			in, out, err := os.Pipe()
			require.NoError(t, err)
			fd := int(in.Fd()) // makes it block
			require.NoError(t, syscall.SetNonblock(fd, true))
			require.NoError(t, l.AddReader(fd, func() { assert.Fail(t, "the reader of a file that was handed over") }))
			recv := asyncio.CreateTask(ctx, func(ctx context.Context) ([]byte, error) { return l.SockRecv(ctx, fd, 1) })
			giveWay(ctx, 1)
			r, err := asyncio.ConnectReadPipe(ctx, in)
			require.NoError(t, err)
			_, err = out.Write([]byte("x"))
			require.NoError(t, err)
			require.Error(t, errOf(ctx, recv))
			require.False(t, l.RemoveReader(fd))
			p, err := r.Read(ctx, 2)
			require.NoError(t, err)
			require.Equal(t, "x", string(p))
			require.NoError(t, r.Close())
			require.NoError(t, out.Close())
		},
		"a server": func(t *testing.T, ctx context.Context, _ *asyncio.Loop) {
			s, err := asyncio.StartServer(ctx, echo, "127.0.0.1:0")
			require.NoError(t, err)
			leave(t, int(s.Sockets()[0].Fd()))
			addr := s.Addr()
			s.Close()
			conn, err := net.Dial("tcp", addr.String())
			require.NoError(t, err)
			require.NoError(t, conn.Close())
		},
		"a datagram endpoint": func(t *testing.T, ctx context.Context, _ *asyncio.Loop) {
			e, err := asyncio.CreateDatagramEndpoint(ctx, "127.0.0.1:0", "")
			require.NoError(t, err)
			leave(t, e.GetExtraInfo("socket").(int))
			require.NoError(t, e.Close())
			conn, err := net.Dial("udp", e.LocalAddr().String())
			require.NoError(t, err)
			_, err = conn.Write([]byte("x"))
			require.NoError(t, err)
			require.NoError(t, conn.Close())
		},
	}
	for name, leaveSomething := range cases {
		t.Run(name, func(t *testing.T) {
			runReal(t, func(ctx context.Context) error {
				l := asyncio.RunningLoop(ctx)
				leaveSomething(t, ctx, l)
				giveWay(ctx, 3)
				if name == "SockRecv that is cancelled" { // epoll reports an awaited event once
					require.LessOrEqual(t, asyncio.PollNow(l), 1)
				}
				require.Zero(t, asyncio.PollNow(l), "events of a descriptor that is closed")
				require.Zero(t, asyncio.Polled(l), "descriptors that the loop still counts")
				closeFD(t, left...)
				left = nil
				return nil
			})
		})
	}
}

// The number of a closed descriptor, whose socket a duplicate keeps open, is in use again.
func TestEventsOfAnEarlierDescriptorWithTheSameNumberAreDropped(t *testing.T) {
	needPoller(t, "AddReader and the Sock calls need one")
	runReal(t, func(ctx context.Context) error {
		l := asyncio.RunningLoop(ctx)
		a, b := socketpair(t)
		recv := asyncio.CreateTask(ctx, func(ctx context.Context) ([]byte, error) { return l.SockRecv(ctx, a, 1) })
		giveWay(ctx, 1)
		recv.Cancel()
		require.ErrorIs(t, errOf(ctx, recv), asyncio.ErrCancelled)
		dup, err := syscall.Dup(a)
		require.NoError(t, err)
		c, d := socketpair(t)
		require.NoError(t, unix.Dup2(c, a)) // closes a
		calls := 0
		require.NoError(t, l.AddReader(a, func() { calls++ }))
		writeFD(t, b, "for the earlier one")
		giveWay(ctx, 5)
		require.Zero(t, calls)
		require.True(t, l.RemoveReader(a))
		closeFD(t, a, b, c, d, dup)
		return nil
	})
}

// If a caller closes a descriptor before RemoveReader, epoll keeps reporting it for ever.
func TestALoopForgetsDescriptorsThatWereClosedTooEarly(t *testing.T) {
	needPoller(t, "AddReader and the Sock calls need one")
	runReal(t, func(ctx context.Context) error {
		l := asyncio.RunningLoop(ctx)
		r, w, peer := accepted(t, ctx)
		a, b := socketpair(t)
		c, d := socketpair(t)
		heard := 0
		require.NoError(t, l.AddReader(c, func() { heard++ }))
		recv := asyncio.CreateTask(ctx, func(ctx context.Context) ([]byte, error) { return l.SockRecv(ctx, d, 1) })
		require.NoError(t, l.AddReader(a, func() {}))
		dup, err := syscall.Dup(a)
		require.NoError(t, err)
		closeFD(t, a)
		require.True(t, l.RemoveReader(a))
		writeFD(t, b, "x")
		giveWay(ctx, 2) // the stream learns that it is writable
		if runtime.GOOS == "linux" {
			require.Equal(t, 1, asyncio.PollNow(l))
		}
		giveWay(ctx, 2*asyncio.MaxStrays)
		require.Zero(t, asyncio.PollNow(l))

		// All other descriptors are still polled.
		writeFD(t, c, "x")
		require.NoError(t, errOf(ctx, recv))
		writeFD(t, d, "x")
		giveWay(ctx, 5)
		require.Positive(t, heard)
		require.True(t, l.RemoveReader(c))
		read := asyncio.CreateTask(ctx, func(ctx context.Context) ([]byte, error) { return r.Read(ctx, 1) })
		giveWay(ctx, 1)
		_, err = peer.Write([]byte("x"))
		require.NoError(t, err)
		require.NoError(t, errOf(ctx, read))
		require.NoError(t, w.Close())
		require.NoError(t, peer.Close())
		closeFD(t, b, c, d, dup)
		return nil
	})
}

func TestATaskThatWasNotWokenGoesOnWaiting(t *testing.T) {
	needPoller(t, "AddReader and the Sock calls need one")
	runReal(t, func(ctx context.Context) error {
		l := asyncio.RunningLoop(ctx)
		a, b := socketpair(t)
		defer closeFD(t, a, b)
		fillFD(t, a)
		var r trace
		recv := spawn(ctx, func(ctx context.Context) error {
			_, err := l.SockRecv(ctx, a, 1)
			r.end("recv", err)
			return err
		})
		for range 3 { // each leaves the other waiting
			send := spawn(ctx, func(ctx context.Context) error { return l.SockSendAll(ctx, a, []byte("x")) })
			giveWay(ctx, 1)
			emptyFD(t, b)
			require.NoError(t, errOf(ctx, send))
			fillFD(t, a)
		}
		r.expect(t)
		require.Equal(t, 1, asyncio.Polled(l))
		writeFD(t, b, "x")
		require.NoError(t, errOf(ctx, recv))
		require.Zero(t, asyncio.Polled(l))
		return nil
	})
}

func TestADescriptorThatCanNoLongerBePolledWakesItsTasks(t *testing.T) {
	needPoller(t, "AddReader and the Sock calls need one")
	withoutDebug(t)
	runReal(t, func(ctx context.Context) error {
		l := asyncio.RunningLoop(ctx)
		a, b := socketpair(t)
		file, err := os.Open("go.mod")
		require.NoError(t, err)
		defer file.Close()
		recv := asyncio.CreateTask(ctx, func(ctx context.Context) ([]byte, error) { return l.SockRecv(ctx, a, 1) })
		giveWay(ctx, 1)
		require.NoError(t, unix.Dup2(int(file.Fd()), a))
		require.ErrorIs(t, asyncio.AwaitReadable(ctx, l, a), syscall.EPERM)
		require.ErrorIs(t, errOf(ctx, recv), syscall.ENOTSOCK)
		require.ErrorIs(t, l.AddReader(a, func() {}), syscall.EPERM)
		require.False(t, l.RemoveReader(a))
		require.Zero(t, asyncio.Polled(l))
		closeFD(t, a, b)
		return nil
	})
}
