// Say_hello runs two coroutines at once: both say Hello, and a second later both say World.
package main

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/go-asyncio/asyncio"
)

func sayHello(ctx context.Context) error {
	fmt.Println("Hello")
	if err := asyncio.Sleep(ctx, time.Second); err != nil { // Simulate I/O wait
		return err
	}
	fmt.Println("World")
	return nil
}

func run(ctx context.Context) error {
	// A coroutine that has no result is a plain func(ctx) error; Do makes it one for Gather.
	hello := asyncio.Do(sayHello)
	_, err := asyncio.Gather(ctx, hello, hello).Await(ctx)
	return err
}

func main() {
	if _, err := asyncio.Run(context.Background(), asyncio.Do(run)); err != nil {
		log.Fatal(err)
	}
}
