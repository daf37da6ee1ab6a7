package asyncio_test

import (
	"context"
	"fmt"
	"net"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
)

// datagrams is a protocol that records its calls.
type datagrams struct {
	trace
	t      *asyncio.DatagramTransport
	onData func(p []byte, from net.Addr)
	got    int
	errs   []error
	lost   bool
}

func newDatagrams() *datagrams { return new(datagrams) }

func (d *datagrams) ConnectionMade(t *asyncio.DatagramTransport) {
	d.t = t
	d.add("made")
}

func (d *datagrams) DatagramReceived(p []byte, from net.Addr) {
	d.got++
	d.add("data %s", p)
	if d.onData != nil {
		d.onData(p, from)
	}
}

func (d *datagrams) ErrorReceived(err error) {
	d.errs = append(d.errs, err)
	d.add("error")
}

func (d *datagrams) ConnectionLost(err error) {
	d.lost = true
	d.add("lost %v", err)
}

func (d *datagrams) PauseWriting()  { d.add("pause") }
func (d *datagrams) ResumeWriting() { d.add("resume") }

// datagramPair makes an unconnected server, and a client that is connected to it.
func datagramPair(t *testing.T, ctx context.Context) (server, client *datagrams) {
	t.Helper()
	st, server, err := asyncio.CreateDatagramTransport(ctx, newDatagrams, "127.0.0.1:0", "")
	require.NoError(t, err)
	_, client, err = asyncio.CreateDatagramTransport(ctx, newDatagrams, "", st.LocalAddr().String())
	require.NoError(t, err)
	return server, client
}

func TestADatagramProtocolIsCalledInOrder(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		server, client := datagramPair(t, ctx)
		server.onData = func(p []byte, from net.Addr) { must(server.t.SendTo(append(p, '!'), from)) }
		for _, s := range []string{"a", "b"} {
			must(client.t.SendTo([]byte(s), nil))
		}
		until(ctx, func() bool { return client.got == 2 })
		for _, d := range []*datagrams{server, client} {
			d.t.Close()
			require.False(t, d.lost, "within Close")
			d.t.Close()
			giveWay(ctx, 1)
			require.True(t, d.lost)
			d.t.Abort()
			require.ErrorIs(t, d.t.SendTo([]byte("x"), nil), net.ErrClosed)
		}
		settled(ctx)
		server.expect(t, "made", "data a", "data b", "lost <nil>")
		client.expect(t, "made", "data a!", "data b!", "lost <nil>")
		return nil
	})
}

func TestNothingIsReceivedAfterCloseInACallback(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		server, client := datagramPair(t, ctx)
		server.onData = func([]byte, net.Addr) {
			server.t.Close()
			asyncio.RunningLoop(ctx).CallSoon(func() { server.add("a turn later") })
		}
		for range 3 {
			must(client.t.SendTo([]byte("a"), nil))
		}
		until(ctx, func() bool { return server.lost })
		settled(ctx)
		server.expect(t, "made", "data a", "lost <nil>", "a turn later")
		client.t.Abort()
		giveWay(ctx, 1)
		return nil
	})
}

func TestADatagramThatIsRefusedIsAnErrorForAProtocol(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		server, client := datagramPair(t, ctx)
		server.t.Abort()
		giveWay(ctx, 1)
		must(client.t.SendTo([]byte("x"), nil))
		until(ctx, func() bool { return len(client.errs) > 0 })
		require.ErrorIs(t, client.errs[0], syscall.ECONNREFUSED)
		require.False(t, client.t.IsClosing())
		client.t.Close()
		giveWay(ctx, 1)
		client.expect(t, "made", "error", "lost <nil>")
		return nil
	})
}

func TestAPanicOfADatagramProtocolIsReportedAndNotTheEnd(t *testing.T) {
	var reports []string
	_, err := asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
		server, client := datagramPair(t, ctx)
		server.onData = func(p []byte, _ net.Addr) { panic(string(p)) }
		for i := range 2 {
			must(client.t.SendTo(fmt.Append(nil, i), nil))
		}
		until(ctx, func() bool { return len(reports) == 2 })
		require.False(t, server.lost)
		_, _, err := asyncio.CreateDatagramTransport(ctx, func() *datagrams { return nil }, "", "")
		require.ErrorContains(t, err, "without any address")
		return nil
	}), asyncio.WithExceptionHandler(func(_ *asyncio.Loop, c asyncio.ExceptionContext) {
		reports = append(reports, fmt.Sprint(c.Message, ": ", c.Err.(*asyncio.PanicError).Value))
		require.IsType(t, new(asyncio.DatagramTransport), c.Extra["transport"])
		require.IsType(t, new(datagrams), c.Extra["protocol"])
	}))
	require.NoError(t, err)
	require.Equal(t, []string{"panic in DatagramReceived of a protocol: 0", "panic in DatagramReceived of a protocol: 1"}, reports)
}

// In one turn a transport receives no more than an endpoint does, so that others get their turn.
func TestAFloodOfDatagramsLeavesTheLoopToOthers(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		server, client := datagramPair(t, ctx)
		for range 40 {
			must(client.t.SendTo([]byte("x"), nil))
		}
		turns := asyncio.Turns(asyncio.RunningLoop(ctx))
		for server.got < 40 {
			before := server.got
			giveWay(ctx, 1)
			require.LessOrEqual(t, server.got-before, 4)
		}
		require.GreaterOrEqual(t, asyncio.Turns(asyncio.RunningLoop(ctx))-turns, uint64(10))
		server.t.Abort()
		client.t.Abort()
		giveWay(ctx, 1)
		return nil
	})
}
