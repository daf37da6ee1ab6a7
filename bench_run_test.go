package asyncio_test

// The benchmarks are in bench_*_test.go, one file for each subject. Each measures the library and
// plain Go at the same job, as sub-benchmarks of one benchmark; an operation is the same work in
// each of them. This file holds the functions that they share. bench/README.md describes how to run
// and compare them.

import (
	"context"
	"os"
	"sync"
	"testing"

	"github.com/go-asyncio/asyncio"
)

// benchRun runs main as the main coroutine of a new loop. Making and closing the loop is not timed,
// provided that main times its operations with b.Loop, or with b.ResetTimer and b.StopTimer around
// b.N of them.
func benchRun(b *testing.B, main func(ctx context.Context) error) {
	b.Helper()
	b.ReportAllocs()
	if _, err := asyncio.Run(b.Context(), asyncio.Do(main)); err != nil {
		b.Fatal(err)
	}
}

// benchTasks times b.N operations, shared among k tasks. The timer starts when all of them have
// begun and wait for the start. Each task calls work with its number of operations.
func benchTasks(b *testing.B, k int, work func(ctx context.Context, n int) error) {
	b.Helper()
	benchRun(b, func(ctx context.Context) error {
		var start asyncio.Event
		tasks := make([]*asyncio.Task[asyncio.None], k)
		for i := range tasks {
			n := benchShare(b.N, k, i)
			tasks[i] = asyncio.CreateTask(ctx, asyncio.Do(func(ctx context.Context) error {
				if err := start.Wait(ctx); err != nil {
					return err
				}
				return work(ctx, n)
			}))
		}
		if err := asyncio.Sleep(ctx, 0); err != nil { // lets all tasks reach start.Wait
			return err
		}
		start.Set()
		b.ResetTimer()
		err := benchAwaitAll(ctx, tasks)
		b.StopTimer()
		return err
	})
}

// benchGoroutines is benchTasks with goroutines.
func benchGoroutines(b *testing.B, k int, work func(n int)) {
	b.Helper()
	b.ReportAllocs()
	start := make(chan struct{})
	var ready, done sync.WaitGroup
	for i := range k {
		ready.Add(1)
		done.Go(func() {
			ready.Done()
			<-start
			work(benchShare(b.N, k, i))
		})
	}
	ready.Wait()
	b.ResetTimer()
	close(start)
	done.Wait()
	b.StopTimer()
}

// benchShare returns the number of operations, of n, that the i-th of k workers performs.
func benchShare(n, k, i int) int {
	return (n + k - 1 - i) / k
}

// benchAwaitAll awaits every task and returns the first error.
func benchAwaitAll[T any](ctx context.Context, tasks []*asyncio.Task[T]) error {
	for _, t := range tasks {
		if _, err := t.Await(ctx); err != nil {
			return err
		}
	}
	return nil
}

// benchReportEach reports the time of one part of an operation that has k of them.
func benchReportEach(b *testing.B, k int, part string) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(k), "ns/"+part)
}

// benchExpect fails a benchmark that did not do the work it was timed for. If BENCH_MISCOUNT is set
// in the environment every count is wrong, which lets the tests of bench/compare check that each
// benchmark counts.
func benchExpect(b *testing.B, what string, got, want int) {
	b.Helper()
	if got != want || os.Getenv("BENCH_MISCOUNT") != "" {
		b.Fatalf("%s: got %d, want %d", what, got, want)
	}
}
