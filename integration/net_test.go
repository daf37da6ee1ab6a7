//go:build integration

package integration

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
)

func TestSixtyFourGoroutinesTalkToAServer(t *testing.T) {
	run(t, func(ctx context.Context) error {
		s, err := asyncio.StartServer(ctx, echo, "127.0.0.1:0")
		require.NoError(t, err)
		addr := s.Addr().String()
		_, err = asyncio.ToThread(ctx, func(context.Context) (asyncio.None, error) {
			var clients sync.WaitGroup
			errs := make([]error, 64)
			for i := range errs {
				clients.Go(func() { errs[i] = goClient(addr, i) })
			}
			clients.Wait()
			return asyncio.None{}, errors.Join(errs...)
		})
		require.NoError(t, err)
		s.Close()
		return s.WaitClosed(ctx)
	})
}

// goClient exchanges lines with an echo server through package net.
func goClient(addr string, id int) error {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	lines := bufio.NewReader(conn)
	for i := range 200 {
		want := fmt.Sprintf("client %d, line %d, %s\n", id, i, bytes.Repeat([]byte("x"), i*13))
		if _, err := io.WriteString(conn, want); err != nil {
			return err
		}
		if got, err := lines.ReadString('\n'); err != nil || got != want {
			return fmt.Errorf("got %q (%w), want %q", got, err, want)
		}
	}
	return nil
}

// goServer runs serve for each connection, on a goroutine.
func goServer(t *testing.T, serve func(*net.TCPConn)) (addr string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var running sync.WaitGroup
	running.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			running.Go(func() {
				defer conn.Close()
				serve(conn.(*net.TCPConn))
			})
		}
	})
	t.Cleanup(func() {
		ln.Close()
		running.Wait()
	})
	return ln.Addr().String()
}

func TestAHundredTasksTalkToAGoServer(t *testing.T) {
	addr := goServer(t, func(conn *net.TCPConn) { _, _ = io.Copy(conn, conn) })
	run(t, func(ctx context.Context) error {
		return asyncio.WithTaskGroup(ctx, func(ctx context.Context, tg *asyncio.TaskGroup) error {
			for i := range 100 {
				tg.Go(func(ctx context.Context) error {
					r, w, err := asyncio.OpenConnection(ctx, addr)
					if err != nil {
						return err
					}
					want := bytes.Repeat([]byte{byte(i)}, 100_000)
					if _, err := w.Write(want); err != nil {
						return err
					}
					if err := w.WriteEOF(); err != nil {
						return err
					}
					got, err := r.Read(ctx, -1)
					require.True(t, bytes.Equal(want, got))
					w.Close()
					return errors.Join(err, w.WaitClosed(ctx))
				})
			}
			return nil
		})
	})
}

func TestAGoServerResetsInTheMiddleOfAReadAndOfAWrite(t *testing.T) {
	addr := goServer(t, func(conn *net.TCPConn) {
		_, _ = io.ReadFull(conn, make([]byte, 5))
		_ = conn.SetLinger(0)
	})
	run(t, func(ctx context.Context) error {
		r, w, err := asyncio.OpenConnection(ctx, addr)
		require.NoError(t, err)
		_, err = w.WriteString("hello")
		require.NoError(t, err)
		_, err = r.ReadExactly(ctx, 1)
		require.ErrorIs(t, err, syscall.ECONNRESET)
		_, err = w.WriteString("too late")
		require.ErrorIs(t, err, syscall.ECONNRESET)
		require.NoError(t, w.Close())

		_, w, err = asyncio.OpenConnection(ctx, addr)
		require.NoError(t, err)
		for err == nil { // the server reads five bytes of this
			if _, err = w.Write(make([]byte, 100_000)); err == nil {
				err = w.Drain(ctx)
			}
		}
		require.True(t, errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE), "got %v", err)
		require.NoError(t, w.Close())
		return nil
	})
}

func TestFewBytesAreKeptForASlowGoClient(t *testing.T) {
	const size = 32 << 20
	run(t, func(ctx context.Context) error {
		most := 0
		s, err := asyncio.StartServer(ctx, func(ctx context.Context, _ *asyncio.StreamReader, w *asyncio.StreamWriter) error {
			for range size >> 14 {
				if _, err := w.Write(make([]byte, 1<<14)); err != nil {
					return err
				}
				most = max(most, w.WriteBufferSize())
				if err := w.Drain(ctx); err != nil {
					return err
				}
			}
			return nil
		}, "127.0.0.1:0")
		require.NoError(t, err)
		addr := s.Addr().String()
		n, err := asyncio.ToThread(ctx, func(context.Context) (int64, error) {
			conn, err := net.Dial("tcp", addr)
			if err != nil {
				return 0, err
			}
			defer conn.Close()
			time.Sleep(100 * time.Millisecond) // makes this client slow
			return io.Copy(io.Discard, conn)
		})
		require.NoError(t, err)
		require.EqualValues(t, size, n)
		require.LessOrEqual(t, most, 64<<10+1<<14)
		s.Close()
		return s.WaitClosed(ctx)
	})
}
