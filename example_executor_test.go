package asyncio_test

import (
	"context"
	"fmt"

	"github.com/go-asyncio/asyncio"
)

// oneThread is an executor that runs all functions on one goroutine, one after the other. A library
// that keeps state for each thread may need this.
type oneThread chan func()

func (e oneThread) Submit(work func()) error { e <- work; return nil }

func (e oneThread) run() {
	for work := range e {
		work()
	}
}

func ExampleExecutor() {
	thread := make(oneThread, 100)
	go thread.run()
	defer close(thread)
	runExample(func(ctx context.Context) error {
		calls := 0 // only the thread uses it while it works
		count := asyncio.Coro[int](func(ctx context.Context) (int, error) {
			return asyncio.RunInExecutor(ctx, thread, func(context.Context) (int, error) { calls++; return calls, nil })
		})
		counts, err := asyncio.Gather(ctx, count, count, count).Await(ctx)
		fmt.Println(counts)
		return err
	})
	// Output: [1 2 3]
}

func ExampleThreadPoolExecutor() {
	disks := asyncio.NewThreadPoolExecutor(2)
	defer disks.Shutdown(true)
	runExample(func(ctx context.Context) error {
		size, err := asyncio.RunInExecutor(ctx, disks, func(context.Context) (int, error) { return 512, nil })
		fmt.Println(size)
		return err
	})
	// Output: 512
}

func ExampleWrapFuture() {
	other := asyncio.NewLoop()
	ended := make(chan error)
	go func() { ended <- other.RunForever(context.Background()) }()
	runExample(func(ctx context.Context) error {
		answer := asyncio.RunCoroutineThreadsafe(other, func(context.Context) (int, error) { return 42, nil })
		fmt.Println(asyncio.WrapFuture(ctx, answer).Await(ctx))
		return nil
	})
	other.Stop()
	<-ended
	other.Close()
	// Output: 42 <nil>
}
