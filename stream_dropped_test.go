package asyncio_test

import (
	"context"
	"io"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
)

// open opens a connection, possibly with TLS, writes size bytes and drops it.
func open(t *testing.T, ctx context.Context, addr string, size int, opts ...asyncio.ConnectOption) {
	t.Helper()
	_, w, err := asyncio.OpenConnection(ctx, addr, opts...)
	require.NoError(t, err)
	_, err = w.Write(make([]byte, size))
	require.NoError(t, err)
}

func TestADroppedStreamIsClosed(t *testing.T) {
	withoutDebug(t)
	serverConfig, clientConfig := certificates()
	for name, opts := range map[string]struct {
		server []asyncio.ServeOption
		client []asyncio.ConnectOption
	}{
		"TCP": {},
		"TLS": {[]asyncio.ServeOption{asyncio.WithTLS(serverConfig)}, []asyncio.ConnectOption{asyncio.WithTLS(clientConfig)}},
	} {
		t.Run(name, func(t *testing.T) {
			runReal(t, func(ctx context.Context) error {
				ended := 0
				s, err := asyncio.StartServer(ctx, func(ctx context.Context, r *asyncio.StreamReader, _ *asyncio.StreamWriter) error {
					p, err := r.Read(ctx, -1)
					require.NoError(t, err) // with TLS, the peer has announced the end
					require.Len(t, p, 4<<20)
					ended++
					return nil
				}, "127.0.0.1:0", opts.server...)
				require.NoError(t, err)
				for range 5 {
					open(t, ctx, s.Addr().String(), 4<<20, opts.client...)
				}
				eventually(t, ctx, func() bool { runtime.GC(); return ended == 5 }, "the ends")
				s.Close()
				return s.WaitClosed(ctx)
			})
		})
	}
}

func TestADroppedPipeIsClosed(t *testing.T) {
	withoutDebug(t)
	runReal(t, func(ctx context.Context) error {
		r, w, err := os.Pipe()
		require.NoError(t, err)
		func() {
			out, err := asyncio.ConnectWritePipe(ctx, w)
			require.NoError(t, err)
			_, err = out.WriteString("all")
			require.NoError(t, err)
		}()
		in, err := asyncio.ConnectReadPipe(ctx, r)
		require.NoError(t, err)
		all := asyncio.CreateTask(ctx, func(ctx context.Context) ([]byte, error) { return in.Read(ctx, -1) })
		eventually(t, ctx, func() bool { runtime.GC(); return all.Done() }, "the end")
		got, err := all.Result()
		require.NoError(t, err)
		require.Equal(t, "all", string(got))
		return nil
	})
}

// A waiting task holds the stream, and so does a writer that still has bytes to send.
func TestAStreamInUseIsNotDropped(t *testing.T) {
	withoutDebug(t)
	runReal(t, func(ctx context.Context) error {
		s, err := asyncio.StartServer(ctx, func(ctx context.Context, r *asyncio.StreamReader, w *asyncio.StreamWriter) error {
			if _, err := r.ReadExactly(ctx, 8<<20); err != nil {
				return err
			}
			if err := asyncio.Sleep(ctx, 20*time.Millisecond); err != nil {
				return err
			}
			_, err := w.WriteString("thanks\n")
			return err
		}, "127.0.0.1:0")
		require.NoError(t, err)
		task := asyncio.CreateTask(ctx, func(ctx context.Context) (string, error) {
			r, w, err := asyncio.OpenConnection(ctx, s.Addr().String())
			require.NoError(t, err)
			_, err = w.Write(make([]byte, 8<<20))
			require.NoError(t, err)
			line, err := r.ReadLine(ctx)
			return string(line), err
		})
		eventually(t, ctx, func() bool { runtime.GC(); return task.Done() }, "the answer")
		got, err := task.Result()
		require.NoError(t, err)
		require.Equal(t, "thanks\n", got)
		s.Close()
		return s.WaitClosed(ctx)
	})
}

func TestDebugModeReportsADroppedStream(t *testing.T) {
	var reports []string
	_, err := asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
		s, err := asyncio.StartServer(ctx, echo, "127.0.0.1:0")
		require.NoError(t, err)
		r, w, err := asyncio.OpenConnection(ctx, s.Addr().String())
		require.NoError(t, err)
		require.NoError(t, w.Close()) // this one is not dropped
		_, err = r.Read(ctx, 1)
		require.Equal(t, io.EOF, err)
		open(t, ctx, s.Addr().String(), 10)
		eventually(t, ctx, func() bool { runtime.GC(); return len(reports) == 1 }, "the report")
		loop := asyncio.RunningLoop(ctx)
		loop.SetDebug(false)
		open(t, ctx, s.Addr().String(), 10)
		loop.SetDebug(true)
		eventually(t, ctx, func() bool { runtime.GC(); return len(reports) == 2 }, "the other report")
		return s.Shutdown(ctx, time.Minute)
	}), asyncio.WithDebug(), asyncio.WithExceptionHandler(func(_ *asyncio.Loop, c asyncio.ExceptionContext) {
		reports = append(reports, c.Message)
	}))
	require.NoError(t, err)
	require.Len(t, reports, 2)
	require.Contains(t, reports[0], "dropped without Close; it was opened at ")
	require.Contains(t, reports[0], "stream_dropped_test.go:")
	require.Equal(t, "stream was dropped without Close; it was opened before debug mode was turned on", reports[1])
}
