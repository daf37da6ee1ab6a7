package asyncio_test

import (
	"context"
	"errors"
	"net"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
)

func TestAReceiverThatGetsAnErrorWakesTheNext(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		server := endpoint(t, ctx, "127.0.0.1:0", "")
		client := endpoint(t, ctx, "", server.LocalAddr().String())
		tasks := receivers(ctx, client, 2)
		require.NoError(t, server.SendTo([]byte("first"), client.LocalAddr()))
		require.NoError(t, server.Close())
		require.NoError(t, server.WaitClosed(ctx))
		require.NoError(t, client.SendTo([]byte("anybody?"), nil)) // is refused
		one, oneErr := soon(t, ctx, tasks[0])                      // without a poller, the datagram, which was received ahead
		other, otherErr := soon(t, ctx, tasks[1])
		require.ErrorIs(t, errors.Join(oneErr, otherErr), syscall.ECONNREFUSED)
		require.Equal(t, "first", one+other)
		return nil
	})
}

type sendToFunc = func(fd int, p []byte, addr net.Addr) error

// crowded makes sending a datagram fail with *answer, which is EAGAIN until the test changes it.
// Every other attempt is counted in *sent, and its datagram is lost.
func crowded(t *testing.T) (answer *error, sent *int) {
	answer, sent = new(error), new(int)
	*answer = syscall.EAGAIN
	asyncio.ReplaceSendTo(t, func(sendToFunc) sendToFunc {
		return func(int, []byte, net.Addr) error {
			if *answer != syscall.EAGAIN {
				*sent++
			}
			return *answer
		}
	})
	return answer, sent
}

// stir makes the poller report an endpoint again; the report includes that there is room.
func stir(t *testing.T, e *asyncio.DatagramEndpoint) {
	t.Helper()
	c, err := net.Dial("udp", e.LocalAddr().String())
	require.NoError(t, err)
	_, err = c.Write([]byte("x"))
	require.NoError(t, err)
	require.NoError(t, c.Close())
}

func TestKeptDatagramsAreSentAFewInEachTurn(t *testing.T) {
	answer, sent := crowded(t)
	runReal(t, func(ctx context.Context) error {
		const n = 1000
		e := endpoint(t, ctx, "127.0.0.1:0", "")
		settled(ctx) // the poller has reported that there is room
		for range n {
			require.NoError(t, e.SendTo(make([]byte, 100), e.LocalAddr()))
		}
		drained := spawn(ctx, e.Drain)
		settled(ctx)
		require.False(t, drained.Done())
		*answer = nil
		stir(t, e)
		for before := 0; *sent < n; before = *sent {
			giveWay(ctx, 1)
			require.LessOrEqual(t, *sent-before, 128, "in one turn")
			if left := n - *sent; left*100 > 16<<10 {
				require.False(t, drained.Done())
			}
		}
		require.NoError(t, errOf(ctx, drained))
		require.NoError(t, e.Close())
		return e.WaitClosed(ctx)
	})
}

func TestRecvFromReturnsTheErrorOfAKeptDatagram(t *testing.T) {
	answer, _ := crowded(t)
	runReal(t, func(ctx context.Context) error {
		e := endpoint(t, ctx, "127.0.0.1:0", "")
		settled(ctx)
		require.NoError(t, e.SendTo([]byte("x"), e.LocalAddr()))
		tasks := receivers(ctx, e, 2)
		*answer = syscall.EPERM
		stir(t, e)
		_, err := soon(t, ctx, tasks[0])
		var op *net.OpError
		require.ErrorAs(t, err, &op)
		require.Equal(t, "write", op.Op)
		require.ErrorIs(t, err, syscall.EPERM)
		got, err := soon(t, ctx, tasks[1])
		require.NoError(t, err)
		require.Equal(t, "x", got)
		return nil
	})
}

func TestAnEndpointCloses(t *testing.T) {
	for name, test := range map[string]struct {
		abort bool
		sent  int
	}{"when what was kept is sent": {false, 3}, "at once after Abort": {true, 0}} {
		t.Run(name, func(t *testing.T) {
			answer, sent := crowded(t)
			runReal(t, func(ctx context.Context) error {
				e := endpoint(t, ctx, "127.0.0.1:0", "")
				settled(ctx)
				for range 3 {
					require.NoError(t, e.SendTo(make([]byte, 30_000), e.LocalAddr()))
				}
				drained := spawn(ctx, e.Drain)
				closed := spawn(ctx, e.WaitClosed)
				require.NoError(t, e.Close())
				settled(ctx)
				require.False(t, closed.Done())
				if test.abort {
					e.Abort()
				} else {
					*answer = nil
					stir(t, e)
				}
				require.NoError(t, errOf(ctx, closed))
				require.ErrorIs(t, errOf(ctx, drained), net.ErrClosed)
				require.ErrorIs(t, e.Drain(ctx), net.ErrClosed)
				require.NoError(t, e.WaitClosed(ctx))
				require.Equal(t, test.sent, *sent)
				return nil
			})
		})
	}
}

func TestADatagramProtocolIsNotifiedWhenTooMuchIsKept(t *testing.T) {
	answer, _ := crowded(t)
	runReal(t, func(ctx context.Context) error {
		server, client := datagramPair(t, ctx)
		for range 3 {
			must(server.t.SendTo(make([]byte, 30<<10), client.t.LocalAddr()))
		}
		server.expect(t, "made", "pause")
		require.Equal(t, 90<<10+3*8, server.t.WriteBufferSize())
		server.t.Close()
		client.t.Abort()
		*answer = nil
		c, err := net.DialUDP("udp", nil, server.t.LocalAddr().(*net.UDPAddr)) // makes the poller report the server again
		require.NoError(t, err)
		defer c.Close()
		until(ctx, func() bool {
			_, _ = c.Write([]byte("x"))
			return server.lost
		})
		server.expect(t, "made", "pause", "resume", "lost <nil>")
		return nil
	})
}

// A datagram counts with its header, so that no number of empty ones is kept without notice.
func TestEmptyDatagramsThatAreKeptCount(t *testing.T) {
	_, _ = crowded(t)
	runReal(t, func(ctx context.Context) error {
		server, client := datagramPair(t, ctx)
		for len(server.trace) == 1 && server.t.WriteBufferSize() <= 64<<10 {
			before := server.t.WriteBufferSize()
			must(server.t.SendTo(nil, client.t.LocalAddr()))
			require.Greater(t, server.t.WriteBufferSize(), before)
		}
		server.expect(t, "made", "pause")
		server.t.Abort()
		require.Zero(t, server.t.WriteBufferSize())
		client.t.Abort()
		giveWay(ctx, 1)
		return nil
	})
}

func TestADatagramToANilAddressIsRefused(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		e := endpoint(t, ctx, "127.0.0.1:0", "")
		err := e.SendTo([]byte("x"), (*net.UDPAddr)(nil))
		if err == nil { // without a poller, it is sent later
			_, _, err = e.RecvFrom(ctx)
		}
		require.Error(t, err)
		return e.Close()
	})
}
