package aiter_test

import (
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/go-asyncio/asyncio"
	"github.com/go-asyncio/asyncio/aiter"
)

// ticks yields name once in each d.
func ticks(ctx context.Context, name string, d time.Duration) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for {
			if err := asyncio.Sleep(ctx, d); !yield(name, err) || err != nil {
				return
			}
		}
	}
}

func ExampleMerge() {
	_, err := asyncio.Run(context.Background(), asyncio.Do(func(ctx context.Context) error {
		for name, err := range aiter.Merge(ctx, ticks(ctx, "fast", time.Second), ticks(ctx, "slow", 2500*time.Millisecond)) {
			if err != nil {
				return err
			}
			fmt.Println(name)
			if name == "slow" {
				break // ends both
			}
		}
		return nil
	}), asyncio.WithVirtualTime())
	fmt.Println(err)
	// Output:
	// fast
	// fast
	// slow
	// <nil>
}

func ExampleTimeout() {
	_, err := asyncio.Run(context.Background(), asyncio.Do(func(ctx context.Context) error {
		for _, err := range aiter.Timeout(ctx, time.Second, ticks(ctx, "slow", time.Minute)) {
			return err
		}
		return nil
	}), asyncio.WithVirtualTime())
	fmt.Println(err)
	// Output: asyncio: timed out
}

func ExamplePair() {
	_, err := asyncio.Run(context.Background(), asyncio.Do(func(ctx context.Context) error {
		for p, err := range aiter.Zip(ctx, ticks(ctx, "a", time.Second), ticks(ctx, "b", time.Second)) {
			fmt.Println(p.First, p.Second)
			return err
		}
		return nil
	}), asyncio.WithVirtualTime())
	fmt.Println(err)
	// Output:
	// a b
	// <nil>
}
