package asyncio_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
)

// overPipe makes a stream over one end of a net.Pipe, and returns the other end.
func overPipe(ctx context.Context) (*asyncio.StreamReader, *asyncio.StreamWriter, net.Conn) {
	near, far := net.Pipe()
	r, w := asyncio.StreamOver(ctx, near)
	return r, w, far
}

// inThread calls fn on another goroutine, and waits for it.
func inThread(ctx context.Context, fn func() error) error {
	_, err := asyncio.ToThread(ctx, func(context.Context) (asyncio.None, error) { return asyncio.None{}, fn() })
	return err
}

func TestAStreamRunsOverAnyNetConn(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		r, w, peer := overPipe(ctx)
		line := bytes.Repeat([]byte("0123456789abcdef"), 40<<10) // more than one write, and than one read
		served := spawn(ctx, func(ctx context.Context) error {
			return inThread(ctx, func() error {
				_, err := io.CopyN(peer, peer, int64(len(line)))
				return errors.Join(err, peer.Close())
			})
		})
		_, err := w.Write(line)
		require.NoError(t, err)
		got, err := r.Read(ctx, -1)
		require.NoError(t, err)
		require.True(t, bytes.Equal(line, got))
		require.True(t, r.AtEOF())
		require.NoError(t, w.Close())
		require.NoError(t, w.WaitClosed(ctx))
		return errOf(ctx, served)
	})
}

func TestACancelledReadOfANetConnLosesNothing(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		r, w, peer := overPipe(ctx)
		reader := spawn(ctx, func(ctx context.Context) error {
			_, err := r.ReadExactly(ctx, 5)
			return err
		})
		giveWay(ctx, 1)
		require.NoError(t, inThread(ctx, func() error { _, err := peer.Write([]byte("ab")); return err }))
		reader.Cancel()
		require.ErrorIs(t, errOf(ctx, reader), asyncio.ErrCancelled)
		more := spawn(ctx, func(ctx context.Context) error {
			return inThread(ctx, func() error { _, err := peer.Write([]byte("cde")); return err })
		})
		p, err := r.ReadExactly(ctx, 5)
		require.NoError(t, err)
		require.Equal(t, "abcde", string(p))
		require.NoError(t, errOf(ctx, more))
		w.Abort()
		return w.WaitClosed(ctx)
	})
}

func TestAStreamReadsOneBufferOfANetConnAhead(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		_, w, peer := overPipe(ctx)
		n, err := 0, error(nil)
		writing := spawn(ctx, func(ctx context.Context) error {
			return inThread(ctx, func() error {
				n, err = peer.Write(make([]byte, 1<<20))
				return nil
			})
		})
		settled(ctx)
		require.False(t, writing.Done(), "nobody has read so much")
		w.Abort()
		require.NoError(t, errOf(ctx, writing))
		require.Error(t, err)
		require.LessOrEqual(t, n, 64<<10)
		return nil
	})
}

func TestWriteEOFOnANetConnNeedsItsCloseWrite(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		_, w, _ := overPipe(ctx)
		require.False(t, w.CanWriteEOF())
		require.ErrorIs(t, w.WriteEOF(), errors.ErrUnsupported)
		w.Abort()
		return w.WaitClosed(ctx)
	})
}

func TestClosingANetConnFirstSendsTheWrittenBytes(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		_, w, peer := overPipe(ctx)
		sent := bytes.Repeat([]byte("x"), 300<<10)
		_, err := w.Write(sent)
		require.NoError(t, err)
		require.Equal(t, len(sent), w.WriteBufferSize())
		require.NoError(t, w.Close())
		var got []byte
		require.NoError(t, inThread(ctx, func() (err error) { got, err = io.ReadAll(peer); return err }))
		require.True(t, bytes.Equal(sent, got))
		require.NoError(t, w.WaitClosed(ctx))
		require.Zero(t, w.WriteBufferSize())
		return nil
	})
}

func TestDrainOfANetConnWaitsForThePeer(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		_, w, peer := overPipe(ctx)
		_, err := w.Write(make([]byte, 256<<10))
		require.NoError(t, err)
		drained := spawn(ctx, w.Drain)
		settled(ctx)
		require.False(t, drained.Done())
		require.NoError(t, inThread(ctx, func() error { _, err := io.CopyN(io.Discard, peer, 256<<10); return err }))
		require.NoError(t, errOf(ctx, drained))
		require.NoError(t, w.Close())
		return w.WaitClosed(ctx)
	})
}

func TestAStreamOverATLSConnEndsWithItsPeer(t *testing.T) {
	serverConfig, clientConfig := certificates()
	runReal(t, func(ctx context.Context) error {
		near, far := net.Pipe()
		r, w := asyncio.StreamOver(ctx, tls.Client(near, clientConfig))
		served := spawn(ctx, func(ctx context.Context) error {
			return inThread(ctx, func() error {
				peer := tls.Server(far, serverConfig)
				_, err := io.CopyN(peer, peer, 5)
				return errors.Join(err, peer.Close())
			})
		})
		_, err := w.Write([]byte("hello"))
		require.NoError(t, err)
		got, err := r.Read(ctx, -1)
		require.NoError(t, err)
		require.Equal(t, "hello", string(got))
		require.IsType(t, &tls.Conn{}, w.GetExtraInfo("ssl_object"))
		require.NoError(t, errOf(ctx, served))
		require.NoError(t, w.Close())
		return w.WaitClosed(ctx)
	})
}

// An oddConn is a net.Conn with a Read of the test's.
type oddConn struct {
	net.Conn
	read func(p []byte) (int, error)
}

func (c *oddConn) Read(p []byte) (int, error) { return c.read(p) }

func TestAnOddNetConnBreaksItsStreamAlone(t *testing.T) {
	var panicked *asyncio.PanicError
	for name, c := range map[string]struct {
		read  func(p []byte) (int, error)
		check func(err error) bool
	}{
		"panics":           {func([]byte) (int, error) { panic("odd") }, func(err error) bool { return errors.As(err, &panicked) }},
		"exits":            {func([]byte) (int, error) { runtime.Goexit(); return 0, nil }, func(err error) bool { return err != nil }},
		"claims too much":  {func(p []byte) (int, error) { return len(p) + 1, nil }, func(err error) bool { return errors.As(err, &panicked) }},
		"claims less":      {func(p []byte) (int, error) { return -1, nil }, func(err error) bool { return errors.As(err, &panicked) }},
		"never progresses": {func([]byte) (int, error) { return 0, nil }, func(err error) bool { return errors.Is(err, io.ErrNoProgress) }},
	} {
		runReal(t, func(ctx context.Context) error {
			near, far := net.Pipe()
			defer far.Close()
			r, w := asyncio.StreamOver(ctx, &oddConn{near, c.read})
			_, err := r.Read(ctx, 1)
			require.True(t, c.check(err), "%s: %v", name, err)
			require.True(t, w.IsClosing(), name)
			require.Error(t, w.WaitClosed(ctx), name)
			return nil
		})
	}
}

func TestClosingALoopEndsTheReadsAndWritesOfNetConns(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		for range 100 {
			r, w, _ := overPipe(ctx)
			_, err := w.Write([]byte("nobody reads this"))
			require.NoError(t, err)
			spawn(ctx, func(ctx context.Context) error {
				_, err := r.Read(ctx, 1)
				return err
			})
		}
		return asyncio.Sleep(ctx, 0)
	})
}

func TestALoopReportsACallThatClosingItsConnDoesNotEnd(t *testing.T) {
	defer asyncio.SetClosePatience(time.Millisecond)()
	release := make(chan struct{})
	defer close(release)
	var reports []string
	_, err := asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
		near, _ := net.Pipe()
		asyncio.StreamOver(ctx, &oddConn{near, func([]byte) (int, error) { <-release; return 0, io.EOF }})
		return nil
	}), asyncio.WithExceptionHandler(func(_ *asyncio.Loop, c asyncio.ExceptionContext) { reports = append(reports, c.Message) }))
	require.NoError(t, err)
	require.Equal(t, []string{"a read or a write of a connection goes on after the end of its loop"}, reports)
}
