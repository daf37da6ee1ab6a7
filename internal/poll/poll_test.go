//go:build !portable && (darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package poll_test

import (
	"math"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/go-asyncio/asyncio/internal/poll"
)

// each runs a test with each kind of poller.
func each(t *testing.T, test func(t *testing.T, p poll.AnyPoller)) {
	for name, newPoller := range poll.Pollers {
		t.Run(name, func(t *testing.T) {
			p, err := newPoller()
			require.NoError(t, err)
			defer func() { require.NoError(t, p.Close()) }()
			test(t, p)
		})
	}
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

// ready returns the events of a descriptor in one call, combined.
func ready(t *testing.T, p poll.AnyPoller, fd int) (all poll.Ready, gen uint32) {
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

// waitForEvents waits until something is ready. A signal, such as those by which the runtime
// preempts goroutines, may end a Wait early without events.
func waitForEvents(t *testing.T, p poll.AnyPoller) []poll.Event {
	t.Helper()
	for {
		events, err := p.Wait(time.Minute)
		require.NoError(t, err)
		if len(events) > 0 {
			return events
		}
	}
}

func TestAddReportsEachChangeOnce(t *testing.T) {
	each(t, func(t *testing.T, p poll.AnyPoller) {
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
	})
}

func TestWatchReportsReadinessAsLongAsItLasts(t *testing.T) {
	each(t, func(t *testing.T, p poll.AnyPoller) {
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
		p.Remove(a)
		got, _ = ready(t, p, a)
		require.Zero(t, got)
		p.Remove(a) // again
		p.Remove(1 << 20)
	})
}

func TestAReusedNumberIsAnotherDescriptor(t *testing.T) {
	each(t, func(t *testing.T, p poll.AnyPoller) {
		a, b := pair(t)
		require.NoError(t, p.Watch(a, 1, poll.Read, false))
		require.NoError(t, unix.Close(a))
		require.NoError(t, unix.Close(b))
		c, d := pair(t)
		require.Equal(t, a, c)
		require.NoError(t, p.Watch(c, 2, poll.Read, true)) // the caller believes that it is watched
		write(t, d)
		got, gen := ready(t, p, c)
		require.Equal(t, poll.Read, got)
		require.EqualValues(t, 2, gen)
	})
}

func TestABadDescriptorIsAnError(t *testing.T) {
	each(t, func(t *testing.T, p poll.AnyPoller) {
		require.ErrorIs(t, p.Add(1<<20, 1, false), unix.EBADF)
		require.ErrorIs(t, p.Watch(1<<20, 1, poll.Read, false), unix.EBADF)
	})
}

func TestWakeEndsAWait(t *testing.T) {
	each(t, func(t *testing.T, p poll.AnyPoller) {
		for range 100 {
			go p.Wake()
			events, err := p.Wait(time.Minute)
			require.NoError(t, err)
			require.Empty(t, events)
		}
		p.Wake() // before the wait
		_, err := p.Wait(-1)
		require.NoError(t, err)
	})
}

func TestAWaitIsNeverTooShort(t *testing.T) {
	each(t, func(t *testing.T, p poll.AnyPoller) {
		for _, d := range []time.Duration{1, time.Microsecond, 700 * time.Microsecond, 1001 * time.Microsecond} {
			// A signal may end some of the waits early, but not all of them.
			longest := time.Duration(0)
			for tries := 0; tries < 100 && longest < d; tries++ {
				start := time.Now()
				events, err := p.Wait(d)
				require.NoError(t, err)
				require.Empty(t, events)
				longest = time.Since(start)
			}
			require.GreaterOrEqual(t, longest, d)
		}
	})
}

func TestAWaitEndsWithAnEvent(t *testing.T) {
	each(t, func(t *testing.T, p poll.AnyPoller) {
		a, b := pair(t)
		require.NoError(t, p.Watch(a, 1, poll.Read, false))
		go func() { _, _ = unix.Write(b, []byte("x")) }()
		require.Equal(t, []poll.Event{{FD: a, Gen: 1, Ready: poll.Read}}, waitForEvents(t, p))
	})
}

func TestMoreEventsThanOneCallReturnsComeLater(t *testing.T) {
	each(t, func(t *testing.T, p poll.AnyPoller) {
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
	})
}

// pipe makes the two ends of a pipe.
func pipe(t *testing.T) (r, w int) {
	t.Helper()
	fds := make([]int, 2)
	require.NoError(t, unix.Pipe(fds))
	for _, fd := range fds {
		require.NoError(t, unix.SetNonblock(fd, true))
		t.Cleanup(func() { unix.Close(fd) }) // some are closed by then
	}
	return fds[0], fds[1]
}

func TestAwaitReportsOnce(t *testing.T) {
	each(t, func(t *testing.T, p poll.AnyPoller) {
		a, b := pair(t)
		write(t, b)
		for i := range 3 {
			require.NoError(t, p.Await(a, uint32(i), poll.Read, i > 0))
			got, gen := ready(t, p, a)
			require.Equal(t, poll.Read, got)
			require.EqualValues(t, i, gen)
			got, _ = ready(t, p, a)
			require.Zero(t, got, "it was reported already")
		}
		// Await both directions. The result is reported once, too.
		require.NoError(t, p.Await(a, 4, poll.Read|poll.Write, true))
		got, _ := ready(t, p, a)
		require.Equal(t, poll.Read|poll.Write, got)
		got, _ = ready(t, p, a)
		require.Zero(t, got)

		require.NoError(t, p.Watch(a, 5, poll.Read, true))
		for range 2 {
			got, _ = ready(t, p, a)
			require.Equal(t, poll.Read, got, "level triggered again")
		}
		require.NoError(t, p.Await(a, 6, poll.Write, true))
		got, _ = ready(t, p, a)
		require.Equal(t, poll.Write, got)
		got, _ = ready(t, p, a)
		require.Zero(t, got)
		require.NoError(t, p.Add(a, 7, true))
		got, gen := ready(t, p, a)
		require.Equal(t, poll.Read|poll.Write, got)
		require.EqualValues(t, 7, gen)
	})
}

func TestAClosedDescriptorIsNotReported(t *testing.T) {
	each(t, func(t *testing.T, p poll.AnyPoller) {
		for _, register := range []func(fd int) error{
			func(fd int) error { return p.Add(fd, 1, false) },
			func(fd int) error { return p.Watch(fd, 1, poll.Read|poll.Write, false) },
			func(fd int) error { return p.Await(fd, 1, poll.Read|poll.Write, false) },
		} {
			a, b := pair(t)
			require.NoError(t, register(a))
			dup, err := unix.Dup(a) // a child process may have one
			require.NoError(t, err)
			p.Drop(a)
			require.NoError(t, unix.Close(a))
			write(t, b)
			got, _ := ready(t, p, a)
			require.Zero(t, got)
			require.NoError(t, unix.Close(dup))
			require.NoError(t, unix.Close(b))
		}
	})
}

func TestAPipeWhoseOtherEndIsGoneIsReportedAsReady(t *testing.T) {
	each(t, func(t *testing.T, p poll.AnyPoller) {
		r, w := pipe(t)
		write(t, w)
		require.NoError(t, unix.Close(w))
		require.NoError(t, p.Add(r, 1, false))
		got, gen := ready(t, p, r)
		require.Equal(t, poll.Read|poll.Hangup, got&^poll.Write, "there is something to read, and then the end")
		require.EqualValues(t, 1, gen)
		got, _ = ready(t, p, r)
		require.Zero(t, got)
		for range 2 {
			require.NoError(t, p.Await(r, 2, poll.Read, true))
			got, gen = ready(t, p, r)
			require.NotZero(t, got&poll.Read)
			require.EqualValues(t, 2, gen)
			got, _ = ready(t, p, r)
			require.Zero(t, got)
		}
		p.Remove(r)

		r, w = pipe(t)
		require.NoError(t, unix.Close(r))
		require.NoError(t, p.Add(w, 1, false))
		got, _ = ready(t, p, w)
		require.Equal(t, poll.Read|poll.Write|poll.Hangup, got, "a write would fail")
		got, _ = ready(t, p, w)
		require.Zero(t, got)
		p.Remove(w)
		if strings.HasSuffix(t.Name(), "NetBSD") { // reports this only to watchers of reading
			return
		}
		require.NoError(t, p.Watch(w, 2, poll.Write, false))
		for range 3 {
			got, _ = ready(t, p, w)
			require.NotZero(t, got&poll.Write, "level triggered")
		}
		require.NoError(t, p.Await(w, 3, poll.Write, true))
		got, gen = ready(t, p, w)
		require.NotZero(t, got&poll.Write)
		require.EqualValues(t, 3, gen)
		got, _ = ready(t, p, w)
		require.Zero(t, got)
		require.NoError(t, p.Watch(w, 4, poll.Write, true))
		p.Remove(w)
		got, _ = ready(t, p, w)
		require.Zero(t, got)
	})
}

func TestAWriterIsNotifiedWhenTheReaderOfItsPipeCloses(t *testing.T) {
	each(t, func(t *testing.T, p poll.AnyPoller) {
		r, w := pipe(t)
		for {
			if _, err := unix.Write(w, make([]byte, 1<<16)); err != nil {
				require.Equal(t, unix.EAGAIN, err)
				break
			}
		}
		require.NoError(t, p.Add(w, 1, false))
		got, _ := ready(t, p, w)
		require.Zero(t, got&poll.Write)
		require.NoError(t, unix.Close(r))
		got, _ = ready(t, p, w)
		require.NotZero(t, got&poll.Write)
	})
}

// The end of the bytes that the peer sends does not make room for bytes sent to it.
func TestWatchersOfReadingDoNotTakeItsEndForRoomToWrite(t *testing.T) {
	each(t, func(t *testing.T, p poll.AnyPoller) {
		a, b := pair(t)
		require.NoError(t, unix.Shutdown(b, unix.SHUT_WR))
		require.NoError(t, p.Watch(a, 1, poll.Read, false))
		got, _ := ready(t, p, a)
		require.Equal(t, poll.Read, got&^poll.Hangup)
	})
}

func TestANumberThatCannotBeADescriptorTakesNoMemory(t *testing.T) {
	each(t, func(t *testing.T, p poll.AnyPoller) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		const number = 100_000_000
		require.ErrorIs(t, p.Add(number, 1, false), unix.EBADF)
		require.ErrorIs(t, p.Watch(number, 1, poll.Read, false), unix.EBADF)
		require.ErrorIs(t, p.Await(number, 1, poll.Read, false), unix.EBADF)
		require.ErrorIs(t, p.Await(-1, 1, poll.Read, false), unix.EBADF)
		p.Remove(number)
		p.Drop(number)
		p.Remove(-1)
		runtime.ReadMemStats(&after)
		require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(1<<20))
	})
}

// If the system does not report an end, the wait must end at once nevertheless.
func TestAWaitEndsAtOnceIfTheOtherEndIsGone(t *testing.T) {
	each(t, func(t *testing.T, p poll.AnyPoller) {
		r, w := pipe(t)
		require.NoError(t, unix.Close(r))
		require.NoError(t, p.Add(w, 1, false))
		start := time.Now()
		waitForEvents(t, p)
		require.Less(t, time.Since(start), 30*time.Second)
	})
}

func TestAWaitMayLastForCenturies(t *testing.T) {
	each(t, func(t *testing.T, p poll.AnyPoller) {
		go p.Wake()
		events, err := p.Wait(math.MaxInt64)
		require.NoError(t, err)
		require.Empty(t, events)
	})
}
