//go:build unix

package asyncio_test

import (
	"context"
	"fmt"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
)

func endpoint(t *testing.T, ctx context.Context, local, remote string) *asyncio.DatagramEndpoint {
	t.Helper()
	e, err := asyncio.CreateDatagramEndpoint(ctx, local, remote)
	require.NoError(t, err)
	return e
}

func TestDatagramsGoThereAndBack(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		server := endpoint(t, ctx, "127.0.0.1:0", "")
		client := endpoint(t, ctx, "", server.LocalAddr().String())
		require.Equal(t, server.LocalAddr().String(), client.RemoteAddr().String())
		require.Nil(t, server.GetExtraInfo("peername"))
		for _, size := range []int{5, 0, 1, 60_000} {
			receive := asyncio.CreateTask(ctx, asyncio.Do(func(ctx context.Context) error {
				p, from, err := server.RecvFrom(ctx)
				require.NoError(t, err)
				return server.SendTo(p, from)
			}))
			require.NoError(t, client.SendTo(make([]byte, size), nil))
			got, from, err := client.RecvFrom(ctx)
			require.NoError(t, err)
			require.Len(t, got, size)
			require.Equal(t, server.LocalAddr().String(), from.String())
			_, err = receive.Await(ctx)
			require.NoError(t, err)
		}
		require.NoError(t, client.Close())
		require.NoError(t, client.WaitClosed(ctx))
		require.ErrorIs(t, client.SendTo(nil, nil), net.ErrClosed)
		server.Abort()
		return server.WaitClosed(ctx)
	})
}

func TestReceiversAreServedInTurn(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		var r trace
		server := endpoint(t, ctx, "127.0.0.1:0", "")
		client := endpoint(t, ctx, "", server.LocalAddr().String())
		var tasks []*asyncio.Task[asyncio.None]
		for i := range 3 {
			tasks = append(tasks, asyncio.CreateTask(ctx, asyncio.Do(func(ctx context.Context) error {
				p, _, err := server.RecvFrom(ctx)
				r.add("%d got %s", i, p)
				return err
			})))
		}
		require.NoError(t, asyncio.Sleep(ctx, 0))
		for i := range 3 {
			require.NoError(t, client.SendTo([]byte(fmt.Sprint(i)), nil))
		}
		_, err := asyncio.Gather(ctx, tasks...).Await(ctx)
		require.NoError(t, err)
		r.expect(t, "0 got 0", "1 got 1", "2 got 2")
		return nil
	})
}

func TestARefusedDatagramIsAnErrorButNotTheEnd(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		server := endpoint(t, ctx, "127.0.0.1:0", "")
		addr := server.LocalAddr().String()
		server.Abort()
		client := endpoint(t, ctx, "", addr)
		require.NoError(t, client.SendTo([]byte("anybody?"), nil))
		_, _, err := client.RecvFrom(ctx)
		require.ErrorIs(t, err, syscall.ECONNREFUSED)

		server = endpoint(t, ctx, addr, "")
		require.NoError(t, client.SendTo([]byte("anybody?"), nil))
		got, _, err := server.RecvFrom(ctx)
		require.NoError(t, err)
		require.Equal(t, "anybody?", string(got))
		return nil
	})
}

func TestACancelledReceiveLosesNothing(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		server := endpoint(t, ctx, "127.0.0.1:0", "")
		client := endpoint(t, ctx, "", server.LocalAddr().String())
		err := asyncio.Timeout(ctx, time.Millisecond, func(ctx context.Context, _ *asyncio.TimeoutScope) error {
			_, _, err := server.RecvFrom(ctx)
			return err
		})
		require.ErrorIs(t, err, asyncio.ErrTimeout)
		require.NoError(t, client.SendTo([]byte("late"), nil))
		got, _, err := server.RecvFrom(ctx)
		require.NoError(t, err)
		require.Equal(t, "late", string(got))
		return nil
	})
}

func TestCloseEndsAWaitingReceive(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		server := endpoint(t, ctx, "127.0.0.1:0", "")
		receive := asyncio.CreateTask(ctx, asyncio.Do(func(ctx context.Context) error {
			_, _, err := server.RecvFrom(ctx)
			return err
		}))
		require.NoError(t, asyncio.Sleep(ctx, 0))
		require.NoError(t, server.Close())
		require.True(t, server.IsClosing())
		_, err := receive.Await(ctx)
		require.ErrorIs(t, err, net.ErrClosed)
		return nil
	})
}

// A name may have addresses of both families.
func TestARemoteNameIsResolvedToTheFamilyOfTheLocalAddress(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		e := endpoint(t, ctx, "127.0.0.1:0", "localhost:9")
		require.Equal(t, "127.0.0.1:9", e.RemoteAddr().String())
		_, err := asyncio.CreateDatagramEndpoint(ctx, "127.0.0.1:0", "[::1]:9")
		require.ErrorContains(t, err, "no suitable address")
		return e.Close()
	})
}

func TestDatagramsWithoutAPossibleDestinationAreErrors(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		_, err := asyncio.CreateDatagramEndpoint(ctx, "", "")
		require.Error(t, err)
		e := endpoint(t, ctx, "127.0.0.1:0", "")
		require.ErrorContains(t, e.SendTo(nil, nil), "without an address")
		other := endpoint(t, ctx, "", e.LocalAddr().String())
		require.ErrorContains(t, other.SendTo(nil, &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1}), "connected to")
		if err = e.SendTo(make([]byte, 70_000), e.LocalAddr()); err == nil { // without a poller, it is sent later
			_, _, err = e.RecvFrom(ctx)
		}
		require.ErrorIs(t, err, syscall.EMSGSIZE)
		require.NoError(t, e.Drain(ctx))
		return nil
	})
}

// turns counts turns of the loop in a task of its own, until the task is cancelled.
func turns(ctx context.Context, n *int) *asyncio.Task[asyncio.None] {
	return spawn(ctx, func(ctx context.Context) error {
		for {
			if err := asyncio.Sleep(ctx, 0); err != nil {
				return err
			}
			*n++
		}
	})
}

func TestManyDatagramsLetOtherTasksRun(t *testing.T) {
	const sent = 100 // any system's buffer holds this many
	for name, test := range map[string]struct {
		work time.Duration // time to handle one datagram
		most int           // datagrams in one turn
	}{"little work": {0, 4}, "much work": {2 * time.Millisecond, 1}} {
		t.Run(name, func(t *testing.T) {
			runReal(t, func(ctx context.Context) error {
				server := endpoint(t, ctx, "127.0.0.1:0", "")
				client := endpoint(t, ctx, "", server.LocalAddr().String())
				for range sent {
					require.NoError(t, client.SendTo([]byte("x"), nil))
				}
				n := 0
				counter := turns(ctx, &n)
				giveWay(ctx, 2)
				start := n
				for range sent {
					_, _, err := server.RecvFrom(ctx)
					require.NoError(t, err)
					for begin := time.Now(); time.Since(begin) < test.work; {
					}
				}
				require.GreaterOrEqual(t, n-start, sent/test.most-2)
				counter.Cancel()
				join(ctx, counter)
				return nil
			})
		})
	}
}

// receivers starts n tasks that receive one datagram each.
func receivers(ctx context.Context, e *asyncio.DatagramEndpoint, n int) []*asyncio.Task[string] {
	var tasks []*asyncio.Task[string]
	for range n {
		tasks = append(tasks, asyncio.CreateTask(ctx, func(ctx context.Context) (string, error) {
			p, _, err := e.RecvFrom(ctx)
			return string(p), err
		}))
	}
	giveWay(ctx, 2)
	return tasks
}

// soon returns the result of a task that must end soon.
func soon(t *testing.T, ctx context.Context, task *asyncio.Task[string]) (string, error) {
	t.Helper()
	_, pending, err := asyncio.Wait(ctx, []*asyncio.Task[string]{task}, asyncio.WithTimeout(10*time.Second))
	require.NoError(t, err)
	require.Empty(t, pending, "it was not woken")
	return task.Result()
}

func TestACancelledReceiverWakesTheNext(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		server := endpoint(t, ctx, "127.0.0.1:0", "")
		client := endpoint(t, ctx, "", server.LocalAddr().String())
		tasks := receivers(ctx, server, 2)
		require.NoError(t, client.SendTo([]byte("hello"), nil))
		giveWay(ctx, 1) // the first is woken but has not run
		require.True(t, tasks[0].Cancel())
		got, err := soon(t, ctx, tasks[1])
		require.NoError(t, err)
		require.Equal(t, "hello", got)
		require.True(t, tasks[0].Cancelled())
		return nil
	})
}

func TestAReceiverCancelledWhileItYieldsWakesTheNext(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		server := endpoint(t, ctx, "127.0.0.1:0", "")
		client := endpoint(t, ctx, "", server.LocalAddr().String())
		received := 0
		greedy := spawn(ctx, func(ctx context.Context) error {
			for {
				if _, _, err := server.RecvFrom(ctx); err != nil {
					return err
				}
				received++
			}
		})
		next := receivers(ctx, server, 1)[0]
		for i := range 20 {
			require.NoError(t, client.SendTo([]byte{byte(i)}, nil))
		}
		for received == 0 {
			giveWay(ctx, 1)
		}
		greedy.Cancel()
		_, err := soon(t, ctx, next)
		require.NoError(t, err)
		return nil
	})
}

func TestAnEndpointReportsItsAddressesAndItsSocket(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		e, err := asyncio.CreateDatagramEndpoint(ctx, "127.0.0.1:0", "127.0.0.1:9", asyncio.WithBroadcast())
		require.NoError(t, err)
		require.Equal(t, e.LocalAddr(), e.GetExtraInfo("sockname"))
		require.Equal(t, e.RemoteAddr(), e.GetExtraInfo("peername"))
		require.Nil(t, e.GetExtraInfo("nonsense"))
		require.NotZero(t, option(t, e.GetExtraInfo("socket").(int), syscall.SO_BROADCAST))
		e.Abort()
		e = endpoint(t, ctx, "127.0.0.1:0", "")
		require.Zero(t, option(t, e.GetExtraInfo("socket").(int), syscall.SO_BROADCAST))
		e.Abort()
		return nil
	})
}

func TestADatagramAddressWithoutAHostIsThisMachine(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		server := endpoint(t, ctx, ":0", "")
		_, port, err := net.SplitHostPort(server.LocalAddr().String())
		require.NoError(t, err)
		client := endpoint(t, ctx, "", ":"+port)
		require.Equal(t, "127.0.0.1:"+port, client.RemoteAddr().String())
		require.NoError(t, client.SendTo([]byte("hello"), nil))
		got, _, err := server.RecvFrom(ctx)
		require.NoError(t, err)
		require.Equal(t, "hello", string(got))
		return nil
	})
}
