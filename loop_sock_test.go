//go:build unix

package asyncio_test

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
)

// tcpListener makes a non-blocking socket that listens.
func tcpListener(t *testing.T) (fd int, addr net.Addr) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	fd = dupOf(t, ln.(*net.TCPListener))
	require.NoError(t, ln.Close())
	return fd, ln.Addr()
}

// dupOf duplicates the descriptor of a socket of package net.
func dupOf(t *testing.T, c syscall.Conn) (fd int) {
	t.Helper()
	raw, err := c.SyscallConn()
	require.NoError(t, err)
	var dupErr error
	require.NoError(t, raw.Control(func(old uintptr) { fd, dupErr = syscall.Dup(int(old)) }))
	require.NoError(t, dupErr)
	require.NoError(t, syscall.SetNonblock(fd, true))
	return fd
}

func tcpSocket(t *testing.T) int {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	require.NoError(t, err)
	require.NoError(t, syscall.SetNonblock(fd, true))
	return fd
}

// fillFD writes to a socket until it is full.
func fillFD(t *testing.T, fd int) {
	t.Helper()
	p := make([]byte, 1<<20)
	for {
		if _, err := syscall.Write(fd, p); err == syscall.EAGAIN {
			return
		} else {
			require.NoError(t, err)
		}
	}
}

// emptyFD reads all the bytes that are available.
func emptyFD(t *testing.T, fd int) {
	t.Helper()
	p := make([]byte, 1<<20)
	for {
		if n, err := syscall.Read(fd, p); n <= 0 {
			require.Equal(t, syscall.EAGAIN, err)
			return
		}
	}
}

func TestSockCallsWithAFastPeerLetOtherTasksRun(t *testing.T) {
	needPoller(t, "AddReader and the Sock calls need one")
	for name, call := range map[string]func(l *asyncio.Loop, ctx context.Context, fd int, addr net.Addr) error{
		"SockRecv": func(l *asyncio.Loop, ctx context.Context, fd int, _ net.Addr) error {
			_, err := l.SockRecv(ctx, fd, 1)
			return err
		},
		"SockRecvFrom": func(l *asyncio.Loop, ctx context.Context, fd int, _ net.Addr) error {
			_, _, err := l.SockRecvFrom(ctx, fd, 1)
			return err
		},
		"SockSendAll": func(l *asyncio.Loop, ctx context.Context, fd int, _ net.Addr) error {
			return l.SockSendAll(ctx, fd, []byte("x"))
		},
		"SockSendTo": func(l *asyncio.Loop, ctx context.Context, fd int, _ net.Addr) error {
			_, err := l.SockSendTo(ctx, fd, []byte("x"), nil)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			runReal(t, func(ctx context.Context) error {
				l := asyncio.RunningLoop(ctx)
				a, b := socketpair(t)
				defer closeFD(t, a, b)
				const calls = 20 * asyncio.SockShare
				for range calls {
					writeFD(t, b, "x")
				}
				before := asyncio.Turns(l)
				for range calls {
					require.NoError(t, call(l, ctx, a, nil))
				}
				require.GreaterOrEqual(t, asyncio.Turns(l)-before, uint64(calls/asyncio.SockShare-1))
				return nil
			})
		})
	}

	t.Run("SockAccept", func(t *testing.T) {
		runReal(t, func(ctx context.Context) error {
			l := asyncio.RunningLoop(ctx)
			ln, addr := tcpListener(t)
			defer closeFD(t, ln)
			const calls = 10 * asyncio.SockShare
			for range calls {
				conn, err := net.Dial("tcp", addr.String())
				require.NoError(t, err)
				defer conn.Close()
			}
			before := asyncio.Turns(l)
			for range calls {
				conn, _, err := l.SockAccept(ctx, ln)
				require.NoError(t, err)
				closeFD(t, conn)
			}
			require.GreaterOrEqual(t, asyncio.Turns(l)-before, uint64(calls/asyncio.SockShare-1))
			return nil
		})
	})

	t.Run("many bytes in one call", func(t *testing.T) {
		runReal(t, func(ctx context.Context) error {
			l := asyncio.RunningLoop(ctx)
			a, b := socketpair(t)
			require.NoError(t, syscall.SetNonblock(b, false))
			ended := make(chan struct{})
			go func() { // reads as fast as it can
				defer close(ended)
				defer syscall.Close(b)
				p := make([]byte, 1<<20)
				for {
					if n, _ := syscall.Read(b, p); n <= 0 {
						return
					}
				}
			}()
			const size = 64 << 20
			before := asyncio.Turns(l)
			require.NoError(t, l.SockSendAll(ctx, a, make([]byte, size)))
			require.GreaterOrEqual(t, asyncio.Turns(l)-before, uint64(size/(asyncio.SockShare*asyncio.MaxTransfer)-1))
			closeFD(t, a)
			<-ended
			return nil
		})
	})
}

func TestSockCallsCancelledWhileTheyYieldLoseNothing(t *testing.T) {
	needPoller(t, "AddReader and the Sock calls need one")
	runReal(t, func(ctx context.Context) error {
		l := asyncio.RunningLoop(ctx)
		a, b := socketpair(t)
		defer closeFD(t, a, b)
		const sent = asyncio.SockShare + 2
		writeFD(t, b, "0123456789"[:sent])
		got := ""
		recv := spawn(ctx, func(ctx context.Context) error {
			for {
				p, err := l.SockRecv(ctx, a, 1)
				if err != nil {
					return err
				}
				got += string(p)
			}
		})
		giveWay(ctx, 1)
		recv.Cancel() // while it yields
		require.ErrorIs(t, errOf(ctx, recv), asyncio.ErrCancelled)
		require.Len(t, got, asyncio.SockShare)
		rest, err := l.SockRecv(ctx, a, 10)
		require.NoError(t, err)
		require.Equal(t, "0123456789"[:sent], got+string(rest))
		return nil
	})
}

func TestSockCallsRefuseNumbersThatAreNotTheCallersDescriptors(t *testing.T) {
	needPoller(t, "AddReader and the Sock calls need one")
	runReal(t, func(ctx context.Context) error {
		l := asyncio.RunningLoop(ctx)
		e, err := asyncio.CreateDatagramEndpoint(ctx, "127.0.0.1:0", "")
		require.NoError(t, err)
		defer e.Abort()
		file, err := os.Open("go.mod")
		require.NoError(t, err)
		defer file.Close()
		dir, err := os.Open(".")
		require.NoError(t, err)
		defer dir.Close()
		a, b := socketpair(t)
		closeFD(t, a, b)
		beyond := int(int64(a) + 1<<40) // the system would use only the lower half
		for name, c := range map[string]struct {
			fd   int
			want any
		}{
			"negative": {-1, syscall.EBADF},
			"least":    {-1 << 31, syscall.EBADF},
			"huge":     {100_000_000, syscall.EBADF},
			"greatest": {int(^uint(0) >> 1), syscall.EBADF},
			"beyond":   {beyond, syscall.EBADF},
			"closed":   {a, syscall.EBADF},
			"file":     {int(file.Fd()), ""},
			"dir":      {int(dir.Fd()), ""},
			"stream":   {e.GetExtraInfo("socket").(int), "belongs to a stream"},
		} {
			errs := make(map[string]error)
			errs["AddReader"] = l.AddReader(c.fd, func() {})
			errs["AddWriter"] = l.AddWriter(c.fd, func() {})
			_, errs["SockRecv"] = l.SockRecv(ctx, c.fd, 1)
			_, errs["SockRecvInto"] = l.SockRecvInto(ctx, c.fd, make([]byte, 1))
			_, _, errs["SockRecvFrom"] = l.SockRecvFrom(ctx, c.fd, 1)
			errs["SockSendAll"] = l.SockSendAll(ctx, c.fd, []byte("x"))
			_, errs["SockSendTo"] = l.SockSendTo(ctx, c.fd, []byte("x"), nil)
			errs["SockConnect"] = l.SockConnect(ctx, c.fd, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1})
			_, _, errs["SockAccept"] = l.SockAccept(ctx, c.fd)
			for call, err := range errs {
				switch want := c.want.(type) {
				case error:
					require.ErrorIs(t, err, want, "%s of %s", call, name)
				case string:
					require.ErrorContains(t, err, want, "%s of %s", call, name)
				}
			}
			require.False(t, l.RemoveReader(c.fd), name)
			require.False(t, l.RemoveWriter(c.fd), name)
		}
		require.Equal(t, 1, asyncio.Polled(l), "the endpoint alone")
		return nil
	})
	for _, call := range []func(ctx context.Context, l *asyncio.Loop){
		func(ctx context.Context, l *asyncio.Loop) { _, _ = l.SockRecv(ctx, 0, -1) },
		func(ctx context.Context, l *asyncio.Loop) { _, _, _ = l.SockRecvFrom(ctx, 0, -1) },
	} {
		inTurn(t, func(ctx context.Context) {
			require.Panics(t, func() { call(ctx, asyncio.RunningLoop(ctx)) })
		})
	}
}

func TestSockCallsOnAPipe(t *testing.T) {
	needPoller(t, "AddReader and the Sock calls need one")
	runReal(t, func(ctx context.Context) error {
		l := asyncio.RunningLoop(ctx)
		fds := make([]int, 2)
		require.NoError(t, syscall.Pipe(fds))
		for _, fd := range fds {
			require.NoError(t, syscall.SetNonblock(fd, true))
		}
		recv := asyncio.CreateTask(ctx, func(ctx context.Context) ([]byte, error) { return l.SockRecv(ctx, fds[0], 10) })
		giveWay(ctx, 1)
		require.NoError(t, l.SockSendAll(ctx, fds[1], []byte("hello")))
		got, err := recv.Await(ctx)
		require.NoError(t, err)
		require.Equal(t, "hello", string(got))
		// The descriptor may become a stream afterwards.
		r, err := asyncio.ConnectReadPipe(ctx, os.NewFile(uintptr(fds[0]), "pipe"))
		require.NoError(t, err)
		writeFD(t, fds[1], "x")
		giveWay(ctx, 3)
		require.Zero(t, asyncio.PollNow(l))
		closeFD(t, fds[1])
		got, err = r.Read(ctx, -1)
		require.NoError(t, err)
		require.Equal(t, "x", string(got))
		return nil
	})
}

func TestABlockingDescriptorIsAnErrorInDebugMode(t *testing.T) {
	needPoller(t, "AddReader and the Sock calls need one")
	_, err := asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
		l := asyncio.RunningLoop(ctx)
		a, b := socketpair(t)
		defer closeFD(t, a, b)
		require.NoError(t, syscall.SetNonblock(a, false))
		_, err := l.SockRecv(ctx, a, 1)
		require.ErrorContains(t, err, "must not block")
		require.ErrorContains(t, l.SockSendAll(ctx, a, []byte("x")), "must not block")
		require.NoError(t, syscall.SetNonblock(a, true))
		require.NoError(t, l.SockSendAll(ctx, a, []byte("x")))
		return nil
	}), asyncio.WithDebug())
	require.NoError(t, err)
}

func TestConnectingToAFullUnixServerIsRetried(t *testing.T) {
	needPoller(t, "AddReader and the Sock calls need one")
	runReal(t, func(ctx context.Context) error {
		l := asyncio.RunningLoop(ctx)
		addr := &net.UnixAddr{Name: filepath.Join(t.TempDir(), "s"), Net: "unix"}
		ln, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
		require.NoError(t, err)
		require.NoError(t, syscall.SetNonblock(ln, true))
		require.NoError(t, syscall.Bind(ln, &syscall.SockaddrUnix{Name: addr.Name}))
		require.NoError(t, syscall.Listen(ln, 1))
		connect := func(ctx context.Context) (int, error) {
			fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
			require.NoError(t, err)
			require.NoError(t, syscall.SetNonblock(fd, true))
			err = l.SockConnect(ctx, fd, addr)
			if err != nil {
				closeFD(t, fd)
			}
			return fd, err
		}
		const clients = 10
		var tasks []*asyncio.Task[int]
		for range clients {
			tasks = append(tasks, asyncio.CreateTask(ctx, connect))
		}
		given := asyncio.CreateTask(ctx, connect)
		giveWay(ctx, 3)
		require.False(t, given.Done())
		given.Cancel()
		require.ErrorIs(t, errOf(ctx, given), asyncio.ErrCancelled)
		for range clients {
			conn, _, err := l.SockAccept(ctx, ln)
			require.NoError(t, err)
			defer closeFD(t, conn)
		}
		for _, task := range tasks {
			fd, err := task.Await(ctx)
			require.NoError(t, err)
			closeFD(t, fd)
		}
		closeFD(t, ln)
		return nil
	})
}

// The sender's socket has room, so the poller would report it as ready at once.
func TestSendingToAFullUnixReceiverIsRetried(t *testing.T) {
	needPoller(t, "AddReader and the Sock calls need one")
	runReal(t, func(ctx context.Context) error {
		l := asyncio.RunningLoop(ctx)
		addr := &net.UnixAddr{Name: filepath.Join(t.TempDir(), "s"), Net: "unixgram"}
		var fds [2]int
		for i := range fds {
			fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_DGRAM, 0)
			require.NoError(t, err)
			require.NoError(t, syscall.SetNonblock(fd, true))
			fds[i] = fd
		}
		require.NoError(t, syscall.Bind(fds[0], &syscall.SockaddrUnix{Name: addr.Name}))
		sent := 0
		for syscall.Sendto(fds[1], []byte("x"), 0, &syscall.SockaddrUnix{Name: addr.Name}) == nil {
			sent++
		}
		send := asyncio.CreateTask(ctx, func(ctx context.Context) (int, error) { return l.SockSendTo(ctx, fds[1], []byte("last"), addr) })
		before := asyncio.Turns(l)
		require.NoError(t, asyncio.Sleep(ctx, 30*time.Millisecond))
		require.Less(t, asyncio.Turns(l)-before, uint64(300), "turns in which nothing could be done")
		require.False(t, send.Done())
		for range sent {
			_, _, err := l.SockRecvFrom(ctx, fds[0], 10)
			require.NoError(t, err)
		}
		n, err := send.Await(ctx)
		require.NoError(t, err)
		require.Equal(t, 4, n)
		got, _, err := l.SockRecvFrom(ctx, fds[0], 10)
		require.NoError(t, err)
		require.Equal(t, "last", string(got))
		closeFD(t, fds[0], fds[1])
		return nil
	})
}

func TestClosingALoopUnwindsTasksInSockCalls(t *testing.T) {
	needPoller(t, "AddReader and the Sock calls need one")
	a, b := socketpair(t)
	defer closeFD(t, a, b)
	fillFD(t, a)
	var r trace
	l := asyncio.NewLoop(asyncio.WithExceptionHandler(func(*asyncio.Loop, asyncio.ExceptionContext) {}))
	_, err := asyncio.RunUntilComplete(t.Context(), l, asyncio.Do(func(ctx context.Context) error {
		for name, call := range map[string]func(ctx context.Context) error{
			"recv": func(ctx context.Context) error { _, err := l.SockRecv(ctx, a, 1); return err },
			"send": func(ctx context.Context) error { return l.SockSendAll(ctx, a, []byte("x")) },
		} {
			spawn(ctx, func(ctx context.Context) error {
				defer r.add("unwound")
				err := call(ctx)
				r.end(name, err)
				return err
			})
		}
		giveWay(ctx, 1)
		return l.AddReader(b, func() {})
	}))
	require.NoError(t, err)
	require.NoError(t, l.Close())
	r.expect(t, "unwound", "unwound")
}

func TestSockCalls(t *testing.T) {
	needPoller(t, "AddReader and the Sock calls need one")
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
	needPoller(t, "AddReader and the Sock calls need one")
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
	needPoller(t, "AddReader and the Sock calls need one")
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
	needPoller(t, "AddReader and the Sock calls need one")
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

		p := []byte("....")
		into := spawn(ctx, func(ctx context.Context) error {
			n, from, err := l.SockRecvFromInto(ctx, fds[0], p)
			require.Equal(t, "hell", string(p[:n]), "the rest is dropped")
			require.Equal(t, addrs[1].String(), from.String())
			return err
		})
		settled(ctx)
		_, err = l.SockSendTo(ctx, fds[1], []byte("hello"), addrs[0])
		require.NoError(t, err)
		require.NoError(t, errOf(ctx, into))
		cancelled := spawn(ctx, func(ctx context.Context) error {
			_, _, err := l.SockRecvFromInto(ctx, fds[0], p)
			return err
		})
		settled(ctx)
		cancelled.Cancel()
		require.ErrorIs(t, errOf(ctx, cancelled), asyncio.ErrCancelled)
		return nil
	})
}
