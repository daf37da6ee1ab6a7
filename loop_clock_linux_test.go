package asyncio_test

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/go-asyncio/asyncio"
)

// epolls returns the numbers of this process's epoll instances.
func epolls(t *testing.T) map[int]bool {
	entries, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	found := map[int]bool{}
	for _, e := range entries {
		if target, _ := os.Readlink("/proc/self/fd/" + e.Name()); target == "anon_inode:[eventpoll]" {
			n, _ := strconv.Atoi(e.Name())
			found[n] = true
		}
	}
	return found
}

// withPoller makes a loop create its poller. spoil replaces the poller's descriptor by one that
// cannot be polled, so that polling fails from then on; restore puts the descriptor back.
func withPoller(t *testing.T, l *asyncio.Loop) (spoil, restore func()) {
	r, w, err := os.Pipe()
	require.NoError(t, err)
	t.Cleanup(func() { r.Close(); w.Close() })
	before := epolls(t)
	require.NoError(t, l.AddReader(int(r.Fd()), func() {}))
	epfd := -1
	for fd := range epolls(t) {
		if !before[fd] {
			epfd = fd
		}
	}
	require.Positive(t, epfd)
	kept, err := unix.Dup(epfd)
	require.NoError(t, err)
	t.Cleanup(func() { unix.Close(kept) })
	become := func(fd int) func() {
		return func() { require.NoError(t, unix.Dup3(fd, epfd, unix.O_CLOEXEC)) }
	}
	return become(int(r.Fd())), become(kept)
}

const pollFailed = "asyncio: poll: invalid argument"

func TestAnErrorOfThePollerEndsTheRun(t *testing.T) {
	needPoller(t, "the test makes the poller fail")
	for name, wait := range map[string]func(ctx context.Context) error{
		"while the loop waits": func(ctx context.Context) error { return asyncio.Sleep(ctx, time.Hour) },
		"while tasks drive it": func(ctx context.Context) error {
			for {
				if err := asyncio.Sleep(ctx, 0); err != nil {
					return err
				}
			}
		},
		"while callbacks are called": func(ctx context.Context) error {
			rearm(func(fn func()) { asyncio.RunningLoop(ctx).CallSoon(fn) })
			return asyncio.Sleep(ctx, time.Hour)
		},
	} {
		t.Run(name, func(t *testing.T) {
			ends := 0
			main := asyncio.Do(func(ctx context.Context) error {
				spoil, _ := withPoller(t, asyncio.RunningLoop(ctx))
				for range 5 {
					spawn(ctx, func(ctx context.Context) error {
						defer func() { ends++ }()
						return wait(ctx)
					})
				}
				giveWay(ctx, 2)
				spoil()
				return wait(ctx)
			})
			_, err := asyncio.Run(t.Context(), main)
			require.ErrorIs(t, err, unix.EINVAL)
			require.ErrorContains(t, err, pollFailed)
			assert.Equal(t, 5, ends, "tasks that were unwound")
		})
	}
}

// The error ends only the run: all tasks stay where they were, and continue in the next run.
func TestAnErrorOfThePollerFailsNoTask(t *testing.T) {
	needPoller(t, "the test makes the poller fail")
	r := asyncio.NewRunner()
	spoil, restore := withPoller(t, r.Loop())
	var got trace
	var tasks []*asyncio.Task[asyncio.None]
	_, err := asyncio.RunIn(t.Context(), r, asyncio.Do(func(ctx context.Context) error {
		for i := range 3 {
			tasks = append(tasks, spawnTraced(ctx, &got, fmt.Sprint("task ", i), func(ctx context.Context) error {
				giveWay(ctx, 5)
				return nil
			}))
		}
		giveWay(ctx, 2)
		spoil()
		giveWay(ctx, 1)
		got.add("main went on")
		return nil
	}))
	require.EqualError(t, err, pollFailed)
	got.expect(t)
	restore()
	_, err = asyncio.RunIn(t.Context(), r, asyncio.Do(func(ctx context.Context) error {
		join(ctx, tasks...)
		return nil
	}))
	require.NoError(t, err)
	got.expect(t, "main went on", "task 0 ok", "task 1 ok", "task 2 ok")

	spoil()
	loop := r.Loop()
	require.EqualError(t, loop.RunForever(t.Context()), pollFailed)
	_, err = asyncio.RunUntilComplete(t.Context(), loop, asyncio.Awaitable[asyncio.None](sleeper(time.Hour)))
	require.EqualError(t, err, pollFailed)
	assert.False(t, loop.IsRunning())
	require.EqualError(t, r.Close(), pollFailed, "it could not wait for the sleeper")
	assert.True(t, loop.IsClosed())
	require.NoError(t, r.Close())
}

// Even a loop that is never closed releases its poller's descriptors.
func TestADroppedLoopLeavesNoDescriptor(t *testing.T) {
	needPoller(t, "AddReader and the Sock calls need one")
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer r.Close()
	defer w.Close()
	before := len(epolls(t))
	for range 20 {
		l := asyncio.NewLoop()
		require.NoError(t, l.AddReader(int(r.Fd()), func() {}))
		_, err := asyncio.RunUntilComplete(t.Context(), l, asyncio.Awaitable[int](answer(0, 1)))
		require.NoError(t, err)
	}
	assert.Eventually(t, func() bool { runtime.GC(); return len(epolls(t)) <= before }, 30*time.Second, time.Millisecond)
}
