//go:build unix

package asyncio_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/textproto"
	"os"
	"syscall"
	"time"

	"github.com/go-asyncio/asyncio"
)

// A protocol can be tested in memory and in virtual time, where an hour of silence takes no time.
func ExampleStreamPair() {
	_, err := asyncio.Run(context.Background(), asyncio.Do(func(ctx context.Context) error {
		client, server := asyncio.StreamPair(ctx)
		asyncio.CreateTask(ctx, asyncio.Do(func(ctx context.Context) error {
			name, err := server.Reader.ReadLine(ctx)
			if err != nil {
				return err
			}
			if err := asyncio.Sleep(ctx, time.Hour); err != nil {
				return err
			}
			fmt.Fprintf(server.Writer, "hello %s", name)
			return server.Writer.Close()
		}))
		fmt.Fprintln(client.Writer, "Ann")
		answer, err := client.Reader.Read(ctx, -1)
		fmt.Printf("%s", answer)
		return err
	}), asyncio.WithVirtualTime())
	if err != nil {
		fmt.Println(err)
	}
	// Output: hello Ann
}

func ExampleStartServer() {
	count := 0 // the tasks of all connections share it without a lock
	handle := func(ctx context.Context, r *asyncio.StreamReader, w *asyncio.StreamWriter) error {
		count++
		fmt.Fprintf(w, "you are number %d\n", count)
		return w.Drain(ctx)
	}
	_, err := asyncio.Run(context.Background(), asyncio.Do(func(ctx context.Context) error {
		server, err := asyncio.StartServer(ctx, handle, "127.0.0.1:0")
		if err != nil {
			return err
		}
		for range 3 {
			r, w, err := asyncio.OpenConnection(ctx, server.Addr().String())
			if err != nil {
				return err
			}
			line, err := r.ReadLine(ctx)
			if err != nil {
				return err
			}
			fmt.Printf("%s", line)
			w.Close()
		}
		return server.Shutdown(ctx, time.Second)
	}))
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// you are number 1
	// you are number 2
	// you are number 3
}

func ExampleStreamReader_Lines() {
	_, err := asyncio.Run(context.Background(), asyncio.Do(func(ctx context.Context) error {
		client, server := asyncio.StreamPair(ctx)
		fmt.Fprint(client.Writer, "one\ntwo\nthree")
		client.Writer.Close()
		for line, err := range server.Reader.Lines(ctx) {
			if err != nil {
				return err
			}
			fmt.Printf("%q\n", line)
		}
		return nil
	}))
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// "one\n"
	// "two\n"
	// "three"
}

func ExampleCreateSubprocessExec() {
	_, err := asyncio.Run(context.Background(), asyncio.Do(func(ctx context.Context) error {
		p, err := asyncio.CreateSubprocessExec(ctx, "tr", []string{"a-z", "A-Z"},
			asyncio.WithStdin(asyncio.Pipe), asyncio.WithStdout(asyncio.Pipe))
		if err != nil {
			return err
		}
		out, _, err := p.Communicate(ctx, []byte("hello\n"))
		if err != nil {
			return err
		}
		code, _ := p.ReturnCode()
		fmt.Printf("%d: %s", code, out)
		return nil
	}))
	if err != nil {
		fmt.Println(err)
	}
	// Output: 0: HELLO
}

func ExampleLoop_AddSignalHandler() {
	_, err := asyncio.Run(context.Background(), asyncio.Do(func(ctx context.Context) error {
		var hangup asyncio.Event
		if err := asyncio.RunningLoop(ctx).AddSignalHandler(syscall.SIGHUP, hangup.Set); err != nil {
			return err
		}
		if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
			return err
		}
		err := hangup.Wait(ctx)
		fmt.Println("reloading")
		return err
	}))
	if err != nil {
		fmt.Println(err)
	}
	// Output: reloading
}

func ExampleCreateDatagramEndpoint() {
	_, err := asyncio.Run(context.Background(), asyncio.Do(func(ctx context.Context) error {
		server, err := asyncio.CreateDatagramEndpoint(ctx, "127.0.0.1:0", "")
		if err != nil {
			return err
		}
		client, err := asyncio.CreateDatagramEndpoint(ctx, "", server.LocalAddr().String())
		if err != nil {
			return err
		}
		if err := client.SendTo([]byte("ping"), nil); err != nil {
			return err
		}
		p, from, err := server.RecvFrom(ctx)
		if err != nil {
			return err
		}
		fmt.Printf("%s, from the client: %v\n", p, from.String() == client.LocalAddr().String())
		return nil
	}))
	if err != nil {
		fmt.Println(err)
	}
	// Output: ping, from the client: true
}

// A library may use a connection of the loop, here net/textproto. The server is a goroutine.
func ExampleNewDialer() {
	_, _ = asyncio.Run(context.Background(), asyncio.Do(func(ctx context.Context) error {
		ln, err := asyncio.Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		defer ln.Close()
		go func() {
			conn, err := ln.Accept() // blocks this goroutine; in a task it would suspend
			if err != nil {
				return
			}
			defer conn.Close()
			_, _ = io.WriteString(conn, "220 ready\r\n")
		}()
		conn, err := asyncio.NewDialer(ctx).DialContext(ctx, "tcp", ln.Addr().String())
		if err != nil {
			return err
		}
		defer conn.Close()
		_, message, err := textproto.NewConn(conn).ReadResponse(220)
		fmt.Println(message)
		return err
	}))
	// Output: ready
}

// A call takes a slice of its options, here made from a configuration.
func ExampleConnectOption() {
	var config struct {
		tls       *tls.Config // nil for an unencrypted connection
		keepAlive bool
	}
	options := func() (opts []asyncio.ConnectOption) {
		if config.tls != nil {
			opts = append(opts, asyncio.WithTLS(config.tls))
		}
		if config.keepAlive {
			opts = append(opts, asyncio.WithKeepAlive())
		}
		return opts
	}
	config.keepAlive = true
	_, _ = asyncio.Run(context.Background(), asyncio.Do(func(ctx context.Context) error {
		greet := func(_ context.Context, _ *asyncio.StreamReader, w *asyncio.StreamWriter) error {
			_, err := w.WriteString("hello\n")
			return err
		}
		server, err := asyncio.StartServer(ctx, greet, "127.0.0.1:0")
		if err != nil {
			return err
		}
		r, w, err := asyncio.OpenConnection(ctx, server.Addr().String(), options()...)
		if err != nil {
			return err
		}
		defer w.Close()
		line, err := r.ReadLine(ctx)
		fmt.Printf("%s", line)
		return err
	}))
	// Output: hello
}

// One option may apply to several calls. This one is for a server, its client, and pipes.
func ExampleLimitOption() {
	limit := asyncio.WithLimit(10)
	_, _ = asyncio.Run(context.Background(), asyncio.Do(func(ctx context.Context) error {
		long := func(_ context.Context, _ *asyncio.StreamReader, w *asyncio.StreamWriter) error {
			_, err := w.WriteString("a line of more than ten bytes\n")
			return err
		}
		server, err := asyncio.StartServer(ctx, long, "127.0.0.1:0", limit, asyncio.WithMaxConnections(100))
		if err != nil {
			return err
		}
		r, w, err := asyncio.OpenConnection(ctx, server.Addr().String(), limit, asyncio.WithNetwork("tcp4"))
		if err != nil {
			return err
		}
		defer w.Close()
		_, err = r.ReadLine(ctx)
		fmt.Println(err)
		return nil
	}))
	// Output: asyncio: separator found, but what is before it exceeds the limit of the stream
}
