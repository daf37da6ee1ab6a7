package asyncio_test

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"sync"
	"time"

	"github.com/go-asyncio/asyncio"
)

func ExampleReceive() {
	words := make(chan string)
	go func() { // a goroutine of some library
		defer close(words)
		words <- "hello"
		words <- "world"
	}()
	_, err := asyncio.Run(context.Background(), asyncio.Do(func(ctx context.Context) error {
		for {
			word, ok, err := asyncio.Receive(ctx, words)
			if err != nil || !ok {
				return err
			}
			fmt.Println(word)
		}
	}))
	fmt.Println(err)
	// Output:
	// hello
	// world
	// <nil>
}

func ExampleSend() {
	numbers, sum := make(chan int), make(chan int)
	go func() {
		total := 0
		for n := range numbers {
			total += n
		}
		sum <- total
	}()
	total, err := asyncio.Run(context.Background(), func(ctx context.Context) (int, error) {
		for n := range 10 {
			if err := asyncio.Send(ctx, numbers, n); err != nil {
				return 0, err
			}
		}
		close(numbers)
		total, _, err := asyncio.Receive(ctx, sum)
		return total, err
	})
	fmt.Println(total, err)
	// Output: 45 <nil>
}

func ExampleSelect() {
	_, err := asyncio.Run(context.Background(), asyncio.Do(func(ctx context.Context) error {
		jobs, quit := make(chan string, 1), make(chan struct{})
		jobs <- "sweep"
		job, end := asyncio.ReceiveFrom(jobs), asyncio.ReceiveFrom(quit)
		for {
			chosen, err := asyncio.Select(ctx, job, end)
			if err != nil {
				return err
			}
			switch chosen {
			case job:
				fmt.Println("job", job.Value)
				time.AfterFunc(time.Millisecond, func() { close(quit) })
			case end:
				fmt.Println("quit")
				return nil
			}
		}
	}))
	fmt.Println(err)
	// Output:
	// job sweep
	// quit
	// <nil>
}

func ExampleSelectCase() {
	// One case for each channel, in a slice.
	_, err := asyncio.Run(context.Background(), asyncio.Do(func(ctx context.Context) error {
		channels := []chan int{make(chan int, 1), make(chan int, 1), make(chan int, 1)}
		var cases []asyncio.SelectCase
		for _, ch := range channels {
			cases = append(cases, asyncio.ReceiveFrom(ch))
		}
		channels[1] <- 7
		chosen, err := asyncio.Select(ctx, cases...)
		fmt.Println(chosen == cases[1])
		return err
	}))
	fmt.Println(err)
	// Output:
	// true
	// <nil>
}

func ExampleReceiveCase() {
	_, err := asyncio.Run(context.Background(), asyncio.Do(func(ctx context.Context) error {
		ch := make(chan int)
		close(ch)
		c := asyncio.ReceiveFrom(ch)
		_, err := asyncio.Select(ctx, c)
		fmt.Println(c.Value, c.OK)
		return err
	}))
	fmt.Println(err)
	// Output:
	// 0 false
	// <nil>
}

func ExampleSendCase() {
	_, err := asyncio.Run(context.Background(), asyncio.Do(func(ctx context.Context) error {
		ch := make(chan int, 2)
		c := asyncio.SendTo(ch, 1)
		for range 2 {
			if _, err := asyncio.Select(ctx, c); err != nil {
				return err
			}
			c.Value++
		}
		fmt.Println(<-ch, <-ch)
		return nil
	}))
	fmt.Println(err)
	// Output:
	// 1 2
	// <nil>
}

func ExampleAwaitDone() {
	request, cancel := context.WithCancel(context.Background()) // another's context
	time.AfterFunc(time.Millisecond, cancel)
	_, err := asyncio.Run(context.Background(), asyncio.Do(func(ctx context.Context) error {
		return asyncio.AwaitDone(ctx, request)
	}))
	fmt.Println(err, request.Err())
	// Output: <nil> context canceled
}

func ExampleAwaitGroup() {
	var wg sync.WaitGroup
	results := make([]int, 3)
	for i := range results {
		wg.Go(func() { results[i] = i * i })
	}
	_, err := asyncio.Run(context.Background(), asyncio.Do(func(ctx context.Context) error {
		return asyncio.AwaitGroup(ctx, &wg)
	}))
	fmt.Println(results, err)
	// Output: [0 1 4] <nil>
}

func ExampleAwaitCmd() {
	cmd := exec.Command("no-such-program")
	_, err := asyncio.Run(context.Background(), asyncio.Do(func(ctx context.Context) error {
		if err := cmd.Start(); err != nil {
			return err
		}
		return asyncio.AwaitCmd(ctx, cmd)
	}))
	fmt.Println(errors.Is(err, exec.ErrNotFound))
	// Output: true
}
