package asyncio

import (
	"context"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"time"

	"github.com/go-asyncio/asyncio/internal/poll"
	"github.com/go-asyncio/asyncio/internal/reactor"
)

// This file exports what the black-box tests cannot reach otherwise.

func Interleave(addrs []netip.AddrPort) []netip.AddrPort { return interleave(addrs) }

func RaceToConnect(ctx context.Context, addrs []netip.AddrPort, delay time.Duration,
	dial func(context.Context, netip.AddrPort) (string, error), discard func(string)) (string, error) {
	return raceToConnect(ctx, addrs, delay, dial, discard)
}

// StartOn is StartServer on the addresses of a name.
func StartOn(ctx context.Context, handler ConnectionHandler, addrs ...net.Addr) (*Server, error) {
	s, err := newServer(ctx, byHandler(handler), "tcp", newStreamOptions[ServeOption](nil))
	if err != nil {
		return nil, err
	}
	return s.start(addrs)
}

// IdleCoroutines returns the number of idle coroutines in the loop's pool.
func IdleCoroutines(l *Loop) int { return l.fibers.Len() }

// QueueSizes returns the capacities of a loop's queues, in entries.
func QueueSizes(l *Loop) (ready, timers, posted int) {
	return l.ready.Cap(), l.timers.Cap(), cap(l.posted.items)
}

// InterruptIgnored reports whether SIGINT was ignored when the test began.
var InterruptIgnored = interruptIgnored

// DenyKill replaces the killing of processes by fn, and limits the wait for a killed process to
// patience, until undo is called.
func DenyKill(fn func(*os.Process) error, patience time.Duration) (undo func()) {
	oldKill, oldPatience := kill, killPatience
	kill, killPatience = fn, patience
	return func() { kill, killPatience = oldKill, oldPatience }
}

// PollNow returns how many events the loop's poller has. The events are not delivered.
func PollNow(l *Loop) int {
	events, err := l.reactor.Poller().Poll()
	if err != nil {
		panic(err)
	}
	return len(events)
}

// Polled returns how many descriptors the loop counts as active.
func Polled(l *Loop) int { return l.reactor.Active() }

// Turns returns how many turns the loop has made.
func Turns(l *Loop) uint64 { return l.turns }

// Limits of a turn and of a call.
const (
	SockShare   = sockShare
	MaxTransfer = maxTransfer
	MaxStrays   = reactor.MaxStrays
)

// AwaitReadable suspends until fd is readable.
func AwaitReadable(ctx context.Context, l *Loop, fd int) error {
	c, err := l.callbacksOf(fd)
	if err != nil {
		return err
	}
	return c.await(ctx, poll.Read)
}

// SetLoopPatience sets how long a goroutine waits for a loop that is blocked.
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

// HasDriver reports whether a task drives the loop.
func (l *Loop) HasDriver() bool { return l.driver != nil }

// StreamOver makes a stream of a connection whose calls block.
func StreamOver(ctx context.Context, conn net.Conn) (*StreamReader, *StreamWriter) {
	s := openNetConn(RunningLoop(ctx), conn, newStreamOptions[ConnectOption](nil))
	s.watchDrop()
	return &s.reader, &s.writer
}

// SetClosePatience sets how long a loop that closes waits for blocking calls.
func SetClosePatience(d time.Duration) (restore func()) {
	old := closePatience
	closePatience = d
	return func() { closePatience = old }
}

// OperateSlowly makes the operation of c with a goroutine that takes a while each time that it is to
// wait.
func OperateSlowly(ctx context.Context, c SelectCase) error {
	return running(ctx).operate(ctx, slowOperation{c}, waitSelect)
}

type slowOperation struct{ SelectCase }

func (s slowOperation) wait(ask <-chan struct{}) (made, asked bool) {
	time.Sleep(time.Millisecond)
	return s.SelectCase.wait(ask)
}

// RecordingLoops returns the number of loops that record the holders of locks.
func RecordingLoops() int32 { return -atomic.LoadInt32(&notRecording) }

// A TurnClock knows when turns were made.
type TurnClock struct{ clock turnClock }

func (c *TurnClock) Add(turn uint64, now time.Duration) { c.clock.add(turn, now) }
func (c *TurnClock) At(turn uint64) time.Duration       { return c.clock.at(turn) }
func (c *TurnClock) Entries() int                       { return len(c.clock.entries) }

// SearchRings makes the loop, which is inspected, search for rings of waiting tasks at once.
func SearchRings(l *Loop) {
	l.recorder.searched, l.recorder.searchNext = 0, 0
	l.searchRings()
}
