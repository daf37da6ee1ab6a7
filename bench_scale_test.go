package asyncio_test

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-asyncio/asyncio"
)

// BenchmarkSleepers100k measures the wall time of 100,000 sleepers, whose sleeps are spread evenly
// over 100 ms, from the creation of the first to the end of the last. Anything above 100 ms is the
// cost of the sleepers.
func BenchmarkSleepers100k(b *testing.B) {
	const n, span = 100_000, 100 * time.Millisecond
	after := func(i int) time.Duration { return span * time.Duration(i+1) / n }
	b.Run("asyncio", func(b *testing.B) {
		benchRun(b, func(ctx context.Context) error {
			tasks := make([]*asyncio.Task[asyncio.None], n)
			woken := 0
			for b.Loop() {
				for i := range tasks {
					tasks[i] = asyncio.CreateTask(ctx, asyncio.Do(func(ctx context.Context) error {
						err := asyncio.Sleep(ctx, after(i))
						woken++
						return err
					}))
				}
				if err := benchAwaitAll(ctx, tasks); err != nil {
					return err
				}
			}
			benchExpect(b, "sleepers woken", woken, n*b.N)
			return nil
		})
	})
	b.Run("goroutine+time.Sleep", func(b *testing.B) {
		b.ReportAllocs()
		var woken atomic.Int64
		for b.Loop() {
			var wg sync.WaitGroup
			for i := range n {
				wg.Go(func() {
					time.Sleep(after(i))
					woken.Add(1)
				})
			}
			wg.Wait()
		}
		benchExpect(b, "sleepers woken", int(woken.Load()), n*b.N)
	})
}

// BenchmarkTimers1M measures the wall time of 1,000,000 timers, due within 100 ms in no order.
// Every other timer is cancelled as soon as it is set; the time ends when the last of the others
// has fired.
func BenchmarkTimers1M(b *testing.B) {
	const n, span = 1_000_000, 100 * time.Millisecond
	after := func(i int) time.Duration { // different for each i in [0, n), as 7919 and n have no common factor
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

// One operation: 100,000 workers begin to wait for one event, the event is set, and they end. The
// result is B/task, the memory that a waiting worker takes: the growth of the process during the
// first operation, divided by the workers.
func BenchmarkWaiting100k(b *testing.B) {
	const n = 100_000
	b.Run("asyncio", func(b *testing.B) {
		benchRun(b, func(ctx context.Context) error {
			tasks := make([]*asyncio.Task[asyncio.None], n)
			grown := 0
			for i := 0; b.Loop(); i++ {
				var event asyncio.Event
				waiting, woken := 0, 0
				before := benchMemory()
				for i := range tasks {
					tasks[i] = asyncio.CreateTask(ctx, asyncio.Do(func(ctx context.Context) error {
						waiting++
						if err := event.Wait(ctx); err != nil {
							return err
						}
						woken++
						return nil
					}))
				}
				if err := asyncio.Sleep(ctx, 0); err != nil {
					return err
				}
				benchExpect(b, "workers that wait", waiting, n)
				if i == 0 {
					grown = benchMemory() - before
				}
				event.Set()
				if err := benchAwaitAll(ctx, tasks); err != nil {
					return err
				}
				benchExpect(b, "workers that were woken", woken, n)
			}
			b.ReportMetric(float64(grown)/n, "B/task")
			return nil
		})
	})
	b.Run("channel", func(b *testing.B) {
		b.ReportAllocs()
		grown := 0
		for i := 0; b.Loop(); i++ {
			event := make(chan struct{})
			var woken atomic.Int64
			var waiting, ended sync.WaitGroup
			before := benchMemory()
			waiting.Add(n)
			for range n {
				ended.Go(func() {
					waiting.Done()
					<-event
					woken.Add(1)
				})
			}
			waiting.Wait()
			runtime.Gosched()
			if i == 0 {
				grown = benchMemory() - before
			}
			close(event)
			ended.Wait()
			benchExpect(b, "workers that were woken", int(woken.Load()), n)
		}
		b.ReportMetric(float64(grown)/n, "B/task")
	})
}

// benchMemory returns the bytes of memory that this process uses, without garbage. Where the system
// does not report them, it returns the memory that the runtime has obtained from the system.
func benchMemory() int {
	debug.FreeOSMemory()
	var size, resident int
	if text, err := os.ReadFile("/proc/self/statm"); err == nil {
		if _, err := fmt.Sscan(string(text), &size, &resident); err == nil {
			return resident * os.Getpagesize()
		}
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.Sys - m.HeapReleased)
}
