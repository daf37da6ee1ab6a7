//go:build unix

package asyncio_test

import (
	"context"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
)

// socketpair makes two connected non-blocking sockets. It closes them at the end of the test unless
// the test has closed them.
func socketpair(t *testing.T) (a, b int) {
	t.Helper()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	require.NoError(t, err)
	for _, fd := range fds {
		require.NoError(t, syscall.SetNonblock(fd, true))
	}
	return fds[0], fds[1]
}

func closeFD(t *testing.T, fds ...int) {
	t.Helper()
	for _, fd := range fds {
		require.NoError(t, syscall.Close(fd))
	}
}

func writeFD(t *testing.T, fd int, s string) {
	t.Helper()
	_, err := syscall.Write(fd, []byte(s))
	require.NoError(t, err)
}

func TestAReaderIsCalledAsLongAsThereIsSomethingToRead(t *testing.T) {
	needPoller(t, "AddReader and the Sock calls need one")
	runReal(t, func(ctx context.Context) error {
		l := asyncio.RunningLoop(ctx)
		a, b := socketpair(t)
		calls := 0
		var third asyncio.Event
		require.NoError(t, l.AddReader(a, func() {
			require.Nil(t, asyncio.CurrentTask(ctx))
			if calls++; calls == 3 { // and reads nothing
				third.Set()
			}
		}))
		writeFD(t, b, "x")
		require.NoError(t, third.Wait(ctx))
		require.True(t, l.RemoveReader(a))
		require.False(t, l.RemoveReader(a))
		calls = 0
		require.NoError(t, asyncio.Sleep(ctx, time.Millisecond))
		require.Zero(t, calls)
		closeFD(t, a, b)
		return nil
	})
}

func TestASecondReaderReplacesTheFirst(t *testing.T) {
	needPoller(t, "AddReader and the Sock calls need one")
	runReal(t, func(ctx context.Context) error {
		l := asyncio.RunningLoop(ctx)
		a, b := socketpair(t)
		var second asyncio.Event
		require.NoError(t, l.AddReader(a, func() { t.Error("the first was called") }))
		require.NoError(t, l.AddReader(a, second.Set))
		writeFD(t, b, "x")
		require.NoError(t, second.Wait(ctx))
		require.True(t, l.RemoveReader(a))
		closeFD(t, a, b)
		return nil
	})
}

func TestTheReaderAndTheWriterOfADescriptorAreIndependent(t *testing.T) {
	needPoller(t, "AddReader and the Sock calls need one")
	runReal(t, func(ctx context.Context) error {
		l := asyncio.RunningLoop(ctx)
		a, b := socketpair(t)
		var readable, writable asyncio.Event
		require.NoError(t, l.AddReader(a, func() { readable.Set(); l.RemoveReader(a) }))
		require.NoError(t, l.AddWriter(a, func() { writable.Set(); l.RemoveWriter(a) }))
		require.NoError(t, writable.Wait(ctx))
		require.False(t, readable.IsSet())
		require.False(t, l.RemoveWriter(a))
		writeFD(t, b, "x")
		require.NoError(t, readable.Wait(ctx))
		closeFD(t, a, b)
		return nil
	})
}

func TestADescriptorMayBeClosedUnderThePoller(t *testing.T) {
	needPoller(t, "AddReader and the Sock calls need one")
	runReal(t, func(ctx context.Context) error {
		l := asyncio.RunningLoop(ctx)
		a, b := socketpair(t)
		require.NoError(t, l.AddReader(a, func() { t.Error("called for a descriptor that is closed") }))
		closeFD(t, a, b)
		require.NoError(t, asyncio.Sleep(ctx, time.Millisecond))
		// The number belongs to another descriptor now.
		c, d := socketpair(t)
		require.Equal(t, []int{a, b}, []int{c, d})
		var heard asyncio.Event
		require.NoError(t, l.AddReader(c, heard.Set))
		writeFD(t, d, "x")
		require.NoError(t, heard.Wait(ctx))
		closeFD(t, c, d)
		require.True(t, l.RemoveReader(c))
		return nil
	})
}

func TestAddReaderRefusesTheDescriptorOfAStream(t *testing.T) {
	needPoller(t, "AddReader and the Sock calls need one")
	runReal(t, func(ctx context.Context) error {
		s, err := asyncio.StartServer(ctx, echo, "127.0.0.1:0")
		require.NoError(t, err)
		_, w, err := asyncio.OpenConnection(ctx, s.Addr().String())
		require.NoError(t, err)
		l := asyncio.RunningLoop(ctx)
		require.ErrorContains(t, l.AddReader(w.GetExtraInfo("socket").(int), func() {}), "belongs to a stream")
		require.False(t, l.RemoveReader(w.GetExtraInfo("socket").(int)))
		require.NoError(t, w.Close())
		return s.Shutdown(ctx, time.Minute)
	})
}

func TestAddReaderRefusesNumbersThatAreNotDescriptors(t *testing.T) {
	needPoller(t, "AddReader and the Sock calls need one")
	runReal(t, func(ctx context.Context) error {
		l := asyncio.RunningLoop(ctx)
		require.Error(t, l.AddReader(-1, func() {}))
		require.ErrorIs(t, l.AddReader(1<<20, func() {}), syscall.EBADF)
		require.False(t, l.RemoveReader(-1))
		require.False(t, l.RemoveWriter(1<<20))
		require.Panics(t, func() { _ = l.AddReader(0, nil) })
		return nil
	})
}

func TestAPanicInAReaderIsReported(t *testing.T) {
	needPoller(t, "AddReader and the Sock calls need one")
	reports := 0
	a, b := socketpair(t)
	defer closeFD(t, a, b)
	_, err := asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
		l := asyncio.RunningLoop(ctx)
		var called asyncio.Event
		require.NoError(t, l.AddReader(a, func() {
			l.RemoveReader(a)
			called.Set()
			panic("boom")
		}))
		writeFD(t, b, "x")
		return called.Wait(ctx)
	}), asyncio.WithExceptionHandler(func(*asyncio.Loop, asyncio.ExceptionContext) { reports++ }))
	require.NoError(t, err)
	require.Equal(t, 1, reports)
}

func TestClosingALoopLeavesTheCallersDescriptorsOpen(t *testing.T) {
	needPoller(t, "AddReader and the Sock calls need one")
	a, b := socketpair(t)
	runReal(t, func(ctx context.Context) error {
		return asyncio.RunningLoop(ctx).AddReader(a, func() {})
	})
	closeFD(t, a, b)
	l := asyncio.NewLoop()
	require.NoError(t, l.Close())
	require.ErrorIs(t, l.AddReader(0, func() {}), asyncio.ErrLoopClosed)
}

func TestOtherGoroutinesWakeALoopThatPolls(t *testing.T) {
	needPoller(t, "AddReader and the Sock calls need one")
	runReal(t, func(ctx context.Context) error {
		l := asyncio.RunningLoop(ctx)
		a, b := socketpair(t)
		defer closeFD(t, a, b)
		require.NoError(t, l.AddReader(a, func() {}))
		for range 1000 {
			_, err := asyncio.ToThread(ctx, func(context.Context) (int, error) { return 0, nil })
			require.NoError(t, err)
		}
		var woken asyncio.Event
		go func() { _ = l.CallSoonThreadsafe(woken.Set) }()
		require.NoError(t, woken.Wait(ctx))
		return nil
	})
}

func TestALoopThatPollsIsNeverEarly(t *testing.T) {
	needPoller(t, "AddReader and the Sock calls need one")
	runReal(t, func(ctx context.Context) error {
		l := asyncio.RunningLoop(ctx)
		a, b := socketpair(t)
		defer closeFD(t, a, b)
		require.NoError(t, l.AddReader(a, func() {}))
		for _, d := range []time.Duration{1, time.Microsecond, 100 * time.Microsecond, time.Millisecond, 1500 * time.Microsecond} {
			start := time.Now()
			require.NoError(t, asyncio.Sleep(ctx, d))
			require.GreaterOrEqual(t, time.Since(start), d)
		}
		return nil
	})
}

func TestTheContextOfARunEndsALoopThatPolls(t *testing.T) {
	needPoller(t, "AddReader and the Sock calls need one")
	a, b := socketpair(t)
	defer closeFD(t, a, b)
	outer, cancel := context.WithCancel(t.Context())
	_, err := asyncio.Run(outer, asyncio.Do(func(ctx context.Context) error {
		if err := asyncio.RunningLoop(ctx).AddReader(a, func() {}); err != nil {
			return err
		}
		go cancel()
		return asyncio.Sleep(ctx, time.Hour)
	}))
	require.ErrorIs(t, err, context.Canceled)
}
