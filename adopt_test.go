//go:build unix

package asyncio_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"math"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
)

// dialed connects to a server by package net.
func dialed(t *testing.T, addr net.Addr) net.Conn {
	t.Helper()
	conn, err := net.Dial(addr.Network(), addr.String())
	require.NoError(t, err)
	return conn
}

// fileFrom returns a file with a duplicate of the descriptor of a socket of package net, which it
// closes.
func fileFrom(t *testing.T, sock interface{ Close() error }) *os.File {
	t.Helper()
	f, err := sock.(interface{ File() (*os.File, error) }).File()
	require.NoError(t, err)
	if unix, ok := sock.(*net.UnixListener); ok {
		unix.SetUnlinkOnClose(false)
	}
	require.NoError(t, sock.Close())
	return f
}

// descriptorFrom is fileFrom, but returns a bare descriptor.
func descriptorFrom(t *testing.T, sock interface{ Close() error }) int {
	t.Helper()
	f := fileFrom(t, sock)
	fd, err := syscall.Dup(int(f.Fd()))
	require.NoError(t, err)
	require.NoError(t, f.Close())
	return fd
}

// shapes lists the forms that a socket of package net can be given in.
var shapes = map[string]func(t *testing.T, sock interface{ Close() error }) any{
	"package net": func(_ *testing.T, sock interface{ Close() error }) any { return sock },
	"file":        func(t *testing.T, sock interface{ Close() error }) any { return fileFrom(t, sock) },
	"int":         func(t *testing.T, sock interface{ Close() error }) any { return descriptorFrom(t, sock) },
	"uintptr":     func(t *testing.T, sock interface{ Close() error }) any { return uintptr(descriptorFrom(t, sock)) },
}

// moves reports whether a socket in one of the shapes is duplicated. If not, the loop goes on with the
// socket itself, and closes it with the connection.
func moves(shape string) bool { return shape != "package net" || hasPoller() }

// isOpen reports whether a socket that was given in one of the shapes is still open.
func isOpen(t *testing.T, sock any) bool {
	t.Helper()
	if fd, ok := sock.(uintptr); ok {
		sock = int(fd)
	}
	if fd, ok := sock.(int); ok {
		return syscall.Fstat(fd, new(syscall.Stat_t)) == nil
	}
	raw, err := sock.(syscall.Conn).SyscallConn()
	require.NoError(t, err)
	return raw.Control(func(uintptr) {}) == nil
}

// discard closes a socket that was given in one of the shapes.
func discard(t *testing.T, sock any) {
	t.Helper()
	switch s := sock.(type) {
	case int:
		require.NoError(t, syscall.Close(s))
	case uintptr:
		require.NoError(t, syscall.Close(int(s)))
	case io.Closer:
		_ = s.Close() // a second one is harmless
	}
}

// servers starts an echo server for each kind of stream socket.
func servers(t *testing.T, ctx context.Context, opts ...asyncio.TLSOption) map[string]*asyncio.Server {
	t.Helper()
	var serve []asyncio.ServeOption
	var unix []asyncio.UnixServeOption
	for _, o := range opts {
		serve, unix = append(serve, o), append(unix, o)
	}
	tcp, err := asyncio.StartServer(ctx, echo, "127.0.0.1:0", serve...)
	require.NoError(t, err)
	local, err := asyncio.StartUnixServer(ctx, echo, filepath.Join(t.TempDir(), "socket"), unix...)
	require.NoError(t, err)
	return map[string]*asyncio.Server{"tcp": tcp, "unix": local}
}

func TestAStreamIsMadeOfAConnectedSocket(t *testing.T) {
	for shape, as := range shapes {
		t.Run(shape, func(t *testing.T) {
			runReal(t, func(ctx context.Context) error {
				for network, s := range servers(t, ctx) {
					sock := as(t, dialed(t, s.Addr()))
					r, w, err := asyncio.OpenConnection(ctx, "", asyncio.WithSocket(sock))
					require.NoError(t, err)
					assert.NotEqual(t, moves(shape), isOpen(t, sock), "it is the loop's")
					assert.Equal(t, network, w.RemoteAddr().Network())
					assert.Equal(t, s.Addr().String(), w.RemoteAddr().String())
					require.Equal(t, "hello\n", say(t, ctx, r, w, "hello"))
					require.NoError(t, w.WriteEOF())
					_, err = r.Read(ctx, 1)
					require.Equal(t, io.EOF, err)
					require.NoError(t, w.Close())
					require.NoError(t, w.WaitClosed(ctx))
					require.NoError(t, s.Shutdown(ctx, time.Minute))
				}
				return nil
			})
		})
	}
}

func TestBytesThatCameBeforeAreRead(t *testing.T) {
	for shape, as := range shapes {
		t.Run(shape, func(t *testing.T) {
			runReal(t, func(ctx context.Context) error {
				ln, err := net.Listen("tcp", "127.0.0.1:0")
				require.NoError(t, err)
				defer ln.Close()
				client := dialed(t, ln.Addr())
				server, err := ln.Accept()
				require.NoError(t, err)
				_, err = server.Write([]byte("early"))
				require.NoError(t, err)
				require.NoError(t, server.Close())
				r, w, err := asyncio.OpenConnection(ctx, "", asyncio.WithSocket(as(t, client)))
				require.NoError(t, err)
				p, err := r.Read(ctx, -1)
				require.NoError(t, err)
				assert.Equal(t, "early", string(p))
				return w.Close()
			})
		})
	}
}

func TestTLSGoesOverASocketThatIsGiven(t *testing.T) {
	withoutDebug(t) // which reports the handshake that fails
	serverConfig, clientConfig := certificates()
	for shape, as := range shapes {
		t.Run(shape, func(t *testing.T) {
			runReal(t, func(ctx context.Context) error {
				for _, s := range servers(t, ctx, asyncio.WithTLS(serverConfig)) {
					sock := as(t, dialed(t, s.Addr()))
					_, _, err := asyncio.OpenConnection(ctx, "", asyncio.WithSocket(sock), asyncio.WithTLS(new(tls.Config)))
					require.ErrorContains(t, err, "needs a ServerName")
					until(ctx, func() bool { return isOpen(t, sock) == moves(shape) }) // it is still the caller's
					discard(t, sock)

					sock = as(t, dialed(t, s.Addr()))
					r, w, err := asyncio.OpenConnection(ctx, "", asyncio.WithSocket(sock), asyncio.WithTLS(clientConfig))
					require.NoError(t, err)
					assert.NotEqual(t, moves(shape), isOpen(t, sock))
					require.Equal(t, "hello\n", say(t, ctx, r, w, "hello"))
					require.NoError(t, w.Close())
					require.NoError(t, s.Shutdown(ctx, time.Minute))
				}
				return nil
			})
		})
	}
}

func TestACancelledHandshakeLeavesTheSocketWithTheCaller(t *testing.T) {
	_, clientConfig := certificates()
	for shape, as := range shapes {
		t.Run(shape, func(t *testing.T) {
			runReal(t, func(ctx context.Context) error {
				silent, err := net.Listen("tcp", "127.0.0.1:0")
				require.NoError(t, err)
				defer silent.Close()
				sock := as(t, dialed(t, silent.Addr()))
				task := spawn(ctx, func(ctx context.Context) error {
					_, _, err := asyncio.OpenConnection(ctx, "", asyncio.WithSocket(sock), asyncio.WithTLS(clientConfig))
					return err
				})
				settled(ctx)
				task.Cancel()
				require.ErrorIs(t, errOf(ctx, task), asyncio.ErrCancelled)
				until(ctx, func() bool { return isOpen(t, sock) == moves(shape) })
				discard(t, sock)
				return nil
			})
		})
	}
}

func TestAServerIsMadeOfBoundSockets(t *testing.T) {
	for shape, as := range shapes {
		t.Run(shape, func(t *testing.T) {
			runReal(t, func(ctx context.Context) error {
				var opts []asyncio.ServeOption
				var socks []any
				path := filepath.Join(t.TempDir(), "socket")
				for _, address := range [][2]string{{"tcp", "127.0.0.1:0"}, {"unix", path}, {"tcp", "127.0.0.1:0"}} {
					ln, err := net.Listen(address[0], address[1])
					require.NoError(t, err)
					socks = append(socks, as(t, ln))
					opts = append(opts, asyncio.WithSocket(socks[len(socks)-1]))
				}
				s, err := asyncio.StartServer(ctx, echo, "", opts...)
				require.NoError(t, err)
				for _, sock := range socks {
					assert.NotEqual(t, moves(shape), isOpen(t, sock))
				}
				require.Len(t, s.Sockets(), 3)
				for _, socket := range s.Sockets() {
					conn := dialed(t, socket.Addr())
					r, w, err := asyncio.OpenConnection(ctx, "", asyncio.WithSocket(conn))
					require.NoError(t, err)
					require.Equal(t, "hello\n", say(t, ctx, r, w, "hello"))
					require.NoError(t, w.Close())
				}
				require.NoError(t, s.Shutdown(ctx, time.Minute))
				_, err = os.Lstat(path)
				assert.NoError(t, err, "only StartUnixServer removes a path")
				return nil
			})
		})
	}
}

func TestAUnixServerRemovesThePathOfASocketThatIsGiven(t *testing.T) {
	for shape, as := range shapes {
		t.Run(shape, func(t *testing.T) {
			runReal(t, func(ctx context.Context) error {
				path := filepath.Join(t.TempDir(), "socket")
				for _, keep := range []bool{true, false} {
					ln, err := net.Listen("unix", path)
					require.NoError(t, err)
					opts := []asyncio.UnixServeOption{asyncio.WithSocket(as(t, ln))}
					if keep {
						opts = append(opts, asyncio.WithoutCleanupSocket())
					}
					s, err := asyncio.StartUnixServer(ctx, echo, "", opts...)
					require.NoError(t, err)
					_, err = os.Lstat(path)
					require.NoError(t, err)
					s.Close()
					_, err = os.Lstat(path)
					assert.Equal(t, keep, err == nil)
					_ = os.Remove(path)
				}
				return nil
			})
		})
	}
}

func TestASocketThatDoesNotListenYetIsMadeTo(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
		require.NoError(t, err)
		require.NoError(t, syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
		s, err := asyncio.StartServer(ctx, echo, "", asyncio.WithSocket(fd), asyncio.WithBacklog(7))
		require.NoError(t, err)
		r, w, err := asyncio.OpenConnection(ctx, s.Addr().String())
		require.NoError(t, err)
		require.Equal(t, "hello\n", say(t, ctx, r, w, "hello"))
		require.NoError(t, w.Close())
		return s.Shutdown(ctx, time.Minute)
	})
}

func TestAServerThatCannotUseOneSocketUsesNone(t *testing.T) {
	for shape, as := range shapes {
		t.Run(shape, func(t *testing.T) {
			runReal(t, func(ctx context.Context) error {
				path := filepath.Join(t.TempDir(), "socket")
				ln, err := net.Listen("unix", path)
				require.NoError(t, err)
				sock := as(t, ln)
				_, err = asyncio.StartUnixServer(ctx, echo, "", asyncio.WithSocket(sock), asyncio.WithSocket("nonsense"))
				require.EqualError(t, err, "asyncio: cannot use a string as a net.Listener")
				require.True(t, isOpen(t, sock))
				_, err = os.Lstat(path)
				require.NoError(t, err, "the path is the caller's, too")
				s, err := asyncio.StartUnixServer(ctx, echo, "", asyncio.WithSocket(sock))
				require.NoError(t, err)
				s.Close()
				return nil
			})
		})
	}
}

// The second listener would close the first one's descriptor again.
func TestASocketIsNotGivenTwice(t *testing.T) {
	for shape, as := range shapes {
		t.Run(shape, func(t *testing.T) {
			runReal(t, func(ctx context.Context) error {
				ln, err := net.Listen("tcp", "127.0.0.1:0")
				require.NoError(t, err)
				sock := as(t, ln)
				_, err = asyncio.StartServer(ctx, echo, "", asyncio.WithSocket(sock), asyncio.WithSocket(sock))
				require.EqualError(t, err, "asyncio: the same socket twice")
				require.True(t, isOpen(t, sock))
				discard(t, sock)
				return nil
			})
		})
	}
}

func TestASocketThatCannotListenLeavesTheOthersOpen(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		odd := &oddListener{Listener: listening(t), closing: func() { t.Error("closed") }}
		conn := descriptorFrom(t, dialed(t, odd.Addr()))
		_, err := asyncio.StartServer(ctx, echo, "", asyncio.WithSocket(odd), asyncio.WithSocket(conn))
		require.ErrorIs(t, err, syscall.EINVAL)
		discard(t, conn)
		return odd.Listener.Close()
	})
}

func TestAnEndpointIsMadeOfADatagramSocket(t *testing.T) {
	for shape, as := range shapes {
		t.Run(shape, func(t *testing.T) {
			runReal(t, func(ctx context.Context) error {
				dir := t.TempDir()
				for _, address := range [][2]string{{"udp", "127.0.0.1:0"}, {"unixgram", filepath.Join(dir, "socket")}} {
					near, err := net.ListenPacket(address[0], address[1])
					require.NoError(t, err)
					far := dialed(t, near.LocalAddr())
					sock, connected := as(t, near), as(t, far)
					e, err := asyncio.CreateDatagramEndpoint(ctx, "", "", asyncio.WithSocket(sock))
					require.NoError(t, err)
					assert.NotEqual(t, moves(shape), isOpen(t, sock))
					c, err := asyncio.CreateDatagramEndpoint(ctx, "", "", asyncio.WithSocket(connected))
					require.NoError(t, err)
					assert.Equal(t, e.LocalAddr().String(), c.RemoteAddr().String())
					assert.Nil(t, e.RemoteAddr())
					require.NoError(t, c.SendTo([]byte("hello"), nil))
					p, from, err := e.RecvFrom(ctx)
					require.NoError(t, err)
					assert.Equal(t, "hello", string(p))
					if address[0] == "udp" {
						require.NoError(t, e.SendTo(p, from))
						p, _, err = c.RecvFrom(ctx)
						require.NoError(t, err)
						assert.Equal(t, "hello", string(p))
					}
				}
				return nil
			})
		})
	}
}

func TestADatagramProtocolIsGivenASocketPair(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_DGRAM, 0)
		require.NoError(t, err)
		tr, p, err := asyncio.CreateDatagramTransport(ctx, func() *logger { return new(logger) }, "", "", asyncio.WithSocket(fds[0]))
		require.NoError(t, err)
		e, err := asyncio.CreateDatagramEndpoint(ctx, "", "", asyncio.WithSocket(fds[1]))
		require.NoError(t, err)
		require.NoError(t, e.SendTo([]byte("hello"), nil))
		require.NoError(t, p.got.Wait(ctx))
		require.NoError(t, tr.SendTo([]byte("back"), nil))
		got, _, err := e.RecvFrom(ctx)
		require.NoError(t, err)
		assert.Equal(t, "back", string(got))
		return tr.Close()
	})
}

func TestProtocolsAreGivenSockets(t *testing.T) {
	serverConfig, clientConfig := certificates()
	for shape, as := range shapes {
		t.Run(shape, func(t *testing.T) {
			runReal(t, func(ctx context.Context) error {
				ln, err := net.Listen("tcp", "127.0.0.1:0")
				require.NoError(t, err)
				client := dialed(t, ln.Addr())
				accepted, err := ln.Accept()
				require.NoError(t, err)
				clientSock, acceptedSock := as(t, client), as(t, accepted)
				serving := spawn(ctx, func(ctx context.Context) error {
					_, _, err := asyncio.ConnectAcceptedSocket(ctx, newEchoer, acceptedSock, asyncio.WithTLS(serverConfig))
					return err
				})
				tr, c, err := asyncio.CreateConnection(ctx, newCollector, "", asyncio.WithSocket(clientSock), asyncio.WithTLS(clientConfig))
				require.NoError(t, err)
				require.NoError(t, errOf(ctx, serving))
				assert.NotEqual(t, moves(shape), isOpen(t, clientSock))
				assert.NotEqual(t, moves(shape), isOpen(t, acceptedSock))
				tr.WriteString("hello")
				until(ctx, func() bool { return string(c.got) == "hello" })
				tr.Close()
				c.waitLost(ctx)

				s, err := asyncio.CreateServer(ctx, newEchoer, "", asyncio.WithSocket(as(t, ln)))
				require.NoError(t, err)
				tr, c, err = asyncio.CreateConnection(ctx, newCollector, "", asyncio.WithSocket(as(t, dialed(t, s.Addr()))))
				require.NoError(t, err)
				tr.WriteString("hello")
				until(ctx, func() bool { return string(c.got) == "hello" })
				tr.Close()
				return s.Shutdown(ctx, time.Minute)
			})
		})
	}
}

func TestAPanicOfAFactoryLeavesTheSocketWithTheCaller(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		fds := unixSockets(t)
		assert.PanicsWithValue(t, "boom", func() {
			_, _, _ = asyncio.CreateUnixConnection(ctx, func() *echoer { panic("boom") }, "", asyncio.WithSocket(fds[0]))
		})
		for _, fd := range fds {
			assert.True(t, isOpen(t, fd))
			discard(t, fd)
		}
		return nil
	})
}

// A socket may need options before it connects, as SO_MARK, or a certain local port.
func TestASocketThatTheLoopHasConnectedBecomesAStream(t *testing.T) {
	needPoller(t, "the Sock calls need one")
	runReal(t, func(ctx context.Context) error {
		l := asyncio.RunningLoop(ctx)
		s := serve(t, ctx, echo)
		fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
		require.NoError(t, err)
		require.NoError(t, syscall.SetNonblock(fd, true))
		require.NoError(t, syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
		_, _, err = asyncio.OpenConnection(ctx, "", asyncio.WithSocket(fd))
		require.EqualError(t, err, "asyncio: the socket is not connected")
		require.NoError(t, l.SockConnect(ctx, fd, s.Addr()))
		called := false
		require.NoError(t, l.AddReader(fd, func() { called = true }))
		r, w, err := asyncio.OpenConnection(ctx, "", asyncio.WithSocket(fd))
		require.NoError(t, err)
		require.Equal(t, "hello\n", say(t, ctx, r, w, "hello"))
		assert.False(t, called, "the callback went with the descriptor")
		require.NoError(t, w.Close())
		return s.Shutdown(ctx, time.Minute)
	})
}

func TestADescriptorThatWasPassedBecomesAStream(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		s := serve(t, ctx, echo)
		pair := unixSockets(t)
		f := fileFrom(t, dialed(t, s.Addr()))
		require.NoError(t, syscall.Sendmsg(pair[0], []byte("x"), syscall.UnixRights(int(f.Fd())), nil, 0))
		require.NoError(t, f.Close())
		oob := make([]byte, 100)
		_, n, _, _, err := syscall.Recvmsg(pair[1], make([]byte, 1), oob, 0)
		require.NoError(t, err)
		messages, err := syscall.ParseSocketControlMessage(oob[:n])
		require.NoError(t, err)
		passed, err := syscall.ParseUnixRights(&messages[0])
		require.NoError(t, err)
		r, w, err := asyncio.OpenConnection(ctx, "", asyncio.WithSocket(passed[0]))
		require.NoError(t, err)
		require.Equal(t, "hello\n", say(t, ctx, r, w, "hello"))
		require.NoError(t, w.Close())
		for _, fd := range pair {
			discard(t, fd)
		}
		return s.Shutdown(ctx, time.Minute)
	})
}

func TestSocketsThatACallCannotUseRemainTheCallers(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		tcp, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		defer tcp.Close()
		conn := dialed(t, tcp.Addr())
		defer conn.Close()
		udp, err := net.ListenPacket("udp", "127.0.0.1:0")
		require.NoError(t, err)
		defer udp.Close()
		closed := dialed(t, tcp.Addr())
		require.NoError(t, closed.Close())
		file, err := os.Open(os.DevNull)
		require.NoError(t, err)
		defer file.Close()

		client := func(sock any) error {
			_, _, err := asyncio.OpenConnection(ctx, "", asyncio.WithSocket(sock))
			return err
		}
		unixClient := func(sock any) error {
			_, _, err := asyncio.OpenUnixConnection(ctx, "", asyncio.WithSocket(sock))
			return err
		}
		accepted := func(sock any) error {
			_, _, err := asyncio.ConnectAcceptedSocket(ctx, newEchoer, sock)
			return err
		}
		server := func(sock any) error {
			_, err := asyncio.StartServer(ctx, echo, "", asyncio.WithSocket(sock))
			return err
		}
		datagrams := func(sock any) error {
			_, err := asyncio.CreateDatagramEndpoint(ctx, "", "", asyncio.WithSocket(sock))
			return err
		}
		for name, use := range map[string]func(any) error{"client": client, "unix": unixClient, "accepted": accepted, "server": server, "datagrams": datagrams} {
			bad := []any{nil, (*net.TCPConn)(nil), (*os.File)(nil), (*tls.Conn)(nil), "nonsense", -1, math.MaxInt32, file}
			if hasPoller() { // otherwise the first read returns an error
				bad = append(bad, closed, new(net.TCPConn))
			}
			for _, sock := range bad {
				assert.Error(t, use(sock), "%s: %T %v", name, sock, sock)
			}
		}
		for _, err := range []error{client(tcp), client(udp), accepted(udp), unixClient(conn), server(conn), server(udp), datagrams(conn), datagrams(tcp)} {
			assert.Error(t, err)
		}
		for _, sock := range []any{tcp, conn, udp, file} {
			assert.True(t, isOpen(t, sock))
		}
		return nil
	})
}

func TestWhatOnlyANewSocketHasIsRefusedWithASocket(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		fds := unixSockets(t)
		sock := asyncio.WithSocket(fds[0])
		for want, opt := range map[string]asyncio.ConnectOption{
			"asyncio: WithLocalAddr with WithSocket":           asyncio.WithLocalAddr("127.0.0.1:0"),
			"asyncio: WithHappyEyeballsDelay with WithSocket":  asyncio.WithHappyEyeballsDelay(1),
			"asyncio: WithNetwork with WithSocket":             asyncio.WithNetwork("tcp4"),
			"asyncio: WithKeepAlive for a unix socket":         asyncio.WithKeepAlive(),
			"asyncio: several sockets for one connection":      asyncio.WithSocket(fds[1]),
			"asyncio: WithTLSHandshakeTimeout without WithTLS": asyncio.WithTLSHandshakeTimeout(1),
		} {
			_, _, err := asyncio.OpenConnection(ctx, "", sock, opt)
			assert.EqualError(t, err, want)
		}
		_, _, err := asyncio.OpenConnection(ctx, "127.0.0.1:80", sock)
		assert.EqualError(t, err, `asyncio: WithSocket and the address "127.0.0.1:80"`)
		_, err = asyncio.StartServer(ctx, echo, "", sock, asyncio.WithHosts("::1"))
		assert.EqualError(t, err, "asyncio: WithHosts with WithSocket")
		_, err = asyncio.StartServer(ctx, echo, "", sock, asyncio.WithReusePort())
		assert.EqualError(t, err, "asyncio: WithReusePort with WithSocket")
		_, err = asyncio.StartUnixServer(ctx, echo, "path", sock)
		assert.EqualError(t, err, `asyncio: WithSocket and the address "path"`)
		_, err = asyncio.CreateDatagramEndpoint(ctx, "", "remote", sock)
		assert.EqualError(t, err, `asyncio: WithSocket and the address "remote"`)
		for _, fd := range fds {
			assert.True(t, isOpen(t, fd))
			discard(t, fd)
		}
		return nil
	})
}

func TestASocketIsNotGivenInVirtualTimeOrToAClosedLoop(t *testing.T) {
	fds := unixSockets(t)
	run(t, func(ctx context.Context) error {
		_, _, err := asyncio.OpenConnection(ctx, "", asyncio.WithSocket(fds[0]))
		assert.ErrorIs(t, err, asyncio.ErrVirtualIO)
		_, err = asyncio.CreateDatagramEndpoint(ctx, "", "", asyncio.WithSocket(fds[0]))
		assert.ErrorIs(t, err, asyncio.ErrVirtualIO)
		_, err = asyncio.StartServer(ctx, echo, "", asyncio.WithSocket(fds[0]))
		assert.ErrorIs(t, err, asyncio.ErrVirtualIO)
		return nil
	})
	for _, fd := range fds {
		assert.True(t, isOpen(t, fd))
		discard(t, fd)
	}
}

// A proxy answers a request for a connection, and then passes on what comes.
func TestAConnectionThroughAProxyBecomesAStream(t *testing.T) {
	serverConfig, clientConfig := certificates()
	runReal(t, func(ctx context.Context) error {
		target := serve(t, ctx, echo, asyncio.WithTLS(serverConfig))
		proxy := serve(t, ctx, func(ctx context.Context, r *asyncio.StreamReader, w *asyncio.StreamWriter) error {
			address, err := r.ReadLine(ctx)
			if err != nil {
				return err
			}
			up, down, err := asyncio.OpenConnection(ctx, string(address[:len(address)-1]))
			if err != nil {
				return err
			}
			defer down.Close()
			fmt.Fprintln(w, "ok")
			forward := spawn(ctx, func(ctx context.Context) error { return copyStream(ctx, r, down) })
			defer forward.Cancel()
			return copyStream(ctx, up, w)
		})
		conn, err := asyncio.ToThread(ctx, func(context.Context) (net.Conn, error) {
			conn, err := net.Dial("tcp", proxy.Addr().String())
			if err != nil {
				return nil, err
			}
			fmt.Fprintln(conn, target.Addr())
			_, err = bufio.NewReader(conn).ReadString('\n')
			return conn, err
		})
		require.NoError(t, err)
		r, w, err := asyncio.OpenConnection(ctx, "", asyncio.WithSocket(conn), asyncio.WithTLS(clientConfig))
		require.NoError(t, err)
		require.Equal(t, "hello\n", say(t, ctx, r, w, "hello"))
		require.NoError(t, w.Close())
		require.NoError(t, proxy.Shutdown(ctx, time.Minute))
		return target.Shutdown(ctx, time.Minute)
	})
}

// copyStream passes on what it reads, until the end.
func copyStream(ctx context.Context, r *asyncio.StreamReader, w *asyncio.StreamWriter) error {
	for {
		p, err := r.Read(ctx, 64<<10)
		if err != nil {
			return nil
		}
		if _, err := w.Write(p); err != nil {
			return nil
		}
		if err := w.Drain(ctx); err != nil {
			return nil
		}
	}
}
