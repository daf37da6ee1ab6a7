// Tlsproxy puts TLS in front of a server that has none.
//
//	go run ./examples/tlsproxy -cert FILE -key FILE [-listen ADDR] [-max N] -to ADDR
//
// The proxy decrypts each client's connection and passes it on to the address -to; the answers go
// back to the client. A client that has sent everything still gets the whole answer; the connection
// ends when the server ends it. On Ctrl-C connections have five seconds to finish.
package main

import (
	"context"
	"crypto/tls"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/go-asyncio/asyncio"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "where clients connect to")
	to := flag.String("to", "", "the server without TLS")
	cert := flag.String("cert", "", "the certificate, a PEM `file`")
	key := flag.String("key", "", "its key, a PEM `file`")
	limit := flag.Int("max", 1000, "how many connections at a time")
	flag.Parse()
	if *to == "" || *cert == "" || *key == "" || *limit < 1 || flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	_, err := asyncio.Run(context.Background(), asyncio.Do(func(ctx context.Context) error {
		pair, err := tls.LoadX509KeyPair(*cert, *key)
		if err != nil {
			return err
		}
		server, err := asyncio.StartServer(ctx, proxy(*to), *listen, asyncio.WithMaxConnections(*limit),
			asyncio.WithTLS(&tls.Config{Certificates: []tls.Certificate{pair}}),
			asyncio.WithTLSHandshakeTimeout(10*time.Second))
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
		return server.Shutdown(ctx, 5*time.Second)
	}))
	if err != nil {
		fmt.Fprintln(os.Stderr, "tlsproxy:", err)
		os.Exit(1)
	}
}

// proxy returns the handler that passes a connection on to an address.
func proxy(to string) asyncio.ConnectionHandler {
	return func(ctx context.Context, clientReader *asyncio.StreamReader, clientWriter *asyncio.StreamWriter) error {
		serverReader, serverWriter, err := asyncio.OpenConnection(ctx, to)
		if err != nil {
			return err
		}
		defer serverWriter.Close()
		up := asyncio.CreateTask(ctx, asyncio.Do(func(ctx context.Context) error {
			err := pump(ctx, clientReader, serverWriter)
			if err == nil {
				err = serverWriter.WriteEOF()
			}
			return err
		}))
		// The connection lasts until the server has sent everything.
		err = pump(ctx, serverReader, clientWriter)
		up.Cancel()
		if _, upErr := up.Await(ctx); err == nil && !up.Cancelled() {
			err = upErr
		}
		return err
	}
}

// pump copies until the end.
func pump(ctx context.Context, r *asyncio.StreamReader, w *asyncio.StreamWriter) error {
	buf := make([]byte, 32<<10)
	for {
		n, err := r.ReadInto(ctx, buf)
		if err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		if _, err := w.Write(buf[:n]); err != nil {
			return err
		}
		if err := w.Drain(ctx); err != nil {
			return err
		}
	}
}
