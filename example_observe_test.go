package asyncio_test

import (
	"context"
	"fmt"
	"time"

	"github.com/go-asyncio/asyncio"
)

// An observer sees each step of the loop. Here it prints what a task waits for, and what wakes it.
func ExampleLoopEvent() {
	_, err := asyncio.Run(context.Background(), asyncio.Do(func(ctx context.Context) error {
		var door asyncio.Event
		door.SetName("door")
		stop := asyncio.RunningLoop(ctx).Observe(func(e *asyncio.LoopEvent) {
			switch {
			case e.Name() != "guest":
			case e.Kind == asyncio.OnEnd && e.State == asyncio.TaskWaiting:
				fmt.Println(e.Time, "guest waits for", e.WaitsFor())
			case e.Kind == asyncio.OnReady && e.Wait != "":
				fmt.Println(e.Time, "guest is ready")
			}
		})
		defer stop()
		guest := asyncio.CreateTask(ctx, asyncio.Do(door.Wait), asyncio.WithName("guest"))
		if err := asyncio.Sleep(ctx, time.Second); err != nil {
			return err
		}
		door.Set()
		_, err := guest.Await(ctx)
		return err
	}), asyncio.WithVirtualTime())
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// 0s guest waits for Event "door"
	// 1s guest is ready
}

// The kind says what has happened.
func ExampleLoopEventKind_String() {
	var kinds []asyncio.LoopEventKind
	_, err := asyncio.Run(context.Background(), asyncio.Do(func(ctx context.Context) error {
		stop := asyncio.RunningLoop(ctx).Observe(func(e *asyncio.LoopEvent) {
			if e.Name() == "child" {
				kinds = append(kinds, e.Kind)
			}
		})
		defer stop()
		if err := asyncio.Sleep(ctx, 0); err != nil { // until the loop is observed
			return err
		}
		_, err := asyncio.CreateTask(ctx, asyncio.Do(func(context.Context) error { return nil }), asyncio.WithName("child")).Await(ctx)
		return err
	}))
	fmt.Println(kinds, err)
	// Output: [created ready begin end done] <nil>
}

// The kinds of the waits show on what a program spends its time.
func ExampleWaitKind() {
	waits := make(map[asyncio.WaitKind]int)
	_, err := asyncio.Run(context.Background(), asyncio.Do(func(ctx context.Context) error {
		stop := asyncio.RunningLoop(ctx).Observe(func(e *asyncio.LoopEvent) {
			if e.Kind == asyncio.OnEnd && e.Wait != "" {
				waits[e.Wait]++
			}
		})
		defer stop()
		if err := asyncio.Sleep(ctx, 0); err != nil { // until the loop is observed
			return err
		}
		queue := asyncio.NewQueue[int](1)
		producer := asyncio.CreateTask(ctx, asyncio.Do(func(ctx context.Context) error {
			for i := range 3 {
				if err := asyncio.Sleep(ctx, time.Second); err != nil {
					return err
				}
				if err := queue.Put(ctx, i); err != nil {
					return err
				}
			}
			return nil
		}))
		for range 3 {
			if _, err := queue.Get(ctx); err != nil {
				return err
			}
		}
		_, err := producer.Await(ctx)
		return err
	}), asyncio.WithVirtualTime())
	fmt.Println(waits, err)
	// Output: map[queue:3 sleep:3] <nil>
}
