package asyncio_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
)

// A semaphoreLike is a Semaphore or a BoundedSemaphore.
type semaphoreLike interface {
	Acquire(ctx context.Context) error
	With(ctx context.Context, body func(ctx context.Context) error) error
	Locked() bool
}

// bothSemaphores runs body as a subtest, as main of a run, for a semaphore of either kind that
// admits n tasks.
func bothSemaphores(t *testing.T, n int, body func(t *testing.T, ctx context.Context, s semaphoreLike, release func())) {
	t.Run("Semaphore", func(t *testing.T) {
		inTurn(t, func(ctx context.Context) {
			s := asyncio.NewSemaphore(n)
			body(t, ctx, s, s.Release)
		})
	})
	t.Run("BoundedSemaphore", func(t *testing.T) {
		inTurn(t, func(ctx context.Context) {
			s := asyncio.NewBoundedSemaphore(n)
			body(t, ctx, s, func() { require.NoError(t, s.Release()) })
		})
	})
}

func TestSemaphoreAdmitsItsNumberOfTasksInOrder(t *testing.T) {
	bothSemaphores(t, 2, func(t *testing.T, ctx context.Context, s semaphoreLike, release func()) {
		var r trace
		var tasks []*asyncio.Task[asyncio.None]
		for i := range 5 {
			tasks = append(tasks, spawn(ctx, func(ctx context.Context) error {
				return s.With(ctx, func(ctx context.Context) error {
					r.at(ctx, "%d in", i)
					return asyncio.Sleep(ctx, time.Second)
				})
			}))
		}
		join(ctx, tasks...)
		r.expect(t, "0s 0 in", "0s 1 in", "1s 2 in", "1s 3 in", "2s 4 in")
		assert.False(t, s.Locked())
	})
}

func TestSemaphoreWithAFreePlaceDoesNotSuspend(t *testing.T) {
	bothSemaphores(t, 2, func(t *testing.T, ctx context.Context, s semaphoreLike, release func()) {
		var r trace
		asyncio.RunningLoop(ctx).CallSoon(func() { r.add("next turn") })
		require.NoError(t, s.Acquire(ctx))
		assert.False(t, s.Locked(), "one place left")
		require.NoError(t, s.Acquire(ctx))
		assert.True(t, s.Locked())
		r.add("acquired")
		giveWay(ctx, 1)
		release()
		assert.False(t, s.Locked())
		release()
		r.expect(t, "acquired", "next turn")
	})
}

func TestNegativeSemaphorePanics(t *testing.T) {
	assert.PanicsWithValue(t, "asyncio: negative semaphore", func() { asyncio.NewSemaphore(-1) })
	assert.PanicsWithValue(t, "asyncio: negative semaphore", func() { asyncio.NewBoundedSemaphore(-1) })
}

func TestSemaphoreOfZeroAdmitsWhenItIsReleased(t *testing.T) {
	for name, s := range map[string]*asyncio.Semaphore{"NewSemaphore(0)": asyncio.NewSemaphore(0), "zero value": {}} {
		t.Run(name, func(t *testing.T) {
			var r trace
			run(t, func(ctx context.Context) error {
				assert.True(t, s.Locked())
				a := spawnTraced(ctx, &r, "A", s.Acquire)
				b := spawnTraced(ctx, &r, "B", s.Acquire)
				settled(ctx)
				r.add("release")
				s.Release()
				settled(ctx)
				assert.True(t, a.Done())
				assert.False(t, b.Done())
				r.add("release")
				s.Release()
				join(ctx, a, b)
				s.Release()
				assert.False(t, s.Locked())
				return s.Acquire(ctx)
			})
			r.expect(t, "release", "A ok", "release", "B ok")
		})
	}
}

func TestSemaphoreMayBeReleasedBeyondItsFirstValue(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		s := asyncio.NewSemaphore(1)
		s.Release()
		s.Release()
		for range 3 {
			assert.False(t, s.Locked())
			require.NoError(t, s.Acquire(ctx))
		}
		assert.True(t, s.Locked())
	})
}

func TestBoundedSemaphoreReleasedTooOftenReturnsErrReleased(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		s := asyncio.NewBoundedSemaphore(1)
		assert.ErrorIs(t, s.Release(), asyncio.ErrReleased)
		require.NoError(t, s.Acquire(ctx))
		assert.NoError(t, s.Release())
		assert.ErrorIs(t, s.Release(), asyncio.ErrReleased)

		require.NoError(t, s.Acquire(ctx), "reuse after")
		assert.True(t, s.Locked(), "no place was added")
		require.NoError(t, s.Release())

		err := s.With(ctx, func(context.Context) error { return s.Release() })
		assert.ErrorIs(t, err, asyncio.ErrReleased, "released by the body and again at its end")
		err = s.With(ctx, func(context.Context) error {
			_ = s.Release()
			return errBoom
		})
		assert.ErrorIs(t, err, asyncio.ErrReleased, "as in asyncio it replaces the body's error")
		assert.EqualError(t, err, "asyncio: BoundedSemaphore released too many times, after: boom")
	})
}

func TestSemaphoreGivesThePlaceOfACancelledWaiterToTheNext(t *testing.T) {
	bothSemaphores(t, 1, func(t *testing.T, ctx context.Context, s semaphoreLike, release func()) {
		for _, name := range []string{"cancelled, then released", "released, then cancelled"} {
			var r trace
			require.NoError(t, s.Acquire(ctx))
			a := spawnTraced(ctx, &r, "A", s.Acquire)
			b := spawnTraced(ctx, &r, "B", s.Acquire)
			c := spawnTraced(ctx, &r, "C", s.Acquire)
			settled(ctx)
			if name == "cancelled, then released" {
				a.Cancel()
				release()
			} else {
				release()
				a.Cancel()
			}
			join(ctx, a, b)
			settled(ctx)
			assert.ElementsMatch(t, []string{"A cancelled", "B ok"}, r, name)
			assert.False(t, c.Done(), name)
			release()
			join(ctx, c)
			assert.True(t, s.Locked(), name)
			release()
			assert.False(t, s.Locked(), name)
		}
	})
}

func TestSemaphoreLosesNoPlaceToCancellations(t *testing.T) {
	for cancelled := range 6 {
		for turns := range 5 {
			t.Run(fmt.Sprintf("task %d, turn %d", cancelled, turns), func(t *testing.T) {
				bothSemaphores(t, 2, func(t *testing.T, ctx context.Context, s semaphoreLike, release func()) {
					inside, most, got := 0, 0, 0
					tasks := make([]*asyncio.Task[asyncio.None], 6)
					for i := range tasks {
						tasks[i] = spawn(ctx, func(ctx context.Context) error {
							return s.With(ctx, func(ctx context.Context) error {
								got++
								inside++
								most = max(most, inside)
								defer func() { inside-- }()
								return asyncio.Sleep(ctx, 0)
							})
						})
					}
					giveWay(ctx, turns)
					tasks[cancelled].Cancel()
					join(ctx, tasks...)
					assert.Equal(t, 2, most, "tasks inside at a time")
					assert.GreaterOrEqual(t, got, 5, "tasks that were inside")
					require.NoError(t, s.Acquire(ctx))
					assert.False(t, s.Locked(), "the second place")
					require.NoError(t, s.Acquire(ctx))
					assert.True(t, s.Locked())
				})
			})
		}
	}
}

func TestSemaphoreAdmitsItsWaitersFirst(t *testing.T) {
	bothSemaphores(t, 1, func(t *testing.T, ctx context.Context, s semaphoreLike, release func()) {
		var r trace
		require.NoError(t, s.Acquire(ctx))
		waiter := spawn(ctx, func(ctx context.Context) error {
			return s.With(ctx, func(context.Context) error {
				r.add("waiter")
				return nil
			})
		})
		settled(ctx)
		release()
		assert.True(t, s.Locked(), "the place is the waiter's")
		require.NoError(t, s.Acquire(ctx))
		r.add("holder again")
		join(ctx, waiter)
		r.expect(t, "waiter", "holder again")
	})
}

func TestSemaphoreReleasedSeveralTimesInOneTurnWakesAsManyTasks(t *testing.T) {
	var r trace
	run(t, func(ctx context.Context) error {
		s := asyncio.NewSemaphore(0)
		var tasks []*asyncio.Task[asyncio.None]
		for _, name := range []string{"A", "B", "C", "D"} {
			tasks = append(tasks, spawnTraced(ctx, &r, name, s.Acquire))
		}
		settled(ctx)
		s.Release()
		s.Release()
		s.Release()
		tasks[1].Cancel()
		join(ctx, tasks...)
		assert.True(t, s.Locked())
		return nil
	})
	r.expect(t, "A ok", "B cancelled", "C ok", "D ok")
}

func TestSemaphoreWaiterWithADoneContextTakesNoPlace(t *testing.T) {
	bothSemaphores(t, 1, func(t *testing.T, ctx context.Context, s semaphoreLike, release func()) {
		var r trace
		require.NoError(t, s.Acquire(ctx))
		derived, cancel := context.WithCancel(ctx)
		first := spawnTraced(ctx, &r, "first", func(context.Context) error { return s.Acquire(derived) })
		second := spawnTraced(ctx, &r, "second", s.Acquire)
		settled(ctx)
		cancel()
		join(ctx, first)
		release()
		join(ctx, second)
		release()
		assert.False(t, s.Locked())
		r.expect(t, "first cancelled", "second ok")
	})
}

func TestSemaphoreWithReleasesWhenTheBodyFails(t *testing.T) {
	bothSemaphores(t, 1, func(t *testing.T, ctx context.Context, s semaphoreLike, release func()) {
		assert.Equal(t, errBoom, s.With(ctx, func(context.Context) error { return errBoom }))
		assert.False(t, s.Locked(), "after an error")
		assert.PanicsWithValue(t, "no", func() {
			_ = s.With(ctx, func(context.Context) error { panic("no") })
		})
		assert.False(t, s.Locked(), "after a panic")
		task := spawn(ctx, func(ctx context.Context) error {
			return s.With(ctx, func(ctx context.Context) error { return asyncio.Sleep(ctx, time.Hour) })
		})
		giveWay(ctx, 1)
		assert.True(t, s.Locked())
		task.Cancel()
		join(ctx, task)
		assert.True(t, task.Cancelled())
		assert.False(t, s.Locked(), "after a cancellation")
	})
}

func TestSemaphoreAdmitsTenThousandInOrder(t *testing.T) {
	const n = 10_000
	bothSemaphores(t, 7, func(t *testing.T, ctx context.Context, s semaphoreLike, release func()) {
		var order, want []int
		inside, most := 0, 0
		tasks := make([]*asyncio.Task[asyncio.None], n)
		for i := range tasks {
			want = append(want, i)
			tasks[i] = spawn(ctx, func(ctx context.Context) error {
				return s.With(ctx, func(ctx context.Context) error {
					order = append(order, i)
					inside++
					most = max(most, inside)
					defer func() { inside-- }()
					return asyncio.Sleep(ctx, 0)
				})
			})
		}
		join(ctx, tasks...)
		assert.Equal(t, want, order)
		assert.Equal(t, 7, most, "inside at a time")
	})
}

func TestSemaphoreWithAFreePlaceAdmitsNoTaskBeforeAWokenWaiterHasResumed(t *testing.T) {
	bothSemaphores(t, 2, func(t *testing.T, ctx context.Context, s semaphoreLike, release func()) {
		var r trace
		require.NoError(t, s.Acquire(ctx))
		require.NoError(t, s.Acquire(ctx))
		waiter := spawnTraced(ctx, &r, "waiter", s.Acquire)
		giveWay(ctx, 1)
		release() // the waiter's place
		release() // a place that was never acquired
		assert.True(t, s.Locked())
		require.NoError(t, s.Acquire(ctx))
		r.add("main ok")
		join(ctx, waiter)
		assert.True(t, s.Locked())
		r.expect(t, "waiter ok", "main ok")
	})
}
