package asyncio

import (
	"context"
	"net/netip"
	"time"
)

// What the black box tests cannot reach otherwise.

func Interleave(addrs []netip.AddrPort) []netip.AddrPort { return interleave(addrs) }

func RaceToConnect(ctx context.Context, addrs []netip.AddrPort, delay time.Duration,
	dial func(context.Context, netip.AddrPort) (string, error), discard func(string)) (string, error) {
	return raceToConnect(ctx, addrs, delay, dial, discard)
}
