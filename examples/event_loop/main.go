// Event_loop makes an event loop by hand and runs a coroutine on it. Usually asyncio.Run does this
// for a program.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/go-asyncio/asyncio"
)

func task1(ctx context.Context) error {
	fmt.Println("Task 1 started")
	if err := asyncio.Sleep(ctx, 2*time.Second); err != nil {
		return err
	}
	fmt.Println("Task 1 finished")
	return nil
}

func task2(ctx context.Context) error {
	fmt.Println("Task 2 started")
	if err := asyncio.Sleep(ctx, time.Second); err != nil {
		return err
	}
	fmt.Println("Task 2 finished")
	return nil
}

func both(ctx context.Context) error {
	_, err := asyncio.Gather(ctx, asyncio.Do(task1), asyncio.Do(task2)).Await(ctx)
	return err
}

func main() {
	loop := asyncio.NewLoop()
	_, err := asyncio.RunUntilComplete(context.Background(), loop, asyncio.Do(both)) // Run tasks
	if err := errors.Join(err, loop.Close()); err != nil {                           // Clean up
		log.Fatal(err)
	}
}
