package asyncio_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-asyncio/asyncio"
)

func ExampleGather() {
	runExample(func(ctx context.Context) error {
		pages, err := asyncio.Gather(ctx, asyncio.Bind(fetch, "a"), asyncio.Bind(fetch, "b")).Await(ctx)
		fmt.Println(pages, asyncio.RunningLoop(ctx).Time())
		return err
	})
	// Output: [<a> <b>] 1s
}

func ExampleGatherResults() {
	runExample(func(ctx context.Context) error {
		fails := func(context.Context) (string, error) { return "", errors.New("not found") }
		results, err := asyncio.GatherResults(ctx, asyncio.Bind(fetch, "a"), fails).Await(ctx)
		for _, r := range results {
			fmt.Printf("%q %v\n", r.Value, r.Err)
		}
		return err
	})
	// Output:
	// "<a>" <nil>
	// "" not found
}

func ExampleResult() {
	ok := asyncio.Result[int]{Value: 42}
	failed := asyncio.Result[int]{Err: asyncio.ErrTimeout}
	fmt.Println(ok.Value, ok.Err)
	fmt.Println(failed.Err)
	// Output:
	// 42 <nil>
	// asyncio: timed out
}

func ExampleAwaitable() {
	runExample(func(ctx context.Context) error {
		future := asyncio.NewFuture[string](asyncio.RunningLoop(ctx))
		future.SetResult("future")
		mixture := []asyncio.Awaitable[string]{
			future,
			asyncio.CreateTask(ctx, asyncio.Bind(fetch, "task")),
			asyncio.Bind(fetch, "coroutine"),
		}
		all, err := asyncio.Gather(ctx, mixture...).Await(ctx)
		fmt.Println(all)
		return err
	})
	// Output: [future <task> <coroutine>]
}

func ExampleWait() {
	runExample(func(ctx context.Context) error {
		var tasks []*asyncio.Task[int]
		for i := range 3 {
			tasks = append(tasks, asyncio.CreateTask(ctx, func(ctx context.Context) (int, error) {
				return i, asyncio.Sleep(ctx, time.Duration(i+1)*time.Second)
			}))
		}
		done, pending, err := asyncio.Wait(ctx, tasks, asyncio.ReturnWhen(asyncio.FirstCompleted))
		fmt.Println(len(done), "done,", len(pending), "pending")
		for _, task := range pending { // Wait cancels nothing
			task.Cancel()
		}
		return err
	})
	// Output: 1 done, 2 pending
}

func ExampleWaitable() {
	runExample(func(ctx context.Context) error {
		number := asyncio.CreateTask(ctx, func(context.Context) (int, error) { return 1, nil })
		text := asyncio.CreateTask(ctx, func(context.Context) (string, error) { return "one", nil })
		for _, w := range []asyncio.Waitable{number, text} {
			v, err := w.Any().Await(ctx)
			if err != nil {
				return err
			}
			fmt.Println(v)
		}
		return nil
	})
	// Output:
	// 1
	// one
}

func ExampleEnsureFuture() {
	// background takes a coroutine, a task or a future, and does not wait for it.
	background := func(ctx context.Context, aw asyncio.Awaitable[string]) asyncio.FutureLike[string] {
		f := asyncio.EnsureFuture(ctx, aw)
		f.OnDone(func() { fmt.Println("done") })
		return f
	}
	runExample(func(ctx context.Context) error {
		page, err := background(ctx, asyncio.Bind(fetch, "a")).Await(ctx)
		fmt.Println(page)
		return err
	})
	// Output:
	// done
	// <a>
}

func ExampleFutureLike() {
	runExample(func(ctx context.Context) error {
		var f asyncio.FutureLike[string] = asyncio.CreateTask(ctx, asyncio.Bind(fetch, "a"))
		_, err := f.Result()
		fmt.Println(errors.Is(err, asyncio.ErrInvalidState))
		page, err := f.Await(ctx)
		fmt.Println(page)
		return err
	})
	// Output:
	// true
	// <a>
}

func ExampleGatherErr() {
	runExample(func(ctx context.Context) error {
		err := asyncio.GatherErr(ctx,
			func(ctx context.Context) error { return asyncio.Sleep(ctx, time.Second) },
			func(context.Context) error { return errors.New("disk full") },
		)
		fmt.Println(err)
		return nil
	})
	// Output: disk full
}

func ExampleTimeoutValue() {
	runExample(func(ctx context.Context) error {
		page, err := asyncio.TimeoutValue(ctx, asyncio.Seconds(2.5), func(ctx context.Context, _ *asyncio.TimeoutScope) (string, error) {
			return fetch(ctx, "a")
		})
		fmt.Println(page)
		return err
	})
	// Output: <a>
}

func ExampleWithContext() {
	type userKey struct{}
	runExample(func(ctx context.Context) error {
		return asyncio.WithTaskGroup(ctx, func(ctx context.Context, tg *asyncio.TaskGroup) error {
			ctx = context.WithValue(ctx, userKey{}, "alice")
			tg.Go(func(ctx context.Context) error {
				fmt.Println(ctx.Value(userKey{}))
				return nil
			}, asyncio.WithContext(ctx))
			return nil
		})
	})
	// Output: alice
}

func ExampleAnyTask() {
	runExample(func(ctx context.Context) error {
		asyncio.CreateTask(ctx, asyncio.Bind(fetch, "a"), asyncio.WithName("fetcher"))
		for _, task := range asyncio.RunningLoop(ctx).AllTasks() {
			fmt.Println(task.Name(), task.Done(), task == asyncio.CurrentTask(ctx))
		}
		return nil
	})
	// Output:
	// Task-1 false true
	// fetcher false false
}

func ExampleWaitFor() {
	runExample(func(ctx context.Context) error {
		page, err := asyncio.WaitFor(ctx, asyncio.Bind(fetch, "page"), time.Minute)
		fmt.Println(page, err)
		_, err = asyncio.WaitFor(ctx, asyncio.Bind(fetch, "page"), time.Millisecond)
		fmt.Println(errors.Is(err, asyncio.ErrTimeout), err)
		return nil
	})
	// Output:
	// <page> <nil>
	// true asyncio: timed out
}

func ExampleTimeout() {
	runExample(func(ctx context.Context) error {
		err := asyncio.Timeout(ctx, 1500*time.Millisecond, func(ctx context.Context, _ *asyncio.TimeoutScope) error {
			for _, name := range []string{"a", "b"} {
				page, err := fetch(ctx, name)
				if err != nil {
					return err
				}
				fmt.Println(page)
			}
			return nil
		})
		fmt.Println(errors.Is(err, asyncio.ErrTimeout), asyncio.RunningLoop(ctx).Time())
		return nil
	})
	// Output:
	// <a>
	// true 1.5s
}

func ExampleTimeoutScope() {
	runExample(func(ctx context.Context) error {
		return asyncio.Timeout(ctx, 1500*time.Millisecond, func(ctx context.Context, scope *asyncio.TimeoutScope) error {
			for _, name := range []string{"a", "b", "c"} {
				if _, err := fetch(ctx, name); err != nil {
					return err
				}
				// The next page gets a limit of its own.
				if err := scope.Reschedule(asyncio.RunningLoop(ctx).Time() + 1500*time.Millisecond); err != nil {
					return err
				}
			}
			fmt.Println("limit:", scope.When(), "expired:", scope.Expired())
			return nil
		})
	})
	// Output: limit: 4.5s expired: false
}

func ExampleAsCompleted() {
	runExample(func(ctx context.Context) error {
		after := func(ctx context.Context, d time.Duration) (time.Duration, error) { return d, asyncio.Sleep(ctx, d) }
		for aw, err := range asyncio.AsCompleted(ctx, asyncio.Bind(after, 3*time.Second), asyncio.Bind(after, time.Second)) {
			if err != nil {
				return err
			}
			fmt.Println(aw.Await(ctx))
		}
		return nil
	})
	// Output:
	// 1s <nil>
	// 3s <nil>
}

func ExampleShield() {
	runExample(func(ctx context.Context) error {
		save := asyncio.CreateTask(ctx, asyncio.Do(func(ctx context.Context) error {
			err := asyncio.Sleep(ctx, time.Minute)
			fmt.Println("saved:", err == nil)
			return err
		}))
		_, err := asyncio.WaitFor(ctx, asyncio.Shield(ctx, save), time.Second)
		fmt.Println(err)
		_, err = save.Await(ctx) // it was not cancelled
		return err
	})
	// Output:
	// asyncio: timed out
	// saved: true
}

func ExampleWithTaskGroup() {
	runExample(func(ctx context.Context) error {
		var page *asyncio.Task[string]
		err := asyncio.WithTaskGroup(ctx, func(ctx context.Context, tg *asyncio.TaskGroup) error {
			page = asyncio.GroupTask(tg, asyncio.Bind(fetch, "page"))
			tg.Go(func(ctx context.Context) error {
				fmt.Println("beside it")
				return nil
			})
			return nil
		})
		if err != nil {
			return err
		}
		fmt.Println(page.Result()) // all tasks are done
		return nil
	})
	// Output:
	// beside it
	// <page> <nil>
}

func ExampleGroupTask() {
	runExample(func(ctx context.Context) error {
		tasks := make(map[string]*asyncio.Task[string])
		err := asyncio.WithTaskGroup(ctx, func(_ context.Context, tg *asyncio.TaskGroup) error {
			for _, name := range []string{"a", "b"} {
				tasks[name] = asyncio.GroupTask(tg, asyncio.Bind(fetch, name), asyncio.WithName(name))
			}
			return nil
		})
		if err != nil {
			return err
		}
		fmt.Println(tasks["b"].Result())
		return nil
	})
	// Output: <b> <nil>
}

func ExampleTaskGroup() {
	runExample(func(ctx context.Context) error {
		err := asyncio.WithTaskGroup(ctx, func(ctx context.Context, tg *asyncio.TaskGroup) error {
			tg.Go(func(ctx context.Context) error {
				err := asyncio.Sleep(ctx, time.Hour)
				fmt.Println("one ends:", err)
				return err
			})
			tg.Go(func(ctx context.Context) error {
				if err := asyncio.Sleep(ctx, time.Second); err != nil {
					return err
				}
				return errors.New("no such page")
			})
			return nil
		})
		fmt.Println(err)
		return nil
	})
	// Output:
	// one ends: asyncio: cancelled
	// unhandled errors in a TaskGroup (1 sub-exception): no such page
}

func ExampleTaskGroup_Cancel() {
	runExample(func(ctx context.Context) error {
		err := asyncio.WithTaskGroup(ctx, func(ctx context.Context, tg *asyncio.TaskGroup) error {
			for i := range 3 {
				tg.Go(func(ctx context.Context) error {
					if err := asyncio.Sleep(ctx, time.Duration(i+1)*time.Second); err != nil {
						return err
					}
					fmt.Println("the first to find it is", i)
					tg.Cancel()
					return nil
				})
			}
			return nil
		})
		fmt.Println(err, asyncio.RunningLoop(ctx).Time())
		return nil
	})
	// Output:
	// the first to find it is 0
	// <nil> 1s
}

func ExampleExceptionGroup() {
	notFound := errors.New("not found")
	runExample(func(ctx context.Context) error {
		err := asyncio.WithTaskGroup(ctx, func(_ context.Context, tg *asyncio.TaskGroup) error {
			tg.Go(func(context.Context) error { return notFound })
			return nil
		})
		var group *asyncio.ExceptionGroup
		if errors.As(err, &group) {
			fmt.Println(group.Message, group.Errors)
		}
		fmt.Println(errors.Is(err, notFound))
		return nil
	})
	// Output:
	// unhandled errors in a TaskGroup [not found]
	// true
}

func ExampleAny() {
	runExample(func(ctx context.Context) error {
		number := asyncio.Coro[int](func(context.Context) (int, error) { return 42, nil })
		values, err := asyncio.Gather(ctx, asyncio.Any(asyncio.Bind(fetch, "page")), asyncio.Any(number)).Await(ctx)
		fmt.Println(values...)
		return err
	})
	// Output: <page> 42
}
