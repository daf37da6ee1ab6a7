package inspect_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
	"github.com/go-asyncio/asyncio/inspect"
)

// traffic has everything that a snapshot looks at change all the time: streams, locks, a queue, threads,
// and tasks that come and go. It ends after a number of rounds.
func traffic(ctx context.Context, rounds int) error {
	server, err := asyncio.StartServer(ctx, func(ctx context.Context, r *asyncio.StreamReader, w *asyncio.StreamWriter) error {
		for line, err := range r.Lines(ctx) {
			if err != nil {
				return err
			}
			if _, err := w.Write(line); err != nil {
				return err
			}
		}
		return nil
	}, "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer server.Close()
	var lock asyncio.Lock
	places := asyncio.NewSemaphore(2)
	queue := asyncio.NewQueue[int](3)
	for i := range rounds {
		if i%10 == 0 {
			queue.SetName(fmt.Sprint("queue ", i))
			lock.SetName(fmt.Sprint("lock ", i))
		}
		err := asyncio.WithTaskGroup(ctx, func(ctx context.Context, group *asyncio.TaskGroup) error {
			for i := range 8 {
				group.Go(func(ctx context.Context) error {
					asyncio.CurrentTask(ctx).SetName(fmt.Sprint("puts ", i))
					return lock.With(ctx, func(ctx context.Context) error { return queue.Put(ctx, i) })
				})
				group.Go(func(ctx context.Context) error {
					return places.With(ctx, func(ctx context.Context) error {
						_, err := queue.Get(ctx)
						return err
					})
				})
			}
			group.Go(func(ctx context.Context) error { return converse(ctx, server.Addr().String()) })
			group.Go(func(ctx context.Context) error {
				_, err := asyncio.ToThread(ctx, func(context.Context) (int, error) { return i, nil })
				return err
			})
			group.Go(func(ctx context.Context) error {
				asyncio.NewPriorityQueue[int](0).SetName("dropped")
				_, err := asyncio.Gather(ctx, asyncio.Do(nap), asyncio.Do(nap)).Await(ctx)
				return err
			})
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func nap(ctx context.Context) error { return asyncio.Sleep(ctx, 100*time.Microsecond) }

// converse sends some lines over a connection, and reads the answers.
func converse(ctx context.Context, address string) error {
	r, w, err := asyncio.OpenConnection(ctx, address)
	if err != nil {
		return err
	}
	defer w.Close()
	for range 5 {
		if _, err := w.WriteString("hello\n"); err != nil {
			return err
		}
		if _, err := r.ReadLine(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Clients on other goroutines look at all that there is, as often as they can. The race detector watches.
// The loop goes on meanwhile, in debug mode and without, watched and not.
func TestALoopUnderLoadIsInspectedManyTimesASecondWithoutARace(t *testing.T) {
	before := slog.Default()
	slog.SetDefault(slog.New(slog.DiscardHandler)) // many steps are slow
	defer slog.SetDefault(before)
	_, err := asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
		loop := asyncio.RunningLoop(ctx)
		over := make(chan struct{})
		var clients sync.WaitGroup
		snapshots := 0
		client := func(look func()) {
			clients.Go(func() {
				for !isOver(over) {
					look()
				}
			})
		}
		client(func() {
			assert.NoError(t, inspect.Dump(loop, io.Discard))
			snapshots++
		})
		client(func() { assert.NoError(t, inspect.PSTree(loop, io.Discard)) })
		client(func() { // a handler takes a snapshot a second, so each has to be new
			h := inspect.Handler(loop)
			getJSON[answer](t, h, "tasks?order=awaited&rows=tcp")
			get(t, h, "stack?task=2")
		})
		client(func() {
			for _, s := range loop.SlowSteps() {
				assert.NotEmpty(t, s.Name)
			}
			time.Sleep(time.Millisecond)
		})
		err := traffic(ctx, 60)
		if err == nil {
			loop.SetDebug(true)
			loop.SetSlowCallbackDuration(time.Millisecond)
			err = traffic(ctx, 20)
			loop.SetDebug(false)
		}
		close(over)
		_, waitErr := asyncio.ToThread(ctx, func(context.Context) (int, error) { clients.Wait(); return 0, nil })
		require.NoError(t, waitErr)
		assert.Greater(t, snapshots, 5)
		return err
	}), asyncio.WithInspection(), asyncio.WithSlowCallbackDuration(2*time.Millisecond))
	require.NoError(t, err)
}

func isOver(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
