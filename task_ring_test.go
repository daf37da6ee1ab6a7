package asyncio_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
)

// deadlock runs main in virtual time and debug mode, and returns the deadlock in which it ends.
func deadlock(t *testing.T, main func(ctx context.Context) error) *asyncio.DeadlockError {
	t.Helper()
	_, err := asyncio.Run(t.Context(), asyncio.Do(main), asyncio.WithVirtualTime(), asyncio.WithDebug(),
		asyncio.WithExceptionHandler(func(*asyncio.Loop, asyncio.ExceptionContext) {}))
	var d *asyncio.DeadlockError
	require.ErrorAs(t, err, &d)
	return d
}

// both acquires first and, after a while, second.
func both(first, second *asyncio.Lock) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		return first.With(ctx, func(ctx context.Context) error {
			if err := asyncio.Sleep(ctx, time.Second); err != nil {
				return err
			}
			return second.Acquire(ctx)
		})
	}
}

// ringNames returns the names of the tasks in rings. Each ring begins with the least name.
func ringNames(rings [][]asyncio.WaitingTask) (names [][]string) {
	for _, ring := range rings {
		var of []string
		for _, w := range ring {
			of = append(of, w.Name)
		}
		first := slices.Index(of, slices.Min(of))
		names = append(names, slices.Concat(of[first:], of[:first]))
	}
	return names
}

func TestADeadlockOverTwoLocksAndAQueueNamesEveryTaskLockAndLine(t *testing.T) {
	d := deadlock(t, func(ctx context.Context) error {
		var accounts, orders asyncio.Lock
		accounts.SetName("accounts")
		orders.SetName("orders")
		jobs := asyncio.NewQueue[int](0)
		jobs.SetName("jobs")
		spawn(ctx, both(&accounts, &orders), asyncio.WithName("payer"))
		spawn(ctx, func(ctx context.Context) error {
			return orders.With(ctx, func(ctx context.Context) error {
				_, err := jobs.Get(ctx)
				return err
			})
		}, asyncio.WithName("packer"))
		return errOf(ctx, spawn(ctx, func(ctx context.Context) error {
			return accounts.With(ctx, func(ctx context.Context) error { return jobs.Put(ctx, 1) })
		}, asyncio.WithName("clerk")))
	})
	assert.Empty(t, d.Rings, "the loop does not know who would put a value into the queue")
	assert.Regexp(t, `^asyncio: deadlock: Task-1 waits for task clerk at \S+_test.go:\d+, `+
		`payer waits for Lock "orders", held by packer since task_ring_test.go:\d+ at task_ring_test.go:\d+, `+
		`packer waits for a value in Queue "jobs" at task_ring_test.go:\d+, `+
		`clerk waits for Lock "accounts", held by payer since task_ring_test.go:\d+ at task_ring_test.go:\d+$`, d.Error())
}

func TestADeadlockErrorHasTheRings(t *testing.T) {
	for name, c := range map[string]struct {
		main func(ctx context.Context) error
		want [][]string
	}{
		"of two locks": {func(ctx context.Context) error {
			var a, b asyncio.Lock
			spawn(ctx, both(&a, &b), asyncio.WithName("ab"))
			return errOf(ctx, spawn(ctx, both(&b, &a), asyncio.WithName("ba")))
		}, [][]string{{"ab", "ba"}}},
		"of three locks": {func(ctx context.Context) error {
			var a, b, c asyncio.Lock
			spawn(ctx, both(&a, &b), asyncio.WithName("ab"))
			spawn(ctx, both(&b, &c), asyncio.WithName("bc"))
			return errOf(ctx, spawn(ctx, both(&c, &a), asyncio.WithName("ca")))
		}, [][]string{{"ab", "bc", "ca"}}},
		"of a lock that is acquired twice": {func(ctx context.Context) error {
			var a asyncio.Lock
			return both(&a, &a)(ctx)
		}, [][]string{{"Task-1"}}},
		"of a lock and a task": {func(ctx context.Context) error {
			var a asyncio.Lock
			return a.With(ctx, func(ctx context.Context) error {
				return errOf(ctx, spawn(ctx, a.Acquire, asyncio.WithName("child")))
			})
		}, [][]string{{"Task-1", "child"}}},
		"of a lock and a group": {func(ctx context.Context) error {
			var a asyncio.Lock
			return a.With(ctx, func(ctx context.Context) error {
				return asyncio.WithTaskGroup(ctx, func(ctx context.Context, tg *asyncio.TaskGroup) error {
					tg.Go(a.Acquire, asyncio.WithName("member"))
					return nil
				})
			})
		}, [][]string{{"Task-1", "member"}}},
		"of a semaphore with one place": {func(ctx context.Context) error {
			s := asyncio.NewSemaphore(1)
			var a asyncio.Lock
			spawn(ctx, func(ctx context.Context) error {
				return s.With(ctx, func(ctx context.Context) error { _ = asyncio.Sleep(ctx, 1); return a.Acquire(ctx) })
			}, asyncio.WithName("sa"))
			return errOf(ctx, spawn(ctx, func(ctx context.Context) error {
				return a.With(ctx, func(ctx context.Context) error { _ = asyncio.Sleep(ctx, 1); return s.Acquire(ctx) })
			}, asyncio.WithName("as")))
		}, [][]string{{"as", "sa"}}},
		"of a condition's lock": {func(ctx context.Context) error {
			var c asyncio.Condition
			var a asyncio.Lock
			waiter := spawn(ctx, func(ctx context.Context) error {
				return a.With(ctx, func(ctx context.Context) error { return c.With(ctx, c.Wait) })
			}, asyncio.WithName("waiter"))
			_ = asyncio.Sleep(ctx, 1)
			return errOf(ctx, spawn(ctx, func(ctx context.Context) error {
				return c.With(ctx, func(ctx context.Context) error {
					c.NotifyAll()
					_ = asyncio.Sleep(ctx, 1)
					_ = waiter
					return a.Acquire(ctx)
				})
			}, asyncio.WithName("notifier")))
		}, [][]string{{"notifier", "waiter"}}},
		"no ring, as one of two tasks would do": {func(ctx context.Context) error {
			var a asyncio.Lock
			return a.With(ctx, func(ctx context.Context) error {
				child := spawn(ctx, a.Acquire)
				other := spawn(ctx, new(asyncio.Event).Wait)
				_, _, err := asyncio.Wait(ctx, []asyncio.AnyTask{child, other}, asyncio.ReturnWhen(asyncio.FirstCompleted))
				return err
			})
		}, nil},
		"no ring, as a semaphore has two holders": {func(ctx context.Context) error {
			s := asyncio.NewSemaphore(2)
			spawn(ctx, func(ctx context.Context) error { return s.With(ctx, new(asyncio.Event).Wait) })
			return s.With(ctx, func(ctx context.Context) error { _ = asyncio.Sleep(ctx, 1); return s.Acquire(ctx) })
		}, nil},
		"no ring, as the lock was released": {func(ctx context.Context) error {
			var a asyncio.Lock
			_ = a.With(ctx, func(context.Context) error { return nil })
			spawn(ctx, func(ctx context.Context) error { return a.With(ctx, new(asyncio.Event).Wait) })
			giveWay(ctx, 1)
			return a.Acquire(ctx)
		}, nil},
	} {
		t.Run(name, func(t *testing.T) { assert.Equal(t, c.want, ringNames(deadlock(t, c.main).Rings)) })
	}
}

func TestARingIsReportedWhileOtherTasksGoOn(t *testing.T) {
	var reports []string
	_, err := asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
		var a, b asyncio.Lock
		a.SetName("a")
		found := asyncio.NewFuture[string](asyncio.RunningLoop(ctx))
		asyncio.RunningLoop(ctx).SetExceptionHandler(func(_ *asyncio.Loop, c asyncio.ExceptionContext) {
			reports = append(reports, c.Message)
			_ = found.SetResult(c.Message)
		})
		take := func(first, second *asyncio.Lock) func(ctx context.Context) error {
			return func(ctx context.Context) error {
				return first.With(ctx, func(ctx context.Context) error { giveWay(ctx, 1); return second.Acquire(ctx) })
			}
		}
		spawn(ctx, take(&a, &b), asyncio.WithName("ab"))
		spawn(ctx, take(&b, &a), asyncio.WithName("ba"))
		_, err := found.Await(ctx)
		return err
	}), asyncio.WithDebug())
	require.NoError(t, err)
	require.Len(t, reports, 1)
	assert.Regexp(t, `^2 tasks wait for one another: ab waits for Lock, held by ba since .* at .*, ba waits for Lock "a", held by ab since`, reports[0])
}
