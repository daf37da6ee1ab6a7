//go:build unix

package asyncio_test

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
)

// accepted opens a connection to a peer of package net.
func accepted(t *testing.T, ctx context.Context) (*asyncio.StreamReader, *asyncio.StreamWriter, *net.TCPConn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer ln.Close()
	r, w, err := asyncio.OpenConnection(ctx, ln.Addr().String())
	require.NoError(t, err)
	peer, err := ln.Accept()
	require.NoError(t, err)
	return r, w, peer.(*net.TCPConn)
}

// withFD calls f with the descriptor of a connection of package net.
func withFD(t *testing.T, conn syscall.Conn, f func(fd int)) {
	t.Helper()
	raw, err := conn.SyscallConn()
	require.NoError(t, err)
	require.NoError(t, raw.Control(func(fd uintptr) { f(int(fd)) }))
}

// The system reports a reset only once. Whether a write or a read gets it, the reader must not take
// the reset for the end of the stream.
func TestAResetReportedToAWriteIsNotAnEndForTheReader(t *testing.T) {
	needPoller(t, "a write fails after it has returned")
	runReal(t, func(ctx context.Context) error {
		r, w, peer := accepted(t, ctx)
		_, err := peer.Write([]byte("last words"))
		require.NoError(t, err)
		p, err := r.ReadExactly(ctx, 4)
		require.NoError(t, err)
		require.Equal(t, "last", string(p))
		require.NoError(t, peer.SetLinger(0))
		require.NoError(t, peer.Close())
		for err == nil { // loopback is quick, but asynchronous
			_, err = w.WriteString("x")
		}
		require.ErrorIs(t, err, syscall.ECONNRESET)
		p, err = r.ReadExactly(ctx, 6)
		require.NoError(t, err)
		require.Equal(t, " words", string(p))
		require.False(t, r.AtEOF())
		_, err = r.Read(ctx, 1)
		require.ErrorIs(t, err, syscall.ECONNRESET)
		require.NoError(t, w.Close())
		return nil
	})
}

// After a peer has closed its side a write to it fails, but the bytes that it sent have a proper
// end.
func TestAnEndThatArrivedBeforeAWriteFailedIsAnEnd(t *testing.T) {
	needPoller(t, "a write fails after it has returned")
	runReal(t, func(ctx context.Context) error {
		r, w, peer := accepted(t, ctx)
		_, err := peer.Write([]byte("all"))
		require.NoError(t, err)
		require.NoError(t, peer.Close())
		for err == nil {
			_, err = w.WriteString("x")
		}
		require.ErrorIs(t, err, syscall.EPIPE)
		p, err := r.Read(ctx, -1)
		require.NoError(t, err)
		require.Equal(t, "all", string(p))
		require.True(t, r.AtEOF())
		require.NoError(t, w.Close())
		return nil
	})
}

// The system resets a connection whose socket is closed with unread bytes.
func TestClosingAConnectionWithUnreadBytesIsNotAReset(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		for name, network := range map[string]func(asyncio.ConnectionHandler) (*asyncio.Server, error){
			"tcp": func(h asyncio.ConnectionHandler) (*asyncio.Server, error) {
				return asyncio.StartServer(ctx, h, "127.0.0.1:0")
			},
			"unix": func(h asyncio.ConnectionHandler) (*asyncio.Server, error) {
				return asyncio.StartUnixServer(ctx, h, filepath.Join(t.TempDir(), "socket"))
			},
		} {
			var sent asyncio.Event
			s, err := network(func(ctx context.Context, r *asyncio.StreamReader, w *asyncio.StreamWriter) error {
				if _, err := r.ReadExactly(ctx, 4); err != nil {
					return err
				}
				if err := sent.Wait(ctx); err != nil {
					return err
				}
				_, err := w.WriteString("answer")
				return err
			})
			require.NoError(t, err)
			c, err := net.Dial(name, s.Addr().String())
			require.NoError(t, err)
			_, err = c.Write([]byte("head"))
			require.NoError(t, err)
			require.NoError(t, asyncio.Sleep(ctx, 5*time.Millisecond))
			_, err = c.Write([]byte("body"))
			require.NoError(t, err)
			sent.Set()
			got, err := asyncio.ToThread(ctx, func(context.Context) (string, error) {
				p, err := io.ReadAll(c)
				return string(p), err
			})
			require.NoError(t, err, name)
			require.Equal(t, "answer", got, name)
			require.NoError(t, c.Close())
			require.NoError(t, s.Shutdown(ctx, time.Minute))
		}
		return nil
	})
}

// In these cases a read that returns less than there is room for has left something unread.
func TestAShortReadMayLeaveBytesUnread(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		abcd := func(r *asyncio.StreamReader) {
			t.Helper()
			require.NoError(t, asyncio.Sleep(ctx, 5*time.Millisecond)) // the loop has been notified of all that has arrived
			p, err := asyncio.WaitFor(ctx, asyncio.Coro[[]byte](func(ctx context.Context) ([]byte, error) {
				return r.ReadExactly(ctx, 4)
			}), 10*time.Second)
			require.NoError(t, err)
			require.Equal(t, "abcd", string(p))
		}
		if runtime.GOOS == "linux" { // the read stops before urgent data, which are not part of the stream
			r, w, peer := accepted(t, ctx)
			withFD(t, peer, func(fd int) {
				writeFD(t, fd, "ab")
				require.NoError(t, syscall.Sendto(fd, []byte("!"), syscall.MSG_OOB, nil))
				writeFD(t, fd, "cd")
			})
			abcd(r)
			require.NoError(t, peer.Close())
			w.Abort()
		}

		ln, err := net.Listen("unix", filepath.Join(t.TempDir(), "socket"))
		require.NoError(t, err)
		r, w, err := asyncio.OpenUnixConnection(ctx, ln.Addr().String())
		require.NoError(t, err)
		peer, err := ln.Accept()
		require.NoError(t, err)
		_, _, err = peer.(*net.UnixConn).WriteMsgUnix([]byte("ab"), syscall.UnixRights(0), nil)
		require.NoError(t, err)
		_, err = peer.Write([]byte("cd"))
		require.NoError(t, err)
		abcd(r)
		require.NoError(t, peer.Close())
		require.NoError(t, ln.Close())
		w.Abort()

		if !hasPoller() { // nothing could end a pending read of the file below
			return nil
		}
		fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_DGRAM, 0)
		require.NoError(t, err)
		r, err = asyncio.ConnectReadPipe(ctx, os.NewFile(uintptr(fds[0]), "datagrams"))
		require.NoError(t, err)
		writeFD(t, fds[1], "ab")
		writeFD(t, fds[1], "cd")
		abcd(r)
		closeFD(t, fds[1])
		return r.Close()
	})
}

func TestClosingALoopKillsAWaitingReader(t *testing.T) {
	before := openDescriptors(t)
	var peer net.Conn
	l := asyncio.NewLoop(asyncio.WithExceptionHandler(func(*asyncio.Loop, asyncio.ExceptionContext) {})) // the task is reported
	_, err := asyncio.RunUntilComplete(t.Context(), l, asyncio.Do(func(ctx context.Context) error {
		r, _, conn := accepted(t, ctx)
		peer = conn
		spawn(ctx, func(ctx context.Context) error {
			_, err := r.Read(ctx, 1)
			return err
		})
		return asyncio.Sleep(ctx, 0)
	}))
	require.NoError(t, err)
	require.NoError(t, l.Close())
	require.NoError(t, peer.Close())
	require.LessOrEqual(t, openDescriptors(t), before)
}

// most is the largest number of bytes that a stream sends in one turn, with what TLS adds.
const most = 2<<20 + 256*kib

// swallow accepts a connection and reads it as fast as it can.
func swallow(t *testing.T, serverConfig *tls.Config) (addr string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	go func() {
		defer ln.Close()
		c, err := ln.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		if serverConfig != nil {
			c = tls.Server(c, serverConfig)
		}
		_, _ = io.Copy(io.Discard, struct{ io.Reader }{c})
	}()
	return ln.Addr().String()
}

func TestALargeWriteLetsOtherTasksRun(t *testing.T) {
	serverConfig, clientConfig := certificates()
	const size = 32 << 20
	for name, test := range map[string]struct {
		config *tls.Config
		opts   []asyncio.ConnectOption
	}{
		"TCP": {nil, nil},
		"TLS": {serverConfig, []asyncio.ConnectOption{asyncio.WithTLS(clientConfig)}},
	} {
		t.Run(name, func(t *testing.T) {
			runReal(t, func(ctx context.Context) error {
				_, w, err := asyncio.OpenConnection(ctx, swallow(t, test.config), test.opts...)
				require.NoError(t, err)
				_, err = w.Write(make([]byte, size))
				require.NoError(t, err)
				before := size
				check := func() {
					now := w.WriteBufferSize()
					require.LessOrEqual(t, before-now, most, "bytes sent in a turn")
					before = now
				}
				check()
				require.NoError(t, w.Close()) // sends the rest in small portions too
				closed := asyncio.CreateTask(ctx, asyncio.Do(w.WaitClosed))
				for !closed.Done() {
					check()
					giveWay(ctx, 1)
				}
				return closed.Exception()
			})
		})
	}
}

// A peer that keeps up must not keep a task that only writes from suspending in Drain.
func TestATaskThatWritesWithoutEndLetsOtherTasksRun(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		for _, size := range []int{1, 64 * kib} {
			_, w, err := asyncio.OpenConnection(ctx, swallow(t, nil))
			require.NoError(t, err)
			writer := spawn(ctx, func(ctx context.Context) error {
				for {
					if _, err := w.Write(make([]byte, size)); err != nil {
						return err
					}
					if err := w.Drain(ctx); err != nil {
						return err
					}
				}
			})
			giveWay(ctx, 100)
			writer.Cancel()
			join(ctx, writer)
			require.NoError(t, w.Close())
			require.NoError(t, w.WaitClosed(ctx))
		}
		return nil
	})
}

// The peer gets the bytes that the system had taken, and then the end.
func TestAbortDeliversTheBytesThatWereSent(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		_, w, peer := accepted(t, ctx)
		_, err := w.Write(make([]byte, 32<<20)) // nobody reads this yet
		require.NoError(t, err)
		for kept := 0; kept != w.WriteBufferSize(); { // until the system takes no more
			kept = w.WriteBufferSize()
			giveWay(ctx, 5)
		}
		sent := 32<<20 - w.WriteBufferSize()
		w.Abort()
		require.NoError(t, w.WaitClosed(ctx))
		got, err := asyncio.ToThread(ctx, func(context.Context) ([]byte, error) { return io.ReadAll(peer) })
		require.NoError(t, err)
		require.GreaterOrEqual(t, len(got), sent)
		require.LessOrEqual(t, len(got), sent+64<<10) // without a poller, the system takes a write in parts
		return peer.Close()
	})
}

// Unread bytes do not turn the end into a reset.
func TestAbortWithUnreadBytesIsNotAReset(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		r, w, peer := accepted(t, ctx)
		_, err := peer.Write([]byte("unread"))
		require.NoError(t, err)
		_, err = w.WriteString("answer")
		require.NoError(t, err)
		require.NoError(t, asyncio.Sleep(ctx, 5*time.Millisecond))
		w.Abort()
		got, err := asyncio.ToThread(ctx, func(context.Context) ([]byte, error) { return io.ReadAll(peer) })
		require.NoError(t, err)
		require.Equal(t, "answer", string(got))
		got, err = r.Read(ctx, -1)
		require.NoError(t, err)
		require.Equal(t, "unread", string(got))
		return peer.Close()
	})
}

func TestResetResetsTheConnection(t *testing.T) {
	serverConfig, clientConfig := certificates()
	runReal(t, func(ctx context.Context) error {
		_, w, peer := accepted(t, ctx)
		w.Reset()
		w.Reset()
		require.NoError(t, w.WaitClosed(ctx))
		_, err := asyncio.ToThread(ctx, func(context.Context) (int, error) { return peer.Read(make([]byte, 1)) })
		require.ErrorIs(t, err, syscall.ECONNRESET)
		require.NoError(t, peer.Close())

		_, w, peer = accepted(t, ctx)
		over := tls.Server(peer, serverConfig)
		handshake := asyncio.CreateTask(ctx, func(ctx context.Context) (asyncio.None, error) {
			return asyncio.ToThread(ctx, func(context.Context) (asyncio.None, error) { return asyncio.None{}, over.Handshake() })
		})
		require.NoError(t, w.StartTLS(ctx, clientConfig))
		_, err = handshake.Await(ctx)
		require.NoError(t, err)
		w.Reset()
		_, err = asyncio.ToThread(ctx, func(context.Context) (int, error) { return over.Read(make([]byte, 1)) })
		require.ErrorIs(t, err, syscall.ECONNRESET)
		return peer.Close()
	})
}

func TestAnIdleConnectionDetectsAReset(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		r, w, peer := accepted(t, ctx)
		_, err := peer.Write([]byte("last words"))
		require.NoError(t, err)
		closed := spawn(ctx, w.WaitClosed)
		require.NoError(t, asyncio.Sleep(ctx, 5*time.Millisecond))
		require.False(t, w.IsClosing())
		require.NoError(t, peer.SetLinger(0))
		require.NoError(t, peer.Close())
		eventually(t, ctx, w.IsClosing, "the reset")
		require.ErrorIs(t, w.Drain(ctx), syscall.ECONNRESET)
		join(ctx, closed)
		require.ErrorIs(t, closed.Exception(), syscall.ECONNRESET)
		got, err := r.ReadExactly(ctx, 10)
		require.NoError(t, err)
		require.Equal(t, "last words", string(got))
		return nil
	})
}

// Unread bytes come first, even if the connection is still open on this side.
func TestAResetThatArrivedUnnoticedComesAfterTheData(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		r, w, peer := accepted(t, ctx)
		_, err := peer.Write([]byte("last words"))
		require.NoError(t, err)
		require.NoError(t, asyncio.Sleep(ctx, 5*time.Millisecond))
		require.NoError(t, peer.SetLinger(0))
		require.NoError(t, peer.Close())
		eventually(t, ctx, w.IsClosing, "the reset")
		got, err := r.ReadExactly(ctx, 10)
		require.NoError(t, err)
		require.Equal(t, "last words", string(got))
		_, err = r.Read(ctx, 1)
		require.ErrorIs(t, err, syscall.ECONNRESET)
		require.False(t, r.AtEOF())
		require.ErrorIs(t, w.WaitClosed(ctx), syscall.ECONNRESET)
		return nil
	})
}

func TestAHalfClosedConnectionStaysOpen(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		_, w, peer := accepted(t, ctx)
		require.NoError(t, peer.CloseWrite())
		require.NoError(t, asyncio.Sleep(ctx, 10*time.Millisecond))
		require.False(t, w.IsClosing())
		_, err := w.WriteString("on it goes")
		require.NoError(t, err)
		require.NoError(t, w.Drain(ctx))
		require.NoError(t, w.Close())
		got, err := asyncio.ToThread(ctx, func(context.Context) ([]byte, error) { return io.ReadAll(peer) })
		require.NoError(t, err)
		require.Equal(t, "on it goes", string(got))
		return peer.Close()
	})
}

func TestAnIdleWriterDetectsThatItsPipeHasNoReader(t *testing.T) {
	needPoller(t, "only a poller notices that a pipe has no reader before something is written")
	runReal(t, func(ctx context.Context) error {
		for _, kept := range []int{0, 1 << 20} {
			r, f, err := os.Pipe()
			require.NoError(t, err)
			w, err := asyncio.ConnectWritePipe(ctx, f)
			require.NoError(t, err)
			_, err = w.Write(make([]byte, kept))
			require.NoError(t, err)
			require.NoError(t, asyncio.Sleep(ctx, 5*time.Millisecond))
			require.False(t, w.IsClosing())
			require.NoError(t, r.Close())
			eventually(t, ctx, w.IsClosing, "the end of the reader")
			require.ErrorIs(t, w.Drain(ctx), syscall.EPIPE)
			require.ErrorIs(t, w.WaitClosed(ctx), syscall.EPIPE)
		}
		return nil
	})
}

// A socket may serve as a pipe, with the same behaviour.
func TestAnIdleWriterDetectsThatItsSocketHasNoReader(t *testing.T) {
	needPoller(t, "only a poller notices that a pipe has no reader before something is written")
	runReal(t, func(ctx context.Context) error {
		fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
		require.NoError(t, err)
		w, err := asyncio.ConnectWritePipe(ctx, os.NewFile(uintptr(fds[0]), "socket"))
		require.NoError(t, err)
		require.NoError(t, asyncio.Sleep(ctx, 5*time.Millisecond))
		require.False(t, w.IsClosing())
		closeFD(t, fds[1])
		eventually(t, ctx, w.IsClosing, "the end of the reader")
		require.ErrorIs(t, w.WaitClosed(ctx), syscall.EPIPE)
		return nil
	})
}

// The loop has not yet been notified of it.
func TestBytesThatArriveInTheTurnOfCloseCanBeRead(t *testing.T) {
	needPoller(t, "the bytes of this turn have not reached the stream")
	runReal(t, func(ctx context.Context) error {
		r, w, peer := accepted(t, ctx)
		_, err := w.WriteString("answer")
		require.NoError(t, err)
		giveWay(ctx, 2)
		_, err = peer.Write([]byte("just now"))
		require.NoError(t, err)
		require.NoError(t, w.Close())
		got, err := r.Read(ctx, -1)
		require.NoError(t, err)
		require.Equal(t, "just now", string(got))
		got, err = asyncio.ToThread(ctx, func(context.Context) ([]byte, error) { return io.ReadAll(peer) })
		require.NoError(t, err)
		require.Equal(t, "answer", string(got))
		return peer.Close()
	})
}

func TestAHandlerCanReadReceivedBytesAfterCloseClients(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		var begun, closed asyncio.Event
		read := asyncio.NewFuture[string](asyncio.RunningLoop(ctx))
		s, err := asyncio.StartServer(ctx, func(ctx context.Context, r *asyncio.StreamReader, w *asyncio.StreamWriter) error {
			begun.Set()
			if err := closed.Wait(ctx); err != nil {
				return err
			}
			p, err := r.Read(ctx, -1)
			require.NoError(t, err)
			return read.SetResult(string(p))
		}, "127.0.0.1:0")
		require.NoError(t, err)
		_, w, err := asyncio.OpenConnection(ctx, s.Addr().String())
		require.NoError(t, err)
		_, err = w.WriteString("hello")
		require.NoError(t, err)
		require.NoError(t, begun.Wait(ctx))
		require.NoError(t, asyncio.Sleep(ctx, 5*time.Millisecond)) // the loop has been notified of all that has arrived
		s.CloseClients()
		closed.Set()
		got, err := read.Await(ctx)
		require.NoError(t, err)
		require.Equal(t, "hello", got)
		require.NoError(t, w.Close())
		return s.Shutdown(ctx, time.Minute)
	})
}
