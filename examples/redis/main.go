// Redis sends commands to a redis-server, and prints the replies.
//
//	go run ./examples/redis [-addr ADDR] COMMAND [ARG ...]
//	go run ./examples/redis [-addr ADDR] < commands
//	go run ./examples/redis [-addr ADDR] -bench N
//
// Without a command it reads commands from its standard input, one on each line. It sends all of
// them at once, without waiting for replies in between, which is called pipelining. With -bench it
// sends N SET commands and prints how long that took.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/go-asyncio/asyncio"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:6379", "the server")
	bench := flag.Int("bench", 0, "send SET so often (`N`)")
	flag.Usage = func() {
		fmt.Fprintln(os.Stderr, "usage: redis [flags] [COMMAND [ARG ...]]")
		flag.PrintDefaults()
	}
	flag.Parse()
	_, err := asyncio.Run(context.Background(), asyncio.Do(func(ctx context.Context) error {
		client, err := dial(ctx, *addr)
		if err != nil {
			return err
		}
		defer client.Close()
		switch {
		case *bench > 0:
			return benchmark(ctx, client, *bench)
		case flag.NArg() > 0:
			return show(ctx, client, [][]string{flag.Args()})
		}
		commands, err := asyncio.ToThread(ctx, readCommands)
		if err != nil {
			return err
		}
		return show(ctx, client, commands)
	}), asyncio.WithInterrupt())
	if err != nil {
		fmt.Fprintln(os.Stderr, "redis:", err)
		os.Exit(1)
	}
}

// readCommands reads the standard input.
func readCommands(context.Context) ([][]string, error) {
	var commands [][]string
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		if words := strings.Fields(lines.Text()); len(words) > 0 {
			commands = append(commands, words)
		}
	}
	return commands, lines.Err()
}

// show sends all commands and prints their replies in order.
func show(ctx context.Context, c *client, commands [][]string) error {
	var replies []*asyncio.Future[reply]
	for _, command := range commands {
		replies = append(replies, c.Send(command...))
	}
	for _, f := range replies {
		r, err := f.Await(ctx)
		if _, ok := errors.AsType[serverError](err); ok {
			fmt.Printf("(error) %v\n", err)
			continue
		} else if err != nil {
			return err
		}
		fmt.Println(format(r, ""))
	}
	return nil
}

// benchmark sends many commands, a thousand at a time.
func benchmark(ctx context.Context, c *client, n int) error {
	start := time.Now()
	for sent := 0; sent < n; {
		var last *asyncio.Future[reply]
		for range min(1000, n-sent) {
			last = c.Send("SET", fmt.Sprintf("key:%d", sent%100), "value")
			sent++
		}
		if _, err := last.Await(ctx); err != nil {
			return err
		}
	}
	d := time.Since(start)
	fmt.Printf("%d SETs in %v, %.0f a second\n", n, d.Round(time.Millisecond), float64(n)/d.Seconds())
	return nil
}

// format formats a reply as redis-cli does.
func format(r reply, indent string) string {
	switch r := r.(type) {
	case nil:
		return "(nil)"
	case string:
		return fmt.Sprintf("%q", r)
	case int64:
		return fmt.Sprintf("(integer) %d", r)
	case status:
		return string(r)
	case serverError:
		return "(error) " + string(r)
	case []reply:
		if len(r) == 0 {
			return "(empty array)"
		}
		var lines []string
		for i, item := range r {
			prefix := fmt.Sprintf("%d) ", i+1)
			lines = append(lines, prefix+format(item, indent+strings.Repeat(" ", len(prefix))))
		}
		return strings.Join(lines, "\n"+indent)
	default:
		return fmt.Sprint(r)
	}
}
