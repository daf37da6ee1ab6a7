package asyncio_test

import (
	"context"
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/go-asyncio/asyncio"
)

// A stack begins with the call in which a task waits, and ends with its coroutine.
func ExampleFrame() {
	runExample(func(ctx context.Context) error {
		report := asyncio.CreateTask(ctx, asyncio.Bind(fetch, "report"))
		if err := asyncio.Sleep(ctx, time.Millisecond); err != nil { // fetch begins to sleep meanwhile
			return err
		}
		for _, f := range report.GetStack()[:2] {
			fmt.Println(path.Base(f.Function), path.Base(f.File))
		}
		_, err := report.Await(ctx)
		return err
	})
	// Output:
	// asyncio.Sleep sleep.go
	// asyncio_test.fetch example_test.go
}

// One query is slow. The call graph shows who waits because of it.
func ExampleFutureCallGraph() {
	runExample(func(ctx context.Context) error {
		query := asyncio.CreateTask(ctx, asyncio.Bind(fetch, "prices"), asyncio.WithName("query"))
		page := func(ctx context.Context) (string, error) { return query.Await(ctx) }
		for _, name := range []string{"shop", "basket"} {
			asyncio.CreateTask(ctx, page, asyncio.WithName(name))
		}
		if err := asyncio.Sleep(ctx, time.Millisecond); err != nil {
			return err
		}
		graph := asyncio.CaptureCallGraph(ctx, query)
		fmt.Println(graph.Future, "waits for", graph.WaitsFor)
		for _, awaiter := range graph.AwaitedBy {
			fmt.Println("-", awaiter.Future, "waits for", awaiter.WaitsFor)
		}
		_, err := query.Await(ctx)
		return err
	})
	// Output:
	// task query waits for sleep
	// - task shop waits for task query
	// - task basket waits for task query
}

// A loop that grows slowly has something that nobody ends. Its figures show what.
func ExampleStats() {
	runExample(func(ctx context.Context) error {
		loop := asyncio.RunningLoop(ctx)
		for range 3 {
			asyncio.CreateTask(ctx, asyncio.Bind(fetch, "page"))
		}
		if err := asyncio.Sleep(ctx, time.Millisecond); err != nil {
			return err
		}
		s := loop.Stats()
		fmt.Printf("%d tasks, %d timers at %v\n", s.Tasks, s.Timers, s.Time)
		return nil
	})
	// Output: 4 tasks, 3 timers at 1ms
}

// A snapshot shows who holds the lock for which a task waits, and for how long it has waited.
func ExampleTaskInfo() {
	runExample(func(ctx context.Context) error {
		loop := asyncio.RunningLoop(ctx)
		loop.Inspect(true) // before the lock is acquired, so that its holder is recorded
		var accounts asyncio.Lock
		accounts.SetName("accounts")
		pay := func(ctx context.Context) error {
			return accounts.With(ctx, func(ctx context.Context) error { return asyncio.Sleep(ctx, time.Hour) })
		}
		for _, name := range []string{"payroll", "refund"} {
			asyncio.CreateTask(ctx, asyncio.Do(pay), asyncio.WithName(name))
		}
		if err := asyncio.Sleep(ctx, 5*time.Second); err != nil {
			return err
		}
		for _, t := range loop.Snapshot()[1:] {
			reason, _, _ := strings.Cut(t.WaitsFor, " since") // the line of the call to With follows
			fmt.Printf("%s waits for %s (%v)\n", t.Name, reason, loop.Time()-t.Since)
		}
		return nil
	})
	// Output:
	// payroll waits for sleep (5s)
	// refund waits for Lock "accounts", held by payroll (5s)
}

func ExampleTaskState() {
	runExample(func(ctx context.Context) error {
		var ready asyncio.Event
		asyncio.CreateTask(ctx, asyncio.Do(ready.Wait), asyncio.WithName("reader"))
		asyncio.CreateTask(ctx, asyncio.Do(new(asyncio.Event).Wait), asyncio.WithName("idler"))
		if err := asyncio.Sleep(ctx, time.Millisecond); err != nil {
			return err
		}
		ready.Set()
		asyncio.CreateTask(ctx, asyncio.Bind(fetch, "page"), asyncio.WithName("fetcher"))
		for _, t := range asyncio.RunningLoop(ctx).Snapshot() {
			fmt.Println(t.Name, t.State)
		}
		return nil
	})
	// Output:
	// Task-1 running
	// reader ready
	// idler waiting
	// fetcher created
}
