package asyncio_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
)

func TestAListenerAccepts(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		ln, err := asyncio.Listen(ctx, "tcp", "127.0.0.1:0")
		require.NoError(t, err)
		var _ net.Listener = ln
		accepting := asyncio.CreateTask(ctx, asyncio.Do(func(ctx context.Context) error {
			for {
				conn, err := ln.Accept()
				if errors.Is(err, net.ErrClosed) {
					return nil
				} else if err != nil {
					return err
				}
				asyncio.CreateTask(ctx, asyncio.Do(func(context.Context) error {
					_, err := io.Copy(conn, conn)
					return errors.Join(err, conn.Close())
				}))
			}
		}))
		for i := range 3 {
			r, w, err := asyncio.OpenConnection(ctx, ln.Addr().String())
			require.NoError(t, err)
			conn := asyncio.NewConn(ctx, r, w)
			_, err = fmt.Fprintf(conn, "hello %d\n", i)
			require.NoError(t, err)
			line, err := bufio.NewReader(conn).ReadString('\n')
			require.NoError(t, err)
			require.Equal(t, fmt.Sprintf("hello %d\n", i), line)
			require.NoError(t, conn.Close())
		}
		addr := ln.Addr()
		require.NoError(t, ln.Close())
		require.Equal(t, addr, ln.Addr())
		_, err = accepting.Await(ctx)
		return err
	})
}

// Connections that wait to be accepted are available at once, one after the other.
func TestAcceptingManyConnectionsLetsOtherTasksRun(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		const n = 100
		ln, err := asyncio.Listen(ctx, "tcp", "127.0.0.1:0")
		require.NoError(t, err)
		dialer := asyncio.NewDialer(ctx)
		var clients []net.Conn
		for range n {
			c, err := dialer.Dial("tcp", ln.Addr().String())
			require.NoError(t, err)
			clients = append(clients, c)
		}
		loop := asyncio.RunningLoop(ctx)
		for len(loop.AllTasks()) < n+1 { // a task for each accepted connection
			require.NoError(t, asyncio.Sleep(ctx, 0))
		}
		turns := 0
		other := asyncio.CreateTask(ctx, asyncio.Do(func(ctx context.Context) error {
			for asyncio.Sleep(ctx, 0) == nil {
				turns++
			}
			return nil
		}))
		for range n {
			c, err := ln.Accept()
			require.NoError(t, err)
			require.NoError(t, c.Close())
		}
		require.GreaterOrEqual(t, turns, 3)
		other.Cancel()
		for _, c := range clients {
			require.NoError(t, c.Close())
		}
		return ln.Close()
	})
}
