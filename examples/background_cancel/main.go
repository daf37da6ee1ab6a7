// Background_cancel runs a monitor beside the main work and cancels it when the work is done.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/go-asyncio/asyncio"
)

func backgroundMonitor(ctx context.Context) error {
	for {
		fmt.Println("Monitoring...")
		// A cancellation arrives as the error of the call that the task is suspended in.
		if err := asyncio.Sleep(ctx, 2*time.Second); err != nil {
			return err
		}
	}
}

func run(ctx context.Context) error {
	// Start the background task.
	monitor := asyncio.CreateTask(ctx, asyncio.Do(backgroundMonitor))

	// Main work
	for i := range 3 {
		fmt.Println("Main step", i)
		if err := asyncio.Sleep(ctx, time.Second); err != nil {
			return err
		}
	}

	// Cancel the background task, and wait until it has ended.
	monitor.Cancel()
	_, err := monitor.Await(ctx)
	if errors.Is(err, asyncio.ErrCancelled) {
		fmt.Println("Background task cancelled")
		return nil
	}
	return err
}

func main() {
	if _, err := asyncio.Run(context.Background(), asyncio.Do(run)); err != nil {
		log.Fatal(err)
	}
}
