package asyncio_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-asyncio/asyncio"
)

func ExampleOption() {
	_, err := asyncio.Run(context.Background(), asyncio.Do(func(ctx context.Context) error {
		return asyncio.Sleep(ctx, time.Hour)
	}), asyncio.WithVirtualTime(), asyncio.WithDebug())
	fmt.Println(err)
	// Output: <nil>
}

func ExampleTaskOption() {
	_, _ = asyncio.Run(context.Background(), asyncio.Do(func(ctx context.Context) error {
		hello := asyncio.Do(func(ctx context.Context) error {
			fmt.Println("hello from", asyncio.CurrentTask(ctx).Name())
			return nil
		})
		asyncio.CreateTask(ctx, hello, asyncio.WithName("greeter"), asyncio.WithEagerStart())
		fmt.Println("created")
		return nil
	}))
	// Output:
	// hello from greeter
	// created
}

func ExampleWithEagerTasks() {
	_, _ = asyncio.Run(context.Background(), asyncio.Do(func(ctx context.Context) error {
		first := asyncio.Coro[int](func(context.Context) (int, error) { fmt.Println("first"); return 1, nil })
		all := asyncio.Gather(ctx, first, first)
		fmt.Println("gathered", all.Done())
		return nil
	}), asyncio.WithEagerTasks())
	// Output:
	// first
	// first
	// gathered true
}

func ExampleWaitOption() {
	_, _ = asyncio.Run(context.Background(), asyncio.Do(func(ctx context.Context) error {
		slow := asyncio.CreateTask(ctx, answer(time.Hour, "slow"))
		fast := asyncio.CreateTask(ctx, answer(time.Second, "fast"))
		done, pending, err := asyncio.Wait(ctx, []*asyncio.Task[string]{slow, fast},
			asyncio.WithTimeout(time.Minute), asyncio.ReturnWhen(asyncio.FirstCompleted))
		fmt.Println(len(done), len(pending), done[0] == fast)
		return err
	}), asyncio.WithVirtualTime())
	// Output: 1 1 true
}

func ExampleCompletion() {
	_, _ = asyncio.Run(context.Background(), asyncio.Do(func(ctx context.Context) error {
		tasks := []*asyncio.Task[int]{
			asyncio.CreateTask(ctx, answer(time.Hour, 1)),
			asyncio.CreateTask(ctx, failing(time.Second, errors.New("broken"))),
		}
		done, _, err := asyncio.Wait(ctx, tasks, asyncio.ReturnWhen(asyncio.FirstException))
		fmt.Println(done[0].Exception())
		return err
	}), asyncio.WithVirtualTime())
	// Output: broken
}

func ExampleExceptionContext() {
	handler := func(_ *asyncio.Loop, c asyncio.ExceptionContext) {
		fmt.Printf("%s: %s: %v\n", c.Task, c.Message, c.Err)
	}
	_, _ = asyncio.Run(context.Background(), asyncio.Do(func(ctx context.Context) error {
		asyncio.CreateTask(ctx, failing(0, errors.New("broken")), asyncio.WithName("forgotten"))
		return asyncio.Sleep(ctx, time.Second)
	}), asyncio.WithVirtualTime(), asyncio.WithExceptionHandler(handler))
	// Output: forgotten: task exception was never retrieved: broken
}

func ExampleWaitingTask() {
	_, err := asyncio.Run(context.Background(), asyncio.Do(func(ctx context.Context) error {
		return asyncio.NewSemaphore(0).Acquire(ctx)
	}), asyncio.WithVirtualTime())
	if deadlock, ok := errors.AsType[*asyncio.DeadlockError](err); ok {
		for _, task := range deadlock.Waiting {
			fmt.Println(task.Name, "waits for a", task.For)
		}
	}
	// Output: Task-1 waits for a Semaphore
}

func ExampleNone() {
	done := asyncio.Do(func(context.Context) error { return nil })
	nothing, err := asyncio.Run[asyncio.None](context.Background(), done)
	fmt.Println(nothing, err)
	// Output: {} <nil>
}

func ExampleWithLimit() {
	runExample(func(ctx context.Context) error {
		client, server := asyncio.StreamPair(ctx, asyncio.WithLimit(1<<20)) // for lines of up to 1 MiB
		client.Writer.Write(append(make([]byte, 500_000), '\n'))
		line, err := server.Reader.ReadLine(ctx)
		fmt.Println(len(line))
		return err
	})
	// Output: 500001
}
