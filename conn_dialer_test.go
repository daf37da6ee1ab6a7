package asyncio_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
)

func TestTheContextOfADialBoundsOnlyTheDial(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		defer ln.Close()
		// The parent need not be a task's context.
		for _, parent := range []context.Context{ctx, context.Background()} {
			bound, cancel := context.WithTimeout(parent, time.Hour)
			c, err := asyncio.NewDialer(ctx).DialContext(bound, "tcp", ln.Addr().String())
			require.NoError(t, err)
			peer, err := ln.Accept()
			require.NoError(t, err)
			cancel()
			_, err = peer.Write([]byte("x"))
			require.NoError(t, err)
			_, err = c.Read(make([]byte, 1))
			require.NoError(t, err)
			require.NoError(t, c.Close())
			require.NoError(t, peer.Close())
			_, err = asyncio.NewDialer(ctx).DialContext(bound, "tcp", ln.Addr().String())
			opError(t, err, "dial", context.Canceled)
		}
		_, err = asyncio.NewDialer(ctx).Dial("udp", "127.0.0.1:1")
		opError(t, err, "dial", net.UnknownNetworkError("udp"))
		return nil
	})
}

func TestAnyGoroutineMayUseAListenerAndADialer(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		t.Run(network, func(t *testing.T) {
			runReal(t, func(ctx context.Context) error {
				address := "127.0.0.1:0"
				if network == "unix" {
					dir, err := os.MkdirTemp("", "")
					require.NoError(t, err)
					defer os.RemoveAll(dir)
					address = dir + "/socket"
				}
				ln, err := asyncio.Listen(ctx, network, address)
				require.NoError(t, err)
				dialer := asyncio.NewDialer(ctx)
				elsewhere(ctx, func() {
					served := make(chan error)
					go func() {
						c, err := ln.Accept()
						if err == nil {
							_, err = io.Copy(c, c)
							err = errors.Join(err, c.Close())
						}
						served <- err
					}()
					bound, cancel := context.WithCancel(context.Background())
					defer cancel()
					c, err := dialer.DialContext(bound, network, ln.Addr().String())
					if !assert.NoError(t, err) {
						return
					}
					cancel() // ctx bounds only the dial
					_, err = c.Write([]byte("hello"))
					assert.NoError(t, err)
					assert.NoError(t, c.(*asyncio.Conn).CloseWrite())
					got, err := io.ReadAll(c)
					assert.NoError(t, err)
					assert.Equal(t, "hello", string(got))
					assert.NoError(t, c.Close())
					assert.NoError(t, <-served)
					go ln.Close()
					_, err = ln.Accept()
					opError(t, err, "accept", net.ErrClosed)
				})
				return nil
			})
		})
	}
}

// muteServer returns the address of a server that accepts connections and sends nothing.
func muteServer(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { ln.Close() })
	return ln.Addr().String()
}

func TestACancelledDialIsNotRetried(t *testing.T) {
	address := muteServer(t)
	runReal(t, func(ctx context.Context) error {
		dialer := asyncio.NewDialer(ctx, asyncio.WithTLS(&tls.Config{InsecureSkipVerify: true}))
		dialed := 0
		stubborn := asyncio.CreateTask(ctx, asyncio.Do(func(context.Context) (err error) {
			for range 3 {
				_, err = dialer.Dial("tcp", address)
				opError(t, err, "dial", asyncio.ErrCancelled)
				dialed++
			}
			return err
		}))
		require.NoError(t, asyncio.Sleep(ctx, time.Millisecond))
		stubborn.Cancel()
		return asyncio.Timeout(ctx, time.Minute, func(ctx context.Context, _ *asyncio.TimeoutScope) error {
			_, err := stubborn.Await(ctx)
			require.ErrorIs(t, err, asyncio.ErrCancelled)
			require.Equal(t, 3, dialed)
			return nil
		})
	})
}

func TestAnAbandonedDialElsewhereLeavesNoTask(t *testing.T) {
	address := muteServer(t)
	runReal(t, func(ctx context.Context) error {
		dialer := asyncio.NewDialer(ctx, asyncio.WithTLS(&tls.Config{InsecureSkipVerify: true}))
		elsewhere(ctx, func() {
			bound, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
			defer cancel()
			_, err := dialer.DialContext(bound, "tcp", address)
			opError(t, err, "dial", context.DeadlineExceeded)
		})
		return asyncio.Timeout(ctx, 30*time.Second, func(ctx context.Context, _ *asyncio.TimeoutScope) error {
			for len(asyncio.RunningLoop(ctx).AllTasks()) > 1 {
				if err := asyncio.Sleep(ctx, time.Millisecond); err != nil {
					return err
				}
			}
			return nil
		})
	})
}
