package asyncio_test

import (
	"context"
	"testing"

	"github.com/go-asyncio/asyncio"
)

// One operation: a value goes through a channel that has room, or has it already.
func BenchmarkReceiveReady(b *testing.B) {
	b.Run("asyncio", func(b *testing.B) {
		benchRun(b, func(ctx context.Context) error {
			ch := make(chan int, 1)
			for b.Loop() {
				if err := asyncio.Send(ctx, ch, 1); err != nil {
					return err
				}
				if _, _, err := asyncio.Receive(ctx, ch); err != nil {
					return err
				}
			}
			return nil
		})
	})
	b.Run("channel", func(b *testing.B) {
		ch := make(chan int, 1)
		for b.Loop() {
			ch <- 1
			<-ch
		}
	})
}

// One operation: a task receives a value for which it has to wait, and another goroutine sends it.
func BenchmarkReceiveWaits(b *testing.B) {
	benchRun(b, func(ctx context.Context) error {
		ask, answer := make(chan int, 1), make(chan int)
		go func() {
			for n := range ask {
				answer <- n
			}
		}()
		defer close(ask)
		for b.Loop() {
			ask <- 1
			if _, _, err := asyncio.Receive(ctx, answer); err != nil {
				return err
			}
		}
		return nil
	})
}

// One operation: a task takes a value from a generator that does not wait.
func BenchmarkGenerator(b *testing.B) {
	benchRun(b, func(ctx context.Context) error {
		g := asyncio.Pull(ctx, func(yield func(int, error) bool) {
			for i := 0; yield(i, nil); i++ {
			}
		})
		for b.Loop() {
			if _, err := g.Next(ctx); err != nil {
				return err
			}
		}
		return g.Close(ctx)
	})
}
