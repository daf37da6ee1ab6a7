// Taskgroup_timeout gives the tasks of a group three seconds. The timeout fails the group, which
// waits for its tasks to end.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/go-asyncio/asyncio"
)

func longTask(ctx context.Context, id int) (string, error) {
	fmt.Printf("Task %d started\n", id)
	if err := asyncio.Sleep(ctx, time.Duration(id)*2*time.Second); err != nil {
		return "", err
	}
	fmt.Printf("Task %d completed\n", id)
	return fmt.Sprintf("Result %d", id), nil
}

func runTasks(ctx context.Context) error {
	return asyncio.WithTaskGroup(ctx, func(ctx context.Context, tg *asyncio.TaskGroup) error {
		var tasks []*asyncio.Task[string]
		for id := 1; id <= 3; id++ {
			tasks = append(tasks, asyncio.GroupTask(tg, asyncio.Bind(longTask, id)))
		}
		// Wrap the group's tasks in a timeout.
		results, err := asyncio.WaitFor(ctx, asyncio.GatherResults(ctx, tasks...), 3*time.Second)
		if err != nil {
			return err
		}
		fmt.Println("Results:", results)
		return nil
	})
}

func run(ctx context.Context) error {
	err := runTasks(ctx)
	// The timeout happens inside the group, so it leaves the group as one of the group's errors.
	// Python's "except TimeoutError" does not look into a group, but errors.Is does; therefore the
	// group comes first here.
	if group, ok := errors.AsType[*asyncio.ExceptionGroup](err); ok {
		fmt.Println("Error:", group)
		return nil
	}
	if errors.Is(err, asyncio.ErrTimeout) {
		fmt.Println("Timeout! Tasks were cancelled by TaskGroup")
		return nil
	}
	return err
}

func main() {
	if _, err := asyncio.Run(context.Background(), asyncio.Do(run)); err != nil {
		log.Fatal(err)
	}
}
