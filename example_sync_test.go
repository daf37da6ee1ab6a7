package asyncio_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-asyncio/asyncio"
)

func ExampleLock() {
	runExample(func(ctx context.Context) error {
		var lock asyncio.Lock
		balance := 100
		withdraw := func(ctx context.Context) error {
			return lock.With(ctx, func(ctx context.Context) error {
				was := balance
				if err := asyncio.Sleep(ctx, time.Second); err != nil { // holding the lock meanwhile
					return err
				}
				balance = was - 10
				return nil
			})
		}
		_, err := asyncio.Gather(ctx, asyncio.Do(withdraw), asyncio.Do(withdraw)).Await(ctx)
		fmt.Println(balance, lock.Locked())
		return err
	})
	// Output: 80 false
}

func ExampleEvent() {
	runExample(func(ctx context.Context) error {
		var ready asyncio.Event
		return asyncio.WithTaskGroup(ctx, func(ctx context.Context, tg *asyncio.TaskGroup) error {
			for i := range 2 {
				tg.Go(func(ctx context.Context) error {
					if err := ready.Wait(ctx); err != nil {
						return err
					}
					fmt.Println("task", i, "goes on")
					return nil
				})
			}
			if err := asyncio.Sleep(ctx, time.Second); err != nil {
				return err
			}
			fmt.Println("set")
			ready.Set()
			return nil
		})
	})
	// Output:
	// set
	// task 0 goes on
	// task 1 goes on
}

func ExampleCondition() {
	runExample(func(ctx context.Context) error {
		var cond asyncio.Condition
		stock := 0
		buyer := asyncio.CreateTask(ctx, asyncio.Do(func(ctx context.Context) error {
			return cond.With(ctx, func(ctx context.Context) error {
				if err := cond.WaitFor(ctx, func() bool { return stock >= 2 }); err != nil {
					return err
				}
				stock -= 2
				fmt.Println("bought 2, left", stock)
				return nil
			})
		}))
		for range 3 {
			if err := asyncio.Sleep(ctx, time.Second); err != nil {
				return err
			}
			err := cond.With(ctx, func(context.Context) error {
				stock++
				cond.NotifyAll()
				return nil
			})
			if err != nil {
				return err
			}
		}
		_, err := buyer.Await(ctx)
		fmt.Println("stock", stock)
		return err
	})
	// Output:
	// bought 2, left 0
	// stock 1
}

func ExampleSemaphore() {
	runExample(func(ctx context.Context) error {
		two := asyncio.NewSemaphore(2)
		fetchTwoAtATime := func(ctx context.Context, name string) (page string, err error) {
			err = two.With(ctx, func(ctx context.Context) error {
				page, err = fetch(ctx, name)
				return err
			})
			return page, err
		}
		var coros []asyncio.Coro[string]
		for _, name := range []string{"a", "b", "c", "d"} {
			coros = append(coros, asyncio.Bind(fetchTwoAtATime, name))
		}
		pages, err := asyncio.Gather(ctx, coros...).Await(ctx)
		fmt.Println(pages, asyncio.RunningLoop(ctx).Time())
		return err
	})
	// Output: [<a> <b> <c> <d>] 2s
}

func ExampleBoundedSemaphore() {
	runExample(func(ctx context.Context) error {
		s := asyncio.NewBoundedSemaphore(1)
		if err := s.Acquire(ctx); err != nil {
			return err
		}
		fmt.Println(s.Release())
		fmt.Println(errors.Is(s.Release(), asyncio.ErrReleased))
		return nil
	})
	// Output:
	// <nil>
	// true
}

func ExampleBarrier() {
	runExample(func(ctx context.Context) error {
		barrier := asyncio.NewBarrier(3)
		return asyncio.WithTaskGroup(ctx, func(ctx context.Context, tg *asyncio.TaskGroup) error {
			for i := range 3 {
				tg.Go(func(ctx context.Context) error {
					if err := asyncio.Sleep(ctx, time.Duration(i)*time.Second); err != nil {
						return err
					}
					if _, err := barrier.Wait(ctx); err != nil {
						return err
					}
					fmt.Println("together at", asyncio.RunningLoop(ctx).Time())
					return nil
				})
			}
			return nil
		})
	})
	// Output:
	// together at 2s
	// together at 2s
	// together at 2s
}

func ExampleQueue() {
	runExample(func(ctx context.Context) error {
		queue := asyncio.NewQueue[int](2)
		worker := asyncio.CreateTask(ctx, asyncio.Do(func(ctx context.Context) error {
			for {
				v, err := queue.Get(ctx)
				if errors.Is(err, asyncio.ErrQueueShutDown) {
					return nil
				} else if err != nil {
					return err
				}
				fmt.Println("worked on", v)
				queue.TaskDone()
			}
		}))
		for i := range 4 {
			if err := queue.Put(ctx, i); err != nil {
				return err
			}
		}
		if err := queue.Join(ctx); err != nil {
			return err
		}
		queue.Shutdown(false)
		_, err := worker.Await(ctx)
		return err
	})
	// Output:
	// worked on 0
	// worked on 1
	// worked on 2
	// worked on 3
}

func ExamplePriorityQueue() {
	queue := asyncio.NewPriorityQueue[int](0)
	for _, v := range []int{3, 1, 2} {
		queue.PutNowait(v)
	}
	for !queue.Empty() {
		v, _ := queue.GetNowait()
		fmt.Print(v, " ")
	}
	// Output: 1 2 3
}

func ExampleNewPriorityQueueFunc() {
	type job struct {
		priority int
		name     string
	}
	queue := asyncio.NewPriorityQueueFunc(0, func(a, b job) int { return cmp.Compare(a.priority, b.priority) })
	queue.PutNowait(job{2, "sweep"})
	queue.PutNowait(job{1, "put out the fire"})
	first, _ := queue.GetNowait()
	fmt.Println(first.name)
	// Output: put out the fire
}

func ExampleLifoQueue() {
	stack := asyncio.NewLifoQueue[string](0)
	for _, v := range []string{"a", "b", "c"} {
		stack.PutNowait(v)
	}
	for !stack.Empty() {
		v, _ := stack.GetNowait()
		fmt.Print(v, " ")
	}
	// Output: c b a
}
