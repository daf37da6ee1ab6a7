//go:build !portable && (darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package reactor_test

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/go-asyncio/asyncio/internal/poll"
	"github.com/go-asyncio/asyncio/internal/reactor"
)

// handler records its notifications.
type handler struct {
	ready poll.Ready // since the last look
	calls int
	lost  int
	then  func() // called by OnReady, or nil
}

func (h *handler) OnReady(ready poll.Ready) {
	h.ready |= ready
	h.calls++
	if h.then != nil {
		h.then()
	}
}

func (h *handler) OnLost() { h.lost++ }

func newReactor(t *testing.T) *reactor.Reactor {
	t.Helper()
	r := new(reactor.Reactor)
	require.NoError(t, r.Open())
	t.Cleanup(r.Close)
	return r
}

// pair makes two connected non-blocking sockets.
func pair(t *testing.T) (a, b int) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	require.NoError(t, err)
	t.Cleanup(func() { unix.Close(fds[0]); unix.Close(fds[1]) }) // some are closed by then
	require.NoError(t, unix.SetNonblock(fds[0], true))
	require.NoError(t, unix.SetNonblock(fds[1], true))
	return fds[0], fds[1]
}

func write(t *testing.T, fd int, bytes string) {
	t.Helper()
	_, err := unix.Write(fd, []byte(bytes))
	require.NoError(t, err)
}

// look calls Wait once and returns the readiness that h is notified of.
func look(t *testing.T, r *reactor.Reactor, h *handler) poll.Ready {
	t.Helper()
	require.NoError(t, r.Wait(0))
	ready := h.ready
	h.ready = 0
	return ready
}

func TestAnOwnedDescriptorIsReportedOnceForEachChange(t *testing.T) {
	r := newReactor(t)
	a, b := pair(t)
	var h handler
	require.NoError(t, r.Own(a, &h))
	require.Equal(t, 1, r.Active())
	require.Equal(t, &h, r.Handler(a))
	require.Equal(t, poll.Write, look(t, r, &h))
	require.Zero(t, look(t, r, &h))
	write(t, b, "x")
	require.Equal(t, poll.Read, look(t, r, &h)&^poll.Write)
	require.Zero(t, look(t, r, &h), "though nothing was read")
	require.Equal(t, 1, r.Active())
}

func TestAWatchedDescriptorIsReportedAsLongAsItIsReady(t *testing.T) {
	r := newReactor(t)
	a, b := pair(t)
	var h handler
	r.Enter(a, &h)
	require.Zero(t, r.Active())
	require.NoError(t, r.Watch(a, poll.Read))
	require.Equal(t, 1, r.Active())
	write(t, b, "x")
	for range 3 {
		require.Equal(t, poll.Read, look(t, r, &h))
	}
	require.NoError(t, r.Watch(a, poll.Write))
	require.Equal(t, poll.Write, look(t, r, &h))
	require.NoError(t, r.Watch(a, 0))
	events, err := r.Poller().Poll()
	require.NoError(t, err)
	require.Empty(t, events)
	require.Zero(t, r.Active())
	require.Equal(t, &h, r.Handler(a))
}

func TestAnAwaitedDescriptorIsReportedOnce(t *testing.T) {
	r := newReactor(t)
	a, b := pair(t)
	var h handler
	r.Enter(a, &h)
	for range 2 {
		require.NoError(t, r.Await(a, poll.Read))
		require.Equal(t, poll.Read, r.Expected(a))
		require.Equal(t, 1, r.Active())
		write(t, b, "x")
		require.Equal(t, poll.Read, look(t, r, &h))
		require.Zero(t, r.Expected(a))
		require.Zero(t, r.Active())
		require.Zero(t, look(t, r, &h))
	}
}

func TestAnAbandonedAwaitIsNotCounted(t *testing.T) {
	r := newReactor(t)
	a, b := pair(t)
	var h handler
	r.Enter(a, &h)
	require.NoError(t, r.Await(a, poll.Read))
	r.GiveUp(a)
	require.Zero(t, r.Active())
	write(t, b, "x")
	require.Equal(t, poll.Read, look(t, r, &h), "as before")
	require.Zero(t, r.Active())
}

func TestAnOwnerReplacesTheWatcherOfANumber(t *testing.T) {
	r := newReactor(t)
	a, b := pair(t)
	var watcher, owner handler
	r.Enter(a, &watcher)
	require.NoError(t, r.Watch(a, poll.Read))
	require.NoError(t, r.Own(a, &owner))
	require.Equal(t, 1, watcher.lost)
	require.Equal(t, 1, r.Active())
	write(t, b, "x")
	require.Equal(t, poll.Read|poll.Write, look(t, r, &owner))
	require.Zero(t, watcher.calls)

	r.Remove(a)
	r.Enter(a, &watcher)
	require.NoError(t, r.Own(a, &owner))
	require.Equal(t, 2, watcher.lost, "though it has not asked for anything yet")
	require.Zero(t, owner.lost)
}

func TestADescriptorThatCannotBePolledHasNoOwner(t *testing.T) {
	r := newReactor(t)
	a, _ := pair(t)
	require.NoError(t, unix.Close(a))
	var watcher, owner handler
	r.Enter(a, &watcher)
	require.ErrorIs(t, r.Watch(a, poll.Read), unix.EBADF)
	require.Zero(t, watcher.lost, "the error reports it")
	require.Zero(t, r.Active())
	require.ErrorIs(t, r.Own(a, &owner), unix.EBADF)
	require.Nil(t, r.Handler(a))
	require.Zero(t, r.Active())
	require.Zero(t, owner.lost)
}

func TestARemovedDescriptorIsNotReportedThoughADuplicateIsOpen(t *testing.T) {
	r := newReactor(t)
	a, b := pair(t)
	dup, err := unix.Dup(a)
	require.NoError(t, err)
	defer unix.Close(dup)
	var h handler
	require.NoError(t, r.Own(a, &h))
	r.Remove(a)
	require.NoError(t, unix.Close(a))
	write(t, b, "x")
	events, err := r.Poller().Poll()
	require.NoError(t, err)
	require.Empty(t, events)
	require.Nil(t, r.Handler(a))
	require.Zero(t, r.Active())
	require.Zero(t, h.lost)
	r.Remove(a)
	r.Remove(1 << 20)
}

// Both are ready. The first to be notified closes the other, whose number is then used again.
func TestEventsOfAnEarlierDescriptorWithTheSameNumberAreDropped(t *testing.T) {
	r := newReactor(t)
	a, peerOfA := pair(t)
	b, peerOfB := pair(t)
	fresh, _ := pair(t)
	var first, second, next handler
	replace := func(fd int) func() {
		return func() {
			first.then, second.then = nil, nil
			r.Remove(fd)
			require.NoError(t, unix.Dup2(fresh, fd))
			r.Enter(fd, &next)
			require.NoError(t, r.Watch(fd, poll.Read))
		}
	}
	first.then, second.then = replace(b), replace(a)
	for fd, h := range map[int]*handler{a: &first, b: &second} {
		r.Enter(fd, h)
		require.NoError(t, r.Watch(fd, poll.Read))
	}
	write(t, peerOfA, "x")
	write(t, peerOfB, "x")
	require.NoError(t, r.Wait(0))
	require.Equal(t, 1, first.calls+second.calls)
	require.Zero(t, next.calls)
}

// If a descriptor is closed too early while a duplicate of it is open, epoll keeps reporting it for
// ever.
func TestEventsOfForgottenDescriptorsCease(t *testing.T) {
	r := newReactor(t)
	var early, closed, owner, watcher, waiter handler
	a, peerOfA := pair(t)
	b, _ := pair(t)
	c, peerOfC := pair(t)
	d, peerOfD := pair(t)
	e, peerOfE := pair(t)
	for fd, h := range map[int]*handler{a: &early, b: &closed, d: &watcher, e: &waiter} {
		r.Enter(fd, h)
		require.NoError(t, r.Watch(fd, poll.Read))
	}
	require.NoError(t, r.Await(e, poll.Read))
	require.NoError(t, r.Own(c, &owner))
	require.Equal(t, poll.Write, look(t, r, &owner))
	dup, err := unix.Dup(a)
	require.NoError(t, err)
	defer unix.Close(dup)
	require.NoError(t, unix.Close(a))
	require.NoError(t, unix.Close(b))
	_ = r.Watch(a, 0)
	write(t, peerOfA, "x")
	for range reactor.MaxStrays + 1 {
		require.NoError(t, r.Wait(0))
	}
	events, err := r.Poller().Poll()
	require.NoError(t, err)
	for _, e := range events {
		require.Equal(t, c, e.FD, "registered anew, it is reported anew")
	}
	require.Zero(t, early.calls)
	if runtime.GOOS == "linux" { // other systems have no such events
		require.Equal(t, 1, closed.lost)
	}

	// All other descriptors are still polled.
	write(t, peerOfC, "x")
	write(t, peerOfD, "x")
	write(t, peerOfE, "x")
	owner.ready = 0
	require.NoError(t, r.Wait(0))
	require.Equal(t, poll.Read, owner.ready&^poll.Write)
	require.Equal(t, poll.Read, watcher.ready)
	require.Equal(t, poll.Read, waiter.ready)
	require.Zero(t, owner.lost+watcher.lost+waiter.lost)
	waiter.ready = 0
	require.Zero(t, look(t, r, &waiter), "one event, as before")
}

func TestCloseNotifiesHandlersThatTheirDescriptorsAreLost(t *testing.T) {
	r := newReactor(t)
	a, b := pair(t)
	var owner, watcher handler
	require.NoError(t, r.Own(a, &owner))
	r.Enter(b, &watcher)
	require.NoError(t, r.Await(b, poll.Read))
	r.Close()
	require.Equal(t, 1, owner.lost)
	require.Equal(t, 1, watcher.lost)
	require.Nil(t, r.Handler(a))
	require.Nil(t, r.Handler(b))
	require.Nil(t, r.Poller())
	require.Zero(t, r.Active())
	r.Remove(a)
	r.Close()
	require.Equal(t, 1, owner.lost)
}

func TestAWakeEndsAWait(t *testing.T) {
	r := newReactor(t)
	go r.Poller().Wake()
	require.NoError(t, r.Wait(-1))
}
