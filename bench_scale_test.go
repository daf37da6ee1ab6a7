package asyncio_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-asyncio/asyncio"
)

// The wall time of 100,000 sleepers, whose sleeps are spread evenly over 100
// ms, from the making of the first to the end of the last. Anything above 100
// ms is what the sleepers cost.
func BenchmarkSleepers100k(b *testing.B) {
	const n, span = 100_000, 100 * time.Millisecond
	after := func(i int) time.Duration { return span * time.Duration(i+1) / n }
	b.Run("asyncio", func(b *testing.B) {
		benchRun(b, func(ctx context.Context) error {
			tasks := make([]*asyncio.Task[asyncio.None], n)
			for b.Loop() {
				for i := range tasks {
					tasks[i] = asyncio.CreateTask(ctx, asyncio.Do(func(ctx context.Context) error {
						return asyncio.Sleep(ctx, after(i))
					}))
				}
				if err := benchAwaitAll(ctx, tasks); err != nil {
					return err
				}
			}
			return nil
		})
	})
	b.Run("goroutine+time.Sleep", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var wg sync.WaitGroup
			for i := range n {
				wg.Go(func() { time.Sleep(after(i)) })
			}
			wg.Wait()
		}
	})
}

// The wall time of 1,000,000 timers, due within 100 ms in no order, of which
// every other one is cancelled as soon as it is set, until the last of the
// others has fired.
func BenchmarkTimers1M(b *testing.B) {
	const n, span = 1_000_000, 100 * time.Millisecond
	after := func(i int) time.Duration { // each i in [0, n) its own, as 7919 and n have no common factor
		return span * time.Duration(i*7919%n+1) / n
	}
	b.Run("asyncio", func(b *testing.B) {
		benchRun(b, func(ctx context.Context) error {
			loop := asyncio.RunningLoop(ctx)
			for b.Loop() {
				done := asyncio.NewFuture[asyncio.None](loop)
				fired := 0
				fire := func() {
					if fired++; fired == n/2 {
						_ = done.SetResult(asyncio.None{})
					}
				}
				for i := range n {
					if t := loop.CallLater(after(i), fire); i%2 == 1 {
						t.Cancel()
					}
				}
				if _, err := done.Await(ctx); err != nil {
					return err
				}
				benchExpect(b, "timers fired", fired, n/2)
			}
			benchReportEach(b, n, "timer")
			return nil
		})
	})
	b.Run("time.AfterFunc", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			done := make(chan struct{})
			var ended atomic.Int64
			end := func() {
				if ended.Add(1) == n {
					close(done)
				}
			}
			for i := range n {
				if t := time.AfterFunc(after(i), end); i%2 == 1 && t.Stop() {
					end()
				}
			}
			<-done
		}
		benchReportEach(b, n, "timer")
	})
}
