package asyncio

import (
	"context"
	"net"
	"net/netip"
	"os"
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

// IdleCoroutines returns how many coroutines wait for tasks.
func IdleCoroutines(l *Loop) int { return l.pool.Len() }

// QueueSizes returns for how many entries the queues of a loop have memory.
func QueueSizes(l *Loop) (ready, timers, posted int) {
	return l.ready.Cap(), l.timers.Cap(), cap(l.posted.items)
}

// InterruptIgnored reports that SIGINT was ignored when the test began.
var InterruptIgnored = interruptIgnored

// DenyKill has the killing of processes do as fn does, and waits for them no longer than
// patience, until it is undone.
func DenyKill(fn func(*os.Process) error, patience time.Duration) (undo func()) {
	oldKill, oldPatience := kill, killPatience
	kill, killPatience = fn, patience
	return func() { kill, killPatience = oldKill, oldPatience }
}
