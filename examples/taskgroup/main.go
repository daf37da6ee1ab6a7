// Taskgroup runs four tasks as a group, in which the failure of one cancels those that still run.
package main

import (
	"context"
	"fmt"
	"time"

	"github.com/go-asyncio/asyncio"
)

func processItem(ctx context.Context, item int) (string, error) {
	fmt.Println("Processing item", item)
	if err := asyncio.Sleep(ctx, time.Duration(item)*time.Second); err != nil {
		return "", err
	}
	if item == 3 {
		return "", fmt.Errorf("failed to process item %d", item)
	}
	return fmt.Sprintf("Processed %d", item), nil
}

func run(ctx context.Context) error {
	var tasks []*asyncio.Task[string]
	err := asyncio.WithTaskGroup(ctx, func(ctx context.Context, tg *asyncio.TaskGroup) error {
		// Create tasks within the task group.
		for item := 1; item <= 4; item++ {
			tasks = append(tasks, asyncio.GroupTask(tg, asyncio.Bind(processItem, item)))
		}
		return nil
	})
	if err != nil {
		return err // An *asyncio.ExceptionGroup with the error of each task that failed
	}

	// Results are available once the group has ended.
	for _, task := range tasks {
		if result, err := task.Result(); err != nil {
			fmt.Println("Error:", err)
		} else {
			fmt.Println("Result:", result)
		}
	}
	return nil
}

func main() {
	if _, err := asyncio.Run(context.Background(), asyncio.Do(run)); err != nil {
		fmt.Println("TaskGroup caught:", err)
	}
}
