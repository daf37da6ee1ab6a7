//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package poll_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/go-asyncio/asyncio/internal/poll"
)

func newPoller(t *testing.T) *poll.Poller {
	t.Helper()
	p, err := poll.New()
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.Close()) })
	return p
}

// pair makes two connected sockets.
func pair(t *testing.T) (a, b int) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	require.NoError(t, err)
	t.Cleanup(func() { unix.Close(fds[0]); unix.Close(fds[1]) }) // some are closed by then
	return fds[0], fds[1]
}

func write(t *testing.T, fd int) {
	t.Helper()
	_, err := unix.Write(fd, []byte("x"))
	require.NoError(t, err)
}

// ready returns what one call says of a descriptor, all its events together.
func ready(t *testing.T, p *poll.Poller, fd int) (all poll.Ready, gen uint32) {
	t.Helper()
	events, err := p.Poll()
	require.NoError(t, err)
	for _, e := range events {
		if e.FD == fd {
			all, gen = all|e.Ready, e.Gen
		}
	}
	return all, gen
}

func TestAddTellsOnceOfEachChange(t *testing.T) {
	p := newPoller(t)
	a, b := pair(t)
	require.NoError(t, p.Add(a, 7, false))
	got, gen := ready(t, p, a)
	require.Equal(t, poll.Write, got)
	require.EqualValues(t, 7, gen)
	got, _ = ready(t, p, a)
	require.Zero(t, got)

	write(t, b)
	got, _ = ready(t, p, a)
	require.Equal(t, poll.Read, got&^poll.Write)
	got, _ = ready(t, p, a)
	require.Zero(t, got, "edge triggered, though nothing was read")
	write(t, b)
	got, _ = ready(t, p, a)
	require.Equal(t, poll.Read, got&^poll.Write)

	require.NoError(t, unix.Close(b))
	got, _ = ready(t, p, a)
	require.Equal(t, poll.Read|poll.Hangup, got&^poll.Write)
}

func TestWatchTellsAsLongAsItLasts(t *testing.T) {
	p := newPoller(t)
	a, b := pair(t)
	require.NoError(t, p.Watch(a, 1, poll.Read, false))
	got, _ := ready(t, p, a)
	require.Zero(t, got)
	write(t, b)
	for range 3 {
		got, _ = ready(t, p, a)
		require.Equal(t, poll.Read, got)
	}
	require.NoError(t, p.Watch(a, 2, poll.Read|poll.Write, true))
	got, gen := ready(t, p, a)
	require.Equal(t, poll.Read|poll.Write, got)
	require.EqualValues(t, 2, gen)
	require.NoError(t, p.Watch(a, 2, poll.Write, false))
	got, _ = ready(t, p, a)
	require.Equal(t, poll.Write, got)
	require.NoError(t, p.Watch(a, 2, 0, false))
	got, _ = ready(t, p, a)
	require.Zero(t, got)
	p.Remove(a) // again
	p.Remove(1 << 20)
}

func TestANumberThatComesAgainIsAnotherDescriptor(t *testing.T) {
	p := newPoller(t)
	a, b := pair(t)
	require.NoError(t, p.Watch(a, 1, poll.Read, false))
	require.NoError(t, unix.Close(a))
	require.NoError(t, unix.Close(b))
	c, d := pair(t)
	require.Equal(t, a, c)
	require.NoError(t, p.Watch(c, 2, poll.Read, true)) // as far as is known
	write(t, d)
	got, gen := ready(t, p, c)
	require.Equal(t, poll.Read, got)
	require.EqualValues(t, 2, gen)
}

func TestABadDescriptorIsAnError(t *testing.T) {
	p := newPoller(t)
	require.ErrorIs(t, p.Add(1<<20, 1, false), unix.EBADF)
	require.ErrorIs(t, p.Watch(1<<20, 1, poll.Read, false), unix.EBADF)
}

func TestWakeEndsAWait(t *testing.T) {
	p := newPoller(t)
	for range 100 {
		go p.Wake()
		events, err := p.Wait(time.Minute)
		require.NoError(t, err)
		require.Empty(t, events)
	}
	p.Wake() // before the wait
	_, err := p.Wait(-1)
	require.NoError(t, err)
}

func TestAWaitIsNeverTooShort(t *testing.T) {
	p := newPoller(t)
	for _, d := range []time.Duration{1, time.Microsecond, 700 * time.Microsecond, 1001 * time.Microsecond} {
		start := time.Now()
		events, err := p.Wait(d)
		require.NoError(t, err)
		require.Empty(t, events)
		require.GreaterOrEqual(t, time.Since(start), d)
	}
}

func TestAWaitEndsWithAnEvent(t *testing.T) {
	p := newPoller(t)
	a, b := pair(t)
	require.NoError(t, p.Watch(a, 1, poll.Read, false))
	go func() { _, _ = unix.Write(b, []byte("x")) }()
	events, err := p.Wait(time.Minute)
	require.NoError(t, err)
	require.Equal(t, []poll.Event{{FD: a, Gen: 1, Ready: poll.Read}}, events)
}

func TestMoreEventsThanOneCallReturnsComeLater(t *testing.T) {
	p := newPoller(t)
	const n = 300
	missing := make(map[int]bool)
	for range n {
		a, b := pair(t)
		write(t, b)
		require.NoError(t, p.Add(a, 1, false))
		missing[a] = true
	}
	for range 10 {
		events, err := p.Poll()
		require.NoError(t, err)
		for _, e := range events {
			if e.Ready&poll.Read != 0 {
				delete(missing, e.FD)
			}
		}
	}
	require.Empty(t, missing)
}
