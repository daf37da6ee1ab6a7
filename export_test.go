package asyncio

import (
	"context"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/go-asyncio/asyncio/internal/poll"
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
func IdleCoroutines(l *Loop) int { return l.fibers.Len() }

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

// PollNow returns how many events the loop's poller has, which does not give them to anybody.
func PollNow(l *Loop) int {
	events, err := l.fds.poller.Poll()
	if err != nil {
		panic(err)
	}
	return len(events)
}

// Polled returns how many descriptors the loop counts on.
func Polled(l *Loop) int { return l.fds.n }

// Turns returns how many turns the loop has made.
func Turns(l *Loop) uint64 { return l.turns }

// The limits of a turn and of a call.
const (
	SockShare   = sockShare
	MaxTransfer = maxTransfer
	MaxStrays   = maxStrays
)

// AwaitReadable suspends until fd can be read from.
func AwaitReadable(ctx context.Context, l *Loop, fd int) error {
	w, err := l.watchFD(fd)
	if err != nil {
		return err
	}
	return w.await(ctx, poll.Read)
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

// SetLoopPatience shortens how long a goroutine waits for a loop that is blocked.
func SetLoopPatience(d time.Duration) (restore func()) {
	old := loopPatience
	loopPatience = d
	return func() { loopPatience = old }
}

// FunctionsInLine returns how many functions of ToThread wait for a slot.
func FunctionsInLine(l *Loop) int {
	l.threads.mu.Lock()
	defer l.threads.mu.Unlock()
	return l.threads.functions.line.Len()
}
