package asyncio_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
)

// echoer sends back the bytes that it receives.
type echoer struct {
	asyncio.BaseProtocol
	t *asyncio.Transport
}

func (e *echoer) ConnectionMade(t *asyncio.Transport) { e.t = t }
func (e *echoer) DataReceived(p []byte)               { e.t.Write(p) }

func newEchoer() *echoer { return new(echoer) }

// collector collects the bytes that it receives.
type collector struct {
	asyncio.BaseProtocol
	got   []byte
	reads int
	eof   bool
	lost  int
	err   error
	news  asyncio.Event
}

func newCollector() *collector { return new(collector) }

func (c *collector) DataReceived(p []byte) {
	c.got = append(c.got, p...)
	c.reads++
	c.news.Set()
}

func (c *collector) EOFReceived() bool {
	c.eof = true
	return false
}

func (c *collector) ConnectionLost(err error) {
	c.lost++
	c.err = err
	c.news.Set()
}

// waitLost waits until the connection is lost.
func (c *collector) waitLost(ctx context.Context) { until(ctx, func() bool { return c.lost > 0 }) }

// network is a kind of connection, on which protocols behave alike.
type network struct {
	name    string
	serve   func(ctx context.Context, factory func() asyncio.Protocol) (*asyncio.Server, error)
	connect func(ctx context.Context, s *asyncio.Server, factory func() *collector) (*asyncio.Transport, *collector, error)
}

func networks(t *testing.T) []network {
	serverConfig, clientConfig := certificates()
	path := filepath.Join(t.TempDir(), "s")
	return []network{
		{"TCP", func(ctx context.Context, factory func() asyncio.Protocol) (*asyncio.Server, error) {
			return asyncio.CreateServer(ctx, factory, "127.0.0.1:0")
		}, func(ctx context.Context, s *asyncio.Server, factory func() *collector) (*asyncio.Transport, *collector, error) {
			return asyncio.CreateConnection(ctx, factory, s.Addr().String())
		}},
		{"unix", func(ctx context.Context, factory func() asyncio.Protocol) (*asyncio.Server, error) {
			return asyncio.CreateUnixServer(ctx, factory, path)
		}, func(ctx context.Context, s *asyncio.Server, factory func() *collector) (*asyncio.Transport, *collector, error) {
			return asyncio.CreateUnixConnection(ctx, factory, path)
		}},
		{"TLS", func(ctx context.Context, factory func() asyncio.Protocol) (*asyncio.Server, error) {
			return asyncio.CreateServer(ctx, factory, "127.0.0.1:0", asyncio.WithTLS(serverConfig))
		}, func(ctx context.Context, s *asyncio.Server, factory func() *collector) (*asyncio.Transport, *collector, error) {
			return asyncio.CreateConnection(ctx, factory, s.Addr().String(), asyncio.WithTLS(clientConfig))
		}},
	}
}

// onEachNetwork runs a test with a client and a server that echoes.
func onEachNetwork(t *testing.T, body func(ctx context.Context, t *testing.T, s *asyncio.Server, client *asyncio.Transport, c *collector)) {
	t.Helper()
	for _, n := range networks(t) {
		t.Run(n.name, func(t *testing.T) {
			runReal(t, func(ctx context.Context) error {
				s, err := n.serve(ctx, func() asyncio.Protocol { return newEchoer() })
				require.NoError(t, err)
				client, c, err := n.connect(ctx, s, newCollector)
				require.NoError(t, err)
				body(ctx, t, s, client, c)
				s.Close()
				return s.WaitClosed(ctx)
			})
		})
	}
}

func TestTenThousandSmallWritesArriveInOrder(t *testing.T) {
	onEachNetwork(t, func(ctx context.Context, t *testing.T, s *asyncio.Server, client *asyncio.Transport, c *collector) {
		var want []byte
		for i := range 10_000 {
			line := fmt.Appendf(nil, "%d\n", i)
			want = append(want, line...)
			n, err := client.Write(line)
			require.NoError(t, err)
			require.Equal(t, len(line), n)
		}
		until(ctx, func() bool { return len(c.got) == len(want) })
		require.Equal(t, string(want), string(c.got))
		client.Close()
		c.waitLost(ctx)
		require.NoError(t, c.err)
	})
}

func TestCloseSendsWhatIsKeptAndAbortDoesNot(t *testing.T) {
	onEachNetwork(t, func(ctx context.Context, t *testing.T, s *asyncio.Server, client *asyncio.Transport, c *collector) {
		p := make([]byte, 4<<20)
		client.PauseReading()
		client.Write(p)
		require.Positive(t, client.WriteBufferSize())
		client.Abort()
		require.Zero(t, client.WriteBufferSize())
		require.True(t, client.IsClosing())
		require.Zero(t, c.lost, "within Abort")
		giveWay(ctx, 1)
		require.Equal(t, 1, c.lost)
		require.NoError(t, c.err)
		_, err := client.Write(p)
		require.ErrorIs(t, err, net.ErrClosed)
		client.Close()
		client.Abort()
		settled(ctx)
		require.Equal(t, 1, c.lost)
	})
}

func TestAServerOfProtocolsShakesHandsInAnEagerLoop(t *testing.T) {
	withoutDebug(t)
	serverConfig, clientConfig := certificates()
	runReal(t, func(ctx context.Context) error {
		asyncio.RunningLoop(ctx).SetEagerTasks(true)
		s, err := asyncio.CreateServer(ctx, newEchoer, "127.0.0.1:0", asyncio.WithTLS(serverConfig))
		require.NoError(t, err)
		_, vanishes, err := asyncio.OpenConnection(ctx, s.Addr().String())
		require.NoError(t, err)
		tr, c, err := asyncio.CreateConnection(ctx, newCollector, s.Addr().String(), asyncio.WithTLS(clientConfig))
		require.NoError(t, err)
		tr.WriteString("hello")
		until(ctx, func() bool { return string(c.got) == "hello" })
		vanishes.Reset()
		tr.Close()
		return s.Shutdown(ctx, time.Minute)
	})
}

func TestAServersClientsAreClosedOrAborted(t *testing.T) {
	for name, end := range map[string]func(s *asyncio.Server){
		"CloseClients": (*asyncio.Server).CloseClients, "AbortClients": (*asyncio.Server).AbortClients,
	} {
		t.Run(name, func(t *testing.T) {
			onEachNetwork(t, func(ctx context.Context, t *testing.T, s *asyncio.Server, client *asyncio.Transport, c *collector) {
				client.WriteString("x")
				until(ctx, func() bool { return len(c.got) == 1 })
				s.Close()
				end(s)
				require.NoError(t, s.WaitClosed(ctx))
				c.waitLost(ctx)
				require.True(t, client.IsClosing())
			})
		})
	}
}

func TestShutdownAbortsProtocolsThatAreLeft(t *testing.T) {
	onEachNetwork(t, func(ctx context.Context, t *testing.T, s *asyncio.Server, client *asyncio.Transport, c *collector) {
		client.WriteString("x")
		until(ctx, func() bool { return len(c.got) == 1 })
		require.NoError(t, s.Shutdown(ctx, time.Millisecond))
		c.waitLost(ctx)
	})
}

func TestHalfOfAConnectionMayBeClosed(t *testing.T) {
	onEachNetwork(t, func(ctx context.Context, t *testing.T, s *asyncio.Server, client *asyncio.Transport, c *collector) {
		client.WriteString("x")
		if !client.CanWriteEOF() {
			require.ErrorIs(t, client.WriteEOF(), errors.ErrUnsupported)
			client.Close()
			c.waitLost(ctx)
			return
		}
		require.NoError(t, client.WriteEOF())
		require.NoError(t, client.WriteEOF())
		_, err := client.Write([]byte("y"))
		require.ErrorContains(t, err, "write after WriteEOF")
		require.False(t, client.IsClosing())
		c.waitLost(ctx) // the echo server closes
		require.True(t, c.eof)
		require.Equal(t, "x", string(c.got))
	})
}

// In one turn a transport receives no more than a stream does, so that others get their turn.
func TestAFloodOfOneConnectionLeavesTheLoopToOthers(t *testing.T) {
	onEachNetwork(t, func(ctx context.Context, t *testing.T, s *asyncio.Server, client *asyncio.Transport, c *collector) {
		l := asyncio.RunningLoop(ctx)
		client.PauseReading()
		client.Write(make([]byte, 8<<20))
		settled(ctx)
		client.ResumeReading()
		turns := asyncio.Turns(l)
		until(ctx, func() bool { return len(c.got) == 8<<20 })
		require.GreaterOrEqual(t, asyncio.Turns(l)-turns, uint64(8<<20/(4*64<<10)))
		client.Close()
		c.waitLost(ctx)
	})
}

func TestAnEchoAllocatesNothing(t *testing.T) {
	needPoller(t, "a goroutine that starts allocates")
	onEachNetwork(t, func(ctx context.Context, t *testing.T, s *asyncio.Server, client *asyncio.Transport, c *collector) {
		p := []byte("hello")
		n := allocs(func() {
			c.got = c.got[:0]
			client.Write(p)
			for len(c.got) == 0 {
				c.news.Clear()
				must(c.news.Wait(ctx))
			}
		})
		if client.CanWriteEOF() { // crypto/tls does allocate
			require.Zero(t, n)
		}
		client.Close()
		c.waitLost(ctx)
	})
}

func TestAStreamMayBeEncryptedUnderAProtocol(t *testing.T) {
	serverConfig, clientConfig := certificates()
	runReal(t, func(ctx context.Context) error {
		s, err := asyncio.CreateServer(ctx, func() *starter { return &starter{ctx: ctx, config: serverConfig} }, "127.0.0.1:0")
		require.NoError(t, err)
		client, c, err := asyncio.CreateConnection(ctx, newCollector, s.Addr().String())
		require.NoError(t, err)
		client.WriteString("STARTTLS\n")
		until(ctx, func() bool { return string(c.got) == "go ahead\n" })
		require.NoError(t, client.StartTLS(ctx, clientConfig))
		client.WriteString("secret")
		until(ctx, func() bool { return strings.HasSuffix(string(c.got), "secret") })
		require.NotNil(t, client.GetExtraInfo("cipher"))
		require.False(t, client.CanWriteEOF())
		client.Close()
		c.waitLost(ctx)
		require.NoError(t, c.err)
		s.Close()
		return s.WaitClosed(ctx)
	})
}

// starter is an echoer that encrypts its connection when it is asked to.
type starter struct {
	echoer
	ctx       context.Context
	config    *tls.Config
	encrypted bool
}

func (s *starter) DataReceived(p []byte) {
	if s.encrypted {
		s.echoer.DataReceived(p)
		return
	}
	s.encrypted = true
	s.t.WriteString("go ahead\n")
	asyncio.CreateTask(s.ctx, asyncio.Do(func(ctx context.Context) error { return s.t.StartTLS(ctx, s.config) }))
}

func TestAHandshakeThatFailsUnderAProtocolLosesTheConnection(t *testing.T) {
	serverConfig, clientConfig := certificates()
	runReal(t, func(ctx context.Context) error {
		s, err := asyncio.CreateServer(ctx, newEchoer, "127.0.0.1:0")
		require.NoError(t, err)
		client, c, err := asyncio.CreateConnection(ctx, newCollector, s.Addr().String())
		require.NoError(t, err)
		require.Error(t, client.StartTLS(ctx, serverConfig), "of a client, without a name")
		require.False(t, client.IsClosing(), "nothing was begun")
		err = client.StartTLS(ctx, clientConfig) // the server sends it back
		require.Error(t, err)
		c.waitLost(ctx)
		require.Equal(t, err, c.err)
		require.Empty(t, c.got)
		s.Close()
		return s.WaitClosed(ctx)
	})
}

func TestACancelledCreateConnectionLeavesNothing(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		s, err := asyncio.CreateServer(ctx, newEchoer, "127.0.0.1:0")
		require.NoError(t, err)
		for turns := range 12 { // at every point on its way
			var c *collector
			task := asyncio.CreateTask(ctx, asyncio.Do(func(ctx context.Context) error {
				client, _, err := asyncio.CreateConnection(ctx, func() *collector {
					c = newCollector()
					return c
				}, s.Addr().String())
				if err == nil {
					client.Close()
				}
				return err
			}))
			giveWay(ctx, turns)
			task.Cancel()
			if err := errOf(ctx, task); err != nil {
				require.ErrorIs(t, err, asyncio.ErrCancelled)
			}
			if c != nil {
				c.waitLost(ctx)
			}
		}
		s.Close()
		return s.WaitClosed(ctx)
	})
}

func TestAConnectionThatCannotBeMadeIsAnError(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		made := func() *collector {
			t.Error("a protocol was made")
			return nil
		}
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		ln.Close()
		_, _, err = asyncio.CreateConnection(ctx, made, ln.Addr().String())
		require.ErrorIs(t, err, syscall.ECONNREFUSED)
		if runtime.GOOS != "windows" { // it has other errors
			_, _, err = asyncio.CreateUnixConnection(ctx, made, filepath.Join(t.TempDir(), "none"))
			require.ErrorIs(t, err, os.ErrNotExist)
			_, _, err = asyncio.ConnectAcceptedSocket(ctx, made, 1<<20)
			require.ErrorIs(t, err, syscall.EBADF)
		}
		return nil
	})
	_, err := asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
		_, _, err := asyncio.CreateConnection(ctx, newCollector, "127.0.0.1:1")
		return err
	}), asyncio.WithVirtualTime())
	require.ErrorIs(t, err, asyncio.ErrVirtualIO)
}

func TestAPanicOfAFactoryOrOfConnectionMadeEndsOneConnection(t *testing.T) {
	var reports []string
	_, err := asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
		n := 0
		s, err := asyncio.CreateServer(ctx, func() asyncio.Protocol {
			switch n++; n {
			case 1:
				panic("factory")
			case 2:
				r := newRecorder(ctx)
				r.on["made"] = fail
				return r
			}
			return newEchoer()
		}, "127.0.0.1:0")
		require.NoError(t, err)
		for range 2 {
			_, c, err := asyncio.CreateConnection(ctx, newCollector, s.Addr().String())
			require.NoError(t, err)
			c.waitLost(ctx)
		}
		client, c, err := asyncio.CreateConnection(ctx, newCollector, s.Addr().String())
		require.NoError(t, err)
		client.WriteString("x")
		until(ctx, func() bool { return len(c.got) == 1 })
		client.Close()

		_, _, err = asyncio.CreateConnection(ctx, func() *recorder {
			r := newRecorder(ctx)
			r.on["made"] = fail
			return r
		}, s.Addr().String())
		require.ErrorContains(t, err, "ZeroDivisionError")
		s.Close()
		return s.WaitClosed(ctx)
	}), asyncio.WithExceptionHandler(func(_ *asyncio.Loop, c asyncio.ExceptionContext) {
		reports = append(reports, c.Message)
		if strings.Contains(c.Message, "ConnectionMade") {
			r := c.Extra["protocol"].(*recorder)
			require.Same(t, r.t, c.Extra["transport"])
		}
	}))
	require.NoError(t, err)
	require.Equal(t, []string{"panic in a protocol factory", "panic in ConnectionMade of a protocol", "panic in ConnectionMade of a protocol"}, reports)
}

func TestAFactoryThatReturnsNoProtocolPanics(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		s, err := asyncio.CreateServer(ctx, newEchoer, "127.0.0.1:0")
		require.NoError(t, err)
		require.PanicsWithValue(t, "asyncio: nil protocol", func() {
			_, _, _ = asyncio.CreateConnection(ctx, func() asyncio.Protocol { return nil }, s.Addr().String())
		})
		require.PanicsWithValue(t, "asyncio: nil protocol", func() {
			_, _, _ = asyncio.CreateDatagramTransport(ctx, func() asyncio.DatagramProtocol { return nil }, "127.0.0.1:0", "")
		})
		require.PanicsWithValue(t, "asyncio: nil protocol", func() {
			_, _, _ = asyncio.SubprocessExec(ctx, func() asyncio.SubprocessProtocol { return nil }, "true", nil)
		})
		s.Close()
		return s.WaitClosed(ctx)
	})
}

// A server's factory that returns no protocol ends that connection alone, before a handshake.
func TestAServerReportsAFactoryThatReturnsNoProtocol(t *testing.T) {
	serverConfig, clientConfig := certificates()
	var reports []string
	_, err := asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
		none := func() asyncio.Protocol { return nil }
		plain, err := asyncio.CreateServer(ctx, none, "127.0.0.1:0")
		require.NoError(t, err)
		_, c, err := asyncio.CreateConnection(ctx, newCollector, plain.Addr().String())
		require.NoError(t, err)
		c.waitLost(ctx)
		encrypted, err := asyncio.CreateServer(ctx, none, "127.0.0.1:0", asyncio.WithTLS(serverConfig))
		require.NoError(t, err)
		_, _, err = asyncio.CreateConnection(ctx, newCollector, encrypted.Addr().String(), asyncio.WithTLS(clientConfig))
		require.Error(t, err)
		return nil
	}), asyncio.WithExceptionHandler(func(_ *asyncio.Loop, c asyncio.ExceptionContext) {
		reports = append(reports, fmt.Sprint(c.Message, ": ", c.Err.(*asyncio.PanicError).Value))
	}))
	require.NoError(t, err)
	const report = "panic in a protocol factory: asyncio: nil protocol"
	require.Equal(t, []string{report, report}, reports)
}

// As in asyncio, all connections are lost when WaitClosed returns, even one that was closed before
// its protocol was called.
func TestEveryConnectionIsLostBeforeWaitClosedReturns(t *testing.T) {
	for _, abort := range []bool{false, true} {
		runReal(t, func(ctx context.Context) error {
			c := newCollector()
			var s *asyncio.Server
			s, err := asyncio.CreateServer(ctx, func() *collector {
				asyncio.RunningLoop(ctx).CallSoon(func() {
					s.Close()
					if abort {
						s.AbortClients()
					} else {
						s.CloseClients()
					}
				})
				return c
			}, "127.0.0.1:0")
			require.NoError(t, err)
			peer, err := net.Dial("tcp", s.Addr().String())
			require.NoError(t, err)
			require.NoError(t, s.WaitClosed(ctx))
			require.Equal(t, 1, c.lost)
			return peer.Close()
		})
	}
}

func TestALoopThatClosesClosesItsTransports(t *testing.T) {
	before := openDescriptors(t)
	c := newCollector()
	_, err := asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
		s, err := asyncio.CreateServer(ctx, newEchoer, "127.0.0.1:0")
		require.NoError(t, err)
		client, _, err := asyncio.CreateConnection(ctx, func() *collector { return c }, s.Addr().String())
		client.Write(muchToSend)
		return err
	}))
	require.NoError(t, err)
	require.Zero(t, c.lost, "as in asyncio")
	require.Equal(t, before, openDescriptors(t))
}

func TestAClosedLoopHasNoServerOfProtocols(t *testing.T) {
	l := asyncio.NewLoop()
	require.NoError(t, l.Close())
	ctx := l.Context(t.Context())
	_, err := asyncio.CreateServer(ctx, newEchoer, "127.0.0.1:0")
	require.ErrorIs(t, err, asyncio.ErrLoopClosed)
	_, err = asyncio.CreateUnixServer(ctx, newEchoer, filepath.Join(t.TempDir(), "s"))
	require.ErrorIs(t, err, asyncio.ErrLoopClosed)
}

func TestAServerOfProtocolsHasNoMoreConnectionsThanItMay(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		made := 0
		s, err := asyncio.CreateServer(ctx, func() *echoer {
			made++
			return newEchoer()
		}, "127.0.0.1:0", asyncio.WithMaxConnections(1))
		require.NoError(t, err)
		first, _, err := asyncio.CreateConnection(ctx, newCollector, s.Addr().String())
		require.NoError(t, err)
		second, c, err := asyncio.CreateConnection(ctx, newCollector, s.Addr().String())
		require.NoError(t, err)
		second.WriteString("x")
		settled(ctx)
		require.Equal(t, 1, made)
		first.Close()
		until(ctx, func() bool { return len(c.got) == 1 })
		second.Close()
		s.Close()
		return s.WaitClosed(ctx)
	})
}

func TestDebugModeRefusesTransportsOnTheWrongGoroutine(t *testing.T) {
	_, err := asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
		s, err := asyncio.CreateServer(ctx, newEchoer, "127.0.0.1:0")
		require.NoError(t, err)
		tr, c, err := asyncio.CreateConnection(ctx, newCollector, s.Addr().String())
		require.NoError(t, err)
		d, datagrams, err := asyncio.CreateDatagramTransport(ctx, newDatagrams, "127.0.0.1:0", "")
		require.NoError(t, err)
		calls := map[string]func(){
			"SetProtocol":          func() { tr.SetProtocol(c) },
			"PauseReading":         tr.PauseReading,
			"ResumeReading":        tr.ResumeReading,
			"Write":                func() { _, _ = tr.Write(nil) },
			"WriteString":          func() { _, _ = tr.WriteString("") },
			"Writelines":           func() { _ = tr.Writelines(nil) },
			"SetWriteBufferLimits": func() { tr.SetWriteBufferLimits(1, 1) },
			"WriteEOF":             func() { _ = tr.WriteEOF() },
			"Close":                func() { _ = tr.Close() },
			"Abort":                tr.Abort,

			"DatagramTransport.SetProtocol": func() { d.SetProtocol(datagrams) },
			"DatagramTransport.SendTo":      func() { _ = d.SendTo(nil, nil) },
			"DatagramTransport.Close":       func() { _ = d.Close() },
			"DatagramTransport.Abort":       d.Abort,

			"Server.Close":        s.Close,
			"Server.CloseClients": s.CloseClients,
			"Server.AbortClients": s.AbortClients,
		}
		for name, call := range calls {
			done := make(chan struct{})
			go func() {
				defer close(done)
				assert.PanicsWithValue(t, wrong, call, name)
			}()
			<-done
		}
		require.Zero(t, c.lost)
		return nil
	}), asyncio.WithDebug())
	require.NoError(t, err)
}
