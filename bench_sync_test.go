package asyncio_test

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sync/semaphore"

	"github.com/go-asyncio/asyncio"
)

// One operation: acquire and release a lock that is free.
func BenchmarkLock(b *testing.B) {
	b.Run("asyncio", func(b *testing.B) {
		benchRun(b, func(ctx context.Context) error {
			var lock asyncio.Lock
			held := 0
			for b.Loop() {
				if err := lock.Acquire(ctx); err != nil {
					return err
				}
				held++
				lock.Release()
			}
			benchExpect(b, "times held", held, b.N)
			return nil
		})
	})
	b.Run("sync.Mutex", func(b *testing.B) {
		b.ReportAllocs()
		var mu sync.Mutex
		held := 0
		for b.Loop() {
			mu.Lock()
			held++
			mu.Unlock()
		}
		benchExpect(b, "times held", held, b.N)
	})
	b.Run("channel", func(b *testing.B) {
		b.ReportAllocs()
		c := make(chan struct{}, 1)
		held := 0
		for b.Loop() {
			c <- struct{}{}
			held++
			<-c
		}
		benchExpect(b, "times held", held, b.N)
	})
}

// One operation: one of 16 workers acquires the lock, yields once while it holds it, and releases
// it. Every asyncio acquire finds the lock held and waits its turn, first come, first served. A
// sync.Mutex is often taken back by the goroutine that just released it, so it changes hands less
// often.
func BenchmarkLockContended16(b *testing.B) {
	b.Run("asyncio", func(b *testing.B) {
		var lock asyncio.Lock
		held, waits := 0, 0
		benchTasks(b, 16, func(ctx context.Context, n int) error {
			for range n {
				before := held
				if err := lock.Acquire(ctx); err != nil {
					return err
				}
				if held != before { // another task acquired it first
					waits++
				}
				held++
				if err := asyncio.Sleep(ctx, 0); err != nil {
					return err
				}
				lock.Release()
			}
			return nil
		})
		benchExpect(b, "times held", held, b.N)
		b.ReportMetric(float64(waits)/float64(b.N), "waits/op")
	})
	b.Run("sync.Mutex", func(b *testing.B) { benchMutexContended(b, 16) })
	b.Run("channel", func(b *testing.B) {
		c := make(chan struct{}, 1)
		held := 0
		benchGoroutines(b, 16, func(n int) {
			for range n {
				c <- struct{}{}
				held++
				runtime.Gosched()
				<-c
			}
		})
		benchExpect(b, "times held", held, b.N)
	})
}

// benchMutexContended times a mutex for which k goroutines contend.
func benchMutexContended(b *testing.B, k int) {
	var mu sync.Mutex
	held := 0
	benchGoroutines(b, k, func(n int) {
		for range n {
			mu.Lock()
			held++
			runtime.Gosched()
			mu.Unlock()
		}
	})
	benchExpect(b, "times held", held, b.N)
}

// One operation: acquire and release one of four places that are free.
func BenchmarkSemaphore(b *testing.B) {
	b.Run("asyncio", func(b *testing.B) {
		benchRun(b, func(ctx context.Context) error {
			sem := asyncio.NewSemaphore(4)
			taken := 0
			for b.Loop() {
				if err := sem.Acquire(ctx); err != nil {
					return err
				}
				taken++
				sem.Release()
			}
			benchExpect(b, "places taken", taken, b.N)
			return nil
		})
	})
	b.Run("x.sync.semaphore", func(b *testing.B) {
		b.ReportAllocs()
		ctx := b.Context()
		sem := semaphore.NewWeighted(4)
		taken := 0
		for b.Loop() {
			if err := sem.Acquire(ctx, 1); err != nil {
				b.Fatal(err)
			}
			taken++
			sem.Release(1)
		}
		benchExpect(b, "places taken", taken, b.N)
	})
	b.Run("channel", func(b *testing.B) {
		b.ReportAllocs()
		c := make(chan struct{}, 4)
		taken := 0
		for b.Loop() {
			c <- struct{}{}
			taken++
			<-c
		}
		benchExpect(b, "places taken", taken, b.N)
	})
}

// One operation: one of 16 workers acquires one of four places, yields once while it holds it, and
// releases it.
func BenchmarkSemaphoreContended16(b *testing.B) {
	b.Run("asyncio", func(b *testing.B) {
		sem := asyncio.NewSemaphore(4)
		held, waits := 0, 0
		benchTasks(b, 16, func(ctx context.Context, n int) error {
			for range n {
				before := held
				if err := sem.Acquire(ctx); err != nil {
					return err
				}
				if held != before { // another task acquired it first
					waits++
				}
				held++
				if err := asyncio.Sleep(ctx, 0); err != nil {
					return err
				}
				sem.Release()
			}
			return nil
		})
		b.ReportMetric(float64(waits)/float64(b.N), "waits/op")
	})
	b.Run("x.sync.semaphore", func(b *testing.B) {
		ctx := b.Context()
		sem := semaphore.NewWeighted(4)
		benchGoroutines(b, 16, func(n int) {
			for range n {
				if err := sem.Acquire(ctx, 1); err != nil {
					b.Error(err)
				}
				runtime.Gosched()
				sem.Release(1)
			}
		})
	})
	b.Run("channel", func(b *testing.B) {
		c := make(chan struct{}, 4)
		benchGoroutines(b, 16, func(n int) {
			for range n {
				c <- struct{}{}
				runtime.Gosched()
				<-c
			}
		})
	})
}

// One operation: there and back. One worker sets an event and waits for another event, which a
// second worker sets when it has seen the first.
func BenchmarkEvent(b *testing.B) {
	b.Run("asyncio", func(b *testing.B) {
		var ping, pong asyncio.Event
		benchRun(b, func(ctx context.Context) error {
			answers := 0
			echo := asyncio.CreateTask(ctx, asyncio.Do(func(ctx context.Context) error {
				for {
					if err := ping.Wait(ctx); err != nil {
						return err
					}
					answers++
					ping.Clear()
					pong.Set()
				}
			}))
			for b.Loop() {
				ping.Set()
				if err := pong.Wait(ctx); err != nil {
					return err
				}
				pong.Clear()
			}
			benchExpect(b, "answers", answers, b.N)
			echo.Cancel()
			return nil
		})
	})
	b.Run("channel", func(b *testing.B) {
		b.ReportAllocs()
		ping, pong := make(chan struct{}), make(chan struct{})
		answers := 0
		go func() {
			for range ping {
				answers++
				pong <- struct{}{}
			}
		}()
		for b.Loop() {
			ping <- struct{}{}
			<-pong
		}
		benchExpect(b, "answers", answers, b.N)
		close(ping)
	})
}

// One operation: wake all of the 1,000 workers that wait for one event, until each has run and
// waits again.
func BenchmarkEventBroadcast1000(b *testing.B) {
	const n = 1000
	b.Run("asyncio", func(b *testing.B) {
		benchRun(b, func(ctx context.Context) error {
			var ev asyncio.Event
			woken := 0
			tasks := make([]*asyncio.Task[asyncio.None], n)
			for i := range tasks {
				tasks[i] = asyncio.CreateTask(ctx, asyncio.Do(func(ctx context.Context) error {
					for {
						if err := ev.Wait(ctx); err != nil {
							return err
						}
						woken++
					}
				}))
			}
			if err := asyncio.Sleep(ctx, 0); err != nil { // lets all tasks reach ev.Wait
				return err
			}
			for b.Loop() {
				ev.Set()
				ev.Clear()
				if err := asyncio.Sleep(ctx, 0); err != nil { // resumes after the last of them
					return err
				}
			}
			benchExpect(b, "wake-ups", woken, n*b.N)
			benchReportEach(b, n, "waiter")
			for _, t := range tasks {
				t.Cancel()
			}
			return nil
		})
	})
	b.Run("close.channel", func(b *testing.B) {
		b.ReportAllocs()
		w := newBenchWaiters(n)
		for b.Loop() {
			w.wake()
		}
		benchExpect(b, "wake-ups", int(w.woken.Load()), n*b.N)
		benchReportEach(b, n, "waiter")
		w.end()
	})
	b.Run("sync.Cond", func(b *testing.B) {
		b.ReportAllocs()
		var mu sync.Mutex
		wake, allWait := sync.NewCond(&mu), sync.NewCond(&mu)
		round, waiting, woken := 0, 0, 0
		var ended sync.WaitGroup
		for range n {
			ended.Go(func() {
				mu.Lock()
				defer mu.Unlock()
				for seen := 0; ; woken++ {
					if waiting++; waiting == n {
						allWait.Signal()
					}
					for round == seen {
						wake.Wait()
					}
					if round < 0 {
						return
					}
					seen = round
				}
			})
		}
		mu.Lock()
		for waiting < n {
			allWait.Wait()
		}
		for b.Loop() {
			round++
			waiting = 0
			wake.Broadcast()
			for waiting < n {
				allWait.Wait()
			}
		}
		benchExpect(b, "wake-ups", woken, n*b.N)
		benchReportEach(b, n, "waiter")
		round = -1
		wake.Broadcast()
		mu.Unlock()
		ended.Wait()
	})
}

// benchWaiters holds goroutines that wait for an event. Closing a channel sets the event.
type benchWaiters struct {
	n              int
	event          atomic.Pointer[chan struct{}]
	woken          atomic.Int64
	waiting, ended sync.WaitGroup
	stop           bool
}

// newBenchWaiters starts n goroutines and returns when all of them wait.
func newBenchWaiters(n int) *benchWaiters {
	w := &benchWaiters{n: n}
	w.renew()
	w.waiting.Add(n)
	for range n {
		w.ended.Go(func() {
			for {
				c := w.event.Load()
				w.waiting.Done()
				<-*c
				if w.stop {
					return
				}
				w.woken.Add(1)
			}
		})
	}
	w.waiting.Wait()
	return w
}

func (w *benchWaiters) renew() {
	c := make(chan struct{})
	w.event.Store(&c)
}

// wake wakes all goroutines and returns when each has run and waits again.
func (w *benchWaiters) wake() {
	old := w.event.Load()
	w.renew()
	w.waiting.Add(w.n)
	close(*old)
	w.waiting.Wait()
}

func (w *benchWaiters) end() {
	w.stop = true
	close(*w.event.Load())
	w.ended.Wait()
}

// One operation: there and back. Two workers share a condition and a variable that holds whose turn
// it is. Each waits for its own turn and then gives the other its turn.
func BenchmarkCondition(b *testing.B) {
	b.Run("asyncio", func(b *testing.B) {
		benchRun(b, func(ctx context.Context) error {
			cond := asyncio.NewCondition(&asyncio.Lock{})
			turn, turns := 0, 0
			take := func(ctx context.Context, me int) error {
				if err := cond.Acquire(ctx); err != nil {
					return err
				}
				defer cond.Release()
				for turn != me {
					if err := cond.Wait(ctx); err != nil {
						return err
					}
				}
				turns++
				turn = 1 - me
				cond.Notify(1)
				return nil
			}
			other := asyncio.CreateTask(ctx, asyncio.Do(func(ctx context.Context) error {
				for {
					if err := take(ctx, 1); err != nil {
						return err
					}
				}
			}))
			for b.Loop() {
				if err := take(ctx, 0); err != nil {
					return err
				}
			}
			benchExpect(b, "turns of each", (turns+1)/2, b.N) // the other's last turn may still be outstanding
			other.Cancel()
			return nil
		})
	})
	b.Run("sync.Cond", func(b *testing.B) {
		b.ReportAllocs()
		var mu sync.Mutex
		cond := sync.NewCond(&mu)
		turn, turns := 0, 0
		take := func(me int) bool {
			mu.Lock()
			defer mu.Unlock()
			for turn == 1-me {
				cond.Wait()
			}
			if turn < 0 {
				return false
			}
			turns++
			turn = 1 - me
			cond.Signal()
			return true
		}
		var ended sync.WaitGroup
		ended.Go(func() {
			for take(1) {
			}
		})
		for b.Loop() {
			take(0)
		}
		mu.Lock()
		benchExpect(b, "turns of each", (turns+1)/2, b.N)
		turn = -1
		cond.Signal()
		mu.Unlock()
		ended.Wait()
	})
}
