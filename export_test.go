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

// SpareBuffers returns how many buffers a pool has left of n that were in use at once, after so
// many seconds in which nobody has needed one.
func SpareBuffers(n, seconds int) int {
	var p bufferPool
	used := make([][]byte, n)
	for i := range used {
		used[i] = p.get()
	}
	for _, b := range used {
		p.put(b)
	}
	start := time.Now()
	for i := range 10 * seconds {
		p.trim(func() time.Time { return start.Add(time.Duration(i) * time.Second / 10) })
	}
	return len(p.spare)
}
