package asyncio_test

import (
	"context"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-asyncio/asyncio"
)

// BenchmarkGrowth measures what one operation costs with 10 and with 100 times as many tasks,
// timers or callbacks. A sub-benchmark is named for the workload, the way of doing it, and the
// size. Where plain Go does nearly the same work, it is measured too: a cost that grows because of
// the caches grows in both.
func BenchmarkGrowth(b *testing.B) {
	type way func(b *testing.B, n int)
	small, large := [3]int{16, 160, 1600}, [3]int{1000, 10_000, 100_000}
	for _, g := range []struct {
		name    string
		sizes   [3]int
		asyncio way
		rival   string
		plain   way
	}{
		{"Switch", small, benchGiveWay, "channel", growRing},
		{"Gather", large, growGather, "errgroup", growErrgroup},
		{"LockContended", small, growLock, "sync.Mutex", benchMutexContended},
		{"EventBroadcast", large, growEvent, "close.channel", growCloseChannel},
		{"Queue", [3]int{2, 20, 200}, growQueue, "channel", growChannel},
		{"Sleepers", large, growSleepers, "goroutine+time.Sleep", growTimeSleep},
		{"CallLaterCancel", large, growTimers, "time.AfterFunc", growAfterFunc},
		{"WaitFor", large, growWaitFor, "", nil},
		{"CallSoon", large, growCallSoon, "", nil},
		{"CancelWaiter", large, growCancel, "", nil},
		{"AllTasks", large, growAllTasks, "", nil},
	} {
		run := func(b *testing.B, name string, do way) {
			b.Run(name, func(b *testing.B) {
				for _, n := range g.sizes {
					b.Run(strconv.Itoa(n), func(b *testing.B) { do(b, n) })
				}
			})
		}
		b.Run(g.name, func(b *testing.B) {
			run(b, "asyncio", g.asyncio)
			if g.plain != nil {
				run(b, g.rival, g.plain)
			}
		})
	}
}

// One operation: one of n goroutines passes a token on.
func growRing(b *testing.B, n int) { benchRing(b, n, b.N) }

// One operation: one task of a gather of n is created, runs and is gathered.
func growGather(b *testing.B, n int) {
	benchRun(b, func(ctx context.Context) error {
		coros := make([]asyncio.Coro[int], n)
		for i := range coros {
			coros[i] = benchAnswer
		}
		return benchEach(b, n, func() (int, error) {
			results, err := asyncio.Gather(ctx, coros...).Await(ctx)
			return growAnswers(results), err
		})
	})
}

func growErrgroup(b *testing.B, n int) {
	growPlain(b, n, func() (int, error) {
		results, err := benchErrgroup(b.Context(), n)
		return growAnswers(results), err
	})
}

// growAnswers returns how many of the results are benchAnswer's.
func growAnswers(results []int) (answers int) {
	for _, v := range results {
		answers += v / 42
	}
	return answers
}

// One operation: one of n tasks that contend for a lock holds it for a turn.
func growLock(b *testing.B, n int) {
	var lock asyncio.Lock
	held := 0
	hold := func(ctx context.Context) error {
		held++
		return asyncio.Sleep(ctx, 0)
	}
	benchTasks(b, n, func(ctx context.Context, n int) error {
		for range n {
			if err := lock.With(ctx, hold); err != nil {
				return err
			}
		}
		return nil
	})
	benchExpect(b, "times held", held, b.N)
}

// One operation: one of n tasks that wait for an event is woken and waits again.
func growEvent(b *testing.B, n int) {
	var event asyncio.Event
	woken := 0
	wait := func(ctx context.Context) error {
		err := event.Wait(ctx)
		woken++
		return err
	}
	growWaiting(b, n, wait, func(ctx context.Context) error {
		return benchEach(b, n, func() (int, error) {
			woken = 0
			event.Set()
			event.Clear()
			err := asyncio.Sleep(ctx, 0)
			return woken, err
		})
	})
}

func growCloseChannel(b *testing.B, n int) {
	w := newBenchWaiters(n)
	defer w.end()
	growPlain(b, n, func() (int, error) {
		w.woken.Store(0)
		w.wake()
		return int(w.woken.Load()), nil
	})
}

// growWaiting runs body while n tasks call wait repeatedly.
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

// One operation: a value goes through a queue that n tasks share. Half of them put, half of them
// get.
func growQueue(b *testing.B, n int) {
	q := asyncio.NewQueue[int](1)
	started, got := 0, 0
	benchTasks(b, n, func(ctx context.Context, _ int) error {
		me := started
		started++
		for range benchShare(b.N, n/2, me/2) {
			if me%2 == 0 {
				if err := q.Put(ctx, 1); err != nil {
					return err
				}
			} else {
				v, err := q.Get(ctx)
				if err != nil {
					return err
				}
				got += v
			}
		}
		return nil
	})
	benchExpect(b, "values got", got, b.N)
}

func growChannel(b *testing.B, n int) {
	c := make(chan int, 1)
	var started, got atomic.Int64
	benchGoroutines(b, n, func(int) {
		me, mine := int(started.Add(1))-1, 0
		for range benchShare(b.N, n/2, me/2) {
			if me%2 == 0 {
				c <- 1
			} else {
				mine += <-c
			}
		}
		got.Add(int64(mine))
	})
	benchExpect(b, "values got", int(got.Load()), b.N)
}

// One operation: one of n tasks sleeps and wakes, each at a different instant, in virtual time.
func growSleepers(b *testing.B, n int) {
	b.ReportAllocs()
	_, err := asyncio.Run(b.Context(), asyncio.Do(func(ctx context.Context) error {
		return benchEach(b, n, func() (int, error) {
			woken := 0
			err := asyncio.WithTaskGroup(ctx, func(_ context.Context, tg *asyncio.TaskGroup) error {
				for i := range n {
					after := time.Duration(i*7919%n+1) * time.Microsecond
					tg.Go(func(ctx context.Context) error {
						err := asyncio.Sleep(ctx, after)
						woken++
						return err
					})
				}
				return nil
			})
			return woken, err
		})
	}), asyncio.WithVirtualTime())
	if err != nil {
		b.Fatal(err)
	}
}

// Goroutines have no virtual time here. They all sleep until after the last has gone to sleep, and
// the time until then is not counted.
func growTimeSleep(b *testing.B, n int) {
	b.ReportAllocs()
	sleep := func() (busy time.Duration) {
		var woken atomic.Int64
		var ready, ended sync.WaitGroup
		ready.Add(n)
		begin := time.Now()
		due := begin.Add(time.Duration(n) * 3 * time.Microsecond)
		for i := range n {
			ended.Go(func() {
				ready.Done()
				time.Sleep(time.Until(due) + time.Duration(i*7919%n))
				woken.Add(1)
			})
		}
		ready.Wait()
		idle := max(0, time.Until(due))
		ended.Wait()
		benchExpect(b, "sleepers woken", int(woken.Load()), n)
		return time.Since(begin) - idle
	}
	sleep()
	var busy time.Duration
	done := 0
	for ; done < b.N; done += n {
		busy += sleep()
	}
	b.ReportMetric(float64(busy.Nanoseconds())/float64(done), "ns/op")
}

// One operation: a timer is set and cancelled while n others are set, half of them due before it.
func growTimers(b *testing.B, n int) {
	benchRun(b, func(ctx context.Context) error {
		loop := asyncio.RunningLoop(ctx)
		fn := func() { b.Error("a timer fired") }
		for i := range n {
			loop.CallLater(time.Hour+time.Duration(i)*time.Second, fn)
		}
		middle := time.Hour + time.Duration(n/2)*time.Second
		cancelled := 0
		for b.Loop() {
			loop.CallLater(middle, fn).Cancel()
			cancelled++
		}
		benchExpect(b, "timers cancelled", cancelled, b.N)
		return nil
	})
}

func growAfterFunc(b *testing.B, n int) {
	b.ReportAllocs()
	fn := func() { b.Error("a timer fired") }
	for i := range n {
		defer time.AfterFunc(time.Hour+time.Duration(i)*time.Second, fn).Stop()
	}
	middle := time.Hour + time.Duration(n/2)*time.Second
	stopped := 0
	for b.Loop() {
		if time.AfterFunc(middle, fn).Stop() {
			stopped++
		}
	}
	benchExpect(b, "timers stopped", stopped, b.N)
}

// One operation: a task is awaited with a timeout that does not fire, while n others wait with a
// timeout.
func growWaitFor(b *testing.B, n int) {
	var never asyncio.Event
	wait := func(ctx context.Context) error {
		_, err := asyncio.WaitFor(ctx, asyncio.Do(never.Wait), time.Hour)
		return err
	}
	growWaiting(b, n, wait, func(ctx context.Context) error {
		sum := 0
		for b.Loop() {
			v, err := asyncio.WaitFor(ctx, asyncio.CreateTask(ctx, benchAnswer), time.Hour)
			if err != nil {
				return err
			}
			sum += v
		}
		benchExpect(b, "sum of the results", sum, 42*b.N)
		return nil
	})
}

// One operation: one of n callbacks is scheduled and runs, all in one turn.
func growCallSoon(b *testing.B, n int) {
	benchRun(b, func(ctx context.Context) error {
		loop := asyncio.RunningLoop(ctx)
		ran := 0
		fn := func() { ran++ }
		return benchEach(b, n, func() (int, error) {
			ran = 0
			for range n {
				loop.CallSoon(fn)
			}
			err := asyncio.Sleep(ctx, 0)
			return ran, err
		})
	})
}

// One operation: a task in the middle of n tasks that wait for a lock is cancelled, leaves the
// queue and ends, and another one begins to wait.
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
		cancelled := 0
		for i := n / 2; b.Loop(); i = (i + 1) % n {
			tasks[i].Cancel()
			fresh := wait()
			if _, err := tasks[i].Await(ctx); err != nil {
				cancelled++
			}
			tasks[i] = fresh
		}
		benchExpect(b, "tasks cancelled", cancelled, b.N)
		return nil
	})
}

// One operation: AllTasks lists one of n tasks.
func growAllTasks(b *testing.B, n int) {
	var never asyncio.Event
	growWaiting(b, n-1, never.Wait, func(ctx context.Context) error {
		loop := asyncio.RunningLoop(ctx)
		return benchEach(b, n, func() (int, error) { return len(loop.AllTasks()), nil })
	})
}

// growPlain is benchEach without a loop.
func growPlain(b *testing.B, n int, do func() (int, error)) {
	b.ReportAllocs()
	if err := benchEach(b, n, do); err != nil {
		b.Fatal(err)
	}
}

// benchEach times at least b.N operations. A call of do performs n operations and returns how many
// it performed. The first n are not timed: they let everything grow to its full size.
func benchEach(b *testing.B, n int, do func() (int, error)) error {
	if _, err := do(); err != nil {
		return err
	}
	b.ResetTimer()
	done := 0
	for ; done < b.N; done += n {
		got, err := do()
		if err != nil {
			return err
		}
		benchExpect(b, "done at once", got, n)
	}
	b.StopTimer()
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(done), "ns/op")
	return nil
}
