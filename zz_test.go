package asyncio_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/go-asyncio/asyncio"
)

func TestZZ(t *testing.T) {
	_, err := asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
		var a, b asyncio.Lock
		a.SetName("accounts")
		b.SetName("orders")
		q := asyncio.NewQueue[int](0)
		q.SetName("jobs")
		return asyncio.WithTaskGroup(ctx, func(ctx context.Context, tg *asyncio.TaskGroup) error {
			tg.Go(func(ctx context.Context) error {
				return a.With(ctx, func(ctx context.Context) error {
					_ = asyncio.Sleep(ctx, 1e6)
					return b.Acquire(ctx)
				})
			}, asyncio.WithName("one"))
			tg.Go(func(ctx context.Context) error {
				return b.With(ctx, func(ctx context.Context) error {
					_, err := q.Get(ctx)
					return err
				})
			}, asyncio.WithName("two"))
			tg.Go(func(ctx context.Context) error {
				_ = asyncio.Sleep(ctx, 1e6)
				return a.With(ctx, func(ctx context.Context) error { return q.Put(ctx, 1) })
			}, asyncio.WithName("three"))
			return nil
		})
	}), asyncio.WithVirtualTime(), asyncio.WithDebug())
	fmt.Println(err)
}
