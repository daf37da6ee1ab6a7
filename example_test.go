package asyncio_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-asyncio/asyncio"
)

// virtual makes the examples sleep without taking time.
var virtual = asyncio.WithVirtualTime()

// fetch stands for an operation that takes time.
func fetch(ctx context.Context, name string) (string, error) {
	if err := asyncio.Sleep(ctx, time.Second); err != nil {
		return "", err
	}
	return "<" + name + ">", nil
}

// runExample runs main in virtual time, and prints its error if it fails.
func runExample(main func(ctx context.Context) error) {
	if _, err := asyncio.Run(context.Background(), asyncio.Do(main), virtual); err != nil {
		fmt.Println("error:", err)
	}
}

func Example() {
	say := func(ctx context.Context, after time.Duration, what string) error {
		if err := asyncio.Sleep(ctx, after); err != nil {
			return err
		}
		fmt.Println(what)
		return nil
	}
	main := func(ctx context.Context) error {
		return asyncio.WithTaskGroup(ctx, func(ctx context.Context, tg *asyncio.TaskGroup) error {
			tg.Go(func(ctx context.Context) error { return say(ctx, 2*time.Millisecond, "world") })
			tg.Go(func(ctx context.Context) error { return say(ctx, time.Millisecond, "hello") })
			return nil
		})
	}
	if _, err := asyncio.Run(context.Background(), asyncio.Do(main)); err != nil {
		fmt.Println(err)
	}
	// Output:
	// hello
	// world
}

func ExampleRun() {
	main := func(ctx context.Context) (int, error) {
		err := asyncio.Sleep(ctx, time.Millisecond)
		return 42, err
	}
	fmt.Println(asyncio.Run(context.Background(), main))
	// Output: 42 <nil>
}

func ExampleRunner() {
	runner := asyncio.NewRunner(virtual)
	defer runner.Close()
	var background *asyncio.Task[string]
	_, err := asyncio.RunIn(context.Background(), runner, asyncio.Do(func(ctx context.Context) error {
		background = asyncio.CreateTask(ctx, asyncio.Bind(fetch, "page"))
		return nil
	}))
	fmt.Println(background.Done(), err)
	// The task goes on in the next run.
	fmt.Println(asyncio.RunIn(context.Background(), runner, background.Await))
	// Output:
	// false <nil>
	// <page> <nil>
}

func ExampleLoop() {
	loop := asyncio.NewLoop(virtual)
	defer loop.Close()
	loop.CallLater(time.Second, func() {
		fmt.Println("stopping at", loop.Time())
		loop.Stop()
	})
	loop.CallSoon(func() { fmt.Println("running:", loop.IsRunning()) })
	fmt.Println(loop.RunForever(context.Background()))
	// Output:
	// running: true
	// stopping at 1s
	// <nil>
}

func ExampleRunUntilComplete() {
	loop := asyncio.NewLoop(virtual)
	defer loop.Close()
	future := asyncio.NewFuture[string](loop)
	loop.CallLater(time.Second, func() { future.SetResult("done") })
	fmt.Println(asyncio.RunUntilComplete(context.Background(), loop, future))
	// Output: done <nil>
}

func ExampleHandle() {
	loop := asyncio.NewLoop(virtual)
	defer loop.Close()
	handle := loop.CallSoon(func() { fmt.Println("not called") })
	handle.Cancel()
	loop.CallSoon(func() { fmt.Println("called") })
	loop.CallSoon(loop.Stop)
	loop.RunForever(context.Background())
	fmt.Println("cancelled:", handle.Cancelled())
	// Output:
	// called
	// cancelled: true
}

func ExampleTimerHandle() {
	loop := asyncio.NewLoop(virtual)
	defer loop.Close()
	timer := loop.CallLater(time.Minute, func() { fmt.Println("not called") })
	fmt.Println("due at", timer.When())
	loop.CallLater(time.Second, timer.Cancel)
	loop.CallLater(time.Hour, loop.Stop)
	loop.RunForever(context.Background())
	fmt.Println("cancelled:", timer.Cancelled())
	// Output:
	// due at 1m0s
	// cancelled: true
}

func ExampleLoop_CallSoonThreadsafe() {
	runExample(func(ctx context.Context) error {
		loop := asyncio.RunningLoop(ctx)
		future := asyncio.NewFuture[string](loop)
		_, err := asyncio.ToThread(ctx, func(context.Context) (asyncio.None, error) {
			// This is another goroutine: it must not touch the future itself.
			return asyncio.None{}, loop.CallSoonThreadsafe(func() { future.SetResult("from outside") })
		})
		if err != nil {
			return err
		}
		fmt.Println(future.Await(ctx))
		return nil
	})
	// Output: from outside <nil>
}

func ExampleFuture() {
	runExample(func(ctx context.Context) error {
		future := asyncio.NewFuture[int](asyncio.RunningLoop(ctx))
		future.AddDoneCallback(func(f *asyncio.Future[int]) { fmt.Println("callback:", f.Done()) })
		asyncio.CreateTask(ctx, asyncio.Do(func(context.Context) error {
			err := future.SetResult(42)
			fmt.Println("the result is set")
			return err
		}))
		v, err := future.Await(ctx)
		fmt.Println("awaited:", v)
		fmt.Println(errors.Is(future.SetResult(43), asyncio.ErrInvalidState))
		return err
	})
	// Output:
	// the result is set
	// callback: true
	// awaited: 42
	// true
}

func ExampleCreateTask() {
	runExample(func(ctx context.Context) error {
		first := asyncio.CreateTask(ctx, asyncio.Bind(fetch, "a")) // both run while main goes on
		second := asyncio.CreateTask(ctx, asyncio.Bind(fetch, "b"))
		a, err := first.Await(ctx)
		if err != nil {
			return err
		}
		b, err := second.Await(ctx)
		fmt.Println(a, b, asyncio.RunningLoop(ctx).Time())
		return err
	})
	// Output: <a> <b> 1s
}

func ExampleTask() {
	runExample(func(ctx context.Context) error {
		task := asyncio.CreateTask(ctx, asyncio.Bind(fetch, "page"), asyncio.WithName("fetcher"))
		fmt.Println(task.Name(), task.Done())
		page, err := task.Await(ctx)
		fmt.Println(page, task.Done())
		return err
	})
	// Output:
	// fetcher false
	// <page> true
}

func ExampleTask_Cancel() {
	runExample(func(ctx context.Context) error {
		task := asyncio.CreateTask(ctx, asyncio.Do(func(ctx context.Context) error {
			defer fmt.Println("cleaned up")
			return asyncio.Sleep(ctx, time.Hour)
		}))
		if err := asyncio.Sleep(ctx, time.Second); err != nil { // lets the task begin
			return err
		}
		task.Cancel()
		_, err := task.Await(ctx)
		fmt.Println(errors.Is(err, asyncio.ErrCancelled), task.Cancelled())
		return nil
	})
	// Output:
	// cleaned up
	// true true
}

func ExampleCoro() {
	runExample(func(ctx context.Context) error {
		var coro asyncio.Coro[string] = func(ctx context.Context) (string, error) { return fetch(ctx, "page") }
		page, err := coro(ctx) // await coro
		if err != nil {
			return err
		}
		task := asyncio.CreateTask(ctx, coro) // asyncio.create_task(coro)
		again, err := task.Await(ctx)
		fmt.Println(page, again)
		return err
	})
	// Output: <page> <page>
}

func ExampleBind() {
	runExample(func(ctx context.Context) error {
		var coros []asyncio.Coro[string]
		for _, name := range []string{"a", "b", "c"} {
			coros = append(coros, asyncio.Bind(fetch, name))
		}
		pages, err := asyncio.Gather(ctx, coros...).Await(ctx)
		fmt.Println(pages)
		return err
	})
	// Output: [<a> <b> <c>]
}

func ExampleDo() {
	greet := func(ctx context.Context) error {
		fmt.Println("hello")
		return nil
	}
	_, err := asyncio.Run(context.Background(), asyncio.Do(greet))
	fmt.Println(err)
	// Output:
	// hello
	// <nil>
}

func ExampleSleep() {
	runExample(func(ctx context.Context) error {
		other := asyncio.CreateTask(ctx, asyncio.Do(func(context.Context) error {
			fmt.Println("the other task")
			return nil
		}))
		fmt.Println("main")
		if err := asyncio.Sleep(ctx, 0); err != nil { // yields once
			return err
		}
		fmt.Println("main again, other is done:", other.Done())
		return nil
	})
	// Output:
	// main
	// the other task
	// main again, other is done: true
}

func ExampleCancelledError() {
	runExample(func(ctx context.Context) error {
		task := asyncio.CreateTask(ctx, asyncio.Bind(fetch, "page"))
		task.CancelCause(errors.New("the user went away"))
		_, err := task.Await(ctx)
		var cancelled *asyncio.CancelledError
		if errors.As(err, &cancelled) {
			fmt.Println(cancelled.Cause)
		}
		fmt.Println(errors.Is(err, asyncio.ErrCancelled), errors.Is(err, context.Canceled))
		return nil
	})
	// Output:
	// the user went away
	// true true
}

func ExamplePanicError() {
	runExample(func(ctx context.Context) error {
		task := asyncio.CreateTask(ctx, asyncio.Do(func(context.Context) error {
			panic("no such page")
		}))
		_, err := task.Await(ctx)
		var p *asyncio.PanicError
		if errors.As(err, &p) {
			fmt.Println("caught:", p.Value)
		}
		return nil
	})
	// Output: caught: no such page
}

func ExampleWithVirtualTime() {
	main := func(ctx context.Context) (time.Duration, error) {
		err := asyncio.Sleep(ctx, 1000*time.Hour) // takes no time
		return asyncio.RunningLoop(ctx).Time(), err
	}
	fmt.Println(asyncio.Run(context.Background(), main, asyncio.WithVirtualTime()))
	// Output: 1000h0m0s <nil>
}

func ExampleDeadlockError() {
	main := func(ctx context.Context) error {
		asyncio.CurrentTask(ctx).SetName("main")
		var ready asyncio.Event
		return ready.Wait(ctx) // nobody will set it
	}
	_, err := asyncio.Run(context.Background(), asyncio.Do(main), asyncio.WithVirtualTime())
	fmt.Println(err)
	var deadlock *asyncio.DeadlockError
	if errors.As(err, &deadlock) {
		fmt.Println(len(deadlock.Waiting), errors.Is(err, asyncio.ErrDeadlock))
	}
	// Output:
	// asyncio: deadlock: main waits for Event at example_test.go:319
	// 1 true
}

func ExampleLivelockError() {
	poll := func(ctx context.Context) error {
		for {
			if err := asyncio.Sleep(ctx, 0); err != nil { // time does not advance
				return err
			}
		}
	}
	_, err := asyncio.Run(context.Background(), asyncio.Do(poll), virtual, asyncio.WithMaxTurnsPerInstant(1000))
	if livelock, ok := errors.AsType[*asyncio.LivelockError](err); ok {
		fmt.Println(livelock.Ran, "at", livelock.Time)
	}
	// Output: [task Task-1] at 0s
}

func ExampleToThread() {
	runExample(func(ctx context.Context) error {
		sum, err := asyncio.ToThread(ctx, func(ctx context.Context) (int, error) {
			sum := 0 // a computation that takes long, or a call that blocks
			for i := range 1000 {
				sum += i
			}
			return sum, ctx.Err()
		})
		fmt.Println(sum)
		return err
	})
	// Output: 499500
}

func ExampleRunCoroutineThreadsafe() {
	runExample(func(ctx context.Context) error {
		loop := asyncio.RunningLoop(ctx)
		page, err := asyncio.ToThread(ctx, func(ctx context.Context) (string, error) {
			// On another goroutine, have the loop run a coroutine, and wait for its result.
			return asyncio.RunCoroutineThreadsafe(loop, asyncio.Bind(fetch, "page")).Result(ctx)
		})
		fmt.Println(page)
		return err
	})
	// Output: <page>
}

func ExampleConcurrentFuture() {
	runExample(func(ctx context.Context) error {
		loop := asyncio.RunningLoop(ctx)
		_, err := asyncio.ToThread(ctx, func(ctx context.Context) (asyncio.None, error) {
			future := asyncio.RunCoroutineThreadsafe(loop, asyncio.Coro[int](func(ctx context.Context) (int, error) {
				return 1, asyncio.Sleep(ctx, time.Hour)
			}))
			fmt.Println("cancelled:", future.Cancel())
			<-future.Done()
			_, err := future.Result(ctx)
			fmt.Println(errors.Is(err, asyncio.ErrCancelled))
			return asyncio.None{}, nil
		})
		return err
	})
	// Output:
	// cancelled: true
	// true
}

func ExampleThreadsafeHandle() {
	runExample(func(ctx context.Context) error {
		// The goroutine that scheduled the callback may cancel it, unless the call has begun.
		handle, err := asyncio.RunningLoop(ctx).CallSoonThreadsafeHandle(func() { fmt.Println("called") })
		if err != nil {
			return err
		}
		ended := make(chan bool)
		go func() { ended <- handle.Cancel() }()
		fmt.Println("cancelled:", <-ended)
		return nil
	})
	// Output: cancelled: true
}

func ExampleLoop_SetExceptionHandler() {
	runExample(func(ctx context.Context) error {
		loop := asyncio.RunningLoop(ctx)
		next := loop.GetExceptionHandler() // nil: errors are logged
		loop.SetExceptionHandler(func(l *asyncio.Loop, c asyncio.ExceptionContext) {
			switch job, ok := c.Extra["job"]; {
			case ok:
				fmt.Println("job", job, "failed:", c.Err)
			case next != nil:
				next(l, c)
			default:
				l.DefaultExceptionHandler(c)
			}
		})
		loop.CallExceptionHandler(asyncio.ExceptionContext{
			Message: "job failed", Err: errors.New("no paper"), Extra: map[string]any{"job": 7},
		})
		return nil
	})
	// Output: job 7 failed: no paper
}

func ExampleWithExceptionHandler() {
	main := func(ctx context.Context) error {
		asyncio.CreateTask(ctx, asyncio.Do(func(context.Context) error { return errors.New("nobody looks") }))
		return asyncio.Sleep(ctx, time.Second)
	}
	handler := func(_ *asyncio.Loop, c asyncio.ExceptionContext) { fmt.Printf("%s: %v\n", c.Message, c.Err) }
	asyncio.Run(context.Background(), asyncio.Do(main), virtual, asyncio.WithExceptionHandler(handler))
	// Output: task exception was never retrieved: nobody looks
}
