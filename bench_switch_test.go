package asyncio_test

import (
	"context"
	"iter"
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/go-asyncio/asyncio"
)

// One operation: the only task yields to the loop, which resumes it.
//
// iter.Pull is the limit: control goes into a coroutine and comes back out, with no loop around it.
// The channel way is a goroutine that receives requests from one channel and answers through
// another.
func BenchmarkSwitch1(b *testing.B) {
	b.Run("asyncio", func(b *testing.B) { benchGiveWay(b, 1) })
	b.Run("iter.Pull", func(b *testing.B) { benchPull(b, 1) })
	b.Run("runtime.Gosched", func(b *testing.B) { benchGosched(b, 1) })
	b.Run("channel", func(b *testing.B) { benchRing(b, 2, 2*b.N) })
}

// One operation: one of 16 tasks yields, and the next one goes on.
//
// The channel way is a ring of 16 goroutines that pass a token on. They run one at a time and in
// order, as tasks do. The goroutines that call runtime.Gosched do neither: they run on all
// processors at once.
func BenchmarkSwitch16(b *testing.B) {
	b.Run("asyncio", func(b *testing.B) { benchGiveWay(b, 16) })
	b.Run("iter.Pull", func(b *testing.B) { benchPull(b, 16) })
	b.Run("runtime.Gosched", func(b *testing.B) { benchGosched(b, 16) })
	b.Run("channel", func(b *testing.B) { benchRing(b, 16, b.N) })
}

// benchGiveWay times k tasks that yield in turn.
func benchGiveWay(b *testing.B, k int) {
	switches := 0
	benchTasks(b, k, func(ctx context.Context, n int) error {
		for range n {
			if err := asyncio.Sleep(ctx, 0); err != nil {
				return err
			}
			switches++
		}
		return nil
	})
	benchExpect(b, "switches", switches, b.N)
}

func benchGosched(b *testing.B, k int) {
	var switches atomic.Int64
	benchGoroutines(b, k, func(n int) {
		mine := 0
		for range n {
			runtime.Gosched()
			mine++
		}
		switches.Add(int64(mine))
	})
	benchExpect(b, "switches", int(switches.Load()), b.N)
}

// benchPull times going into each of k coroutines in turn and out again.
func benchPull(b *testing.B, k int) {
	b.ReportAllocs()
	nexts := make([]func() (struct{}, bool), k)
	switches := 0
	for i := range nexts {
		next, stop := iter.Pull(func(yield func(struct{}) bool) {
			for yield(struct{}{}) {
				switches++
			}
		})
		defer stop()
		next()
		nexts[i] = next
	}
	i := 0
	for b.Loop() {
		nexts[i]()
		if i++; i == k {
			i = 0
		}
	}
	benchExpect(b, "switches", switches, b.N)
}

// benchRing times the given number of hand-overs in a ring of k goroutines.
func benchRing(b *testing.B, k, handovers int) {
	b.ReportAllocs()
	ring := make([]chan int, k)
	for i := range ring {
		ring[i] = make(chan int)
	}
	done := make(chan struct{})
	handed := 0 // guarded by the token
	for i := range k {
		go func() {
			for left := range ring[i] {
				if left == 0 {
					close(done)
					return
				}
				handed++
				ring[(i+1)%k] <- left - 1
			}
		}()
	}
	b.ResetTimer()
	ring[0] <- handovers
	<-done
	b.StopTimer()
	benchExpect(b, "hand-overs", handed, handovers)
	for _, c := range ring {
		close(c)
	}
}
