package asyncio

import (
	"context"
	"net"
	"net/netip"
	"testing"

	"github.com/go-asyncio/asyncio/internal/poll"
)

// This file exports what the tests of servers, connections and datagrams cannot reach otherwise.

// DialAny is OpenConnection to the addresses of a name.
func DialAny(ctx context.Context, addrs []netip.AddrPort, opts ...ConnectOption) (*StreamWriter, error) {
	l := running(ctx).loop
	if err := l.needIO(); err != nil {
		return nil, err
	}
	s, err := l.dialAny(ctx, addrs, nil, newStreamOptions(opts))
	if err != nil {
		return nil, err
	}
	return &s.writer, nil
}

// The following functions replace a system call until the test ends. Each passes the original
// function to with, and installs the function that with returns.

func ReplaceAccept(t testing.TB, with func(accept func(int) (int, net.Addr, error)) func(int) (int, net.Addr, error)) {
	replace(t, &system.accept, with)
}

func ReplaceBind(t testing.TB, with func(bind func(int, net.Addr) error) func(int, net.Addr) error) {
	replace(t, &system.bind, with)
}

func ReplaceListen(t testing.TB, with func(listen func(int, int) error) func(int, int) error) {
	replace(t, &system.listen, with)
}

func ReplaceLocalAddr(t testing.TB, with func(localAddr func(int, string) net.Addr) func(int, string) net.Addr) {
	replace(t, &system.localAddr, with)
}

func ReplaceSendTo(t testing.TB, with func(sendTo func(int, []byte, net.Addr) error) func(int, []byte, net.Addr) error) {
	replace(t, &system.sendTo, with)
}

func replace[T any](t testing.TB, call *T, with func(T) T) {
	if p, err := poll.New(); err == nil {
		p.Close()
	} else if err == poll.ErrUnsupported {
		t.Skip("there is no poller, and so the loop makes none of the system calls that the test replaces")
	}
	old := *call
	*call = with(old)
	t.Cleanup(func() { *call = old })
}
