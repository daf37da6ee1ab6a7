package asyncio_test

import (
	"context"
	"testing"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/go-asyncio/asyncio"
)

// One operation: a callback runs and schedules the next one, so that every turn of the loop has one
// handle.
//
// The channel way is the event loop in three lines: a goroutine that runs the functions it receives
// from a channel.
func BenchmarkCallSoon(b *testing.B) {
	b.Run("asyncio", func(b *testing.B) {
		benchRun(b, func(ctx context.Context) error {
			loop := asyncio.RunningLoop(ctx)
			done := asyncio.NewFuture[asyncio.None](loop)
			var err error
			end := func() { _ = done.SetResult(asyncio.None{}) }
			benchChain(b, func(fn func()) { loop.CallSoon(fn) }, end, func() { _, err = done.Await(ctx) })
			return err
		})
	})
	b.Run("channel", func(b *testing.B) {
		b.ReportAllocs()
		jobs := make(chan func(), 1)
		benchChain(b, func(fn func()) { jobs <- fn }, func() { close(jobs) }, func() {
			for fn := range jobs {
				fn()
			}
		})
	})
	b.Run("goroutine", func(b *testing.B) {
		b.ReportAllocs()
		done := make(chan struct{})
		benchChain(b, func(fn func()) { go fn() }, func() { close(done) }, func() { <-done })
	})
}

// benchChain schedules the first of b.N callbacks and calls wait. Each callback schedules the next
// one; the last stops the timer and calls end, which lets wait return.
func benchChain(b *testing.B, schedule func(fn func()), end, wait func()) {
	ran, n := 0, b.N
	var step func()
	step = func() {
		if ran++; ran < n {
			schedule(step)
			return
		}
		b.StopTimer()
		end()
	}
	b.ResetTimer()
	schedule(step)
	wait()
	benchExpect(b, "callbacks run", ran, n)
}

// One operation: 1,000 callbacks are scheduled and then run in one turn.
func BenchmarkCallSoonBatch1000(b *testing.B) {
	const n = 1000
	b.Run("asyncio", func(b *testing.B) {
		benchRun(b, func(ctx context.Context) error {
			loop := asyncio.RunningLoop(ctx)
			ran := 0
			fn := func() { ran++ }
			for b.Loop() {
				for range n {
					loop.CallSoon(fn)
				}
				if err := asyncio.Sleep(ctx, 0); err != nil { // resumes after the last callback
					return err
				}
			}
			benchExpect(b, "callbacks run", ran, n*b.N)
			benchReportEach(b, n, "callback")
			return nil
		})
	})
	b.Run("channel", func(b *testing.B) {
		b.ReportAllocs()
		jobs, ack := make(chan func(), n), make(chan struct{})
		go func() {
			for fn := range jobs {
				fn()
			}
		}()
		ran := 0
		fn := func() { ran++ }
		last := func() { ack <- struct{}{} }
		for b.Loop() {
			for range n {
				jobs <- fn
			}
			jobs <- last
			<-ack
		}
		close(jobs)
		benchExpect(b, "callbacks run", ran, n*b.N)
		benchReportEach(b, n, "callback")
	})
}

// One operation: set a timer an hour ahead and cancel it. Once every 1,000 operations the loop
// takes a turn, in which it may sweep out the cancelled timers.
func BenchmarkCallLaterCancel(b *testing.B) {
	b.Run("asyncio", func(b *testing.B) {
		benchRun(b, func(ctx context.Context) error {
			loop := asyncio.RunningLoop(ctx)
			fn := func() { b.Error("a cancelled timer fired") }
			i := 0
			for b.Loop() {
				loop.CallLater(time.Hour, fn).Cancel()
				if i++; i%1000 == 0 {
					if err := asyncio.Sleep(ctx, 0); err != nil {
						return err
					}
				}
			}
			benchExpect(b, "timers cancelled", i, b.N)
			return nil
		})
	})
	b.Run("time.AfterFunc", func(b *testing.B) {
		b.ReportAllocs()
		fn := func() { b.Error("a stopped timer fired") }
		stopped := 0
		for b.Loop() {
			if time.AfterFunc(time.Hour, fn).Stop() {
				stopped++
			}
		}
		benchExpect(b, "timers stopped", stopped, b.N)
	})
}

// One operation: another goroutine hands a callback to an idle loop. The loop wakes up and runs the
// callback, which notifies the goroutine.
func BenchmarkCallSoonThreadsafe(b *testing.B) {
	b.Run("asyncio", func(b *testing.B) {
		ran := 0
		benchOutside(b, func(loop *asyncio.Loop) error {
			ack := make(chan struct{}, 1)
			fn := func() { ran++; ack <- struct{}{} }
			for b.Loop() {
				if err := loop.CallSoonThreadsafe(fn); err != nil {
					return err
				}
				<-ack
			}
			return nil
		})
		benchExpect(b, "callbacks run", ran, b.N)
	})
	b.Run("channel", func(b *testing.B) {
		b.ReportAllocs()
		jobs, ack := make(chan func()), make(chan struct{}, 1)
		go func() {
			for fn := range jobs {
				fn()
			}
		}()
		ran := 0
		fn := func() { ran++; ack <- struct{}{} }
		for b.Loop() {
			jobs <- fn
			<-ack
		}
		close(jobs)
		benchExpect(b, "callbacks run", ran, b.N)
	})
}

// One operation: another goroutine hands 1,000 callbacks to the loop at once and waits until the
// last has run.
func BenchmarkCallSoonThreadsafeBatch1000(b *testing.B) {
	const n = 1000
	b.Run("asyncio", func(b *testing.B) {
		ran := 0
		benchOutside(b, func(loop *asyncio.Loop) error {
			ack := make(chan struct{}, 1)
			fn := func() { ran++ }
			last := func() { ran++; ack <- struct{}{} }
			for b.Loop() {
				for range n - 1 {
					if err := loop.CallSoonThreadsafe(fn); err != nil {
						return err
					}
				}
				if err := loop.CallSoonThreadsafe(last); err != nil {
					return err
				}
				<-ack
			}
			return nil
		})
		benchExpect(b, "callbacks run", ran, n*b.N)
		benchReportEach(b, n, "callback")
	})
	b.Run("channel", func(b *testing.B) {
		b.ReportAllocs()
		jobs, ack := make(chan func(), n), make(chan struct{}, 1)
		go func() {
			for fn := range jobs {
				fn()
			}
		}()
		ran := 0
		fn := func() { ran++ }
		last := func() { ran++; ack <- struct{}{} }
		for b.Loop() {
			for range n - 1 {
				jobs <- fn
			}
			jobs <- last
			<-ack
		}
		close(jobs)
		benchExpect(b, "callbacks run", ran, n*b.N)
		benchReportEach(b, n, "callback")
	})
}

// benchOutside runs body on a goroutine of its own, while the loop has nothing else to do.
func benchOutside(b *testing.B, body func(loop *asyncio.Loop) error) {
	b.Helper()
	benchRun(b, func(ctx context.Context) error {
		loop := asyncio.RunningLoop(ctx)
		done := asyncio.NewFuture[asyncio.None](loop)
		go func() {
			err := body(loop)
			_ = loop.CallSoonThreadsafe(func() {
				if err != nil {
					_ = done.SetException(err)
					return
				}
				_ = done.SetResult(asyncio.None{})
			})
		}()
		_, err := done.Await(ctx)
		return err
	})
}

// One operation: a task has a function run on another goroutine and awaits its result. The Go way
// uses a semaphore, since ToThread limits the number of concurrent functions too.
func BenchmarkToThread(b *testing.B) {
	b.Run("asyncio", func(b *testing.B) {
		benchRun(b, func(ctx context.Context) error {
			sum := 0
			for b.Loop() {
				v, err := asyncio.ToThread(ctx, benchAnswer)
				if err != nil {
					return err
				}
				sum += v
			}
			benchExpect(b, "sum of the results", sum, 42*b.N)
			return nil
		})
	})
	b.Run("goroutine+channel", func(b *testing.B) {
		b.ReportAllocs()
		ctx, sum := b.Context(), 0
		for b.Loop() {
			c := make(chan int, 1)
			go func() {
				v, _ := benchAnswer(ctx)
				c <- v
			}()
			sum += <-c
		}
		benchExpect(b, "sum of the results", sum, 42*b.N)
	})
	b.Run("goroutine+semaphore+context", func(b *testing.B) {
		b.ReportAllocs()
		sem := semaphore.NewWeighted(32)
		sum := 0
		for b.Loop() {
			ctx, cancel := context.WithCancel(b.Context())
			if err := sem.Acquire(ctx, 1); err != nil {
				b.Fatal(err)
			}
			c := make(chan int, 1)
			go func() {
				defer sem.Release(1)
				v, _ := benchAnswer(ctx)
				c <- v
			}()
			select {
			case v := <-c:
				sum += v
			case <-ctx.Done():
				b.Fatal(ctx.Err())
			}
			cancel()
		}
		benchExpect(b, "sum of the results", sum, 42*b.N)
	})
}

// One operation: 100 tasks each have a function run on another goroutine, and all their results are
// awaited. At most 32 functions run at a time.
func BenchmarkToThread100(b *testing.B) {
	const n, most = 100, 32
	b.Run("asyncio", func(b *testing.B) {
		b.ReportAllocs()
		_, err := asyncio.Run(b.Context(), asyncio.Do(func(ctx context.Context) error {
			call := func(ctx context.Context) (int, error) { return asyncio.ToThread(ctx, benchAnswer) }
			tasks, sum := make([]*asyncio.Task[int], n), 0
			for b.Loop() {
				for i := range tasks {
					tasks[i] = asyncio.CreateTask(ctx, call)
				}
				for _, t := range tasks {
					v, err := t.Await(ctx)
					if err != nil {
						return err
					}
					sum += v
				}
			}
			benchExpect(b, "sum of the results", sum, 42*n*b.N)
			return nil
		}), asyncio.WithMaxThreads(most))
		if err != nil {
			b.Fatal(err)
		}
		benchReportEach(b, n, "call")
	})
	b.Run("goroutine+semaphore+context", func(b *testing.B) {
		b.ReportAllocs()
		sem, sum := semaphore.NewWeighted(most), 0
		for b.Loop() {
			c := make(chan int, n)
			for range n {
				go func() {
					ctx, cancel := context.WithCancel(b.Context())
					defer cancel()
					if err := sem.Acquire(ctx, 1); err != nil {
						b.Error(err)
						return
					}
					defer sem.Release(1)
					v, _ := benchAnswer(ctx)
					c <- v
				}()
			}
			for range n {
				sum += <-c
			}
		}
		benchExpect(b, "sum of the results", sum, 42*n*b.N)
		benchReportEach(b, n, "call")
	})
}
