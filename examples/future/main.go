// Future waits for a result that a task sets in a future by hand.
package main

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/go-asyncio/asyncio"
)

func setFutureResult(ctx context.Context, future *asyncio.Future[string]) error {
	if err := asyncio.Sleep(ctx, time.Second); err != nil {
		return err
	}
	return future.SetResult("Future resolved!")
}

func run(ctx context.Context) error {
	// Create a future.
	future := asyncio.NewFuture[string](asyncio.RunningLoop(ctx))

	// Schedule a task to set its result.
	asyncio.CreateTask(ctx, asyncio.Do(func(ctx context.Context) error {
		return setFutureResult(ctx, future)
	}))

	// Wait for the future to resolve.
	result, err := future.Await(ctx)
	if err != nil {
		return err
	}
	fmt.Println(result)
	return nil
}

func main() {
	if _, err := asyncio.Run(context.Background(), asyncio.Do(run)); err != nil {
		log.Fatal(err)
	}
}
