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

// ringReports runs start in virtual time, in an inspected loop. When all tasks that it has created
// wait, the loop searches for rings. ringReports returns the reports.
func ringReports(t *testing.T, start func(ctx context.Context)) (reports []string) {
	t.Helper()
	run(t, func(ctx context.Context) error {
		loop := asyncio.RunningLoop(ctx)
		loop.Inspect(true)
		loop.SetExceptionHandler(func(_ *asyncio.Loop, c asyncio.ExceptionContext) { reports = append(reports, c.Message) })
		start(ctx)
		if err := asyncio.Sleep(ctx, time.Minute); err != nil {
			return err
		}
		asyncio.SearchRings(loop)
		for _, task := range loop.AllTasks()[1:] {
			task.Cancel()
		}
		return asyncio.Sleep(ctx, time.Minute)
	})
	return reports
}

// holding returns a coroutine that acquires a lock, and after a second calls body.
func holding(l *asyncio.Lock, body func(ctx context.Context) error) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		return l.With(ctx, func(ctx context.Context) error {
			if err := asyncio.Sleep(ctx, time.Second); err != nil {
				return err
			}
			return body(ctx)
		})
	}
}

func TestARingIsReportedHoweverItsTasksWait(t *testing.T) {
	names := []asyncio.TaskOption{asyncio.WithName("child")}
	through := func(await func(ctx context.Context, child *asyncio.Task[asyncio.None]) error) func(context.Context) {
		return func(ctx context.Context) {
			var l asyncio.Lock
			spawn(ctx, holding(&l, func(ctx context.Context) error { return await(ctx, spawn(ctx, l.Acquire, names...)) }), asyncio.WithName("parent"))
		}
	}
	const parentAndChild = `^2 tasks wait for one another: parent waits for .* at \w+_test.go:\d+, ` +
		`child waits for Lock, held by parent since task_ring_test.go:\d+$`
	for name, c := range map[string]struct {
		start func(ctx context.Context)
		want  string
	}{
		"two locks": {func(ctx context.Context) {
			var a, b asyncio.Lock
			a.SetName("accounts")
			b.SetName("books")
			spawn(ctx, both(&a, &b), asyncio.WithName("ab"))
			spawn(ctx, both(&b, &a), asyncio.WithName("ba"))
		}, `^2 tasks wait for one another: ab waits for Lock "books", held by ba since task_ring_test.go:\d+ at task_ring_test.go:\d+, ` +
			`ba waits for Lock "accounts", held by ab since task_ring_test.go:\d+ at task_ring_test.go:\d+$`},
		"a lock acquired twice": {func(ctx context.Context) {
			var a asyncio.Lock
			spawn(ctx, both(&a, &a), asyncio.WithName("twice"))
		}, `^a task waits for itself: twice waits for Lock, held by twice since task_ring_test.go:\d+ at task_ring_test.go:\d+$`},
		"a semaphore and a lock": {func(ctx context.Context) {
			s := asyncio.NewBoundedSemaphore(1)
			s.SetName("slot")
			var l asyncio.Lock
			spawn(ctx, holding(&l, s.Acquire), asyncio.WithName("ls"))
			spawn(ctx, func(ctx context.Context) error { return s.With(ctx, l.Acquire) }, asyncio.WithName("sl"))
		}, `^2 tasks wait for one another: ls waits for Semaphore "slot", held by sl since task_ring_test.go:\d+.*, sl waits for Lock, held by ls`},
		"a condition's lock": {func(ctx context.Context) {
			var c asyncio.Condition
			c.SetName("stock")
			spawn(ctx, func(ctx context.Context) error {
				return c.With(ctx, func(ctx context.Context) error { return errOf(ctx, spawn(ctx, c.Acquire, names...)) })
			}, asyncio.WithName("parent"))
		}, `child waits for Lock "stock", held by parent since task_ring_test.go:\d+$`},
		"Await": {through(func(ctx context.Context, child *asyncio.Task[asyncio.None]) error { return errOf(ctx, child) }), parentAndChild},
		"Gather": {through(func(ctx context.Context, child *asyncio.Task[asyncio.None]) error {
			return errOf(ctx, asyncio.Gather(ctx, spawn(ctx, waitsForEver), child))
		}), parentAndChild},
		"Shield": {through(func(ctx context.Context, child *asyncio.Task[asyncio.None]) error {
			return errOf(ctx, asyncio.Shield(ctx, child))
		}), parentAndChild},
		"Wait": {through(func(ctx context.Context, child *asyncio.Task[asyncio.None]) error {
			_, _, err := asyncio.Wait(ctx, []asyncio.AnyTask{child, spawn(ctx, waitsForEver)})
			return err
		}), parentAndChild},
		"Wait for the first of one": {through(func(ctx context.Context, child *asyncio.Task[asyncio.None]) error {
			_, _, err := asyncio.Wait(ctx, []asyncio.AnyTask{child}, asyncio.ReturnWhen(asyncio.FirstCompleted))
			return err
		}), parentAndChild},
		// The ring breaks at the deadline. Until then nothing in it goes on.
		"WaitFor": {through(func(ctx context.Context, child *asyncio.Task[asyncio.None]) error {
			_, err := asyncio.WaitFor(ctx, child, time.Hour)
			return err
		}), parentAndChild},
		"Timeout": {through(func(ctx context.Context, child *asyncio.Task[asyncio.None]) error {
			return asyncio.Timeout(ctx, time.Hour, func(ctx context.Context, _ *asyncio.TimeoutScope) error { return errOf(ctx, child) })
		}), parentAndChild},
		"a group": {func(ctx context.Context) {
			var l asyncio.Lock
			spawn(ctx, holding(&l, func(ctx context.Context) error {
				return asyncio.WithTaskGroup(ctx, func(_ context.Context, tg *asyncio.TaskGroup) error {
					tg.Go(l.Acquire, names...)
					return nil
				})
			}), asyncio.WithName("parent"))
		}, parentAndChild},
		"tasks that await one another": {func(ctx context.Context) {
			var a, b *asyncio.Task[asyncio.None]
			a = spawn(ctx, func(ctx context.Context) error { return errOf(ctx, b) }, asyncio.WithName("a"))
			b = spawn(ctx, func(ctx context.Context) error { return errOf(ctx, a) }, asyncio.WithName("b"))
		}, `^2 tasks wait for one another: a waits for task b at \w+_test.go:\d+, b waits for task a at`},
	} {
		t.Run(name, func(t *testing.T) {
			reports := ringReports(t, c.start)
			require.Len(t, reports, 1)
			assert.Regexp(t, c.want, reports[0])
		})
	}
}

func TestWhatMayGoOnIsNotReportedAsARing(t *testing.T) {
	for name, start := range map[string]func(ctx context.Context){
		"one of two is enough": func(ctx context.Context) {
			var l asyncio.Lock
			spawn(ctx, holding(&l, func(ctx context.Context) error {
				_, _, err := asyncio.Wait(ctx, []asyncio.AnyTask{spawn(ctx, l.Acquire), spawn(ctx, waitsForEver)}, asyncio.ReturnWhen(asyncio.FirstCompleted))
				return err
			}))
		},
		"the lock was handed over": func(ctx context.Context) {
			var l asyncio.Lock
			var heir *asyncio.Task[asyncio.None]
			spawn(ctx, func(ctx context.Context) error {
				must(l.Acquire(ctx))
				giveWay(ctx, 1)
				l.Release() // to heir, who is awaited in the same turn
				asyncio.SearchRings(asyncio.RunningLoop(ctx))
				return errOf(ctx, heir)
			})
			heir = spawn(ctx, func(ctx context.Context) error { return l.With(ctx, waitsForEver) })
		},
		"the lock was released by another task": func(ctx context.Context) {
			var l asyncio.Lock
			first := spawn(ctx, func(ctx context.Context) error { must(l.Acquire(ctx)); return waitsForEver(ctx) })
			giveWay(ctx, 2)
			l.Release()
			spawn(ctx, holding(&l, func(ctx context.Context) error { return errOf(ctx, first) }))
		},
		"a condition was not notified": func(ctx context.Context) {
			var c asyncio.Condition
			waiter := spawn(ctx, func(ctx context.Context) error { return c.With(ctx, c.Wait) })
			spawn(ctx, func(ctx context.Context) error {
				return c.With(ctx, func(ctx context.Context) error { return errOf(ctx, asyncio.Shield(ctx, waiter)) })
			})
		},
		"a semaphore is a signal": func(ctx context.Context) {
			s := asyncio.NewSemaphore(0)
			spawn(ctx, func(ctx context.Context) error { must(s.Acquire(ctx)); return s.Acquire(ctx) })
			giveWay(ctx, 1)
			s.Release()
		},
		"a semaphore has a second place, which was taken before the inspection": func(ctx context.Context) {
			loop := asyncio.RunningLoop(ctx)
			loop.Inspect(false)
			s := asyncio.NewSemaphore(2)
			spawn(ctx, func(ctx context.Context) error { return s.With(ctx, waitsForEver) })
			giveWay(ctx, 1)
			loop.Inspect(true)
			spawn(ctx, func(ctx context.Context) error { must(s.Acquire(ctx)); return s.Acquire(ctx) })
		},
		"whoever takes from a queue is not known": func(ctx context.Context) {
			var l asyncio.Lock
			q := asyncio.NewQueue[int](1)
			must(q.PutNowait(0))
			spawn(ctx, holding(&l, func(ctx context.Context) error { return q.Put(ctx, 1) }))
			spawn(ctx, func(ctx context.Context) error {
				return l.With(ctx, func(ctx context.Context) error { _, err := q.Get(ctx); return err })
			})
		},
	} {
		t.Run(name, func(t *testing.T) { withoutDebug(t); assert.Empty(t, ringReports(t, start)) })
	}
}

func TestARingIsReportedOnce(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		var reports []string
		loop := asyncio.RunningLoop(ctx)
		loop.Inspect(true)
		loop.SetExceptionHandler(func(_ *asyncio.Loop, c asyncio.ExceptionContext) { reports = append(reports, c.Message) })
		search := func() int {
			must(asyncio.Sleep(ctx, time.Minute))
			asyncio.SearchRings(loop)
			return len(reports)
		}
		var a, b, c asyncio.Lock
		var joins asyncio.Event
		spawn(ctx, func(ctx context.Context) error { must(joins.Wait(ctx)); return b.Acquire(ctx) })
		ab := spawn(ctx, both(&a, &b))
		ba := spawn(ctx, both(&b, &a))
		assert.Equal(t, 1, search())
		assert.Equal(t, 1, search())
		joins.Set()
		assert.Equal(t, 1, search(), "when a task waits for the ring that is older than it")
		ab.Cancel()
		assert.Equal(t, 1, search(), "when the ring is broken")
		join(ctx, ba)
		spawn(ctx, both(&c, &c))
		assert.Equal(t, 2, search(), "when there is another ring")
		for _, task := range loop.AllTasks()[1:] {
			task.Cancel()
		}
		giveWay(ctx, 3)
	})
}

func TestARingIsReportedInALoopThatNeverSleeps(t *testing.T) {
	withoutDebug(t) // in which no task drives
	var report string
	_, err := asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
		asyncio.RunningLoop(ctx).Inspect(true)
		var a asyncio.Lock
		spawn(ctx, func(ctx context.Context) error { must(a.Acquire(ctx)); return a.Acquire(ctx) }, asyncio.WithName("twice"))
		for report == "" {
			if err := asyncio.Sleep(ctx, 0); err != nil {
				return err
			}
		}
		return nil
	}), asyncio.WithExceptionHandler(func(_ *asyncio.Loop, c asyncio.ExceptionContext) { report = c.Message }))
	require.NoError(t, err)
	assert.Regexp(t, `^a task waits for itself: twice waits for Lock, held by twice since`, report)
}
