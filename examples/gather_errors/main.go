// Gather_errors collects the results of three tasks, one of which fails.
package main

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/go-asyncio/asyncio"
)

// An operationError names the operation that failed.
type operationError struct{ id int }

func (e operationError) Error() string { return fmt.Sprintf("Error in operation %d", e.id) }

func riskyOperation(ctx context.Context, id int) (string, error) {
	fmt.Println("Starting operation", id)
	if err := asyncio.Sleep(ctx, time.Second); err != nil {
		return "", err
	}
	if id == 2 {
		return "", operationError{id}
	}
	return fmt.Sprintf("Result %d", id), nil
}

func run(ctx context.Context) error {
	var tasks []*asyncio.Task[string]
	for i := range 3 {
		tasks = append(tasks, asyncio.CreateTask(ctx, asyncio.Bind(riskyOperation, i)))
	}

	// GatherResults is Python's gather(..., return_exceptions=True): a failure is a result too, and
	// err is set only if the waiting itself is cancelled.
	results, err := asyncio.GatherResults(ctx, tasks...).Await(ctx)
	if err != nil {
		return err
	}
	for _, result := range results {
		if result.Err != nil {
			fmt.Println("Result:", result.Err)
		} else {
			fmt.Println("Result:", result.Value)
		}
	}
	return nil
}

func main() {
	if _, err := asyncio.Run(context.Background(), asyncio.Do(run)); err != nil {
		log.Fatal(err)
	}
}
