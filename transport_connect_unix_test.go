//go:build unix

package asyncio_test

import (
	"context"
	"net"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
)

func TestAnAcceptedSocketIsServedByAProtocol(t *testing.T) {
	serverConfig, clientConfig := certificates()
	for name, opts := range map[string][]asyncio.TLSOption{"plain": nil, "TLS": {asyncio.WithTLS(serverConfig)}} {
		t.Run(name, func(t *testing.T) {
			runReal(t, func(ctx context.Context) error {
				ln, err := net.Listen("tcp", "127.0.0.1:0")
				require.NoError(t, err)
				defer ln.Close()
				accepted := asyncio.CreateTask(ctx, func(ctx context.Context) (*asyncio.Transport, error) {
					fd, err := asyncio.ToThread(ctx, func(context.Context) (int, error) { return acceptDescriptor(ln) })
					require.NoError(t, err)
					server, _, err := asyncio.ConnectAcceptedSocket(ctx, newEchoer, fd, opts...)
					return server, err
				})
				var client []asyncio.ConnectionOption
				if opts != nil {
					client = append(client, asyncio.WithTLS(clientConfig))
				}
				tr, c, err := asyncio.CreateConnection(ctx, newCollector, ln.Addr().String(), client...)
				require.NoError(t, err)
				server, err := accepted.Await(ctx)
				require.NoError(t, err)
				require.Equal(t, tr.LocalAddr().String(), server.RemoteAddr().String())
				tr.WriteString("hello")
				until(ctx, func() bool { return string(c.got) == "hello" })
				tr.Close()
				c.waitLost(ctx)
				until(ctx, server.IsClosing)
				return nil
			})
		})
	}
}

// acceptDescriptor returns a connection's descriptor, which nothing else has.
func acceptDescriptor(ln net.Listener) (fd int, err error) {
	conn, err := ln.Accept()
	if err != nil {
		return -1, err
	}
	defer conn.Close()
	raw, err := conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		return -1, err
	}
	if controlErr := raw.Control(func(old uintptr) { fd, err = syscall.Dup(int(old)) }); controlErr != nil {
		return -1, controlErr
	}
	return fd, err
}
