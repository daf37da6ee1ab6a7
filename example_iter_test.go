package asyncio_test

import (
	"context"
	"fmt"
	"io"
	"iter"
	"time"

	"github.com/go-asyncio/asyncio"
)

func ExampleGenerator() {
	countdown := func(ctx context.Context, n int) iter.Seq2[int, error] {
		return func(yield func(int, error) bool) {
			defer fmt.Println("cleaned up")
			for i := n; i > 0; i-- {
				if !yield(i, nil) {
					return
				}
				if err := asyncio.Sleep(ctx, time.Second); err != nil {
					yield(0, err)
					return
				}
			}
		}
	}
	_, err := asyncio.Run(context.Background(), asyncio.Do(func(ctx context.Context) error {
		for i, err := range countdown(ctx, 2) { // a single loop needs no generator
			if err != nil {
				return err
			}
			fmt.Println(i)
		}
		g := asyncio.Pull(ctx, countdown(ctx, 10))
		for range 2 {
			i, err := g.Next(ctx)
			fmt.Println(i, err)
		}
		if err := g.Close(ctx); err != nil {
			return err
		}
		_, err := g.Next(ctx)
		fmt.Println(err == io.EOF)
		return nil
	}), asyncio.WithVirtualTime())
	fmt.Println(err)
	// Output:
	// 2
	// 1
	// cleaned up
	// 10 <nil>
	// 9 <nil>
	// cleaned up
	// true
	// <nil>
}
