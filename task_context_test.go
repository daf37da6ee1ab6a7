package asyncio_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
)

type valueKey struct{}

// waits lists ways to wait under a context, for ever.
var waits = map[string]func(ctx context.Context) error{
	"Sleep": func(ctx context.Context) error { return asyncio.Sleep(ctx, time.Hour) },
	"Event": func(ctx context.Context) error { return new(asyncio.Event).Wait(ctx) },
	"Lock": func(ctx context.Context) error {
		l := new(asyncio.Lock)
		_ = l.Acquire(ctx)
		return l.Acquire(ctx)
	},
	"Semaphore": func(ctx context.Context) error { return asyncio.NewSemaphore(0).Acquire(ctx) },
	"Condition": func(ctx context.Context) error {
		c := new(asyncio.Condition)
		return c.With(ctx, c.Wait)
	},
	"Barrier": func(ctx context.Context) error {
		_, err := asyncio.NewBarrier(2).Wait(ctx)
		return err
	},
	"Queue": func(ctx context.Context) error {
		_, err := asyncio.NewQueue[int](0).Get(ctx)
		return err
	},
	"Future": func(ctx context.Context) error {
		_, err := newFuture[int](ctx).Await(ctx)
		return err
	},
	"Task": func(ctx context.Context) error {
		_, err := asyncio.CreateTask(context.WithoutCancel(ctx), sleeper(time.Hour)).Await(ctx)
		return err
	},
	"Gather": func(ctx context.Context) error {
		_, err := asyncio.Gather(ctx, sleeper(time.Hour), sleeper(time.Hour)).Await(ctx)
		return err
	},
	"Wait": func(ctx context.Context) error {
		_, _, err := asyncio.Wait(ctx, []asyncio.Waitable{newFuture[int](ctx)})
		return err
	},
	"WaitFor": func(ctx context.Context) error {
		_, err := asyncio.WaitFor(ctx, newFuture[int](ctx), time.Hour)
		return err
	},
	"AsCompleted": func(ctx context.Context) error {
		for _, err := range asyncio.AsCompleted(ctx, newFuture[int](ctx)) {
			return err
		}
		return nil
	},
	"TaskGroup": func(ctx context.Context) error {
		return asyncio.WithTaskGroup(ctx, func(ctx context.Context, tg *asyncio.TaskGroup) error {
			tg.Go(func(ctx context.Context) error { return asyncio.Sleep(ctx, time.Hour) })
			return nil
		})
	},
	"ToThread": func(ctx context.Context) error {
		block := make(chan struct{})
		defer close(block)
		_, err := asyncio.ToThread(ctx, func(context.Context) (int, error) { <-block; return 0, nil })
		return err
	},
}

func TestADerivedContextCancelsEveryWait(t *testing.T) {
	for name, wait := range waits {
		t.Run(name, func(t *testing.T) {
			t.Run("when another task cancels it", func(t *testing.T) {
				inTurn(t, func(ctx context.Context) {
					derived, cancel := context.WithCancelCause(ctx)
					defer cancel(nil)
					asyncio.RunningLoop(ctx).CallLater(time.Second, func() { cancel(errBoom) })
					if name == "ToThread" { // virtual time stands still while a function runs
						cancel(errBoom)
					}
					err := wait(derived)
					assert.ErrorIs(t, err, context.Canceled)
					assert.ErrorIs(t, err, errBoom)
					assert.Zero(t, asyncio.CurrentTask(ctx).Cancelling())
					assert.NoError(t, asyncio.Sleep(ctx, 0), "the task's own context is not done")
				})
			})
			t.Run("when it is done already", func(t *testing.T) {
				inTurn(t, func(ctx context.Context) {
					derived, cancel := context.WithCancelCause(ctx)
					cancel(errBoom)
					err := wait(derived)
					assert.ErrorIs(t, err, asyncio.ErrCancelled)
					assert.ErrorIs(t, err, errBoom)
				})
			})
			t.Run("when its deadline passes", func(t *testing.T) {
				_, err := asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
					derived, cancel := context.WithTimeoutCause(ctx, time.Millisecond, errBoom)
					defer cancel()
					return wait(derived)
				}))
				require.ErrorIs(t, err, context.DeadlineExceeded)
				require.ErrorIs(t, err, asyncio.ErrTimeout)
				require.ErrorIs(t, err, errBoom)
				require.NotErrorIs(t, err, asyncio.ErrCancelled)
			})
			t.Run("unless Task.Cancel was first", func(t *testing.T) {
				inTurn(t, func(ctx context.Context) {
					derived, cancel := context.WithCancel(ctx)
					defer cancel()
					var got error
					task := spawn(ctx, func(ctx context.Context) error { got = wait(derived); return got })
					giveWay(ctx, 3)
					task.Cancel()
					cancel()
					_, _ = task.Await(ctx)
					assert.ErrorIs(t, got, asyncio.ErrCancelled)
					assert.True(t, task.Cancelled())
				})
			})
		})
	}
}

func TestADerivedContextDoesNotMakeAYieldFail(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		derived, cancel := context.WithCancel(ctx)
		assert.NoError(t, asyncio.Sleep(derived, 0))
		cancel()
		assert.ErrorIs(t, asyncio.Sleep(derived, 0), asyncio.ErrCancelled)
		assert.NoError(t, asyncio.Sleep(context.WithoutCancel(derived), 0))
		assert.NoError(t, asyncio.Sleep(context.WithValue(ctx, valueKey{}, 1), time.Second))
	})
}

func TestATaskInheritsTheContextThatItWasCreatedWith(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		derived, cancel := context.WithCancelCause(context.WithValue(ctx, valueKey{}, "v"))
		child := spawn(derived, func(ctx context.Context) error {
			assert.Equal(t, "v", ctx.Value(valueKey{}))
			grandchild := spawn(ctx, func(ctx context.Context) error {
				assert.Equal(t, "v", ctx.Value(valueKey{}))
				return asyncio.Sleep(ctx, time.Hour)
			})
			_, err := grandchild.Await(context.WithoutCancel(ctx))
			return err
		})
		giveWay(ctx, 3)
		cancel(errBoom)
		_, err := child.Await(ctx)
		assert.ErrorIs(t, err, errBoom)
		assert.Zero(t, child.Cancelling())
	})
}

func TestATasksContext(t *testing.T) {
	outer, cancel := context.WithTimeout(context.WithValue(t.Context(), valueKey{}, 1), time.Hour)
	defer cancel()
	_, err := asyncio.Run(outer, asyncio.Do(func(ctx context.Context) error {
		deadline, ok := ctx.Deadline()
		want, _ := outer.Deadline()
		assert.True(t, ok)
		assert.Equal(t, want, deadline)
		assert.Equal(t, 1, ctx.Value(valueKey{}))
		assert.Equal(t, outer.Done(), ctx.Done())
		asyncio.CurrentTask(ctx).Cancel()
		assert.NoError(t, ctx.Err(), "a task's cancellation can be withdrawn")
		asyncio.CurrentTask(ctx).Uncancel()
		assert.Equal(t, "asyncio.task Task-1", ctx.(interface{ String() string }).String())
		return nil
	}))
	require.NoError(t, err)
}

// Under a done context, these calls still wait until what they started has ended, and do not spin
// meanwhile.
func TestADoneContextDoesNotShortenWaitsForCleanUp(t *testing.T) {
	turnsUntil := func(ctx context.Context, done *bool) *int {
		turns := new(int)
		loop := asyncio.RunningLoop(ctx)
		var count func()
		count = func() {
			if !*done {
				*turns++
				loop.CallLater(time.Second, count)
			}
		}
		count()
		return turns
	}
	t.Run("the tasks of a group", func(t *testing.T) {
		inTurn(t, func(ctx context.Context) {
			derived, cancel := context.WithCancel(ctx)
			done := false
			turns := turnsUntil(ctx, &done)
			err := asyncio.WithTaskGroup(derived, func(ctx context.Context, tg *asyncio.TaskGroup) error {
				tg.Go(func(ctx context.Context) error {
					_ = asyncio.Sleep(ctx, time.Hour)
					return asyncio.Sleep(context.WithoutCancel(ctx), 10*time.Second)
				})
				giveWay(ctx, 1)
				cancel()
				return nil
			})
			done = true
			assert.ErrorIs(t, err, asyncio.ErrCancelled)
			assert.InDelta(t, 10, *turns, 1)
		})
	})
	t.Run("the lock of a condition", func(t *testing.T) {
		inTurn(t, func(ctx context.Context) {
			derived, cancel := context.WithCancel(ctx)
			var cond asyncio.Condition
			done := false
			turns := turnsUntil(ctx, &done)
			waiter := spawn(ctx, func(ctx context.Context) error {
				return cond.With(ctx, func(context.Context) error {
					err := cond.Wait(derived)
					assert.True(t, cond.Locked())
					return err
				})
			})
			giveWay(ctx, 1)
			assert.NoError(t, cond.With(ctx, func(ctx context.Context) error {
				cancel()
				return asyncio.Sleep(ctx, 10*time.Second)
			}))
			_, err := waiter.Await(ctx)
			done = true
			assert.ErrorIs(t, err, asyncio.ErrCancelled)
			assert.InDelta(t, 10, *turns, 1)
		})
	})
}

func TestADeadlineCauseIsKeptInTheError(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		ctx, cancel := context.WithDeadlineCause(ctx, time.Now().Add(-time.Second), errors.New("too late"))
		defer cancel()
		err := asyncio.Sleep(ctx, time.Second)
		assert.EqualError(t, err, "asyncio: timed out: too late")
		assert.ErrorIs(t, err, context.DeadlineExceeded)
	})
}

func TestTasksUnderOneContextEndInTheOrderOfTheirWaits(t *testing.T) {
	for range 20 {
		var tr, want trace
		inTurn(t, func(ctx context.Context) {
			derived, cancel := context.WithCancel(ctx)
			for i := range 20 {
				want.add("%d cancelled", i)
				spawnTraced(ctx, &tr, fmt.Sprint(i), func(context.Context) error { return asyncio.Sleep(derived, time.Hour) })
			}
			giveWay(ctx, 1)
			cancel()
			asyncio.RunningLoop(ctx).CallSoon(func() { tr.add("next turn") })
			giveWay(ctx, 3)
		})
		tr.expect(t, append([]string{"next turn"}, want...)...)
	}
}

func TestAPendingCancelIsNotLostUnderADoneContext(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		derived, cancel := context.WithDeadline(ctx, time.Now().Add(-time.Second))
		defer cancel()
		me := asyncio.CurrentTask(ctx)
		me.CancelCause(errBoom)
		err := asyncio.Sleep(derived, time.Hour)
		assert.ErrorIs(t, err, asyncio.ErrCancelled)
		assert.ErrorIs(t, err, errBoom)
		me.Uncancel()
	})
}

func TestAPastDeadlineDoesNotHideADeadlock(t *testing.T) {
	_, err := asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
		stubborn := spawn(ctx, func(ctx context.Context) error {
			_ = asyncio.Sleep(ctx, asyncio.Never)
			return new(asyncio.Event).Wait(ctx)
		})
		giveWay(ctx, 1) // the task has begun, however soon the deadline is
		derived, cancel := context.WithTimeout(ctx, time.Millisecond)
		defer cancel()
		_, err := stubborn.Await(derived)
		return err
	}), asyncio.WithVirtualTime())
	require.ErrorIs(t, err, asyncio.ErrDeadlock)
}

// A hostileContext is a foreign context, with methods that a test can replace.
type hostileContext struct {
	context.Context
	done     chan struct{}
	err      func() error
	deadline func() (time.Time, bool)
	value    func()
}

func newHostile(parent context.Context) *hostileContext {
	return &hostileContext{
		Context: parent, done: make(chan struct{}),
		err:      func() error { return nil },
		deadline: func() (time.Time, bool) { return time.Time{}, false },
		value:    func() {},
	}
}

func (c *hostileContext) Done() <-chan struct{} {
	if c.done == nil {
		panic(errBoom)
	}
	return c.done
}

func (c *hostileContext) Err() error                  { return c.err() }
func (c *hostileContext) Deadline() (time.Time, bool) { return c.deadline() }
func (c *hostileContext) Value(key any) any           { c.value(); return c.Context.Value(key) }

// A panic in a method of a context that a task waits under belongs to that task, on whatever stack
// the loop calls the method.
func TestAPanicInAContextFailsOnlyTheTaskThatWaitsUnderIt(t *testing.T) {
	for name, spoil := range map[string]func(c *hostileContext){
		"Err":      func(c *hostileContext) { c.err = func() error { panic(errBoom) } },
		"Deadline": func(c *hostileContext) { c.deadline = func() (time.Time, bool) { panic(errBoom) } },
		"Value": func(c *hostileContext) {
			c.err = func() error { return context.Canceled }
			c.value = func() { panic(errBoom) }
		},
		"Err, later again without": func(c *hostileContext) {
			c.err = func() error { c.err = func() error { return nil }; panic(errBoom) }
		},
	} {
		for wait, f := range map[string]func(ctx context.Context, event *asyncio.Event, f *asyncio.Future[int]) error{
			"primitive": func(ctx context.Context, event *asyncio.Event, _ *asyncio.Future[int]) error { return event.Wait(ctx) },
			"future":    func(ctx context.Context, _ *asyncio.Event, f *asyncio.Future[int]) error { return errOf(ctx, f) },
			"sleep": func(ctx context.Context, _ *asyncio.Event, _ *asyncio.Future[int]) error {
				return asyncio.Sleep(ctx, asyncio.Never)
			},
		} {
			t.Run(name+" in "+wait, func(t *testing.T) {
				inTurn(t, func(ctx context.Context) {
					var event asyncio.Event
					future := newFuture[int](ctx)
					var hostile *hostileContext
					victim := spawn(ctx, func(ctx context.Context) error {
						hostile = newHostile(ctx)
						return f(hostile, &event, future)
					})
					var innocent []*asyncio.Task[asyncio.None]
					for i := range 6 {
						innocent = append(innocent, spawn(ctx, func(ctx context.Context) error {
							if i == 0 {
								giveWay(ctx, 5)
								spoil(hostile)
							}
							for range 10 {
								_, err := spawn(ctx, func(ctx context.Context) error { return asyncio.Sleep(ctx, 0) }).Await(ctx)
								if err != nil {
									return err
								}
							}
							return event.Wait(ctx)
						}))
					}
					innocent = append(innocent, spawn(ctx, func(ctx context.Context) error {
						ctx, cancel := context.WithTimeout(ctx, time.Hour)
						defer cancel()
						return event.Wait(ctx)
					}))
					err := errOf(ctx, victim)
					var panicked *asyncio.PanicError
					assert.ErrorAs(t, err, &panicked)
					assert.ErrorIs(t, err, errBoom)
					event.Set()
					join(ctx, innocent...)
					for _, task := range innocent {
						assert.NoError(t, task.Exception())
					}
				})
			})
		}
	}
}

// A task may survive the panic of a context that it waits under. It has left the queue, and the
// tasks that wait behind it get their turn.
func TestAContextThatPanicsLeavesTheQueueInOrder(t *testing.T) {
	for name, spoil := range map[string]func(c *hostileContext){
		"Done":  func(c *hostileContext) { c.done = nil },
		"Err":   func(c *hostileContext) { c.err = func() error { panic(errBoom) } },
		"Value": func(c *hostileContext) { c.value = func() { panic(errBoom) } },
	} {
		t.Run(name, func(t *testing.T) {
			inTurn(t, func(ctx context.Context) {
				hostile := newHostile(ctx)
				queue := asyncio.NewQueue[int](0)
				var lock asyncio.Lock
				future := newFuture[int](ctx)
				assert.NoError(t, lock.Acquire(ctx))
				spoil(hostile)
				victim := spawn(ctx, func(ctx context.Context) error {
					for range 3 {
						assert.Panics(t, func() { _, _ = queue.Get(hostile) })
						assert.Panics(t, func() { _ = lock.Acquire(hostile) })
						assert.Panics(t, func() { _, _ = future.Await(hostile) })
						assert.Panics(t, func() { _ = asyncio.Sleep(hostile, 0) })
						assert.Panics(t, func() { _ = asyncio.Sleep(hostile, time.Second) })
					}
					giveWay(ctx, 3)
					v, err := queue.Get(ctx)
					assert.Equal(t, 2, v)
					return err
				})
				before := spawn(ctx, func(ctx context.Context) error {
					v, err := queue.Get(ctx)
					assert.Equal(t, 1, v)
					return err
				})
				acquires := spawn(ctx, lock.Acquire)
				giveWay(ctx, 10)
				assert.NoError(t, queue.PutNowait(1))
				assert.NoError(t, queue.PutNowait(2))
				lock.Release()
				assert.NoError(t, future.SetResult(1))
				join(ctx, victim, before, acquires)
				for _, task := range []*asyncio.Task[asyncio.None]{victim, before, acquires} {
					assert.NoError(t, task.Exception())
				}
				ends := spawn(ctx, func(context.Context) error { // the queue also stays in order if nobody recovers the panic
					return lock.Acquire(hostile)
				})
				next := spawn(ctx, lock.Acquire)
				giveWay(ctx, 3)
				lock.Release()
				join(ctx, ends, next)
				assert.ErrorIs(t, ends.Exception(), errBoom)
				assert.NoError(t, next.Exception())
			})
		})
	}
}

// If the context is that of the run, the run ends.
func TestAPanicInTheContextOfARunEndsTheRun(t *testing.T) {
	for name, virtual := range map[string]bool{"virtual": true, "real": false} {
		t.Run(name, func(t *testing.T) {
			hostile := newHostile(t.Context())
			var got trace
			opts := []asyncio.Option{}
			if virtual {
				opts = append(opts, asyncio.WithVirtualTime())
			}
			_, err := asyncio.Run(hostile, asyncio.Do(func(ctx context.Context) error {
				other := spawnTraced(ctx, &got, "other", func(ctx context.Context) error { return asyncio.Sleep(ctx, time.Hour) })
				giveWay(ctx, 2)
				derived, cancel := context.WithCancel(ctx)
				defer cancel()
				spawn(ctx, func(context.Context) error { return asyncio.Sleep(derived, time.Hour) })
				giveWay(ctx, 2)
				hostile.err = func() error { panic(errBoom) }
				if !virtual { // in real time the loop asks the context only when some context is done
					cancel()
				}
				return errOf(ctx, other)
			}), opts...)
			require.ErrorIs(t, err, errBoom)
			var panicked *asyncio.PanicError
			require.ErrorAs(t, err, &panicked)
			got.expect(t, "other cancelled")
		})
	}
}

// Any goroutine may call the methods of a task's context, and print it.
func TestATasksContextCanBeUsedAndPrintedByOtherGoroutines(t *testing.T) {
	_, err := asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
		for _, opts := range [][]asyncio.TaskOption{nil, {asyncio.WithName("named")}} {
			task := asyncio.CreateTask(ctx, asyncio.Do(func(ctx context.Context) error {
				derived, cancel := context.WithCancel(ctx)
				defer cancel()
				_, err := asyncio.ToThread(ctx, func(thread context.Context) (asyncio.None, error) {
					for range 2_000 {
						for _, c := range []context.Context{ctx, derived, thread, asyncio.RunningLoop(ctx).Context(ctx)} {
							_ = fmt.Sprintf("%v %+v %s %q", c, c, c, c)
							_, _ = c.Deadline()
							_, _, _ = c.Done(), c.Err(), c.Value(valueKey{})
						}
						_ = fmt.Sprintf("%#v %#v", ctx, asyncio.RunningLoop(ctx).Context(ctx))
					}
					return asyncio.None{}, nil
				})
				return err
			}), opts...)
			giveWay(ctx, 2)
			for i := 0; !task.Done(); i++ {
				assert.NotEmpty(t, task.Name())
				if i > 100 {
					task.SetName(fmt.Sprint("renamed ", i))
				}
				giveWay(ctx, 1)
			}
			assert.NoError(t, task.Exception())
			assert.Contains(t, task.Name(), "renamed")
		}
		return nil
	}))
	require.NoError(t, err)
}

func TestATasksContextPrintsAsItsTask(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		task := asyncio.CurrentTask(ctx)
		for _, format := range []string{"%v", "%+v", "%s", "%#v"} {
			assert.Equal(t, "asyncio.task Task-1", fmt.Sprintf(format, ctx))
		}
		task.SetName("main")
		assert.Equal(t, "asyncio.task main", fmt.Sprint(ctx))
		assert.Equal(t, "asyncio.task main.WithValue(asyncio_test.valueKey, int)", fmt.Sprint(context.WithValue(ctx, valueKey{}, 1)))
	})
}

func TestAnAwaitOnAWrongGoroutinePanicsIfItsContextIsNotTheRunningTasks(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		derived, cancel := context.WithCancel(ctx)
		defer cancel()
		done := make(chan any)
		go func() {
			defer func() { done <- recover() }()
			_ = asyncio.Sleep(derived, time.Second)
		}()
		require.Contains(t, <-done, "asyncio: call from a goroutine that is not the event loop's")
		require.NoError(t, asyncio.Sleep(derived, time.Second)) // nothing has happened to the task
	})
}
