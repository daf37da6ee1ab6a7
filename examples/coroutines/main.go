// Coroutines awaits two coroutines, one after the other.
package main

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/go-asyncio/asyncio"
)

func fetchData(ctx context.Context) (map[string]int, error) {
	fmt.Println("Fetching data...")
	if err := asyncio.Sleep(ctx, time.Second); err != nil { // Simulate network delay
		return nil, err
	}
	return map[string]int{"data": 42}, nil
}

func processData(ctx context.Context) (string, error) {
	fmt.Println("Processing data...")
	if err := asyncio.Sleep(ctx, 500*time.Millisecond); err != nil {
		return "", err
	}
	return "Processed", nil
}

func run(ctx context.Context) error {
	data, err := fetchData(ctx) // Python's await fetch_data() is a plain call
	if err != nil {
		return err
	}
	state, err := processData(ctx)
	if err != nil {
		return err
	}
	fmt.Printf("Results: %v, %s\n", data, state)
	return nil
}

func main() {
	if _, err := asyncio.Run(context.Background(), asyncio.Do(run)); err != nil {
		log.Fatal(err)
	}
}
