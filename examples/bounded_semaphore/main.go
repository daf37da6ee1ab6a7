// Bounded_semaphore shares a resource that two tasks may use at a time, and then releases it once
// too often.
package main

import (
	"context"
	"fmt"
	"log"
	"strings"
	"time"

	"github.com/go-asyncio/asyncio"
)

func accessResource(ctx context.Context, semaphore *asyncio.BoundedSemaphore, name string) error {
	// Python's async with semaphore
	return semaphore.With(ctx, func(ctx context.Context) error {
		fmt.Println(name, "acquired resource")
		if err := asyncio.Sleep(ctx, 500*time.Millisecond); err != nil {
			return err
		}
		fmt.Println(name, "released resource")
		return nil
	})
}

func run(ctx context.Context) error {
	semaphore := asyncio.NewBoundedSemaphore(2) // Allow 2 concurrent accesses
	var accesses []asyncio.Coro[asyncio.None]
	for i := range 4 {
		accesses = append(accesses, asyncio.Do(func(ctx context.Context) error {
			return accessResource(ctx, semaphore, fmt.Sprintf("Task %d", i))
		}))
	}
	if _, err := asyncio.Gather(ctx, accesses...).Await(ctx); err != nil {
		return err
	}

	// No task holds it any more, so releasing it again is an error: asyncio.ErrReleased.
	if err := semaphore.Release(); err != nil {
		fmt.Println("Error:", strings.TrimPrefix(err.Error(), "asyncio: "))
	}
	return nil
}

func main() {
	if _, err := asyncio.Run(context.Background(), asyncio.Do(run)); err != nil {
		log.Fatal(err)
	}
}
