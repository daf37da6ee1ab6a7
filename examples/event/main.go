// Event holds three tasks back until a fourth gives the signal.
package main

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/go-asyncio/asyncio"
)

func waiter(ctx context.Context, event *asyncio.Event, name string) error {
	fmt.Println(name, "waiting for event")
	if err := event.Wait(ctx); err != nil { // Wait until the event is set
		return err
	}
	fmt.Println(name, "proceeding after event")
	return nil
}

func trigger(ctx context.Context, event *asyncio.Event) error {
	fmt.Println("Trigger task started")
	if err := asyncio.Sleep(ctx, time.Second); err != nil { // Simulate setup work
		return err
	}
	fmt.Println("Setting event")
	event.Set() // Signal the waiting coroutines
	return nil
}

func run(ctx context.Context) error {
	var event asyncio.Event // The zero value is ready, and not set
	var coros []asyncio.Coro[asyncio.None]
	for i := range 3 {
		coros = append(coros, asyncio.Do(func(ctx context.Context) error {
			return waiter(ctx, &event, fmt.Sprintf("Waiter %d", i))
		}))
	}
	coros = append(coros, asyncio.Do(func(ctx context.Context) error {
		return trigger(ctx, &event)
	}))
	_, err := asyncio.Gather(ctx, coros...).Await(ctx)
	return err
}

func main() {
	if _, err := asyncio.Run(context.Background(), asyncio.Do(run)); err != nil {
		log.Fatal(err)
	}
}
