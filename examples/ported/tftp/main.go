// Tftp serves the files of the current directory by TFTP, and receives new ones.
//
//	go run ./examples/ported/tftp [ACK_TIMEOUT CONN_TIMEOUT]
//
// It prints the address that it listens on. After ACK_TIMEOUT seconds without an answer it sends a
// packet again, after CONN_TIMEOUT seconds it gives the transfer up.
//
// It is a port of py3tftp (github.com/sirMackk/py3tftp, MIT), without its netascii mode.
package main

import (
	"context"
	"fmt"
	stdlog "log"
	"net"
	"os"
	"strconv"

	"github.com/go-asyncio/asyncio"
)

var log = stdlog.New(os.Stdout, "", 0)

func main() {
	ack, conn := 0.5, 3.0
	if len(os.Args) > 1 {
		var errs [2]error
		if len(os.Args) == 3 {
			ack, errs[0] = strconv.ParseFloat(os.Args[1], 64)
			conn, errs[1] = strconv.ParseFloat(os.Args[2], 64)
		}
		if len(os.Args) != 3 || errs != [2]error{} {
			fmt.Fprintln(os.Stderr, "usage: tftp [ACK_TIMEOUT CONN_TIMEOUT]")
			os.Exit(2)
		}
	}
	_, err := asyncio.Run(context.Background(), asyncio.Do(func(ctx context.Context) error {
		return serve(ctx, options{asyncio.Seconds(ack), asyncio.Seconds(conn), 512, 1})
	}), asyncio.WithExceptionHandler(func(_ *asyncio.Loop, c asyncio.ExceptionContext) {
		log.Println("[EXCEPTION]", c.Err)
	}))
	if err != nil {
		fmt.Fprintln(os.Stderr, "tftp:", err)
		os.Exit(1)
	}
}

func serve(ctx context.Context, defaults options) error {
	newServer := func() *server { return &server{ctx: ctx, defaults: defaults} }
	transport, _, err := asyncio.CreateDatagramTransport(ctx, newServer, "127.0.0.1:0", "")
	if err != nil {
		return err
	}
	log.Println("listening on", transport.LocalAddr())
	var forever asyncio.Event
	return forever.Wait(ctx)
}

// A server is the protocol of the socket that receives the requests. It has a context to create
// tasks in its callbacks.
type server struct {
	asyncio.BaseDatagramProtocol
	ctx      context.Context
	defaults options
}

func (s *server) ConnectionMade(*asyncio.DatagramTransport) { log.Println("[INFO] Listening...") }

func (s *server) ConnectionLost(error) { log.Println("[INFO] TFTP server - connection lost") }

// DatagramReceived begins a transfer, with a socket of its own.
func (s *server) DatagramReceived(data []byte, addr net.Addr) {
	loop := asyncio.RunningLoop(s.ctx)
	request, err := parsePacket(data)
	t := &transfer{loop: loop, request: request, remote: addr, opts: s.defaults}
	direction := "RRQ"
	switch {
	case err == nil && request.op == opRRQ:
		t.side = &readTransfer{transfer: t}
	case err == nil && request.op == opWRQ:
		t.side, direction = &writeTransfer{transfer: t}, "WRQ"
	case err == nil:
		err = errIncompatible
		fallthrough
	default:
		loop.CallExceptionHandler(asyncio.ExceptionContext{Message: "request failed", Err: err})
		return
	}
	asyncio.CreateTask(s.ctx, asyncio.Do(func(ctx context.Context) error {
		log.Printf("[INFO] Initiating %sProtocol with %s", direction, pyAddr(addr))
		_, _, err := asyncio.CreateDatagramTransport(ctx, func() *transfer { return t }, "127.0.0.1:0", "")
		return err
	}))
}
