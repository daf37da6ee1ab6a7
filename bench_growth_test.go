package asyncio_test

import (
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/go-asyncio/asyncio"
)

// What one operation costs when there is ten and a hundred times as much of everything. The
// name is that of the workload and of its size.
func BenchmarkGrowth(b *testing.B) {
	for _, g := range []struct {
		name  string
		sizes [3]int
		bench func(b *testing.B, n int)
	}{
		{"Switch", [3]int{16, 160, 1600}, growSwitch},
		{"Gather", [3]int{1000, 10_000, 100_000}, growGather},
		{"LockContended", [3]int{16, 160, 1600}, growLock},
		{"EventBroadcast", [3]int{1000, 10_000, 100_000}, growEvent},
		{"Queue", [3]int{2, 20, 200}, growQueue},
		{"Sleepers", [3]int{1000, 10_000, 100_000}, growSleepers},
		{"CallLaterCancel", [3]int{1000, 10_000, 100_000}, growTimers},
		{"WaitFor", [3]int{1000, 10_000, 100_000}, growWaitFor},
		{"CallSoon", [3]int{1000, 10_000, 100_000}, growCallSoon},
		{"CancelWaiter", [3]int{1000, 10_000, 100_000}, growCancel},
		{"AllTasks", [3]int{1000, 10_000, 100_000}, growAllTasks},
	} {
		b.Run(g.name, func(b *testing.B) {
			for _, n := range g.sizes {
				b.Run(strconv.Itoa(n), func(b *testing.B) { g.bench(b, n) })
			}
		})
	}
}

// One of n tasks gives way.
func growSwitch(b *testing.B, n int) { benchGiveWay(b, n) }

// A task of a gather of n is made, runs and is gathered.
func growGather(b *testing.B, n int) {
	benchRun(b, func(ctx context.Context) error {
		coros := make([]asyncio.Coro[int], n)
		for i := range coros {
			coros[i] = benchAnswer
		}
		return benchEach(b, n, func() error {
			_, err := asyncio.Gather(ctx, coros...).Await(ctx)
			return err
		})
	})
}

// One of n tasks that all want it has the lock for a turn.
func growLock(b *testing.B, n int) {
	var lock asyncio.Lock
	benchTasks(b, n, func(ctx context.Context, n int) error {
		for range n {
			if err := lock.With(ctx, func(ctx context.Context) error { return asyncio.Sleep(ctx, 0) }); err != nil {
				return err
			}
		}
		return nil
	})
}

// One of n tasks that wait for an event is woken, and waits again.
func growEvent(b *testing.B, n int) {
	var event asyncio.Event
	growWaiting(b, n, event.Wait, func(ctx context.Context) error {
		return benchEach(b, n, func() error {
			event.Set()
			event.Clear()
			return asyncio.Sleep(ctx, 0)
		})
	})
}

// growWaiting runs body while n tasks wait, again and again.
func growWaiting(b *testing.B, n int, wait, body func(ctx context.Context) error) {
	benchRun(b, func(ctx context.Context) error {
		for range n {
			asyncio.CreateTask(ctx, asyncio.Do(func(ctx context.Context) error {
				for {
					if err := wait(ctx); err != nil {
						return err
					}
				}
			}))
		}
		if err := asyncio.Sleep(ctx, 0); err != nil {
			return err
		}
		return body(ctx)
	})
}

// A value goes through a queue that n tasks share: half of them put, half of them get.
func growQueue(b *testing.B, n int) {
	q := asyncio.NewQueue[int](1)
	started := 0
	benchTasks(b, n, func(ctx context.Context, _ int) error {
		me := started
		started++
		for range benchShare(b.N, n/2, me/2) {
			if me%2 == 0 {
				if err := q.Put(ctx, 1); err != nil {
					return err
				}
			} else if _, err := q.Get(ctx); err != nil {
				return err
			}
		}
		return nil
	})
}

// One of n tasks sleeps and wakes, each at an instant of its own, in virtual time.
func growSleepers(b *testing.B, n int) {
	b.ReportAllocs()
	_, err := asyncio.Run(b.Context(), asyncio.Do(func(ctx context.Context) error {
		return benchEach(b, n, func() error {
			return asyncio.WithTaskGroup(ctx, func(_ context.Context, tg *asyncio.TaskGroup) error {
				for i := range n {
					after := time.Duration(i*7919%n+1) * time.Microsecond
					tg.Go(func(ctx context.Context) error { return asyncio.Sleep(ctx, after) })
				}
				return nil
			})
		})
	}), asyncio.WithVirtualTime())
	if err != nil {
		b.Fatal(err)
	}
}

// A timer is set and cancelled while n others are set, half of them due before it.
func growTimers(b *testing.B, n int) {
	benchRun(b, func(ctx context.Context) error {
		loop := asyncio.RunningLoop(ctx)
		fn := func() { b.Error("a timer fired") }
		for i := range n {
			loop.CallLater(time.Hour+time.Duration(i)*time.Second, fn)
		}
		middle := time.Hour + time.Duration(n/2)*time.Second
		for b.Loop() {
			loop.CallLater(middle, fn).Cancel()
		}
		return nil
	})
}

// A task is waited for with a timeout that does not fire, while n others wait with one.
func growWaitFor(b *testing.B, n int) {
	var never asyncio.Event
	wait := func(ctx context.Context) error {
		_, err := asyncio.WaitFor(ctx, asyncio.Do(never.Wait), time.Hour)
		return err
	}
	growWaiting(b, n, wait, func(ctx context.Context) error {
		for b.Loop() {
			if _, err := asyncio.WaitFor(ctx, asyncio.CreateTask(ctx, benchAnswer), time.Hour); err != nil {
				return err
			}
		}
		return nil
	})
}

// One of n callbacks is scheduled and runs, all in one turn.
func growCallSoon(b *testing.B, n int) {
	benchRun(b, func(ctx context.Context) error {
		loop := asyncio.RunningLoop(ctx)
		fn := func() {}
		return benchEach(b, n, func() error {
			for range n {
				loop.CallSoon(fn)
			}
			return asyncio.Sleep(ctx, 0)
		})
	})
}

// One of n tasks that wait for a lock, in the middle, is cancelled, leaves the queue and
// ends, and another one comes to wait.
func growCancel(b *testing.B, n int) {
	benchRun(b, func(ctx context.Context) error {
		var lock asyncio.Lock
		if err := lock.Acquire(ctx); err != nil {
			return err
		}
		wait := func() *asyncio.Task[asyncio.None] { return asyncio.CreateTask(ctx, asyncio.Do(lock.Acquire)) }
		tasks := make([]*asyncio.Task[asyncio.None], n)
		for i := range tasks {
			tasks[i] = wait()
		}
		if err := asyncio.Sleep(ctx, 0); err != nil {
			return err
		}
		for i := n / 2; b.Loop(); i = (i + 1) % n {
			tasks[i].Cancel()
			fresh := wait()
			if _, err := tasks[i].Await(ctx); err == nil {
				b.Fatal("a task that was cancelled has the lock")
			}
			tasks[i] = fresh
		}
		return nil
	})
}

// AllTasks lists one of n tasks.
func growAllTasks(b *testing.B, n int) {
	var never asyncio.Event
	growWaiting(b, n-1, never.Wait, func(ctx context.Context) error {
		loop := asyncio.RunningLoop(ctx)
		return benchEach(b, n, func() error {
			benchExpect(b, "tasks", len(loop.AllTasks()), n)
			return nil
		})
	})
}

// benchEach times at least b.N operations, of which do does n at once, when all has grown to
// the size that it takes.
func benchEach(b *testing.B, n int, do func() error) error {
	if err := do(); err != nil {
		return err
	}
	b.ResetTimer()
	done := 0
	for ; done < b.N; done += n {
		if err := do(); err != nil {
			return err
		}
	}
	b.StopTimer()
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(done), "ns/op")
	return nil
}
