// Lock has three tasks increment a counter, one after the other.
package main

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/go-asyncio/asyncio"
)

// Between two suspension points no other task runs, so a plain counter++ would need no lock. This
// lock is held across a Sleep, where other tasks do run.
func incrementCounter(ctx context.Context, lock *asyncio.Lock, counter *int, name string) error {
	return lock.With(ctx, func(ctx context.Context) error { // Acquire the lock safely
		current := *counter
		fmt.Printf("%s read counter: %d\n", name, current)
		if err := asyncio.Sleep(ctx, 100*time.Millisecond); err != nil { // Simulate work
			return err
		}
		*counter = current + 1
		fmt.Printf("%s set counter: %d\n", name, *counter)
		return nil
	})
}

func run(ctx context.Context) error {
	var (
		counter int          // Shared resource
		lock    asyncio.Lock // The zero value is an unlocked lock
		coros   []asyncio.Coro[asyncio.None]
	)
	for i := range 3 {
		coros = append(coros, asyncio.Do(func(ctx context.Context) error {
			return incrementCounter(ctx, &lock, &counter, fmt.Sprintf("Task %d", i))
		}))
	}
	if _, err := asyncio.Gather(ctx, coros...).Await(ctx); err != nil {
		return err
	}
	fmt.Println("Final counter:", counter)
	return nil
}

func main() {
	if _, err := asyncio.Run(context.Background(), asyncio.Do(run)); err != nil {
		log.Fatal(err)
	}
}
