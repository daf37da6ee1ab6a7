// Asyncio is an echo server on this library's streams or on a protocol. It listens on a free port of
// the loopback interface and prints the port. Its argument selects how the server reads: with Read,
// which makes a copy for the caller, with ReadInto, or in DataReceived of a Protocol.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"os"

	"github.com/go-asyncio/asyncio"
)

const bufferSize = 4096

func main() {
	servers := map[string]func(context.Context) (*asyncio.Server, error){
		"Read": serveStreams(echoRead), "ReadInto": serveStreams(echoReadInto), "Protocol": serveProtocol,
	}
	if len(os.Args) != 2 || servers[os.Args[1]] == nil {
		log.Fatal("usage: asyncio Read|ReadInto|Protocol")
	}
	_, err := asyncio.Run(context.Background(), asyncio.Do(func(ctx context.Context) error {
		server, err := servers[os.Args[1]](ctx)
		if err != nil {
			return err
		}
		fmt.Println(server.Addr().(*net.TCPAddr).Port)
		return server.Serve(ctx)
	}))
	log.Fatal(err)
}

func serveStreams(handler asyncio.ConnectionHandler) func(context.Context) (*asyncio.Server, error) {
	return func(ctx context.Context) (*asyncio.Server, error) {
		return asyncio.StartServer(ctx, handler, "127.0.0.1:0")
	}
}

func echoRead(ctx context.Context, r *asyncio.StreamReader, w *asyncio.StreamWriter) error {
	for {
		data, err := r.Read(ctx, bufferSize)
		if err != nil {
			return ignoreEOF(err)
		}
		if err := reply(ctx, w, data); err != nil {
			return err
		}
	}
}

func echoReadInto(ctx context.Context, r *asyncio.StreamReader, w *asyncio.StreamWriter) error {
	buf := make([]byte, bufferSize)
	for {
		n, err := r.ReadInto(ctx, buf)
		if err != nil {
			return ignoreEOF(err)
		}
		if err := reply(ctx, w, buf[:n]); err != nil {
			return err
		}
	}
}

func reply(ctx context.Context, w *asyncio.StreamWriter, data []byte) error {
	if _, err := w.Write(data); err != nil {
		return err
	}
	return w.Drain(ctx)
}

func ignoreEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}
