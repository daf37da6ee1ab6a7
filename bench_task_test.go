package asyncio_test

import (
	"context"
	"iter"
	"runtime"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/go-asyncio/asyncio"
)

// benchAnswer is the job of the tasks and goroutines below. It returns a value at once.
func benchAnswer(context.Context) (int, error) { return 42, nil }

// One operation: create a task, and await its result before creating the next one.
//
// iter.Pull is the limit: make a coroutine and run it to its end, without a loop.
func BenchmarkCreateAwait(b *testing.B) {
	b.Run("asyncio", func(b *testing.B) {
		benchRun(b, func(ctx context.Context) error {
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
	})
	b.Run("iter.Pull", func(b *testing.B) {
		b.ReportAllocs()
		ctx, sum := b.Context(), 0
		for b.Loop() {
			next, stop := iter.Pull(func(yield func(int) bool) {
				v, _ := benchAnswer(ctx)
				sum += v
			})
			next()
			stop()
		}
		benchExpect(b, "sum of the results", sum, 42*b.N)
	})
	b.Run("goroutine+WaitGroup", func(b *testing.B) {
		b.ReportAllocs()
		ctx, sum := b.Context(), 0
		for b.Loop() {
			var wg sync.WaitGroup
			wg.Go(func() {
				v, _ := benchAnswer(ctx)
				sum += v
			})
			wg.Wait()
		}
		benchExpect(b, "sum of the results", sum, 42*b.N)
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
	b.Run("errgroup", func(b *testing.B) {
		b.ReportAllocs()
		ctx, sum := b.Context(), 0
		for b.Loop() {
			var g errgroup.Group
			g.Go(func() error {
				v, err := benchAnswer(ctx)
				sum += v
				return err
			})
			if err := g.Wait(); err != nil {
				b.Fatal(err)
			}
		}
		benchExpect(b, "sum of the results", sum, 42*b.N)
	})
}

// One operation: start 1,000 concurrent jobs, wait for all, and get their results in order. The
// first asyncio way gathers tasks that it has created; the second passes the coroutines to Gather,
// which creates the tasks.
func BenchmarkGather1000(b *testing.B) {
	const n = 1000
	check := func(b *testing.B, results []int) {
		sum := 0
		for _, v := range results {
			sum += v
		}
		benchExpect(b, "sum of the results", sum, 42*n)
		benchReportEach(b, n, "task")
	}
	b.Run("asyncio.tasks", func(b *testing.B) {
		benchRun(b, func(ctx context.Context) error {
			var results []int
			tasks := make([]*asyncio.Task[int], n)
			for b.Loop() {
				for i := range tasks {
					tasks[i] = asyncio.CreateTask(ctx, benchAnswer)
				}
				var err error
				if results, err = asyncio.Gather(ctx, tasks...).Await(ctx); err != nil {
					return err
				}
			}
			check(b, results)
			return nil
		})
	})
	b.Run("asyncio.coroutines", func(b *testing.B) {
		benchRun(b, func(ctx context.Context) error {
			var results []int
			coros := make([]asyncio.Coro[int], n)
			for i := range coros {
				coros[i] = benchAnswer
			}
			for b.Loop() {
				var err error
				if results, err = asyncio.Gather(ctx, coros...).Await(ctx); err != nil {
					return err
				}
			}
			check(b, results)
			return nil
		})
	})
	b.Run("goroutine+WaitGroup", func(b *testing.B) {
		b.ReportAllocs()
		ctx := b.Context()
		var results []int
		for b.Loop() {
			results = make([]int, n)
			var wg sync.WaitGroup
			for i := range n {
				wg.Go(func() { results[i], _ = benchAnswer(ctx) })
			}
			wg.Wait()
		}
		check(b, results)
	})
	b.Run("errgroup", func(b *testing.B) {
		b.ReportAllocs()
		var results []int
		for b.Loop() {
			var err error
			if results, err = benchErrgroup(b.Context(), n); err != nil {
				b.Fatal(err)
			}
		}
		check(b, results)
	})
}

// benchErrgroup does n jobs and returns their results in order.
func benchErrgroup(ctx context.Context, n int) ([]int, error) {
	results := make([]int, n)
	g, ctx := errgroup.WithContext(ctx)
	for i := range n {
		g.Go(func() (err error) {
			results[i], err = benchAnswer(ctx)
			return err
		})
	}
	return results, g.Wait()
}

// One operation: a group runs 1,000 concurrent jobs without results, from its opening to its end.
func BenchmarkTaskGroup1000(b *testing.B) {
	const n = 1000
	b.Run("asyncio", func(b *testing.B) {
		benchRun(b, func(ctx context.Context) error {
			ran := 0
			job := func(context.Context) error { ran++; return nil }
			for b.Loop() {
				err := asyncio.WithTaskGroup(ctx, func(_ context.Context, tg *asyncio.TaskGroup) error {
					for range n {
						tg.Go(job)
					}
					return nil
				})
				if err != nil {
					return err
				}
			}
			benchExpect(b, "jobs run", ran, n*b.N)
			benchReportEach(b, n, "task")
			return nil
		})
	})
	b.Run("errgroup", func(b *testing.B) {
		b.ReportAllocs()
		var mu sync.Mutex // a goroutine needs it to count
		ran := 0
		job := func() error { mu.Lock(); ran++; mu.Unlock(); return nil }
		for b.Loop() {
			g, _ := errgroup.WithContext(b.Context())
			for range n {
				g.Go(job)
			}
			if err := g.Wait(); err != nil {
				b.Fatal(err)
			}
		}
		benchExpect(b, "jobs run", ran, n*b.N)
		benchReportEach(b, n, "task")
	})
}

// One operation: a tree of tasks. Each task creates two more and awaits both, down to a depth of
// 10, and returns the number of tasks in its subtree, itself included: 2,047 for the first.
func BenchmarkTree10(b *testing.B) {
	const depth, size = 10, 1<<11 - 1
	check := func(b *testing.B, counted int) {
		benchExpect(b, "tasks", counted, size*b.N)
		benchReportEach(b, size, "task")
	}
	b.Run("asyncio", func(b *testing.B) {
		var tree func(ctx context.Context, depth int) (int, error)
		tree = func(ctx context.Context, depth int) (int, error) {
			if depth == 0 {
				return 1, nil
			}
			left := asyncio.CreateTask(ctx, asyncio.Bind(tree, depth-1))
			right := asyncio.CreateTask(ctx, asyncio.Bind(tree, depth-1))
			l, err := left.Await(ctx)
			if err != nil {
				return 0, err
			}
			r, err := right.Await(ctx)
			return 1 + l + r, err
		}
		benchRun(b, func(ctx context.Context) error {
			counted := 0
			for b.Loop() {
				n, err := asyncio.CreateTask(ctx, asyncio.Bind(tree, depth)).Await(ctx)
				if err != nil {
					return err
				}
				counted += n
			}
			check(b, counted)
			return nil
		})
	})
	b.Run("goroutine+WaitGroup", func(b *testing.B) {
		b.ReportAllocs()
		var tree func(depth int) int
		tree = func(depth int) int {
			if depth == 0 {
				return 1
			}
			var l, r int
			var wg sync.WaitGroup
			wg.Go(func() { l = tree(depth - 1) })
			wg.Go(func() { r = tree(depth - 1) })
			wg.Wait()
			return 1 + l + r
		}
		counted := 0
		for b.Loop() {
			counted += tree(depth)
		}
		check(b, counted)
	})
	b.Run("errgroup", func(b *testing.B) {
		b.ReportAllocs()
		var tree func(ctx context.Context, depth int) (int, error)
		tree = func(ctx context.Context, depth int) (int, error) {
			if depth == 0 {
				return 1, nil
			}
			var l, r int
			g, ctx := errgroup.WithContext(ctx)
			g.Go(func() (err error) { l, err = tree(ctx, depth-1); return err })
			g.Go(func() (err error) { r, err = tree(ctx, depth-1); return err })
			err := g.Wait()
			return 1 + l + r, err
		}
		counted := 0
		for b.Loop() {
			n, err := tree(b.Context(), depth)
			if err != nil {
				b.Fatal(err)
			}
			counted += n
		}
		check(b, counted)
	})
}

// One operation: start a job, wait for its result for at most an hour, get it long before, and
// cancel the timer.
func BenchmarkWaitFor(b *testing.B) {
	b.Run("asyncio", func(b *testing.B) {
		benchRun(b, func(ctx context.Context) error {
			sum := 0
			for b.Loop() {
				v, err := asyncio.WaitFor(ctx, asyncio.CreateTask(ctx, benchAnswer), time.Hour)
				if err != nil {
					return err
				}
				sum += v
			}
			benchExpect(b, "sum of the results", sum, 42*b.N)
			return nil
		})
	})
	b.Run("context.WithTimeout+channel", func(b *testing.B) {
		b.ReportAllocs()
		sum := 0
		for b.Loop() {
			ctx, cancel := context.WithTimeout(b.Context(), time.Hour)
			c := make(chan int, 1)
			go func() {
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

// One operation: a scope with a limit of an hour, in which the task yields once and which ends long
// before.
func BenchmarkTimeout(b *testing.B) {
	b.Run("asyncio", func(b *testing.B) {
		benchRun(b, func(ctx context.Context) error {
			body := func(ctx context.Context, _ *asyncio.TimeoutScope) error { return asyncio.Sleep(ctx, 0) }
			for b.Loop() {
				if err := asyncio.Timeout(ctx, time.Hour, body); err != nil {
					return err
				}
			}
			return nil
		})
	})
	b.Run("context.WithTimeout", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			ctx, cancel := context.WithTimeout(b.Context(), time.Hour)
			if ctx.Err() == nil {
				runtime.Gosched()
			}
			cancel()
		}
	})
}
