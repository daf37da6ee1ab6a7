package asyncio_test

import (
	"context"
	"io"
	"testing"

	"github.com/go-asyncio/asyncio"
	"github.com/go-asyncio/asyncio/inspect"
)

// benchInspection runs a benchmark in a loop that nobody inspects, in one that is inspected, in one
// that an observer observes, which does nothing, and in one whose trace is written to nowhere.
func benchInspection(b *testing.B, main func(b *testing.B, ctx context.Context) error) {
	for _, way := range []struct {
		name  string
		begin func(loop *asyncio.Loop) (end func() error, err error)
	}{
		{"asyncio", func(*asyncio.Loop) (func() error, error) { return func() error { return nil }, nil }},
		{"asyncio-inspected", func(loop *asyncio.Loop) (func() error, error) {
			loop.Inspect(true)
			return func() error { return nil }, nil
		}},
		{"asyncio-observed", func(loop *asyncio.Loop) (func() error, error) {
			stop := loop.Observe(func(*asyncio.LoopEvent) {})
			return func() error { stop(); return nil }, nil
		}},
		{"asyncio-traced", func(loop *asyncio.Loop) (func() error, error) { return inspect.Trace(loop, io.Discard) }},
	} {
		b.Run(way.name, func(b *testing.B) {
			benchRun(b, func(ctx context.Context) error {
				end, err := way.begin(asyncio.RunningLoop(ctx))
				if err != nil {
					return err
				}
				giveWay(ctx, 2) // until the loop is observed
				err = main(b, ctx)
				b.StopTimer()
				if err != nil {
					return err
				}
				return end()
			})
		})
	}
}

// One operation: one of 16 tasks yields, and the next one goes on.
func BenchmarkInspectSwitch16(b *testing.B) {
	benchInspection(b, func(b *testing.B, ctx context.Context) error {
		switches := 0
		tasks := make([]*asyncio.Task[asyncio.None], 16)
		b.ResetTimer()
		for i := range tasks {
			n := benchShare(b.N, len(tasks), i)
			tasks[i] = asyncio.CreateTask(ctx, asyncio.Do(func(ctx context.Context) error {
				for range n {
					if err := asyncio.Sleep(ctx, 0); err != nil {
						return err
					}
					switches++
				}
				return nil
			}))
		}
		err := benchAwaitAll(ctx, tasks)
		b.StopTimer()
		benchExpect(b, "switches", switches, b.N)
		return err
	})
}

// One operation: create a task, and await its result before creating the next one.
func BenchmarkInspectCreateAwait(b *testing.B) {
	benchInspection(b, func(b *testing.B, ctx context.Context) error {
		sum := 0
		for b.Loop() {
			v, err := asyncio.CreateTask(ctx, benchAnswer).Await(ctx)
			if err != nil {
				return err
			}
			sum += v
		}
		benchExpect(b, "sum of the results", sum, 42*b.N)
		return nil
	})
}

// One operation: 64 bytes go to a server over TCP and come back, on one of 64 connections. Client
// and server are tasks of the same loop.
func BenchmarkInspectEcho(b *testing.B) {
	const connections = 64
	benchInspection(b, func(b *testing.B, ctx context.Context) error {
		echoed := 0
		server, err := asyncio.StartServer(ctx, func(ctx context.Context, r *asyncio.StreamReader, w *asyncio.StreamWriter) error {
			defer w.Close()
			p := make([]byte, 64)
			for {
				n, err := r.ReadInto(ctx, p)
				if err != nil {
					return nil
				}
				if _, err := w.Write(p[:n]); err != nil {
					return err
				}
			}
		}, "127.0.0.1:0")
		if err != nil {
			return err
		}
		defer server.Close()
		clients := make([]asyncio.Stream, connections)
		for i := range clients {
			if clients[i].Reader, clients[i].Writer, err = asyncio.OpenConnection(ctx, server.Addr().String()); err != nil {
				return err
			}
			defer clients[i].Writer.Close()
		}
		tasks := make([]*asyncio.Task[asyncio.None], connections)
		b.ResetTimer()
		for i := range tasks {
			n, c := benchShare(b.N, connections, i), clients[i]
			tasks[i] = asyncio.CreateTask(ctx, asyncio.Do(func(ctx context.Context) error {
				p := make([]byte, 64)
				for range n {
					if _, err := c.Writer.Write(p); err != nil {
						return err
					}
					if _, err := c.Reader.ReadInto(ctx, p); err != nil {
						return err
					}
					echoed++
				}
				return nil
			}))
		}
		err = benchAwaitAll(ctx, tasks)
		b.StopTimer()
		benchExpect(b, "echoes", echoed, b.N)
		return err
	})
}
