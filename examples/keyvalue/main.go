// Keyvalue is a server that keeps values under keys. It speaks the protocol of Redis, so redis-cli
// and the example redis are clients for it.
//
//	go run ./examples/keyvalue [ADDR]
//
// It knows PING, ECHO, SET, GET, DEL, INCR and QUIT. Each connection has a session, which is a
// Protocol: the loop calls it, and no task waits for the client. A client may send many commands
// without waiting for replies in between. If it does not read the replies, its session stops
// receiving commands until it does. The sessions share the values, which need no lock, since only
// one callback runs at a time. Ctrl-C ends the server.
package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/go-asyncio/asyncio"
)

func main() {
	address := "127.0.0.1:0"
	switch {
	case len(os.Args) == 2 && !strings.HasPrefix(os.Args[1], "-"):
		address = os.Args[1]
	case len(os.Args) > 1:
		fmt.Fprintln(os.Stderr, "usage: keyvalue [ADDR]")
		os.Exit(2)
	}
	_, err := asyncio.Run(context.Background(), asyncio.Do(func(ctx context.Context) error {
		return serve(ctx, address)
	}))
	if err != nil {
		fmt.Fprintln(os.Stderr, "keyvalue:", err)
		os.Exit(1)
	}
}

func serve(ctx context.Context, address string) error {
	values := make(map[string]string)
	newSession := func() *session { return &session{values: values} }
	server, err := asyncio.CreateServer(ctx, newSession, address)
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
	server.Close()
	server.AbortClients()
	return server.WaitClosed(ctx)
}
