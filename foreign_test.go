package asyncio_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
)

// elsewhere runs f on a goroutine of its own while the loop goes on, and suspends until f has
// returned. It does not use ToThread, whose goroutines a Conn could recognize.
func elsewhere(ctx context.Context, f func()) {
	loop := asyncio.RunningLoop(ctx)
	done := asyncio.NewFuture[asyncio.None](loop)
	go func() {
		defer loop.CallSoonThreadsafe(func() { _ = done.SetResult(asyncio.None{}) })
		f()
	}()
	if _, err := done.Await(ctx); err != nil {
		panic(err)
	}
}

// socketPair returns a Conn made by a Dialer and its peer, a net.Conn of package net.
func socketPair(t *testing.T, ctx context.Context) (*asyncio.Conn, *net.TCPConn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer ln.Close()
	c, err := asyncio.NewDialer(ctx).Dial("tcp", ln.Addr().String())
	require.NoError(t, err)
	peer, err := ln.Accept()
	require.NoError(t, err)
	asyncio.CurrentTask(ctx).(*asyncio.Task[asyncio.None]).AddDoneCallback(func(*asyncio.Task[asyncio.None]) { peer.Close() })
	return c.(*asyncio.Conn), peer.(*net.TCPConn)
}

// opError checks that err is a *net.OpError.
func opError(t *testing.T, err error, op string, target error) {
	t.Helper()
	e, ok := err.(*net.OpError)
	if assert.True(t, ok, "%T: %v", err, err) {
		assert.Equal(t, op, e.Op)
		assert.ErrorIs(t, err, target)
	}
}

// A justWriter hides that its writer is a connection. To copy from a socket to a socket, package
// net takes pipes from a pool, and the test would count their descriptors as leaked.
type justWriter struct{ io.Writer }

func TestAnyGoroutineMayUseAConn(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		c, peer := socketPair(t, ctx)
		data := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
		var all sync.WaitGroup
		all.Go(func() {
			_, err := io.CopyN(justWriter{peer}, peer, int64(len(data)))
			assert.NoError(t, err)
			assert.NoError(t, peer.CloseWrite())
		})
		all.Go(func() {
			n, err := c.Write(data)
			assert.NoError(t, err)
			assert.Equal(t, len(data), n)
			assert.NoError(t, c.CloseWrite())
		})
		elsewhere(ctx, func() {
			got, err := io.ReadAll(c)
			assert.NoError(t, err)
			assert.True(t, bytes.Equal(data, got))
			all.Wait()
			assert.NoError(t, c.Close())
			_, err = c.Read(make([]byte, 1))
			opError(t, err, "read", net.ErrClosed)
			_, err = c.Write(make([]byte, 1))
			opError(t, err, "write", net.ErrClosed)
			opError(t, c.SetDeadline(time.Now()), "set", net.ErrClosed)
			opError(t, c.Close(), "close", net.ErrClosed)
		})
		return nil
	})
}

func TestCloseElsewhereEndsAWaitingReadAndAWaitingWrite(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		c, _ := socketPair(t, ctx)
		write := asyncio.CreateTask(ctx, func(context.Context) (int, error) { return c.Write(make([]byte, 64<<20)) })
		read := asyncio.CreateTask(ctx, func(context.Context) (int, error) { return c.Read(make([]byte, 1)) })
		giveWay(ctx, 1)
		elsewhere(ctx, func() { assert.NoError(t, c.Close()) })
		_, err := read.Await(ctx)
		opError(t, err, "read", net.ErrClosed)
		_, err = write.Await(ctx)
		opError(t, err, "write", net.ErrClosed)
		return nil
	})
}

func TestConcurrentReadsTakeTurns(t *testing.T) {
	run(t, func(ctx context.Context) error {
		client, server := connPair(ctx)
		var r trace
		read := func(name string) *asyncio.Task[asyncio.None] {
			return spawn(ctx, func(context.Context) error {
				p := make([]byte, 1)
				n, err := client.Read(p)
				switch {
				case errors.Is(err, asyncio.ErrCancelled):
					r.add("%s cancelled", name)
				case errors.Is(err, os.ErrDeadlineExceeded):
					r.add("%s too late", name)
				default:
					r.add("%s %s", name, p[:n])
				}
				return nil
			})
		}
		a, b, c := read("a"), read("b"), read("c")
		giveWay(ctx, 1)
		_, err := server.Write([]byte("x"))
		require.NoError(t, err)
		giveWay(ctx, 1) // a has read; b's turn is next
		b.Cancel()      // b passes its turn on
		join(ctx, a, b)
		_, err = server.Write([]byte("y"))
		require.NoError(t, err)
		join(ctx, c)
		d, e := read("d"), read("e")
		giveWay(ctx, 1)
		require.NoError(t, client.SetReadDeadline(time.Unix(1, 0)))
		join(ctx, d, e)
		r.expect(t, "a x", "b cancelled", "c y", "d too late", "e too late")
		return nil
	})
}

func TestManyGoroutinesUseOneConn(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		c, peer := socketPair(t, ctx)
		const n, size = 20, 100
		go func() {
			_, _ = io.Copy(justWriter{peer}, peer)
		}()
		elsewhere(ctx, func() {
			var all sync.WaitGroup
			got := make(chan byte, n*size)
			for i := range n {
				all.Go(func() {
					_, err := c.Write(bytes.Repeat([]byte{byte(i)}, size))
					assert.NoError(t, err)
				})
				all.Go(func() {
					p := make([]byte, size)
					_, err := io.ReadFull(c, p)
					assert.NoError(t, err)
					for _, b := range p {
						got <- b
					}
				})
			}
			all.Wait()
			close(got)
			counts := map[byte]int{}
			for b := range got {
				counts[b]++
			}
			assert.Len(t, counts, n)
			for _, count := range counts {
				assert.Equal(t, size, count)
			}
		})
		return c.Close()
	})
}

func TestABlockedLoopEndsTheCallsOfOtherGoroutinesAndLosesNothing(t *testing.T) {
	defer asyncio.SetLoopPatience(40 * time.Millisecond)()
	runReal(t, func(ctx context.Context) error {
		c, peer := socketPair(t, ctx)
		calls := map[string]func() error{
			"read": func() error {
				_, err := c.Read(make([]byte, 10))
				return err
			},
			"write": func() error {
				_, err := c.Write([]byte("must not be written"))
				return err
			},
			"raw-control": func() error {
				raw, err := c.SyscallConn()
				if err == nil {
					err = raw.Control(func(uintptr) { t.Error("called though the caller has gone") })
				}
				return err
			},
			"dial": func() error {
				_, err := asyncio.NewDialer(ctx).Dial("tcp", peer.LocalAddr().String())
				return err
			},
		}
		for op, call := range calls {
			done := make(chan error)
			go func() { done <- call() }()
			err := <-done // blocks the loop
			opError(t, err, op, asyncio.ErrLoopBlocked)
			assert.ErrorContains(t, err, "ToThread")
			assert.False(t, err.(net.Error).Timeout())
		}
		giveWay(ctx, 3)
		_, err := peer.Write([]byte("hello"))
		require.NoError(t, err)
		p := make([]byte, 10)
		n, err := c.Read(p)
		require.NoError(t, err)
		require.Equal(t, "hello", string(p[:n]))
		require.NoError(t, c.Close())
		rest, err := io.ReadAll(peer)
		require.NoError(t, err)
		require.Empty(t, rest)
		return nil
	})
}

func TestAReadElsewhereLosesNothingIfTheLoopBlocksAfterTakingItUp(t *testing.T) {
	defer asyncio.SetLoopPatience(40 * time.Millisecond)()
	runReal(t, func(ctx context.Context) error {
		c, peer := socketPair(t, ctx)
		done := make(chan error, 1)
		go func() {
			p := make([]byte, 10)
			_, err := c.Read(p)
			assert.Equal(t, make([]byte, 10), p)
			done <- err
		}()
		for len(asyncio.RunningLoop(ctx).AllTasks()) == 1 && len(done) == 0 { // on a slow machine it may give up at once
			giveWay(ctx, 1)
		}
		giveWay(ctx, 1) // lets it wait
		_, err := peer.Write([]byte("hello"))
		require.NoError(t, err)
		opError(t, <-done, "read", asyncio.ErrLoopBlocked)
		p := make([]byte, 10)
		n, err := io.ReadAtLeast(c, p, 5)
		require.NoError(t, err)
		require.Equal(t, "hello", string(p[:n]))
		return c.Close()
	})
}

func TestALoopThatIsBusyForLessThanASecondStillAnswers(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		c, peer := socketPair(t, ctx)
		done := make(chan error, 1)
		go func() {
			_, err := c.Write([]byte("x"))
			done <- err
		}()
		time.Sleep(50 * time.Millisecond) // not a wait: the loop is blocked
		elsewhere(ctx, func() {
			assert.NoError(t, <-done)
			_, err := peer.Read(make([]byte, 1))
			assert.NoError(t, err)
		})
		return c.Close()
	})
}

func TestTheEndOfTheRunEndsTheCallsOfOtherGoroutines(t *testing.T) {
	var c *asyncio.Conn
	var ln *asyncio.Listener
	done := make(chan error, 2)
	runReal(t, func(ctx context.Context) error {
		c, _ = socketPair(t, ctx)
		var err error
		ln, err = asyncio.Listen(ctx, "tcp", "127.0.0.1:0")
		require.NoError(t, err)
		go func() {
			_, err := c.Read(make([]byte, 1))
			done <- err
		}()
		go func() {
			_, err := ln.Accept()
			done <- err
		}()
		for len(asyncio.RunningLoop(ctx).AllTasks()) < 3 {
			giveWay(ctx, 1)
		}
		return nil
	})
	require.ErrorIs(t, <-done, net.ErrClosed)
	require.ErrorIs(t, <-done, net.ErrClosed)
	// No call hangs: all of them have ended.
	_, err := c.Read(make([]byte, 1))
	opError(t, err, "read", net.ErrClosed)
	_, err = c.Write(make([]byte, 1))
	opError(t, err, "write", net.ErrClosed)
	opError(t, c.SetDeadline(time.Time{}), "set", net.ErrClosed)
	_, err = ln.Accept()
	opError(t, err, "accept", net.ErrClosed)
	require.NoError(t, ln.Close())
	require.NoError(t, c.Close())
}

func TestALoopThatDoesNotRunEndsTheCallsOfOtherGoroutines(t *testing.T) {
	defer asyncio.SetLoopPatience(40 * time.Millisecond)()
	runner := asyncio.NewRunner()
	var c, server *asyncio.Conn
	start := func(ctx context.Context) error {
		c, server = connPair(ctx)
		return nil
	}
	_, err := asyncio.RunIn(t.Context(), runner, asyncio.Do(start))
	require.NoError(t, err)
	_, err = c.Read(make([]byte, 1))
	opError(t, err, "read", asyncio.ErrLoopBlocked)
	require.NoError(t, c.SetReadDeadline(time.Unix(1, 0)))
	_, err = asyncio.RunIn(t.Context(), runner, asyncio.Do(func(context.Context) error {
		if _, err := server.Write([]byte("x")); err != nil {
			return err
		}
		_, err := c.Read(make([]byte, 1))
		return err
	}))
	opError(t, err, "read", os.ErrDeadlineExceeded)
	require.NoError(t, runner.Close())
}

func TestCryptoTLSOverAConnWorksOnAnyGoroutine(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		serverConfig, clientConfig := certificates()
		clientConn, serverConn := connPair(ctx)
		client, server := tls.Client(clientConn, clientConfig), tls.Server(serverConn, serverConfig)
		data := bytes.Repeat([]byte("0123456789abcdef"), 1<<14)
		go func() {
			_, err := server.Write(data)
			assert.NoError(t, err)
			assert.NoError(t, server.Close())
		}()
		got, err := io.ReadAll(client) // in the task
		require.NoError(t, err)
		require.True(t, bytes.Equal(data, got))
		return client.Close()
	})
}

func TestAFunctionOfToThreadThatUsesAConnLetsVirtualTimeAdvance(t *testing.T) {
	run(t, func(ctx context.Context) error {
		client, server := connPair(ctx)
		spawn(ctx, func(ctx context.Context) error {
			if err := asyncio.Sleep(ctx, time.Hour); err != nil {
				return err
			}
			_, err := server.Write([]byte("late"))
			return err
		})
		got, err := asyncio.ToThread(ctx, func(context.Context) (string, error) {
			p := make([]byte, 10)
			n, err := client.Read(p)
			return string(p[:n]), err
		})
		require.NoError(t, err)
		require.Equal(t, "late", got)
		require.Equal(t, time.Hour, asyncio.RunningLoop(ctx).Time())
		return nil
	})
}

func TestACancelledReadIsAnErrorOfPackageNetAndACancellation(t *testing.T) {
	run(t, func(ctx context.Context) error {
		client, _ := connPair(ctx)
		read := spawn(ctx, func(context.Context) error {
			_, err := client.Read(make([]byte, 1))
			opError(t, err, "read", asyncio.ErrCancelled)
			assert.False(t, err.(net.Error).Timeout())
			assert.True(t, err.(interface{ Temporary() bool }).Temporary(), "which crypto/tls asks")
			return err
		})
		giveWay(ctx, 1)
		read.Cancel()
		join(ctx, read)
		require.True(t, read.Cancelled())
		return nil
	})
}

func TestALibraryThatHidesACancellationGetsItAgain(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		defer ln.Close()
		dialer := asyncio.NewDialer(ctx)
		dial := func() (net.Conn, net.Conn) {
			c, err := dialer.Dial("tcp", ln.Addr().String())
			require.NoError(t, err)
			peer, err := ln.Accept()
			require.NoError(t, err)
			return c, peer
		}
		first, peer := dial()
		defer peer.Close()
		second, peerOfSecond := dial()
		defer peerOfSecond.Close()
		stubborn := func() error { // like database/sql, which tries again with another connection
			_, err := first.Read(make([]byte, 1))
			opError(t, err, "read", asyncio.ErrCancelled)
			_, err = second.Read(make([]byte, 1))
			opError(t, err, "read", asyncio.ErrCancelled)
			_, err = second.Write([]byte("again"))
			opError(t, err, "write", asyncio.ErrCancelled)
			_, err = dialer.Dial("tcp", ln.Addr().String())
			opError(t, err, "dial", asyncio.ErrCancelled)
			_, err2 := first.Write([]byte("goodbye"))
			assert.NoError(t, err2)
			return err
		}
		err = asyncio.Timeout(ctx, time.Millisecond, func(context.Context, *asyncio.TimeoutScope) error { return stubborn() })
		require.ErrorIs(t, err, asyncio.ErrTimeout)
		// Timeout has taken the cancellation back.
		_, err = second.Write([]byte("again"))
		require.NoError(t, err)
		p := make([]byte, 7)
		_, err = io.ReadFull(peer, p)
		require.NoError(t, err)
		require.Equal(t, "goodbye", string(p))
		return errors.Join(first.Close(), second.Close())
	})
}

// A task that cleans up after a cancellation uses connections other than those of the library that
// met the cancellation.
func TestACancelledTaskMayUseOtherConns(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		first, _ := socketPair(t, ctx)
		second, _ := socketPair(t, ctx) // of another Dialer
		own, peer := connPair(ctx)
		ln, err := asyncio.Listen(ctx, "tcp", "127.0.0.1:0")
		require.NoError(t, err)
		task := asyncio.CreateTask(ctx, asyncio.Do(func(ctx context.Context) error {
			_, err := first.Read(make([]byte, 1))
			opError(t, err, "read", asyncio.ErrCancelled)
			_, err2 := second.Write([]byte("unlock"))
			assert.NoError(t, err2)
			_, err2 = own.Write([]byte("quit"))
			assert.NoError(t, err2)
			_, err2 = io.ReadFull(peer, make([]byte, 4))
			assert.NoError(t, err2)
			other, err2 := asyncio.NewDialer(ctx).Dial("tcp", ln.Addr().String())
			if assert.NoError(t, err2) {
				accepted, err2 := ln.Accept()
				assert.NoError(t, err2)
				assert.NoError(t, errors.Join(other.Close(), accepted.Close()))
			}
			return err
		}))
		require.NoError(t, asyncio.Sleep(ctx, time.Millisecond))
		task.Cancel()
		_, err = task.Await(ctx)
		require.ErrorIs(t, err, asyncio.ErrCancelled)
		return errors.Join(first.Close(), second.Close(), own.Close(), peer.Close(), ln.Close())
	})
}

func TestCloseInATaskDoesNotRaceWithTheEndOfAReadElsewhere(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		c, peer := socketPair(t, ctx)
		done := make(chan error, 1)
		go func() {
			_, err := c.Read(make([]byte, 1))
			done <- err
		}()
		reads := func() bool { return len(asyncio.RunningLoop(ctx).AllTasks()) == 2 }
		for !reads() {
			giveWay(ctx, 1)
		}
		require.NoError(t, peer.CloseWrite())
		for reads() {
			giveWay(ctx, 1)
		}
		require.NoError(t, c.Close())
		require.Equal(t, io.EOF, <-done)
		return nil
	})
}

func TestAConnOfTwoPipesClosesBoth(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		out, in, err := os.Pipe()
		require.NoError(t, err)
		r, err := asyncio.ConnectReadPipe(ctx, out)
		require.NoError(t, err)
		w, err := asyncio.ConnectWritePipe(ctx, in)
		require.NoError(t, err)
		c := asyncio.NewConn(context.Background(), r, w) // the streams know their loop
		p := make([]byte, 10)
		_, err = c.Write([]byte("hello"))
		require.NoError(t, err)
		n, err := c.Read(p)
		require.NoError(t, err)
		require.Equal(t, "hello", string(p[:n]))
		read := asyncio.CreateTask(ctx, func(context.Context) (int, error) { return c.Read(p) })
		elsewhere(ctx, func() { assert.NoError(t, c.Close()) })
		_, err = read.Await(ctx)
		opError(t, err, "read", net.ErrClosed)
		return nil
	})
}

func TestAnyGoroutineMayUseAConnInDebugMode(t *testing.T) {
	_, err := asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
		client, server := connPair(ctx)
		spawn(ctx, func(context.Context) error {
			_, err := io.Copy(server, server)
			return err
		})
		elsewhere(ctx, func() {
			p := make([]byte, 5)
			_, err := client.Write([]byte("hello"))
			assert.NoError(t, err)
			_, err = io.ReadFull(client, p)
			assert.NoError(t, err)
			assert.Equal(t, "hello", string(p))
			assert.NoError(t, client.SetDeadline(time.Now().Add(time.Hour)))
			assert.NoError(t, client.Close())
		})
		return nil
	}), asyncio.WithDebug())
	require.NoError(t, err)
}

// The patience limits waiting for a blocked loop, not waiting for the peer.
func TestAReadElsewhereWaitsForAsLongAsThePeerTakes(t *testing.T) {
	defer asyncio.SetLoopPatience(300 * time.Millisecond)()
	runReal(t, func(ctx context.Context) error {
		client, server := connPair(ctx)
		read := asyncio.CreateTask(ctx, asyncio.Do(func(ctx context.Context) error {
			elsewhere(ctx, func() {
				n, err := client.Read(make([]byte, 1))
				assert.NoError(t, err)
				assert.Equal(t, 1, n)
			})
			return nil
		}))
		require.NoError(t, asyncio.Sleep(ctx, time.Second))
		_, err := server.Write([]byte("x"))
		require.NoError(t, err)
		_, err = read.Await(ctx)
		return errors.Join(err, client.Close(), server.Close())
	})
}

func TestCloseOfAConnOfTwoPipesEndsAReadWhoseWriterGoesOn(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		out, in, err := os.Pipe()
		require.NoError(t, err)
		defer in.Close()
		other, sink, err := os.Pipe()
		require.NoError(t, err)
		defer other.Close()
		r, err := asyncio.ConnectReadPipe(ctx, out)
		require.NoError(t, err)
		w, err := asyncio.ConnectWritePipe(ctx, sink)
		require.NoError(t, err)
		c := asyncio.NewConn(ctx, r, w)
		read := asyncio.CreateTask(ctx, func(context.Context) (int, error) { return c.Read(make([]byte, 1)) })
		giveWay(ctx, 1)
		require.NoError(t, c.Close())
		return asyncio.Timeout(ctx, time.Minute, func(ctx context.Context, _ *asyncio.TimeoutScope) error {
			_, err := read.Await(ctx)
			opError(t, err, "read", net.ErrClosed)
			return nil
		})
	})
}

// A call that arrives while the run ends is refused or ends with the run. No task that the loop
// makes for such calls is left.
func TestNoTaskForACallElsewhereOutlivesTheRun(t *testing.T) {
	for range 5 {
		var all sync.WaitGroup
		runReal(t, func(ctx context.Context) error {
			stream, _ := asyncio.StreamPair(ctx)
			c := asyncio.NewConn(ctx, stream.Reader, stream.Writer)
			loop := asyncio.RunningLoop(ctx)
			reading := asyncio.NewFuture[int](loop)
			for range 4 {
				all.Go(func() {
					_ = loop.CallSoonThreadsafe(func() { _ = reading.SetResult(1) })
					for !loop.IsClosed() {
						_, _ = c.Read(make([]byte, 1))
					}
				})
			}
			spawn(ctx, func(ctx context.Context) error { // delays the end of the run
				_ = asyncio.Sleep(ctx, asyncio.Never)
				return asyncio.Sleep(ctx, 5*time.Millisecond)
			})
			_, err := reading.Await(ctx)
			return err
		})
		all.Wait()
	}
}
