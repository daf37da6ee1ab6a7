package asyncio_test

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/go-asyncio/asyncio"
)

// A monitor on another goroutine sees the step that blocks the loop.
func ExampleSlowStep() {
	defer slog.SetDefault(slog.Default())
	slog.SetDefault(slog.New(slog.DiscardHandler)) // the watchdog logs the step, too
	_, err := asyncio.Run(context.Background(), asyncio.Do(func(ctx context.Context) error {
		loop := asyncio.RunningLoop(ctx)
		asyncio.CurrentTask(ctx).SetName("report")
		seen := make(chan asyncio.SlowStep)
		go func() {
			for {
				if steps := loop.SlowSteps(); len(steps) > 0 {
					seen <- steps[0]
					return
				}
				time.Sleep(time.Millisecond)
			}
		}()
		step := <-seen // blocks the loop
		fmt.Println(step.Name, step.Over)
		return nil
	}), asyncio.WithInspection(), asyncio.WithSlowCallbackDuration(10*time.Millisecond))
	fmt.Println(err)
	// Output:
	// task report false
	// <nil>
}

func ExampleWithInspection() {
	_, _ = asyncio.Run(context.Background(), asyncio.Do(func(ctx context.Context) error {
		for _, task := range asyncio.RunningLoop(ctx).Snapshot() {
			fmt.Println(task.Name, task.State, task.Created != asyncio.Never)
		}
		return nil
	}), asyncio.WithInspection())
	// Output: Task-1 running true
}

func ExampleQueueInfo() {
	_, _ = asyncio.Run(context.Background(), asyncio.Do(func(ctx context.Context) error {
		orders := asyncio.NewQueue[string](10)
		orders.SetName("orders")
		for _, q := range asyncio.RunningLoop(ctx).Queues() {
			fmt.Printf("%s: %d of %d\n", q.Name, q.Size, q.MaxSize)
		}
		return orders.PutNowait("tea")
	}), asyncio.WithInspection())
	// Output: orders: 0 of 10
}

func ExampleServerInfo() {
	_, err := asyncio.Run(context.Background(), asyncio.Do(func(ctx context.Context) error {
		handler := func(context.Context, *asyncio.StreamReader, *asyncio.StreamWriter) error { return nil }
		server, err := asyncio.StartServer(ctx, handler, "127.0.0.1:0", asyncio.WithMaxConnections(100))
		if err != nil {
			return err
		}
		defer server.Close()
		for _, s := range asyncio.RunningLoop(ctx).Servers() {
			fmt.Println(s.Network, s.Serving, s.Connections, "of", s.MaxConnections)
		}
		return nil
	}))
	fmt.Println(err)
	// Output:
	// tcp true 0 of 100
	// <nil>
}

func ExampleStreamInfo() {
	_, err := asyncio.Run(context.Background(), asyncio.Do(func(ctx context.Context) error {
		handler := func(ctx context.Context, r *asyncio.StreamReader, w *asyncio.StreamWriter) error {
			_, _ = w.WriteString("hello\n")
			_, err := r.Read(ctx, -1)
			return err
		}
		server, err := asyncio.StartServer(ctx, handler, "127.0.0.1:0")
		if err != nil {
			return err
		}
		defer server.Close()
		r, w, err := asyncio.OpenConnection(ctx, server.Addr().String())
		if err != nil {
			return err
		}
		defer w.Close()
		if _, err := r.ReadLine(ctx); err != nil {
			return err
		}
		for _, s := range asyncio.RunningLoop(ctx).Streams() {
			if s.Received > 0 {
				fmt.Println(s.Kind, s.Received, "bytes received,", s.Unread, "unread")
			}
		}
		return nil
	}))
	fmt.Println(err)
	// Output:
	// tcp 6 bytes received, 0 unread
	// <nil>
}
