//go:build unix

package asyncio_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"time"

	"github.com/go-asyncio/asyncio"
)

// runNetworkExample runs main in real time, since descriptors cannot be polled in virtual time.
func runNetworkExample(main func(ctx context.Context) error) {
	if _, err := asyncio.Run(context.Background(), asyncio.Do(main)); err != nil {
		fmt.Println("error:", err)
	}
}

func ExampleOpenConnection() {
	runNetworkExample(func(ctx context.Context) error {
		server, err := asyncio.StartServer(ctx, echo, "127.0.0.1:0")
		if err != nil {
			return err
		}
		defer server.Close()

		return asyncio.Timeout(ctx, time.Minute, func(ctx context.Context, _ *asyncio.TimeoutScope) error {
			r, w, err := asyncio.OpenConnection(ctx, server.Addr().String())
			if err != nil {
				return err
			}
			defer w.Close()
			fmt.Fprintln(w, "hello")
			line, err := r.ReadLine(ctx)
			fmt.Printf("%s", line)
			return err
		})
	})
	// Output: hello
}

func ExampleConnectionHandler() {
	var shout asyncio.ConnectionHandler = func(ctx context.Context, r *asyncio.StreamReader, w *asyncio.StreamWriter) error {
		line, err := r.ReadLine(ctx)
		if err != nil {
			return err // ends only this connection
		}
		fmt.Fprintf(w, "%s!\n", line[:len(line)-1])
		return nil // the connection is closed once this is sent
	}
	runNetworkExample(func(ctx context.Context) error {
		server, err := asyncio.StartServer(ctx, shout, "127.0.0.1:0")
		if err != nil {
			return err
		}
		defer server.Close()
		r, w, err := asyncio.OpenConnection(ctx, server.Addr().String())
		if err != nil {
			return err
		}
		defer w.Close()
		fmt.Fprintln(w, "hello")
		answer, err := r.Read(ctx, -1)
		fmt.Printf("%s", answer)
		return err
	})
	// Output: hello!
}

// A graceful shutdown: the server accepts no more clients, and its current clients may finish.
func ExampleServer() {
	runNetworkExample(func(ctx context.Context) error {
		server, err := asyncio.StartServer(ctx, echo, "127.0.0.1:0")
		if err != nil {
			return err
		}
		r, w, err := asyncio.OpenConnection(ctx, server.Addr().String())
		if err != nil {
			return err
		}
		fmt.Fprintln(w, "hello")
		if _, err := r.ReadLine(ctx); err != nil { // the server has accepted the connection
			return err
		}
		asyncio.CreateTask(ctx, asyncio.Do(func(ctx context.Context) error {
			defer w.Close()
			fmt.Fprintln(w, "one last word")
			line, err := r.ReadLine(ctx)
			fmt.Printf("%s", line)
			return err
		}))
		err = server.Shutdown(ctx, 10*time.Second) // after ten seconds it closes the remaining connections
		fmt.Println("serving:", server.IsServing())
		return err
	})
	// Output:
	// one last word
	// serving: false
}

func ExampleSocket() {
	runNetworkExample(func(ctx context.Context) error {
		server, err := asyncio.StartServer(ctx, echo, "127.0.0.1:0")
		if err != nil {
			return err
		}
		defer server.Close()
		for _, socket := range server.Sockets() {
			fmt.Println(socket.Addr().Network(), socket.Addr().String() == server.Addr().String())
		}
		return nil
	})
	// Output: tcp true
}

// A goroutine serves the loop's connections. In a task Accept and Copy would suspend; here they
// block.
func ExampleListener() {
	runNetworkExample(func(ctx context.Context) error {
		ln, err := asyncio.Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		defer ln.Close()
		go func(ln net.Listener) {
			for {
				conn, err := ln.Accept()
				if err != nil {
					return // the listener is closed
				}
				_, _ = io.Copy(conn, conn)
				conn.Close()
			}
		}(ln)

		r, w, err := asyncio.OpenConnection(ctx, ln.Addr().String())
		if err != nil {
			return err
		}
		fmt.Fprint(w, "there and back")
		if err := w.WriteEOF(); err != nil {
			return err
		}
		all, err := r.Read(ctx, -1)
		fmt.Printf("%s\n", all)
		return err
	})
	// Output: there and back
}

// A Dialer dials for libraries: DialContext has the signature that they ask for.
func ExampleDialer() {
	runNetworkExample(func(ctx context.Context) error {
		server, err := asyncio.StartServer(ctx, echo, "127.0.0.1:0")
		if err != nil {
			return err
		}
		defer server.Close()

		var dial func(ctx context.Context, network, address string) (net.Conn, error) = asyncio.NewDialer(ctx).DialContext
		conn, err := dial(ctx, "tcp", server.Addr().String())
		if err != nil {
			return err
		}
		defer conn.Close()
		fmt.Fprint(conn, "ping")
		p := make([]byte, 4)
		_, err = io.ReadFull(conn, p) // suspends the task
		fmt.Printf("%s\n", p)
		return err
	})
	// Output: ping
}

func ExampleDatagramEndpoint() {
	runNetworkExample(func(ctx context.Context) error {
		server, err := asyncio.CreateDatagramEndpoint(ctx, "127.0.0.1:0", "")
		if err != nil {
			return err
		}
		defer server.Close()
		asyncio.CreateTask(ctx, asyncio.Do(func(ctx context.Context) error {
			for {
				p, from, err := server.RecvFrom(ctx)
				if err != nil {
					return err
				}
				if err := server.SendTo(p, from); err != nil {
					return err
				}
			}
		}))

		client, err := asyncio.CreateDatagramEndpoint(ctx, "", server.LocalAddr().String())
		if err != nil {
			return err
		}
		defer client.Close()
		if err := client.SendTo([]byte("ping"), nil); err != nil {
			return err
		}
		p, _, err := client.RecvFrom(ctx)
		fmt.Printf("%s\n", p)
		return err
	})
	// Output: ping
}

func ExampleConnectReadPipe() {
	runNetworkExample(func(ctx context.Context) error {
		near, far, err := os.Pipe()
		if err != nil {
			return err
		}
		fmt.Fprintln(far, "through the pipe")
		far.Close()

		r, err := asyncio.ConnectReadPipe(ctx, near)
		if err != nil {
			return err
		}
		defer r.Close()
		line, err := r.ReadLine(ctx)
		fmt.Printf("%s", line)
		return err
	})
	// Output: through the pipe
}

// The program reads standard input, writes to standard output, and is asked to end.
func ExampleProcess() {
	runNetworkExample(func(ctx context.Context) error {
		p, err := asyncio.CreateSubprocessExec(ctx, "cat", nil,
			asyncio.WithStdin(asyncio.Pipe), asyncio.WithStdout(asyncio.Pipe))
		if err != nil {
			return err
		}
		fmt.Fprintln(p.Stdin, "hello")
		line, err := p.Stdout.ReadLine(ctx)
		if err != nil {
			return err
		}
		fmt.Printf("%s", line)
		if err := p.Terminate(); err != nil {
			return err
		}
		code, err := p.Wait(ctx)
		fmt.Println(code) // minus the signal's number
		return err
	})
	// Output:
	// hello
	// -15
}

func ExampleProcessOption() {
	runNetworkExample(func(ctx context.Context) error {
		p, err := asyncio.CreateSubprocessShell(ctx, `echo "$GREETING"; echo "and an error" >&2`,
			asyncio.WithStdout(asyncio.Pipe), asyncio.WithStderr(asyncio.ToStdout),
			asyncio.WithCommand(func(cmd *exec.Cmd) { cmd.Env = append(os.Environ(), "GREETING=hello") }))
		if err != nil {
			return err
		}
		out, _, err := p.Communicate(ctx, nil)
		fmt.Printf("%s", out)
		return err
	})
	// Output:
	// hello
	// and an error
}

func ExampleRedirect() {
	runNetworkExample(func(ctx context.Context) error {
		// The child writes to the program's own standard output, and its errors are dropped.
		out := asyncio.File(os.Stdout)
		p, err := asyncio.CreateSubprocessShell(ctx, `echo hello; echo oops >&2`,
			asyncio.WithStdout(out), asyncio.WithStderr(asyncio.DevNull))
		if err != nil {
			return err
		}
		code, err := p.Wait(ctx)
		fmt.Println("exit code", code)
		return err
	})
	// Output:
	// hello
	// exit code 0
}
