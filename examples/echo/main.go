// Echo is a server that sends back the bytes it receives, and a client for it.
//
//	go run ./examples/echo serve [ADDR]
//	go run ./examples/echo connect ADDR
//
// The client copies its standard input to the server, and the server's answers to its standard
// output. Ctrl-C ends the server: clients have two seconds to finish.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/go-asyncio/asyncio"
)

func main() {
	var command func(ctx context.Context, address string) error
	switch {
	case len(os.Args) == 2 && os.Args[1] == "serve":
		os.Args = append(os.Args, "127.0.0.1:0")
		command = serve
	case len(os.Args) == 3 && os.Args[1] == "serve":
		command = serve
	case len(os.Args) == 3 && os.Args[1] == "connect":
		command = connect
	default:
		fmt.Fprintln(os.Stderr, "usage: echo serve [ADDR] | echo connect ADDR")
		os.Exit(2)
	}
	_, err := asyncio.Run(context.Background(), asyncio.Do(func(ctx context.Context) error {
		return command(ctx, os.Args[2])
	}), asyncio.WithInterrupt())
	if err != nil && !errors.Is(err, asyncio.ErrInterrupted) {
		fmt.Fprintln(os.Stderr, "echo:", err)
		os.Exit(1)
	}
}

func serve(ctx context.Context, address string) error {
	server, err := asyncio.StartServer(ctx, echo, address)
	if err != nil {
		return err
	}
	fmt.Println("listening on", server.Addr())
	var interrupted asyncio.Event
	if err := asyncio.RunningLoop(ctx).AddSignalHandler(os.Interrupt, interrupted.Set); err != nil {
		return err
	}
	if err := interrupted.Wait(ctx); err != nil {
		return err
	}
	return server.Shutdown(ctx, 2*time.Second)
}

// echo serves one client.
func echo(ctx context.Context, r *asyncio.StreamReader, w *asyncio.StreamWriter) error {
	n, err := pump(ctx, r, w)
	fmt.Printf("%v: %d bytes\n", w.RemoteAddr(), n)
	return err
}

// pump copies until the end.
func pump(ctx context.Context, r *asyncio.StreamReader, w *asyncio.StreamWriter) (n int, err error) {
	buf := make([]byte, 64<<10)
	for {
		m, err := r.ReadInto(ctx, buf)
		if err == io.EOF {
			return n, nil
		} else if err != nil {
			return n, err
		}
		n += m
		if _, err := w.Write(buf[:m]); err != nil {
			return n, err
		}
		if err := w.Drain(ctx); err != nil {
			return n, err
		}
	}
}

func connect(ctx context.Context, address string) error {
	r, w, err := asyncio.OpenConnection(ctx, address)
	if err != nil {
		return err
	}
	defer w.Close()
	return asyncio.WithTaskGroup(ctx, func(ctx context.Context, tg *asyncio.TaskGroup) error {
		tg.Go(func(ctx context.Context) error { return send(ctx, w) })
		for {
			p, err := r.Read(ctx, 64<<10)
			if err == io.EOF {
				return nil
			} else if err != nil {
				return err
			}
			if _, err := os.Stdout.Write(p); err != nil {
				return err
			}
		}
	})
}

// send copies the standard input to the server. It reads in a thread, since the standard input may
// be a file as well as a pipe or a terminal.
func send(ctx context.Context, w *asyncio.StreamWriter) error {
	for {
		p, err := asyncio.ToThread(ctx, func(context.Context) ([]byte, error) {
			buf := make([]byte, 64<<10)
			n, err := os.Stdin.Read(buf)
			return buf[:n], err
		})
		if err == io.EOF {
			return w.WriteEOF()
		} else if err != nil {
			return err
		}
		if _, err := w.Write(p); err != nil {
			return err
		}
		if err := w.Drain(ctx); err != nil {
			return err
		}
	}
}
