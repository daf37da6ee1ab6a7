//go:build unix

package asyncio_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/go-asyncio/asyncio"
)

// The server opens its port first, and accepts clients when it is ready for them.
func ExampleServeOption() {
	runNetworkExample(func(ctx context.Context) error {
		opts := []asyncio.ServeOption{asyncio.WithoutServing(), asyncio.WithMaxConnections(1000), asyncio.WithReusePort()}
		server, err := asyncio.StartServer(ctx, echo, "127.0.0.1:0", opts...)
		if err != nil {
			return err
		}
		defer server.Close()
		fmt.Println("serving:", server.IsServing())
		if err := server.StartServing(); err != nil {
			return err
		}
		fmt.Println("serving:", server.IsServing())
		return nil
	})
	// Output:
	// serving: false
	// serving: true
}

func ExampleUnixConnectOption() {
	runNetworkExample(func(ctx context.Context) error {
		dir, err := os.MkdirTemp("", "asyncio")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		path := filepath.Join(dir, "socket")
		server, err := asyncio.StartUnixServer(ctx, echo, path)
		if err != nil {
			return err
		}
		defer server.Close()

		opts := []asyncio.UnixConnectOption{asyncio.WithLimit(1 << 20)} // for lines of up to 1 MiB
		r, w, err := asyncio.OpenUnixConnection(ctx, path, opts...)
		if err != nil {
			return err
		}
		defer w.Close()
		fmt.Fprintln(w, "over a unix socket")
		line, err := r.ReadLine(ctx)
		fmt.Printf("%s", line)
		return err
	})
	// Output: over a unix socket
}

func ExampleListenOption() {
	runNetworkExample(func(ctx context.Context) error {
		opts := []asyncio.ListenOption{asyncio.WithKeepAlive(), asyncio.WithMaxConnections(100)}
		ln, err := asyncio.Listen(ctx, "tcp", "127.0.0.1:0", opts...)
		if err != nil {
			return err
		}
		fmt.Println(ln.Addr().Network())
		return ln.Close()
	})
	// Output: tcp
}

func ExampleDialOption() {
	runNetworkExample(func(ctx context.Context) error {
		server, err := asyncio.StartServer(ctx, echo, "127.0.0.1:0")
		if err != nil {
			return err
		}
		defer server.Close()
		dialer := asyncio.NewDialer(ctx, asyncio.WithLocalAddr("127.0.0.1:0"), asyncio.WithKeepAlive())
		conn, err := dialer.DialContext(ctx, "tcp", server.Addr().String())
		if err != nil {
			return err
		}
		defer conn.Close()
		fmt.Fprint(conn, "ping")
		p := make([]byte, 4)
		_, err = io.ReadFull(conn, p)
		fmt.Printf("%s\n", p)
		return err
	})
	// Output: ping
}

func ExampleDatagramOption() {
	runNetworkExample(func(ctx context.Context) error {
		e, err := asyncio.CreateDatagramEndpoint(ctx, ":0", "", asyncio.WithNetwork("udp4"), asyncio.WithBroadcast())
		if err != nil {
			return err
		}
		fmt.Println("may send to 255.255.255.255, from", e.LocalAddr().Network())
		return e.Close()
	})
	// Output: may send to 255.255.255.255, from udp
}

// The peer does not answer. In virtual time the wait for the handshake takes no time.
func ExampleStartTLSOption() {
	runExample(func(ctx context.Context) error {
		client, _ := asyncio.StreamPair(ctx)
		err := client.Writer.StartTLS(ctx, &tls.Config{ServerName: "example.com"}, asyncio.WithTLSHandshakeTimeout(5*time.Second))
		fmt.Println(err != nil, asyncio.RunningLoop(ctx).Time())
		return nil
	})
	// Output: true 5s
}

// A server and a client are given sockets of package net, as a program has them that systemd has
// started, or that has connected through a proxy.
func ExampleWithSocket() {
	runNetworkExample(func(ctx context.Context) error {
		ln, err := net.Listen("tcp", "127.0.0.1:0") // or net.FileListener(os.NewFile(3, "")), say
		if err != nil {
			return err
		}
		server, err := asyncio.StartServer(ctx, echo, "", asyncio.WithSocket(ln))
		if err != nil {
			ln.Close()
			return err
		}
		defer server.Close()

		conn, err := net.Dial("tcp", server.Addr().String())
		if err != nil {
			return err
		}
		r, w, err := asyncio.OpenConnection(ctx, "", asyncio.WithSocket(conn))
		if err != nil {
			conn.Close()
			return err
		}
		defer w.Close()
		fmt.Fprintln(w, "hello")
		line, err := r.ReadLine(ctx)
		fmt.Printf("%s", line)
		return err
	})
	// Output: hello
}

// The service manager passes the sockets that it listens on for a program as descriptors from 3 on,
// and their number in the environment.
func ExampleWithSocket_activation() {
	runNetworkExample(func(ctx context.Context) error {
		var sockets []asyncio.ServeOption
		n, _ := strconv.Atoi(os.Getenv("LISTEN_FDS"))
		for fd := 3; fd < 3+n; fd++ {
			sockets = append(sockets, asyncio.WithSocket(fd))
		}
		if len(sockets) == 0 {
			fmt.Println("not started by systemd")
			return nil
		}
		server, err := asyncio.StartServer(ctx, echo, "", sockets...)
		if err != nil {
			return err
		}
		return server.Serve(ctx)
	})
	// Output: not started by systemd
}

func ExampleSocketOption() {
	runNetworkExample(func(ctx context.Context) error {
		near, far := net.Pipe() // a connection without a descriptor
		go func() {
			defer far.Close()
			fmt.Fprintln(far, "from another goroutine")
		}()
		r, w, err := asyncio.OpenConnection(ctx, "", asyncio.WithSocket(near))
		if err != nil {
			return err
		}
		defer w.Close()
		line, err := r.ReadLine(ctx)
		fmt.Printf("%s", line)
		return err
	})
	// Output: from another goroutine
}

func ExampleUnixConnectionOption() {
	runNetworkExample(func(ctx context.Context) error {
		pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
		if err != nil {
			return err
		}
		var opts []asyncio.UnixConnectionOption
		opts = append(opts, asyncio.WithSocket(pair[0]))
		t, _, err := asyncio.CreateUnixConnection(ctx, func() asyncio.BaseProtocol { return asyncio.BaseProtocol{} }, "", opts...)
		if err != nil {
			return err
		}
		t.WriteString("hello\n")
		r, w, err := asyncio.OpenUnixConnection(ctx, "", asyncio.WithSocket(pair[1]))
		if err != nil {
			return err
		}
		defer w.Close()
		line, err := r.ReadLine(ctx)
		fmt.Printf("%s", line)
		return err
	})
	// Output: hello
}

func ExampleUnixServerOption() {
	runNetworkExample(func(ctx context.Context) error {
		dir, err := os.MkdirTemp("", "example")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		path := filepath.Join(dir, "socket")
		server, err := asyncio.CreateUnixServer(ctx, func() asyncio.BaseProtocol { return asyncio.BaseProtocol{} },
			path, asyncio.WithoutCleanupSocket())
		if err != nil {
			return err
		}
		server.Close()
		_, err = os.Lstat(path)
		fmt.Println("still there:", err == nil)
		return nil
	})
	// Output: still there: true
}
