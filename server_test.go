package asyncio_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
)

// serve starts a server on the loopback interface.
func serve(t *testing.T, ctx context.Context, handler asyncio.ConnectionHandler, opts ...asyncio.ServeOption) *asyncio.Server {
	t.Helper()
	s, err := asyncio.StartServer(ctx, handler, "127.0.0.1:0", opts...)
	require.NoError(t, err)
	return s
}

// connect opens a connection to a server.
func connect(t *testing.T, ctx context.Context, s *asyncio.Server) (*asyncio.StreamReader, *asyncio.StreamWriter) {
	t.Helper()
	r, w, err := asyncio.OpenConnection(ctx, s.Addr().String())
	require.NoError(t, err)
	return r, w
}

// say sends a line and returns the answer.
func say(t *testing.T, ctx context.Context, r *asyncio.StreamReader, w *asyncio.StreamWriter, line string) string {
	t.Helper()
	_, err := w.WriteString(line + "\n")
	require.NoError(t, err)
	answer, err := r.ReadLine(ctx)
	require.NoError(t, err)
	return string(answer)
}

func TestAServerServesManyClientsAtOnce(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		s := serve(t, ctx, echo)
		require.True(t, s.IsServing())
		require.Len(t, s.Sockets(), 1)
		require.Equal(t, s.Addr(), s.Sockets()[0].Addr())
		err := asyncio.WithTaskGroup(ctx, func(ctx context.Context, tg *asyncio.TaskGroup) error {
			for i := range 100 {
				tg.Go(func(ctx context.Context) error {
					r, w := connect(t, ctx, s)
					for j := range 10 {
						line := fmt.Sprintf("client %d, line %d", i, j)
						require.Equal(t, line+"\n", say(t, ctx, r, w, line))
					}
					require.NoError(t, w.Close())
					return w.WaitClosed(ctx)
				})
			}
			return nil
		})
		require.NoError(t, err)
		s.Close()
		require.False(t, s.IsServing())
		require.Nil(t, s.Addr())
		require.ErrorIs(t, s.StartServing(), net.ErrClosed)
		return s.WaitClosed(ctx)
	})
}

func TestAServerListensOnAllAddressesWithOnePort(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		s, err := asyncio.StartServer(ctx, echo, ":0")
		require.NoError(t, err)
		port := s.Addr().(*net.TCPAddr).Port
		for _, socket := range s.Sockets() {
			require.Equal(t, port, socket.Addr().(*net.TCPAddr).Port)
			require.NotZero(t, socket.Fd())
		}
		_, w, err := asyncio.OpenConnection(ctx, fmt.Sprintf("localhost:%d", port))
		require.NoError(t, err)
		require.NoError(t, w.Close())
		return s.Shutdown(ctx, time.Minute)
	})
}

// On a machine without IPv6, localhost may nevertheless be ::1.
func TestAServerIgnoresAnAddressThatTheMachineDoesNotHave(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		foreign := func() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1)} } // of no machine
		here := func() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }
		for _, addrs := range [][]net.Addr{{foreign(), here()}, {here(), foreign()}} {
			s, err := asyncio.StartOn(ctx, echo, addrs...)
			require.NoError(t, err)
			require.Len(t, s.Sockets(), 1)
			s.Close()
		}
		_, err := asyncio.StartOn(ctx, echo, foreign(), foreign())
		require.ErrorIs(t, err, syscall.EADDRNOTAVAIL)
		return nil
	})
}

func TestAnAddressInUseIsAnError(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		s := serve(t, ctx, echo)
		_, err := asyncio.StartServer(ctx, echo, s.Addr().String())
		require.ErrorIs(t, err, syscall.EADDRINUSE)
		s.Close()
		return nil
	})
}

func TestAServerThatDoesNotServeYetAnswersLater(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		s := serve(t, ctx, echo, asyncio.WithoutServing())
		require.False(t, s.IsServing())
		r, w := connect(t, ctx, s) // the system queues the connection
		_, err := w.WriteString("hello\n")
		require.NoError(t, err)
		for range 10 {
			require.NoError(t, asyncio.Sleep(ctx, 0))
		}
		require.NoError(t, s.StartServing())
		line, err := r.ReadLine(ctx)
		require.NoError(t, err)
		require.Equal(t, "hello\n", string(line))
		require.NoError(t, w.Close())
		return s.Shutdown(ctx, time.Minute)
	})
}

func TestAnErrorOrPanicOfAHandlerEndsOnlyItsConnection(t *testing.T) {
	var reports []string
	_, err := asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
		s := serve(t, ctx, func(ctx context.Context, r *asyncio.StreamReader, w *asyncio.StreamWriter) error {
			line, err := r.ReadLine(ctx)
			if err != nil {
				return err
			}
			switch string(line) {
			case "fail\n":
				_, _ = w.WriteString("bye\n")
				return errBoom
			case "panic\n":
				panic("boom")
			}
			_, err = w.Write(line)
			return err
		})
		good, goodWriter := connect(t, ctx, s)
		r, w := connect(t, ctx, s)
		require.Equal(t, "bye\n", say(t, ctx, r, w, "fail"))
		_, err := r.Read(ctx, 1)
		require.Equal(t, io.EOF, err)
		require.NoError(t, w.Close())

		r, w = connect(t, ctx, s)
		_, err = w.WriteString("panic\n")
		require.NoError(t, err)
		_, err = r.Read(ctx, 1)
		require.Equal(t, io.EOF, err)
		require.NoError(t, w.Close())

		require.Equal(t, "good\n", say(t, ctx, good, goodWriter, "good"))
		require.NoError(t, goodWriter.Close())
		return s.Shutdown(ctx, time.Minute)
	}), asyncio.WithExceptionHandler(func(_ *asyncio.Loop, c asyncio.ExceptionContext) {
		_, isPanic := errors.AsType[*asyncio.PanicError](c.Err)
		reports = append(reports, fmt.Sprint(c.Message, ", panic: ", isPanic))
	}))
	require.NoError(t, err)
	require.Equal(t, []string{
		"unhandled error in a connection's handler, panic: false",
		"unhandled error in a connection's handler, panic: true",
	}, reports)
}

func TestServeEndsWithCloseAndWithCancel(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		s := serve(t, ctx, echo)
		serving := asyncio.CreateTask(ctx, asyncio.Do(s.Serve))
		require.NoError(t, asyncio.Sleep(ctx, 0))
		s.Close()
		_, err := serving.Await(ctx)
		require.NoError(t, err)

		s = serve(t, ctx, echo)
		r, w := connect(t, ctx, s)
		require.Equal(t, "hello\n", say(t, ctx, r, w, "hello"))
		serving = asyncio.CreateTask(ctx, asyncio.Do(s.Serve))
		require.NoError(t, asyncio.Sleep(ctx, 0))
		serving.Cancel()
		_, err = serving.Await(ctx)
		require.ErrorIs(t, err, asyncio.ErrCancelled)
		_, err = r.Read(ctx, 1)
		require.Equal(t, io.EOF, err) // its connections are closed too
		require.NoError(t, w.Close())
		require.ErrorIs(t, s.Serve(ctx), net.ErrClosed)
		return nil
	})
}

func TestShutdownLetsHandlersFinish(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		var begun, proceed asyncio.Event
		s := serve(t, ctx, func(ctx context.Context, r *asyncio.StreamReader, w *asyncio.StreamWriter) error {
			if _, err := r.ReadLine(ctx); err != nil {
				return err
			}
			begun.Set()
			if err := proceed.Wait(ctx); err != nil {
				return err
			}
			_, err := w.WriteString("done\n")
			return err
		})
		r, w := connect(t, ctx, s)
		_, err := w.WriteString("work\n")
		require.NoError(t, err)
		require.NoError(t, begun.Wait(ctx))
		shutdown := asyncio.CreateTask(ctx, asyncio.Do(func(ctx context.Context) error { return s.Shutdown(ctx, time.Minute) }))
		require.NoError(t, asyncio.Sleep(ctx, 0))
		_, _, err = asyncio.OpenConnection(ctx, w.RemoteAddr().String())
		require.ErrorIs(t, err, syscall.ECONNREFUSED)
		proceed.Set()
		line, err := r.ReadLine(ctx)
		require.NoError(t, err)
		require.Equal(t, "done\n", string(line))
		require.NoError(t, w.Close())
		_, err = shutdown.Await(ctx)
		return err
	})
}

func TestShutdownCancelsHandlersAfterTheGracePeriod(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		cleaned := false
		s := serve(t, ctx, func(ctx context.Context, _ *asyncio.StreamReader, w *asyncio.StreamWriter) error {
			defer func() { cleaned = true }()
			_, err := w.Write(make([]byte, 64<<20)) // nobody reads this
			require.NoError(t, err)
			var never asyncio.Event
			return never.Wait(ctx)
		})
		r, w := connect(t, ctx, s)
		_, err := r.ReadExactly(ctx, 1)
		require.NoError(t, err)
		require.NoError(t, s.Shutdown(ctx, time.Millisecond))
		require.True(t, cleaned)
		w.Abort()
		return nil
	})
}

func TestCloseClientsSendsTheWrittenBytesAndAbortClientsDoesNot(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		s := serve(t, ctx, echo)
		r, w := connect(t, ctx, s)
		require.Equal(t, "hello\n", say(t, ctx, r, w, "hello"))
		s.CloseClients()
		_, err := r.Read(ctx, 1)
		require.Equal(t, io.EOF, err)
		require.NoError(t, w.Close())
		s.Close()
		require.NoError(t, s.WaitClosed(ctx))

		s = serve(t, ctx, stubborn)
		r, w = connect(t, ctx, s)
		_, err = r.ReadExactly(ctx, 1)
		require.NoError(t, err)
		s.Close()
		s.CloseClients()
		closed := spawn(ctx, s.WaitClosed)
		settled(ctx)
		require.False(t, closed.Done(), "the client has not read")
		s.AbortClients()
		require.NoError(t, errOf(ctx, closed))
		w.Abort()
		return nil
	})
}

func TestAServerKeepsToItsMaximumOfConnections(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		now, most := 0, 0
		s := serve(t, ctx, func(ctx context.Context, r *asyncio.StreamReader, w *asyncio.StreamWriter) error {
			now++
			most = max(most, now)
			defer func() { now-- }()
			return echo(ctx, r, w)
		}, asyncio.WithMaxConnections(3))
		err := asyncio.WithTaskGroup(ctx, func(ctx context.Context, tg *asyncio.TaskGroup) error {
			for range 20 {
				tg.Go(func(ctx context.Context) error {
					r, w := connect(t, ctx, s)
					require.Equal(t, "hello\n", say(t, ctx, r, w, "hello"))
					return w.Close()
				})
			}
			return nil
		})
		require.NoError(t, err)
		require.Equal(t, 3, most)
		return s.Shutdown(ctx, time.Minute)
	})
}

func TestASlowClientTimesOut(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		s := serve(t, ctx, func(ctx context.Context, r *asyncio.StreamReader, w *asyncio.StreamWriter) error {
			err := asyncio.Timeout(ctx, 50*time.Millisecond, func(ctx context.Context, _ *asyncio.TimeoutScope) error {
				_, err := r.ReadLine(ctx)
				return err
			})
			if errors.Is(err, asyncio.ErrTimeout) {
				_, err = w.WriteString("too slow\n")
			}
			return err
		})
		r, w := connect(t, ctx, s)
		drip := asyncio.CreateTask(ctx, asyncio.Do(func(ctx context.Context) error {
			for {
				if _, err := w.WriteString("x"); err != nil {
					return nil
				}
				if err := asyncio.Sleep(ctx, 5*time.Millisecond); err != nil {
					return err
				}
			}
		}))
		line, err := r.ReadLine(ctx)
		require.NoError(t, err)
		require.Equal(t, "too slow\n", string(line))
		drip.Cancel()
		_, _ = drip.Await(ctx)
		w.Abort()
		return s.Shutdown(ctx, time.Minute)
	})
}

func TestUnixServersTakeOverASocketAndRemoveTheirOwn(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		path := filepath.Join(t.TempDir(), "socket")
		first, err := asyncio.StartUnixServer(ctx, echo, path)
		require.NoError(t, err)
		second, err := asyncio.StartUnixServer(ctx, echo, path)
		require.NoError(t, err)
		r, w, err := asyncio.OpenUnixConnection(ctx, path)
		require.NoError(t, err)
		require.Equal(t, "hello\n", say(t, ctx, r, w, "hello"))
		require.Equal(t, path, w.RemoteAddr().String())
		require.NoError(t, w.Close())
		require.NoError(t, first.Shutdown(ctx, time.Minute))
		_, err = os.Lstat(path)
		require.NoError(t, err) // the path belongs to the second server
		require.NoError(t, second.Shutdown(ctx, time.Minute))
		_, err = os.Lstat(path)
		require.ErrorIs(t, err, os.ErrNotExist)
		return nil
	})
}

func TestClosingALoopClosesItsServersAndConnections(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		s := serve(t, ctx, echo)
		for range 10 {
			r, w := connect(t, ctx, s)
			require.Equal(t, "hello\n", say(t, ctx, r, w, "hello"))
		}
		return nil // runReal counts the descriptors
	})
}

func TestACancelledServeDoesNotWaitForHandlers(t *testing.T) {
	for name, wait := range map[string]func(ctx context.Context) error{
		"queue": func(ctx context.Context) error {
			_, err := asyncio.NewQueue[int](0).Get(ctx)
			return err
		},
		"sleep": func(ctx context.Context) error { return asyncio.Sleep(ctx, time.Hour) },
	} {
		t.Run(name, func(t *testing.T) {
			var handlers trace
			runReal(t, func(ctx context.Context) error {
				s := serve(t, ctx, func(ctx context.Context, _ *asyncio.StreamReader, w *asyncio.StreamWriter) error {
					_, err := w.WriteString("hello\n")
					require.NoError(t, err)
					err = wait(ctx)
					handlers.end("handler", err)
					return err
				})
				r, w := connect(t, ctx, s)
				_, err := r.ReadLine(ctx)
				require.NoError(t, err)
				serving := spawn(ctx, s.Serve)
				giveWay(ctx, 1)
				serving.Cancel()
				require.ErrorIs(t, errOf(ctx, serving), asyncio.ErrCancelled)
				require.Empty(t, handlers)
				_, err = r.Read(ctx, 1)
				require.Equal(t, io.EOF, err)
				return w.Close()
			})
			handlers.expect(t, "handler cancelled") // at the end of the run
		})
	}
}

// stubborn is a handler that leaves some of its client's bytes unread.
func stubborn(ctx context.Context, r *asyncio.StreamReader, w *asyncio.StreamWriter) error {
	_, err := w.Write(make([]byte, 16<<20))
	return err
}

func TestASecondCancellationEndsServe(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		s := serve(t, ctx, stubborn)
		r, w := connect(t, ctx, s)
		_, err := r.ReadExactly(ctx, 1) // and no more
		require.NoError(t, err)
		serving := spawn(ctx, s.Serve)
		giveWay(ctx, 1)
		serving.Cancel()
		settled(ctx)
		require.False(t, serving.Done(), "the client has not read")
		serving.Cancel()
		require.ErrorIs(t, errOf(ctx, serving), asyncio.ErrCancelled)
		w.Abort()
		return s.WaitClosed(ctx)
	})
}

func TestServeUnderADoneContextClosesItsClientsToo(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		s := serve(t, ctx, echo)
		r, w := connect(t, ctx, s)
		require.Equal(t, "hello\n", say(t, ctx, r, w, "hello"))
		limited, cancel := context.WithCancel(ctx)
		serving := spawn(limited, s.Serve)
		giveWay(ctx, 1)
		cancel()
		require.ErrorIs(t, errOf(ctx, serving), context.Canceled)
		require.NoError(t, s.WaitClosed(ctx))
		_, err := r.Read(ctx, 1)
		require.Equal(t, io.EOF, err)
		return w.Close()
	})
}

func TestAConnectionWhoseTaskNeverBeginsIsClosed(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		s := serve(t, ctx, echo, asyncio.WithMaxConnections(1))
		client, err := net.Dial("tcp", s.Addr().String())
		require.NoError(t, err)
		defer client.Close()
		l := asyncio.RunningLoop(ctx)
		for len(l.AllTasks()) == 1 {
			giveWay(ctx, 1)
		}
		l.AllTasks()[1].Cancel()
		n, err := asyncio.ToThread(ctx, func(context.Context) (int, error) { return client.Read(make([]byte, 1)) })
		require.Zero(t, n)
		require.Equal(t, io.EOF, err)

		r, w := connect(t, ctx, s) // its place is free again
		require.Equal(t, "hello\n", say(t, ctx, r, w, "hello"))
		require.NoError(t, w.Close())
		s.Close()
		return s.WaitClosed(ctx)
	})
}

func TestWaitClosedWaitsForConnectionsAndShutdownForHandlers(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		var proceed asyncio.Event
		s := serve(t, ctx, func(ctx context.Context, r *asyncio.StreamReader, _ *asyncio.StreamWriter) error {
			if _, err := r.Read(ctx, 1); err != nil {
				return err
			}
			return proceed.Wait(ctx)
		})
		_, w := connect(t, ctx, s)
		_, err := w.WriteString("x")
		require.NoError(t, err)
		closed := spawn(ctx, s.WaitClosed)
		giveWay(ctx, 3)
		require.False(t, closed.Done(), "the server is not closed")
		for len(asyncio.RunningLoop(ctx).AllTasks()) < 3 { // main, closed and the handler
			giveWay(ctx, 1)
		}
		s.Close()
		giveWay(ctx, 3)
		require.False(t, closed.Done(), "a connection is open")
		require.ErrorIs(t, asyncio.Timeout(ctx, time.Millisecond, func(ctx context.Context, _ *asyncio.TimeoutScope) error {
			return s.WaitClosed(ctx)
		}), asyncio.ErrTimeout)
		for len(asyncio.RunningLoop(ctx).AllTasks()) < 3 { // main, the task that has ended and the handler
			giveWay(ctx, 1)
		}
		s.AbortClients()
		require.NoError(t, errOf(ctx, closed))
		require.NoError(t, s.WaitClosed(ctx))

		ended := spawn(ctx, func(ctx context.Context) error { return s.Shutdown(ctx, time.Hour) })
		settled(ctx)
		require.False(t, ended.Done(), "the handler runs")
		proceed.Set()
		require.NoError(t, errOf(ctx, ended))
		return w.Close()
	})
}

// In a loop with eager tasks, too, a handler begins in a turn of its own, when its server knows it:
// otherwise a handler that aborts its connection at once would seem to have returned.
func TestShutdownWaitsForAHandlerThatAbortsItsConnectionAtOnceInAnEagerLoop(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		asyncio.RunningLoop(ctx).SetEagerTasks(true)
		var began, goOn asyncio.Event
		returned := false
		s := serve(t, ctx, func(ctx context.Context, _ *asyncio.StreamReader, w *asyncio.StreamWriter) error {
			w.Abort()
			began.Set()
			err := goOn.Wait(ctx)
			returned = true
			return err
		})
		_, w, err := asyncio.OpenConnection(ctx, s.Addr().String())
		require.NoError(t, err)
		defer w.Close()
		require.NoError(t, began.Wait(ctx))
		asyncio.RunningLoop(ctx).CallSoon(goOn.Set)
		require.NoError(t, s.Shutdown(ctx, time.Minute))
		require.True(t, returned)
		return nil
	})
}

func TestShutdownDropsTheConnectionOfAHandlerThatHasEnded(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		s := serve(t, ctx, stubborn)
		r, w := connect(t, ctx, s)
		_, err := r.ReadExactly(ctx, 1)
		require.NoError(t, err)
		require.Len(t, asyncio.RunningLoop(ctx).AllTasks(), 1, "the handler has ended")
		require.NoError(t, s.Shutdown(ctx, time.Millisecond))
		w.Abort()
		return nil
	})
}

func TestACancelledShutdownLeavesTheHandlersRunning(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		var proceed asyncio.Event
		s := serve(t, ctx, func(ctx context.Context, _ *asyncio.StreamReader, w *asyncio.StreamWriter) error {
			if err := proceed.Wait(ctx); err != nil {
				return err
			}
			_, err := w.WriteString("done\n")
			return err
		})
		r, w := connect(t, ctx, s)
		for len(asyncio.RunningLoop(ctx).AllTasks()) < 2 {
			giveWay(ctx, 1)
		}
		shutdown := spawn(ctx, func(ctx context.Context) error { return s.Shutdown(ctx, time.Hour) })
		giveWay(ctx, 1)
		shutdown.Cancel()
		require.ErrorIs(t, errOf(ctx, shutdown), asyncio.ErrCancelled)
		proceed.Set()
		line, err := r.ReadLine(ctx)
		require.NoError(t, err)
		require.Equal(t, "done\n", string(line))
		require.NoError(t, w.Close())
		return s.Shutdown(ctx, time.Minute)
	})
}

func TestAServerListensOnSeveralHosts(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		// localhost has an address that is listed, too, and perhaps one of IPv6.
		s, err := asyncio.StartServer(ctx, echo, "127.0.0.1:0", asyncio.WithHosts("127.0.0.2", "localhost", "127.0.0.2"))
		if errors.Is(err, syscall.EADDRNOTAVAIL) {
			t.Skip("127.0.0.2 is not an address of this system")
		}
		require.NoError(t, err)
		defer s.Close()
		port := s.Addr().(*net.TCPAddr).Port
		seen := make(map[string]int)
		for _, socket := range s.Sockets() {
			require.Equal(t, port, socket.Addr().(*net.TCPAddr).Port)
			seen[socket.Addr().String()]++
			r, w, err := asyncio.OpenConnection(ctx, socket.Addr().String())
			require.NoError(t, err)
			require.Equal(t, "hello\n", say(t, ctx, r, w, "hello"))
			require.NoError(t, w.Close())
		}
		for address, n := range seen {
			require.Equal(t, 1, n, address)
		}
		require.Contains(t, seen, fmt.Sprintf("127.0.0.1:%d", port))
		return s.Shutdown(ctx, time.Minute)
	})
}

func TestAServerThatCannotListenOnOneHostListensOnNone(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		other, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		defer other.Close()
		port := other.Addr().(*net.TCPAddr).Port
		for _, hosts := range [][2]string{{"::1", "127.0.0.1"}, {"127.0.0.1", "::1"}} {
			_, err = asyncio.StartServer(ctx, echo, net.JoinHostPort(hosts[0], fmt.Sprint(port)), asyncio.WithHosts(hosts[1]))
			require.ErrorIs(t, err, syscall.EADDRINUSE)
		}
		for _, host := range []string{"no-such-host.invalid", "[::1]", "::1%no such zone%"} {
			if !hasPoller() && host == "::1%no such zone%" {
				continue // package net ignores the zone of this address
			}
			_, err = asyncio.StartServer(ctx, echo, "127.0.0.1:0", asyncio.WithHosts(host))
			require.Error(t, err, host)
		}
		_, err = asyncio.StartServer(ctx, echo, "127.0.0.1", asyncio.WithHosts("::1"))
		require.ErrorContains(t, err, "missing port")
		return nil
	})
}

func TestAUnixServerMayLeaveItsPathBehind(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		path := filepath.Join(t.TempDir(), "socket")
		for range 2 {
			s, err := asyncio.StartUnixServer(ctx, echo, path, asyncio.WithoutCleanupSocket())
			require.NoError(t, err)
			s.Close()
			_, err = os.Lstat(path)
			require.NoError(t, err)
		}
		return nil
	})
}
