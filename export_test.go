package asyncio

import (
	"context"
	"net"
	"net/netip"
	"time"
)

// What the black box tests cannot reach otherwise.

func Interleave(addrs []netip.AddrPort) []netip.AddrPort { return interleave(addrs) }

func RaceToConnect(ctx context.Context, addrs []netip.AddrPort, delay time.Duration,
	dial func(context.Context, netip.AddrPort) (string, error), discard func(string)) (string, error) {
	return raceToConnect(ctx, addrs, delay, dial, discard)
}

// StartOn is StartServer with the addresses that a name has.
func StartOn(ctx context.Context, handler ConnectionHandler, addrs ...net.Addr) (*Server, error) {
	s, err := newServer(ctx, handler, "tcp", nil)
	if err != nil {
		return nil, err
	}
	return s.start(addrs)
}

// SetLoopPatience shortens how long a goroutine waits for a loop that is blocked.
func SetLoopPatience(d time.Duration) (restore func()) {
	old := loopPatience
	loopPatience = d
	return func() { loopPatience = old }
}
