// Create_task runs three tasks at once, which takes as long as the longest of them, and gives up
// after four seconds.
package main

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/go-asyncio/asyncio"
)

func fetchData(ctx context.Context, serverID int) (string, error) {
	fmt.Printf("Fetching data from server %d\n", serverID)
	delay := time.Duration(serverID) * time.Second
	if err := asyncio.Sleep(ctx, delay); err != nil { // Simulate network delay
		return "", err
	}
	return fmt.Sprintf("Data from server %d", serverID), nil
}

func run(ctx context.Context) error {
	// Bind is Python's fetch_data(1) without the await: a coroutine that has not yet begun.
	task1 := asyncio.CreateTask(ctx, asyncio.Bind(fetchData, 1))
	task2 := asyncio.CreateTask(ctx, asyncio.Bind(fetchData, 2))
	task3 := asyncio.CreateTask(ctx, asyncio.Bind(fetchData, 3))

	// Wait for the tasks to complete.
	results, err := asyncio.WaitFor(ctx, asyncio.Gather(ctx, task1, task2, task3), 4*time.Second)
	if err != nil {
		return err
	}
	fmt.Println("Results:", results)
	return nil
}

func main() {
	start := time.Now()
	if _, err := asyncio.Run(context.Background(), asyncio.Do(run)); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("Total time: %.2f seconds\n", time.Since(start).Seconds())
}
