package asyncio_test

import (
	"context"
	"testing"

	"github.com/go-asyncio/asyncio"
)

// One operation: an item goes from a producer to a consumer through a queue that holds one. The
// tasks wait for each other at every item, as goroutines do at an unbuffered channel. At a channel
// that holds one, goroutines need not wait, since each has a processor of its own.
func BenchmarkQueue(b *testing.B) {
	b.Run("asyncio", func(b *testing.B) { benchQueue(b, 1) })
	b.Run("channel", func(b *testing.B) { benchChannel(b, 1) })
	b.Run("channel.unbuffered", func(b *testing.B) { benchChannel(b, 0) })
}

// One operation: an item goes through a queue that holds 128.
func BenchmarkQueueBuffered128(b *testing.B) {
	b.Run("asyncio", func(b *testing.B) { benchQueue(b, 128) })
	b.Run("channel", func(b *testing.B) { benchChannel(b, 128) })
}

func benchQueue(b *testing.B, size int) {
	benchRun(b, func(ctx context.Context) error {
		q := asyncio.NewQueue[int](size)
		producer := asyncio.CreateTask(ctx, asyncio.Do(func(ctx context.Context) error {
			for i := range b.N {
				if err := q.Put(ctx, i); err != nil {
					return err
				}
			}
			return nil
		}))
		b.ResetTimer()
		inOrder := 0
		for i := range b.N {
			v, err := q.Get(ctx)
			if err != nil {
				return err
			}
			if v == i {
				inOrder++
			}
		}
		b.StopTimer()
		benchExpect(b, "items in order", inOrder, b.N)
		_, err := producer.Await(ctx)
		return err
	})
}

func benchChannel(b *testing.B, size int) {
	b.ReportAllocs()
	c, start := make(chan int, size), make(chan struct{})
	go func() {
		<-start
		for i := range b.N {
			c <- i
		}
	}()
	b.ResetTimer()
	close(start)
	inOrder := 0
	for i := range b.N {
		if v := <-c; v == i {
			inOrder++
		}
	}
	b.StopTimer()
	benchExpect(b, "items in order", inOrder, b.N)
}

// One operation: put an item into a queue with room and get it back, without waiting.
func BenchmarkQueueNowait(b *testing.B) {
	b.Run("asyncio", func(b *testing.B) {
		benchRun(b, func(context.Context) error {
			q := asyncio.NewQueue[int](1)
			for b.Loop() {
				if err := q.PutNowait(1); err != nil {
					return err
				}
				if _, err := q.GetNowait(); err != nil {
					return err
				}
			}
			return nil
		})
	})
	b.Run("channel", func(b *testing.B) {
		b.ReportAllocs()
		c := make(chan int, 1)
		for b.Loop() {
			select {
			case c <- 1:
			default:
				b.Fatal("full")
			}
			select {
			case <-c:
			default:
				b.Fatal("empty")
			}
		}
	})
}
