// Condition has two consumers wait for the items that a producer puts into a buffer.
package main

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/go-asyncio/asyncio"
)

// A buffer holds the items that are produced and not yet consumed.
type buffer struct {
	condition asyncio.Condition // guards items; its zero value is ready, with a lock of its own
	items     []int
}

func (b *buffer) producer(ctx context.Context) error {
	for i := range 3 {
		err := b.condition.With(ctx, func(context.Context) error {
			b.items = append(b.items, i)
			fmt.Printf("Produced %d, buffer: %v\n", i, b.items)
			b.condition.Notify(1) // Notify one consumer
			return nil
		})
		if err != nil {
			return err
		}
		if err := asyncio.Sleep(ctx, 500*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}

func (b *buffer) consumer(ctx context.Context, name string) error {
	return b.condition.With(ctx, func(ctx context.Context) error {
		for len(b.items) == 0 { // Wait for items
			fmt.Println(name, "waiting for items")
			if err := b.condition.Wait(ctx); err != nil {
				return err
			}
		}
		item := b.items[0]
		b.items = b.items[1:]
		fmt.Printf("%s consumed %d, buffer: %v\n", name, item, b.items)
		return nil
	})
}

func run(ctx context.Context) error {
	var b buffer
	_, err := asyncio.Gather(ctx,
		asyncio.Do(b.producer),
		asyncio.Do(func(ctx context.Context) error { return b.consumer(ctx, "Consumer 1") }),
		asyncio.Do(func(ctx context.Context) error { return b.consumer(ctx, "Consumer 2") }),
	).Await(ctx)
	return err
}

func main() {
	if _, err := asyncio.Run(context.Background(), asyncio.Do(run)); err != nil {
		log.Fatal(err)
	}
}
