package asyncio_test

// The benchmarks stand in bench_*_test.go, one file a subject, and each runs
// the library beside the way plain Go does the same job, as sub-benchmarks of
// one benchmark. An operation is the same work in each of them. This file
// holds what they share; bench/README.md says how to run and compare them.

import (
	"context"
	"os"
	"sync"
	"testing"

	"github.com/go-asyncio/asyncio"
)

// benchRun runs main as the main coroutine of a loop of its own. Making and
// closing the loop is not timed, provided that main times its operations with
// b.Loop, or with b.ResetTimer and b.StopTimer around b.N of them.
func benchRun(b *testing.B, main func(ctx context.Context) error) {
	b.Helper()
	b.ReportAllocs()
	if _, err := asyncio.Run(b.Context(), asyncio.Do(main)); err != nil {
		b.Fatal(err)
	}
}

// benchTasks times b.N operations, dealt out among k tasks that have all started
// and stand at the line when the timer starts. Each calls work with the number
// of its operations.
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
		if err := asyncio.Sleep(ctx, 0); err != nil { // all of them come to start.Wait
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

// benchShare is the part of n operations that the i-th of k workers does.
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

// benchExpect fails a benchmark that did not do the work it was timed for.
// BENCH_MISCOUNT in the environment makes every count wrong: by it the tests of
// bench/compare see that each benchmark counts.
func benchExpect(b *testing.B, what string, got, want int) {
	b.Helper()
	if got != want || os.Getenv("BENCH_MISCOUNT") != "" {
		b.Fatalf("%s: got %d, want %d", what, got, want)
	}
}
