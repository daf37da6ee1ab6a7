package asyncio_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
)

// condWaiters creates tasks that wait for a notification and release the lock at once. It returns
// when all of them wait.
func condWaiters(ctx context.Context, r *trace, cond *asyncio.Condition, names ...string) []*asyncio.Task[asyncio.None] {
	tasks := make([]*asyncio.Task[asyncio.None], len(names))
	for i, name := range names {
		tasks[i] = spawn(ctx, func(ctx context.Context) error {
			return cond.With(ctx, func(ctx context.Context) error {
				err := cond.Wait(ctx)
				if !cond.Locked() {
					r.add("%s has no lock", name)
				}
				r.end(name, err)
				return err
			})
		})
	}
	settled(ctx)
	return tasks
}

func TestZeroConditionHasALockOfItsOwn(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		var cond asyncio.Condition
		assert.False(t, cond.Locked())
		require.NoError(t, cond.Acquire(ctx))
		assert.True(t, cond.Locked())
		cond.Release()
		assert.False(t, cond.Locked())
	})
}

func TestConditionsOnOneLockExcludeOneAnother(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		var lock asyncio.Lock
		a, b := asyncio.NewCondition(&lock), asyncio.NewCondition(&lock)
		require.NoError(t, a.Acquire(ctx))
		assert.True(t, lock.Locked())
		assert.True(t, b.Locked())
		b.NotifyAll()
		lock.Release()
		assert.False(t, a.Locked())
	})
}

func TestConditionOnANilLockHasALockOfItsOwn(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		cond := asyncio.NewCondition(nil)
		require.NoError(t, cond.Acquire(ctx))
		assert.True(t, cond.Locked())
		cond.Release()
	})
}

func TestNotifyWakesTheFirstWaiters(t *testing.T) {
	for n, want := range map[int][]string{
		-1: nil,
		0:  nil,
		1:  {"A ok"},
		2:  {"A ok", "B ok"},
		9:  {"A ok", "B ok", "C ok"},
	} {
		var r trace
		run(t, func(ctx context.Context) error {
			var cond asyncio.Condition
			tasks := condWaiters(ctx, &r, &cond, "A", "B", "C")
			require.NoError(t, cond.With(ctx, func(context.Context) error {
				cond.Notify(n)
				return nil
			}))
			settled(ctx)
			assert.Equal(t, want, []string(r), "woken by Notify(%d)", n)
			require.NoError(t, cond.With(ctx, func(context.Context) error {
				cond.NotifyAll()
				return nil
			}))
			join(ctx, tasks...)
			return nil
		})
		r.expect(t, "A ok", "B ok", "C ok")
	}
}

func TestConditionWaiterGoesOnWhenItHasTheLock(t *testing.T) {
	var r trace
	run(t, func(ctx context.Context) error {
		var cond asyncio.Condition
		tasks := condWaiters(ctx, &r, &cond, "A", "B")
		require.NoError(t, cond.With(ctx, func(ctx context.Context) error {
			cond.NotifyAll()
			r.add("notified")
			err := asyncio.Sleep(ctx, time.Second)
			r.add("releases")
			return err
		}))
		join(ctx, tasks...)
		return nil
	})
	r.expect(t, "notified", "releases", "A ok", "B ok")
}

func TestConditionWaitReleasesTheLock(t *testing.T) {
	run(t, func(ctx context.Context) error {
		var cond asyncio.Condition
		var r trace
		tasks := condWaiters(ctx, &r, &cond, "A")
		assert.False(t, cond.Locked())
		tasks[0].Cancel()
		join(ctx, tasks...)
		assert.False(t, cond.Locked())
		return nil
	})
}

func TestConditionWaiterThatIsCancelledWaitsForTheLock(t *testing.T) {
	var r trace
	run(t, func(ctx context.Context) error {
		var cond asyncio.Condition
		tasks := condWaiters(ctx, &r, &cond, "A")
		require.NoError(t, cond.Acquire(ctx))
		tasks[0].Cancel()
		settled(ctx)
		assert.False(t, tasks[0].Done(), "it needs the lock to return")
		r.add("releases")
		cond.Release()
		join(ctx, tasks...)
		assert.False(t, cond.Locked())
		return nil
	})
	r.expect(t, "releases", "A cancelled")
}

func TestConditionWaiterCancelledAgainWhileItWaitsForTheLockReturnsWithTheLock(t *testing.T) {
	var r trace
	run(t, func(ctx context.Context) error {
		var cond asyncio.Condition
		var got error
		task := spawn(ctx, func(ctx context.Context) error {
			return cond.With(ctx, func(ctx context.Context) error {
				got = cond.Wait(ctx)
				r.add("locked: %v", cond.Locked())
				return got
			})
		})
		settled(ctx)
		require.NoError(t, cond.Acquire(ctx))
		for _, cause := range []error{context.DeadlineExceeded, context.Canceled, errBoom} {
			task.CancelCause(cause)
			settled(ctx)
			assert.False(t, task.Done())
		}
		cond.Release()
		join(ctx, task)
		assert.ErrorIs(t, got, errBoom, "the last cancellation")
		assert.NotErrorIs(t, got, context.DeadlineExceeded)
		assert.Equal(t, 3, task.Cancelling())
		assert.False(t, cond.Locked())
		return nil
	})
	r.expect(t, "locked: true")
}

func TestConditionPassesTheNotificationOnWhenTheWokenWaiterIsCancelled(t *testing.T) {
	t.Run("in the same turn", func(t *testing.T) {
		var r trace
		run(t, func(ctx context.Context) error {
			var cond asyncio.Condition
			tasks := condWaiters(ctx, &r, &cond, "A", "B", "C")
			require.NoError(t, cond.With(ctx, func(context.Context) error {
				cond.Notify(1)
				tasks[0].Cancel()
				return nil
			}))
			settled(ctx)
			r.expect(t, "A cancelled", "B ok")
			tasks[2].Cancel()
			join(ctx, tasks...)
			return nil
		})
	})
	t.Run("while it waits for the lock", func(t *testing.T) {
		var r trace
		run(t, func(ctx context.Context) error {
			var cond asyncio.Condition
			tasks := condWaiters(ctx, &r, &cond, "A", "B", "C")
			require.NoError(t, cond.With(ctx, func(ctx context.Context) error {
				cond.Notify(1)
				settled(ctx)
				tasks[0].Cancel()
				settled(ctx)
				r.add("releases")
				return nil
			}))
			settled(ctx)
			r.expect(t, "releases", "A cancelled", "B ok")
			tasks[2].Cancel()
			join(ctx, tasks...)
			return nil
		})
	})
}

func TestNotifyPassesOverAWaiterThatIsCancelled(t *testing.T) {
	var r trace
	run(t, func(ctx context.Context) error {
		var cond asyncio.Condition
		tasks := condWaiters(ctx, &r, &cond, "A", "B")
		require.NoError(t, cond.With(ctx, func(context.Context) error {
			tasks[0].Cancel()
			cond.Notify(1)
			return nil
		}))
		join(ctx, tasks...)
		return nil
	})
	r.expect(t, "A cancelled", "B ok")
}

func TestConditionWaitUnderADoneContextReturnsWithTheLock(t *testing.T) {
	run(t, func(ctx context.Context) error {
		var cond asyncio.Condition
		derived, cancel := context.WithCancelCause(ctx)
		var got error
		locked := false
		task := spawn(ctx, func(ctx context.Context) error {
			return cond.With(ctx, func(context.Context) error {
				got = cond.Wait(derived)
				locked = cond.Locked()
				return nil
			})
		})
		settled(ctx)
		require.NoError(t, cond.Acquire(ctx))
		cancel(errBoom)
		require.NoError(t, asyncio.Sleep(ctx, time.Second))
		assert.False(t, task.Done(), "it needs the lock to return")
		cond.Release()
		_, err := task.Await(ctx)
		assert.ErrorIs(t, got, context.Canceled)
		assert.ErrorIs(t, got, errBoom)
		assert.True(t, locked)
		return err
	})
}

func TestConditionWaitForTestsAgainAfterEachNotification(t *testing.T) {
	var r trace
	run(t, func(ctx context.Context) error {
		var cond asyncio.Condition
		n := 0
		task := spawn(ctx, func(ctx context.Context) error {
			return cond.With(ctx, func(ctx context.Context) error {
				return cond.WaitFor(ctx, func() bool {
					r.add("looks at %d, locked %v", n, cond.Locked())
					return n == 2
				})
			})
		})
		for range 2 {
			settled(ctx)
			require.NoError(t, cond.With(ctx, func(context.Context) error {
				n++
				cond.NotifyAll()
				return nil
			}))
		}
		_, err := task.Await(ctx)
		return err
	})
	r.expect(t, "looks at 0, locked true", "looks at 1, locked true", "looks at 2, locked true")
}

func TestConditionWaitForATruePredicateDoesNotSuspend(t *testing.T) {
	var r trace
	run(t, func(ctx context.Context) error {
		asyncio.RunningLoop(ctx).CallSoon(func() { r.add("next turn") })
		var cond asyncio.Condition
		require.NoError(t, cond.Acquire(ctx))
		require.NoError(t, cond.WaitFor(ctx, func() bool { return true }))
		r.add("waited")
		giveWay(ctx, 1)
		return nil
	})
	r.expect(t, "waited", "next turn")
}

func TestConditionWithoutTheLockPanics(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		var cond asyncio.Condition
		for want, call := range map[string]func(){
			"asyncio: Wait of a Condition whose lock is not held":      func() { _ = cond.Wait(ctx) },
			"asyncio: Notify of a Condition whose lock is not held":    func() { cond.Notify(1) },
			"asyncio: NotifyAll of a Condition whose lock is not held": cond.NotifyAll,
			"asyncio: release of an unlocked Lock":                     cond.Release,
		} {
			assert.PanicsWithValue(t, want, call)
		}
		assert.False(t, cond.Locked())
		require.NoError(t, cond.Acquire(ctx), "reuse after")
		cond.NotifyAll()
	})
}

func TestConditionWithReleasesWhenTheBodyPanics(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		var cond asyncio.Condition
		assert.PanicsWithValue(t, "no", func() {
			_ = cond.With(ctx, func(context.Context) error { panic("no") })
		})
		assert.False(t, cond.Locked())
		assert.ErrorIs(t, cond.With(ctx, func(context.Context) error { return errBoom }), errBoom)
		assert.False(t, cond.Locked())
	})
}

func TestNotifyAllWakesTenThousandInOrder(t *testing.T) {
	const n = 10_000
	run(t, func(ctx context.Context) error {
		var cond asyncio.Condition
		var order, want []int
		tasks := make([]*asyncio.Task[asyncio.None], n)
		for i := range tasks {
			want = append(want, i)
			tasks[i] = spawn(ctx, func(ctx context.Context) error {
				return cond.With(ctx, func(ctx context.Context) error {
					err := cond.Wait(ctx)
					order = append(order, i)
					return err
				})
			})
		}
		giveWay(ctx, 1)
		require.NoError(t, cond.With(ctx, func(context.Context) error {
			cond.NotifyAll()
			return nil
		}))
		join(ctx, tasks...)
		assert.Equal(t, want, order)
		return nil
	})
}

func TestConditionWaiterWhoseTaskHasADoneContextReturnsWithTheLock(t *testing.T) {
	run(t, func(ctx context.Context) error {
		var cond asyncio.Condition
		derived, cancel := context.WithCancelCause(ctx)
		var got error
		locked := false
		task := spawn(derived, func(ctx context.Context) error {
			return cond.With(ctx, func(ctx context.Context) error {
				got = cond.Wait(ctx)
				locked = cond.Locked()
				return nil
			})
		})
		settled(ctx)
		require.NoError(t, cond.Acquire(ctx))
		cancel(errBoom)
		require.NoError(t, asyncio.Sleep(ctx, time.Second))
		assert.False(t, task.Done(), "it needs the lock to return")
		cond.Release()
		_, err := task.Await(ctx)
		assert.ErrorIs(t, got, errBoom)
		assert.True(t, locked)
		return err
	})
}

// The deferred functions of the tasks release the lock.
func TestTasksAbandonedInAConditionReleaseItsLock(t *testing.T) {
	for name, held := range map[string]bool{"nobody holds it": false, "another holds it": true} {
		t.Run(name, func(t *testing.T) {
			var reports []string
			loop := asyncio.NewLoop(asyncio.WithVirtualTime(), asyncio.WithExceptionHandler(func(_ *asyncio.Loop, c asyncio.ExceptionContext) {
				reports = append(reports, c.Message)
			}))
			_, err := asyncio.RunUntilComplete(t.Context(), loop, asyncio.Do(func(ctx context.Context) error {
				var cond asyncio.Condition
				for range 2 {
					spawn(ctx, func(ctx context.Context) error { return cond.With(ctx, cond.Wait) })
				}
				if held {
					spawn(ctx, func(ctx context.Context) error {
						return cond.With(ctx, func(ctx context.Context) error { return asyncio.Sleep(ctx, time.Hour) })
					})
				}
				settled(ctx)
				return nil
			}))
			require.NoError(t, err)
			require.NoError(t, loop.Close())
			for _, message := range reports {
				require.Equal(t, "task was destroyed but it is pending", message)
			}
		})
	}
}
