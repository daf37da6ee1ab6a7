package asyncio_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/go-asyncio/asyncio"
)

func ExampleStream() {
	runExample(func(ctx context.Context) error {
		var client, server asyncio.Stream = asyncio.StreamPair(ctx)
		fmt.Fprintln(client.Writer, "hello")
		line, err := server.Reader.ReadLine(ctx)
		fmt.Printf("%q\n", line)
		return err
	})
	// Output: "hello\n"
}

func ExampleStreamReader() {
	runExample(func(ctx context.Context) error {
		client, server := asyncio.StreamPair(ctx)
		fmt.Fprint(client.Writer, "LEN 5\nhello;the rest")
		client.Writer.Close()

		r := server.Reader
		header, err := r.ReadLine(ctx)
		if err != nil {
			return err
		}
		body, err := r.ReadExactly(ctx, 5)
		if err != nil {
			return err
		}
		separator, err := r.ReadUntil(ctx, ";")
		if err != nil {
			return err
		}
		rest, err := r.Read(ctx, -1) // everything until the end
		fmt.Printf("%q %q %q %q\n", header, body, separator, rest)
		return err
	})
	// Output: "LEN 5\n" "hello" ";" "the rest"
}

// A writer that drains waits for a slow reader. Without Drain, all of its bytes would be kept in
// memory.
func ExampleStreamWriter() {
	runExample(func(ctx context.Context) error {
		client, server := asyncio.StreamPair(ctx)
		reader := asyncio.CreateTask(ctx, func(ctx context.Context) (int, error) {
			all, err := server.Reader.Read(ctx, -1)
			return len(all), err
		})
		chunk, most := make([]byte, 16<<10), 0
		for range 100 {
			if _, err := client.Writer.Write(chunk); err != nil { // never suspends
				return err
			}
			if err := client.Writer.Drain(ctx); err != nil { // suspends while too many bytes are kept
				return err
			}
			most = max(most, client.Writer.WriteBufferSize())
		}
		client.Writer.Close()
		n, err := reader.Await(ctx)
		fmt.Println("sent", n, "bytes, kept 64 KiB at most:", most <= 64<<10)
		return err
	})
	// Output: sent 1638400 bytes, kept 64 KiB at most: true
}

func ExampleIncompleteReadError() {
	runExample(func(ctx context.Context) error {
		client, server := asyncio.StreamPair(ctx)
		fmt.Fprint(client.Writer, "abc")
		client.Writer.Close()
		_, err := server.Reader.ReadExactly(ctx, 10)
		if incomplete, ok := errors.AsType[*asyncio.IncompleteReadError](err); ok {
			fmt.Printf("%q, %d expected\n", incomplete.Partial, incomplete.Expected)
		}
		fmt.Println(errors.Is(err, io.ErrUnexpectedEOF))
		return nil
	})
	// Output:
	// "abc", 10 expected
	// true
}

func ExampleLimitOverrunError() {
	runExample(func(ctx context.Context) error {
		client, server := asyncio.StreamPair(ctx, asyncio.WithLimit(8))
		fmt.Fprint(client.Writer, "a line that is too long\nshort\n")
		client.Writer.Close()
		for line, err := range server.Reader.Lines(ctx) {
			if _, ok := errors.AsType[*asyncio.LimitOverrunError](err); ok {
				fmt.Println("dropped a line")
				continue
			} else if err != nil {
				return err
			}
			fmt.Printf("%q\n", line)
		}
		return nil
	})
	// Output:
	// dropped a line
	// "short\n"
}

// A library that takes a net.Conn or an io.Reader runs in a task: its reads suspend the task.
func ExampleConn() {
	runExample(func(ctx context.Context) error {
		client, server := asyncio.StreamPair(ctx)
		fmt.Fprint(client.Writer, "one two\nthree")
		client.Writer.Close()

		words := bufio.NewScanner(asyncio.NewConn(ctx, server.Reader, server.Writer))
		words.Split(bufio.ScanWords)
		for words.Scan() {
			fmt.Println(words.Text())
		}
		return words.Err()
	})
	// Output:
	// one
	// two
	// three
}

// A test feeds a parser with what a peer would send.
func ExampleNewStreamReader() {
	runExample(func(ctx context.Context) error {
		r := asyncio.NewStreamReader(ctx)
		r.FeedData([]byte("first\nsec"))
		r.FeedData([]byte("ond\n"))
		r.FeedEOF()
		for line, err := range r.Lines(ctx) {
			if err != nil {
				return err
			}
			fmt.Printf("%s", line)
		}
		return nil
	})
	// Output:
	// first
	// second
}

func ExampleStreamWriter_SendFile() {
	runExample(func(ctx context.Context) error {
		client, server := asyncio.StreamPair(ctx)
		file := strings.NewReader("a file, by and large") // or an *os.File
		n, err := client.Writer.SendFile(ctx, file, 2, 4)
		if err != nil {
			return err
		}
		p, err := server.Reader.ReadExactly(ctx, int(n))
		fmt.Printf("%s\n", p)
		return err
	})
	// Output: file
}
