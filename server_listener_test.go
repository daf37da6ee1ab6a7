package asyncio_test

import (
	"context"
	"fmt"
	"math"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
)

type acceptFunc = func(fd int) (int, net.Addr, error)

func TestAServerAcceptsABoundedNumberOfClientsInATurn(t *testing.T) {
	const clients = 200
	accepted := 0
	asyncio.ReplaceAccept(t, func(accept acceptFunc) acceptFunc {
		return func(fd int) (int, net.Addr, error) {
			conn, peer, err := accept(fd)
			if err == nil {
				accepted++
			}
			return conn, peer, err
		}
	})
	runReal(t, func(ctx context.Context) error {
		s := serve(t, ctx, echo, asyncio.WithoutServing(), asyncio.WithBacklog(100_000))
		for range clients {
			c, err := net.Dial("tcp", s.Addr().String())
			require.NoError(t, err)
			defer c.Close()
		}
		require.NoError(t, s.StartServing())
		for before := 0; accepted < clients; before = accepted {
			giveWay(ctx, 1)
			require.LessOrEqual(t, accepted-before, 32, "in one turn")
		}
		return s.Shutdown(ctx, 0)
	})
}

// failingAccept makes the first n calls of accept fail.
func failingAccept(t *testing.T, n int, err error) (calls *int) {
	calls = new(int)
	asyncio.ReplaceAccept(t, func(accept acceptFunc) acceptFunc {
		return func(fd int) (int, net.Addr, error) {
			if *calls++; *calls <= n {
				return -1, nil, err
			}
			return accept(fd)
		}
	})
	return calls
}

func TestAConnectionThatFailsBeforeItIsAcceptedDoesNotStopTheServer(t *testing.T) {
	withoutDebug(t)
	for _, errno := range []syscall.Errno{
		syscall.EPROTO, syscall.ECONNABORTED, syscall.ENETDOWN, syscall.ENOPROTOOPT, syscall.EHOSTDOWN,
		syscall.EHOSTUNREACH, syscall.EOPNOTSUPP, syscall.ENETUNREACH, syscall.EPERM, syscall.ETIMEDOUT,
	} {
		t.Run(fmt.Sprint(errno), func(t *testing.T) {
			failingAccept(t, 50, errno)
			runReal(t, func(ctx context.Context) error { // fails if anything is reported
				s := serve(t, ctx, echo)
				r, w := connect(t, ctx, s)
				require.Equal(t, "hello\n", say(t, ctx, r, w, "hello"))
				require.NoError(t, w.Close())
				return s.Shutdown(ctx, time.Minute)
			})
		})
	}
}

// Without debug mode these failures are not reported, since any client can cause them.
func TestInDebugModeAServerReportsFailedConnections(t *testing.T) {
	failingAccept(t, 1, syscall.ECONNABORTED)
	serverConfig, _ := certificates()
	var seen reports
	var address net.Addr
	_, err := asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
		s := serve(t, ctx, echo, asyncio.WithTLS(serverConfig))
		r, w := connect(t, ctx, s)
		address = w.LocalAddr()
		_, err := w.WriteString("hello\n")
		require.NoError(t, err)
		_, err = r.Read(ctx, -1)
		require.NoError(t, err)
		require.NoError(t, w.Close())
		return s.Shutdown(ctx, time.Minute)
	}), asyncio.WithDebug(), seen.handler())
	require.NoError(t, err)
	require.Len(t, seen, 2)
	require.Equal(t, "a connection failed before it was accepted", seen[0].Message)
	require.ErrorIs(t, seen[0].Err, syscall.ECONNABORTED)
	require.Equal(t, fmt.Sprintf("TLS handshake with %v failed", address), seen[1].Message)
	require.ErrorContains(t, seen[1].Err, "tls: ")
	require.NotEmpty(t, seen[1].Task)
}

// The errors are other errors of accept, and an error of a connection that never stops.
func TestAServerThatCannotAcceptDoesNotSpin(t *testing.T) {
	withoutDebug(t)
	for _, errno := range []syscall.Errno{
		syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.EBADF, syscall.EINVAL, syscall.ENOTSOCK, syscall.EPROTO,
	} {
		t.Run(fmt.Sprint(errno), func(t *testing.T) {
			calls := failingAccept(t, 1<<30, errno)
			var reported asyncio.Event
			_, err := asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
				s := serve(t, ctx, echo)
				if err := reported.Wait(ctx); err != nil {
					return err
				}
				before := *calls
				require.LessOrEqual(t, before, 2000)
				settled(ctx)
				require.Equal(t, before, *calls, "it has to wait")
				require.True(t, s.IsServing())
				s.Close()
				return nil
			}), asyncio.WithExceptionHandler(func(_ *asyncio.Loop, c asyncio.ExceptionContext) {
				require.Equal(t, "cannot accept connections for now", c.Message)
				require.ErrorIs(t, c.Err, errno)
				reported.Set()
			}))
			require.NoError(t, err)
		})
	}
}

type bindFunc = func(fd int, addr net.Addr) error

// takenOn makes the first calls of bind to 127.0.0.2 fail, whatever the port, and returns the ports
// that were tried.
func takenOn(t *testing.T, times int) (ports map[int]bool) {
	ports = make(map[int]bool)
	asyncio.ReplaceBind(t, func(bind bindFunc) bindFunc {
		return func(fd int, addr net.Addr) error {
			if tcp := addr.(*net.TCPAddr); tcp.IP.Equal(net.IPv4(127, 0, 0, 2)) {
				ports[tcp.Port] = true
				if times--; times >= 0 {
					return os.NewSyscallError("bind", syscall.EADDRINUSE)
				}
			}
			return bind(fd, addr)
		}
	})
	return ports
}

func twoAddresses(port int) (first, second net.Addr) {
	return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port}, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2), Port: port}
}

func TestAPortThatIsInUseOnOneAddressIsNotChosen(t *testing.T) {
	if !hasLoopback2() {
		t.Skip("the machine has no 127.0.0.2")
	}
	ports := takenOn(t, 5)
	runReal(t, func(ctx context.Context) error {
		first, second := twoAddresses(0)
		s, err := asyncio.StartOn(ctx, echo, first, second)
		require.NoError(t, err)
		require.Len(t, s.Sockets(), 2)
		require.Equal(t, s.Addr().(*net.TCPAddr).Port, s.Sockets()[1].Addr().(*net.TCPAddr).Port)
		require.Greater(t, len(ports), 1)
		s.Close()
		return nil
	})
}

// hasLoopback2 reports whether 127.0.0.2 is an address of the machine, as it is on Linux.
func hasLoopback2() bool {
	ln, err := net.Listen("tcp", "127.0.0.2:0")
	if err != nil {
		return false
	}
	return ln.Close() == nil
}

func TestTheSearchForAPortIsBounded(t *testing.T) {
	takenOn(t, 1<<30)
	runReal(t, func(ctx context.Context) error {
		first, second := twoAddresses(0)
		_, err := asyncio.StartOn(ctx, echo, first, second)
		require.ErrorIs(t, err, syscall.EADDRINUSE)
		return nil
	})
}

func TestARequestedPortIsTriedOnce(t *testing.T) {
	tried := 0
	asyncio.ReplaceBind(t, func(bindFunc) bindFunc {
		return func(int, net.Addr) error {
			tried++
			return os.NewSyscallError("bind", syscall.EADDRINUSE)
		}
	})
	runReal(t, func(ctx context.Context) error {
		first, second := twoAddresses(1234)
		_, err := asyncio.StartOn(ctx, echo, first, second)
		require.ErrorIs(t, err, syscall.EADDRINUSE)
		require.Equal(t, 1, tried)
		return nil
	})
}

func TestASocketWithoutAnAddressIsAnError(t *testing.T) {
	asyncio.ReplaceLocalAddr(t, func(func(int, string) net.Addr) func(int, string) net.Addr {
		return func(int, string) net.Addr { return nil }
	})
	runReal(t, func(ctx context.Context) error {
		for _, addr := range []string{"127.0.0.1:0", ":0"} {
			_, err := asyncio.StartServer(ctx, echo, addr)
			require.ErrorContains(t, err, "does not tell the address")
		}
		return nil
	})
}

func TestAUnixServerThatFailsLeavesNoPath(t *testing.T) {
	asyncio.ReplaceListen(t, func(func(int, int) error) func(int, int) error {
		return func(int, int) error { return errBoom }
	})
	runReal(t, func(ctx context.Context) error {
		path := filepath.Join(t.TempDir(), "socket")
		_, err := asyncio.StartUnixServer(ctx, echo, path)
		require.ErrorIs(t, err, errBoom)
		_, err = os.Lstat(path)
		require.ErrorIs(t, err, os.ErrNotExist)
		return nil
	})
}

func TestABacklogMustNotBeNegative(t *testing.T) {
	require.PanicsWithValue(t, "asyncio: WithBacklog needs a number that is not negative", func() { asyncio.WithBacklog(-1) })
	runReal(t, func(ctx context.Context) error {
		for _, n := range []int{0, math.MaxInt} {
			s := serve(t, ctx, echo, asyncio.WithBacklog(n))
			r, w := connect(t, ctx, s)
			require.Equal(t, "hello\n", say(t, ctx, r, w, "hello"))
			require.NoError(t, w.Close())
			require.NoError(t, s.Shutdown(ctx, time.Minute))
		}
		return nil
	})
}

func TestANetworkOfAnotherProtocolIsAnError(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		var unknown net.UnknownNetworkError
		for _, network := range []string{"udp", "udp4", "unix", "", "nonsense"} {
			_, err := asyncio.StartServer(ctx, echo, "127.0.0.1:0", asyncio.WithNetwork(network))
			require.ErrorAs(t, err, &unknown, network)
			_, _, err = asyncio.OpenConnection(ctx, "127.0.0.1:1", asyncio.WithNetwork(network))
			require.ErrorAs(t, err, &unknown, network)
		}
		for _, network := range []string{"tcp4", "tcp6", "unix", ""} {
			_, err := asyncio.CreateDatagramEndpoint(ctx, "127.0.0.1:0", "", asyncio.WithNetwork(network))
			require.ErrorAs(t, err, &unknown, network)
		}
		return nil
	})
}
