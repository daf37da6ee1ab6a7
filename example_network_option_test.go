//go:build unix

package asyncio_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"os"
	"path/filepath"
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
