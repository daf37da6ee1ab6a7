package asyncio_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/go-asyncio/asyncio"
)

// BenchmarkTalkBelow is two tasks that hand a value to and fro while others, each awaiting the
// next, wait for the two to end.
func BenchmarkTalkBelow(b *testing.B) {
	for _, waiting := range []int{1, 6} {
		b.Run(fmt.Sprintf("%d/asyncio", waiting), func(b *testing.B) {
			benchRun(b, func(ctx context.Context) error {
				ping, pong := asyncio.NewQueue[int](1), asyncio.NewQueue[int](1)
				return awaitedBy(ctx, waiting-1, func(ctx context.Context) error {
					return asyncio.WithTaskGroup(ctx, func(ctx context.Context, tg *asyncio.TaskGroup) error {
						tg.Go(func(ctx context.Context) error {
							for range b.N {
								v, err := ping.Get(ctx)
								if err != nil {
									return err
								}
								if err := pong.Put(ctx, v+1); err != nil {
									return err
								}
							}
							return nil
						})
						tg.Go(func(ctx context.Context) error {
							v := 0
							for range b.N {
								if err := ping.Put(ctx, v); err != nil {
									return err
								}
								var err error
								if v, err = pong.Get(ctx); err != nil {
									return err
								}
							}
							benchExpect(b, "hand-overs", v, b.N)
							return nil
						})
						return nil
					})
				})
			})
		})
	}
	b.Run("goroutines", func(b *testing.B) {
		b.ReportAllocs()
		ping, pong := make(chan int, 1), make(chan int, 1)
		var wg sync.WaitGroup
		wg.Go(func() {
			for v := range ping {
				pong <- v + 1
			}
		})
		v := 0
		for range b.N {
			ping <- v
			v = <-pong
		}
		close(ping)
		wg.Wait()
		benchExpect(b, "hand-overs", v, b.N)
	})
}

// awaitedBy runs fn in a task that n tasks wait for, each in a row.
func awaitedBy(ctx context.Context, n int, fn func(ctx context.Context) error) error {
	if n == 0 {
		return fn(ctx)
	}
	_, err := spawn(ctx, func(ctx context.Context) error { return awaitedBy(ctx, n-1, fn) }).Await(ctx)
	return err
}
