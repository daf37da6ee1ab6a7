package asyncio_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
)

// lockers creates tasks that acquire the lock, hold it for a second and release it.
func lockers(ctx context.Context, r *trace, lock *asyncio.Lock, names ...string) []*asyncio.Task[asyncio.None] {
	tasks := make([]*asyncio.Task[asyncio.None], len(names))
	for i, name := range names {
		tasks[i] = spawn(ctx, func(ctx context.Context) error {
			err := lock.Acquire(ctx)
			r.end(name, err)
			if err != nil {
				return err
			}
			defer lock.Release()
			return asyncio.Sleep(ctx, time.Second)
		})
	}
	return tasks
}

func TestZeroLockIsUnlocked(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		var lock asyncio.Lock
		assert.False(t, lock.Locked())
		require.NoError(t, lock.Acquire(ctx))
		assert.True(t, lock.Locked())
		lock.Release()
		assert.False(t, lock.Locked())
	})
}

func TestLockIsGivenInTheOrderOfTheRequests(t *testing.T) {
	var r trace
	run(t, func(ctx context.Context) error {
		var lock asyncio.Lock
		join(ctx, lockers(ctx, &r, &lock, "A", "B", "C", "D")...)
		assert.Equal(t, 4*time.Second, asyncio.RunningLoop(ctx).Time(), "one at a time")
		assert.False(t, lock.Locked())
		return nil
	})
	r.expect(t, "A ok", "B ok", "C ok", "D ok")
}

func TestAcquiringAFreeLockDoesNotSuspend(t *testing.T) {
	var r trace
	run(t, func(ctx context.Context) error {
		asyncio.RunningLoop(ctx).CallSoon(func() { r.add("next turn") })
		var lock asyncio.Lock
		for range 3 {
			require.NoError(t, lock.With(ctx, func(context.Context) error { return nil }))
		}
		r.add("acquired")
		giveWay(ctx, 1)
		return nil
	})
	r.expect(t, "acquired", "next turn")
}

func TestAReleasedLockGoesToItsWaiterAndNotToAnOvertaker(t *testing.T) {
	for name, overtake := range map[string]func(ctx context.Context, acquire func(ctx context.Context) error) error{
		"an eager task": func(ctx context.Context, acquire func(ctx context.Context) error) error {
			return errOf[asyncio.None](ctx, asyncio.CreateTask(ctx, asyncio.Do(acquire), asyncio.WithEagerStart()))
		},
		"the holder": func(ctx context.Context, acquire func(ctx context.Context) error) error { return acquire(ctx) },
	} {
		t.Run(name, func(t *testing.T) {
			var r trace
			run(t, func(ctx context.Context) error {
				var lock asyncio.Lock
				require.NoError(t, lock.Acquire(ctx))
				acquire := func(name string) func(ctx context.Context) error {
					return func(ctx context.Context) error {
						err := lock.Acquire(ctx)
						r.end(name, err)
						lock.Release()
						return err
					}
				}
				spawn(ctx, acquire("waiter"))
				giveWay(ctx, 1)
				lock.Release()
				assert.False(t, lock.Locked(), "free until the waiter has resumed")
				return overtake(ctx, acquire("overtaker"))
			})
			r.expect(t, "waiter ok", "overtaker ok")
		})
	}
}

func TestACancelledLockWaiterLeavesTheOthersInOrder(t *testing.T) {
	var r trace
	run(t, func(ctx context.Context) error {
		var lock asyncio.Lock
		tasks := lockers(ctx, &r, &lock, "A", "B", "C", "D")
		giveWay(ctx, 1)
		tasks[1].Cancel()
		join(ctx, tasks...)
		assert.False(t, lock.Locked())
		return nil
	})
	r.expect(t, "A ok", "B cancelled", "C ok", "D ok")
}

func TestLockPassesTheWakeUpOnWhenTheWokenWaiterIsCancelled(t *testing.T) {
	var r trace
	run(t, func(ctx context.Context) error {
		var lock asyncio.Lock
		require.NoError(t, lock.Acquire(ctx))
		tasks := lockers(ctx, &r, &lock, "A", "B", "C")
		giveWay(ctx, 1)
		lock.Release() // wakes A
		tasks[0].Cancel()
		join(ctx, tasks...)
		assert.False(t, lock.Locked())
		return nil
	})
	r.expect(t, "A cancelled", "B ok", "C ok")
}

func TestLockReleasedAfterItsFirstWaiterWasCancelledGoesToTheSecond(t *testing.T) {
	var r trace
	run(t, func(ctx context.Context) error {
		var lock asyncio.Lock
		require.NoError(t, lock.Acquire(ctx))
		tasks := lockers(ctx, &r, &lock, "A", "B", "C")
		giveWay(ctx, 1)
		tasks[0].Cancel()
		lock.Release() // A has not resumed yet
		join(ctx, tasks...)
		return nil
	})
	r.expect(t, "A cancelled", "B ok", "C ok")
}

func TestLockWhoseWaitersAreAllCancelledIsFreeAtOnce(t *testing.T) {
	var r trace
	run(t, func(ctx context.Context) error {
		var lock asyncio.Lock
		require.NoError(t, lock.Acquire(ctx))
		tasks := lockers(ctx, &r, &lock, "A", "B")
		giveWay(ctx, 1)
		tasks[0].Cancel()
		tasks[1].Cancel()
		lock.Release()
		require.NoError(t, lock.Acquire(ctx)) // A and B have not resumed yet
		r.add("main ok")
		join(ctx, tasks...)
		assert.True(t, lock.Locked())
		lock.Release()
		return nil
	})
	r.expect(t, "main ok", "A cancelled", "B cancelled")
}

// asyncigo, an earlier port, let two tasks hold the lock here.
func TestLockNeverHasTwoHoldersWhenWaitersAreCancelled(t *testing.T) {
	for cancelled := range 5 {
		for turns := range 4 {
			run(t, func(ctx context.Context) error {
				var lock asyncio.Lock
				holders, most, got := 0, 0, 0
				tasks := make([]*asyncio.Task[asyncio.None], 5)
				for i := range tasks {
					tasks[i] = spawn(ctx, func(ctx context.Context) error {
						return lock.With(ctx, func(ctx context.Context) error {
							got++
							holders++
							most = max(most, holders)
							defer func() { holders-- }()
							return asyncio.Sleep(ctx, 0)
						})
					})
				}
				giveWay(ctx, 1+turns)
				tasks[cancelled].Cancel()
				join(ctx, tasks...)
				assert.Equal(t, 1, most, "holders at a time, task %d cancelled in turn %d", cancelled, turns)
				assert.GreaterOrEqual(t, got, 4, "tasks that got the lock")
				assert.False(t, lock.Locked())
				return nil
			})
		}
	}
}

func TestLockWaiterWithADoneContextPassesTheLockOn(t *testing.T) {
	var r trace
	run(t, func(ctx context.Context) error {
		var lock asyncio.Lock
		require.NoError(t, lock.Acquire(ctx))
		derived, cancel := context.WithCancel(ctx)
		first := spawnTraced(ctx, &r, "first", func(context.Context) error { return lock.Acquire(derived) })
		second := spawnTraced(ctx, &r, "second", lock.Acquire)
		giveWay(ctx, 1)
		cancel()
		join(ctx, first)
		lock.Release()
		join(ctx, second)
		assert.True(t, lock.Locked())
		return nil
	})
	r.expect(t, "first cancelled", "second ok")
}

func TestLockMayBeReleasedByAnotherTask(t *testing.T) {
	run(t, func(ctx context.Context) error {
		var lock asyncio.Lock
		require.NoError(t, lock.Acquire(ctx))
		waiter := spawn(ctx, lock.Acquire)
		spawn(ctx, func(context.Context) error {
			lock.Release()
			return nil
		})
		_, err := waiter.Await(ctx)
		assert.True(t, lock.Locked())
		return err
	})
}

func TestReleaseOfALockThatIsNotHeldPanics(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		var lock asyncio.Lock
		assert.PanicsWithValue(t, "asyncio: release of an unlocked Lock", lock.Release)
		require.NoError(t, lock.Acquire(ctx))
		lock.Release()
		assert.PanicsWithValue(t, "asyncio: release of an unlocked Lock", lock.Release)
		assert.NoError(t, lock.Acquire(ctx), "reuse after")
	})
}

func TestLockWithReleasesHoweverTheBodyEnds(t *testing.T) {
	bodies := map[string]func(ctx context.Context) error{
		"returns":            func(context.Context) error { return nil },
		"returns an error":   func(context.Context) error { return errBoom },
		"panics":             func(context.Context) error { panic(errBoom) },
		"is cancelled":       func(ctx context.Context) error { return asyncio.Sleep(ctx, time.Hour) },
		"suspends":           func(ctx context.Context) error { return asyncio.Sleep(ctx, time.Second) },
		"sees the lock held": func(context.Context) error { return nil },
	}
	for name, body := range bodies {
		t.Run(name, func(t *testing.T) {
			run(t, func(ctx context.Context) error {
				var lock asyncio.Lock
				held := false
				task := spawn(ctx, func(ctx context.Context) error {
					return lock.With(ctx, func(ctx context.Context) error {
						held = lock.Locked()
						return body(ctx)
					})
				})
				giveWay(ctx, 2)
				if name == "is cancelled" {
					task.Cancel()
				}
				_, err := task.Await(ctx)
				switch name {
				case "returns an error", "panics":
					assert.ErrorIs(t, err, errBoom)
				case "is cancelled":
					assert.ErrorIs(t, err, asyncio.ErrCancelled)
				default:
					assert.NoError(t, err)
				}
				assert.True(t, held, "the lock in the body")
				assert.False(t, lock.Locked(), "the lock after the body")
				return lock.Acquire(ctx)
			})
		})
	}
}

func TestTenThousandTasksGetALockInOrder(t *testing.T) {
	const n = 10_000
	run(t, func(ctx context.Context) error {
		var lock asyncio.Lock
		var order, want []int
		tasks := make([]*asyncio.Task[asyncio.None], n)
		for i := range tasks {
			want = append(want, i)
			tasks[i] = spawn(ctx, func(ctx context.Context) error {
				return lock.With(ctx, func(ctx context.Context) error {
					order = append(order, i)
					return asyncio.Sleep(ctx, 0)
				})
			})
		}
		join(ctx, tasks...)
		assert.Equal(t, want, order)
		return nil
	})
}

func TestLockOutsideAnyTaskPanicsIfItWouldWait(t *testing.T) {
	var lock asyncio.Lock
	require.NoError(t, lock.Acquire(t.Context()), "nothing to wait for")
	assert.PanicsWithValue(t, "asyncio: await with a context that does not come from a task", func() { _ = lock.Acquire(t.Context()) })
}
