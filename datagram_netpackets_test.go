package asyncio_test

import (
	"context"
	"errors"
	"io"
	"net"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
)

// oddPackets receives as read says, and closes as closing says. Both may be nil.
type oddPackets struct {
	net.PacketConn
	read    func(p []byte) (int, net.Addr, error)
	closing func()
}

func (c *oddPackets) ReadFrom(p []byte) (int, net.Addr, error) {
	if c.read != nil {
		return c.read(p)
	}
	return c.PacketConn.ReadFrom(p)
}

func (c *oddPackets) Close() error {
	err := c.PacketConn.Close()
	if c.closing != nil {
		c.closing()
	}
	return err
}

func packets(t *testing.T) net.PacketConn {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	return conn
}

// A socket that fails again and again would otherwise keep its loop busy.
func TestAPacketConnThatCannotReceiveAnyMoreEndsItsEndpoint(t *testing.T) {
	var panicked *asyncio.PanicError
	for name, c := range map[string]struct {
		read  func(p []byte) (int, net.Addr, error)
		check func(err error) bool
	}{
		"panics":          {func([]byte) (int, net.Addr, error) { panic("odd") }, func(err error) bool { return errors.As(err, &panicked) }},
		"exits":           {func([]byte) (int, net.Addr, error) { runtime.Goexit(); return 0, nil, nil }, func(err error) bool { return err != nil }},
		"claims too much": {func(p []byte) (int, net.Addr, error) { return len(p) + 1, nil, nil }, func(err error) bool { return errors.As(err, &panicked) }},
		"claims less":     {func(p []byte) (int, net.Addr, error) { return -1, nil, nil }, func(err error) bool { return errors.As(err, &panicked) }},
		"is closed":       {func(p []byte) (int, net.Addr, error) { return 0, nil, net.ErrClosed }, func(err error) bool { return errors.Is(err, net.ErrClosed) }},
		"ends":            {func(p []byte) (int, net.Addr, error) { return 0, nil, io.EOF }, func(err error) bool { return errors.Is(err, io.EOF) }},
	} {
		t.Run(name, func(t *testing.T) {
			runReal(t, func(ctx context.Context) error {
				e, err := asyncio.CreateDatagramEndpoint(ctx, "", "", asyncio.WithSocket(&oddPackets{PacketConn: packets(t), read: c.read}))
				require.NoError(t, err)
				_, _, err = e.RecvFrom(ctx)
				require.True(t, c.check(err), "%v", err)
				_, _, err = e.RecvFrom(ctx)
				require.Equal(t, net.ErrClosed, err)
				require.NoError(t, e.WaitClosed(ctx))

				_, p, err := asyncio.CreateDatagramTransport(ctx, newDatagrams, "", "", asyncio.WithSocket(&oddPackets{PacketConn: packets(t), read: c.read}))
				require.NoError(t, err)
				for !p.lost {
					require.NoError(t, asyncio.Sleep(ctx, 0))
				}
				require.Len(t, p.errs, 1)
				require.True(t, c.check(p.errs[0]), "%v", p.errs[0])
				return nil
			})
		})
	}
}

func TestClosingAnOddPacketConnDoesNotHoldTheLoop(t *testing.T) {
	release := make(chan struct{})
	for name, closing := range map[string]func(){
		"panics": func() { panic("odd") },
		"exits":  runtime.Goexit,
		"blocks": func() { <-release },
	} {
		t.Run(name, func(t *testing.T) {
			runReal(t, func(ctx context.Context) error {
				e, err := asyncio.CreateDatagramEndpoint(ctx, "", "", asyncio.WithSocket(&oddPackets{PacketConn: packets(t), closing: closing}))
				require.NoError(t, err)
				require.NoError(t, e.Close())
				if name == "blocks" {
					close(release)
				}
				return e.WaitClosed(ctx)
			})
		})
	}
}
