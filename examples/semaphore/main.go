// Semaphore lets five tasks call an API, two at a time.
package main

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/go-asyncio/asyncio"
)

func accessAPI(ctx context.Context, semaphore *asyncio.Semaphore, name string) error {
	return semaphore.With(ctx, func(ctx context.Context) error { // Limit concurrent access
		fmt.Println(name, "making API call")
		if err := asyncio.Sleep(ctx, time.Second); err != nil { // Simulate API delay
			return err
		}
		fmt.Println(name, "finished API call")
		return nil
	})
}

func run(ctx context.Context) error {
	semaphore := asyncio.NewSemaphore(2) // Allow 2 concurrent calls
	var calls []asyncio.Coro[asyncio.None]
	for i := range 5 {
		calls = append(calls, asyncio.Do(func(ctx context.Context) error {
			return accessAPI(ctx, semaphore, fmt.Sprintf("Task %d", i))
		}))
	}
	_, err := asyncio.Gather(ctx, calls...).Await(ctx)
	return err
}

func main() {
	if _, err := asyncio.Run(context.Background(), asyncio.Do(run)); err != nil {
		log.Fatal(err)
	}
}
