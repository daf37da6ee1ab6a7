package asyncio_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
)

// allocs returns how many allocations one call of f makes. It must be called inside a running loop.
func allocs(f func()) float64 {
	for range 100 { // fill the pool and let the queues grow
		f()
	}
	return testing.AllocsPerRun(1000, f)
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// allocEnv is the environment in which TestPrimitivesAllocateNothing runs each operation.
type allocEnv struct {
	ctx   context.Context
	done  bool // set when the partners must end
	tasks []*asyncio.Task[asyncio.None]
}

// partner creates a task that repeats step until e.done is set.
func (e *allocEnv) partner(step func(ctx context.Context) error) {
	e.tasks = append(e.tasks, spawn(e.ctx, func(ctx context.Context) error {
		for !e.done {
			if err := step(ctx); err != nil {
				return err
			}
		}
		return nil
	}))
}

func TestPrimitivesAllocateNothing(t *testing.T) {
	for name, prepare := range map[string]func(e *allocEnv) func(){
		"Sleep of zero": func(e *allocEnv) func() {
			return func() { must(asyncio.Sleep(e.ctx, 0)) }
		},
		"Sleep": func(e *allocEnv) func() {
			return func() { must(asyncio.Sleep(e.ctx, time.Second)) }
		},
		"Sleep of zero, two tasks": func(e *allocEnv) func() {
			e.partner(func(ctx context.Context) error { return asyncio.Sleep(ctx, 0) })
			return func() { must(asyncio.Sleep(e.ctx, 0)) }
		},
		"Lock uncontended": func(e *allocEnv) func() {
			var lock asyncio.Lock
			return func() {
				must(lock.Acquire(e.ctx))
				lock.Release()
			}
		},
		"Lock.With": func(e *allocEnv) func() {
			var lock asyncio.Lock
			body := func(context.Context) error { return nil }
			return func() { must(lock.With(e.ctx, body)) }
		},
		"Lock handed over": func(e *allocEnv) func() {
			var lock asyncio.Lock
			hold := func(ctx context.Context) error { // yields while holding the lock, so that the other task waits
				if err := lock.Acquire(ctx); err != nil {
					return err
				}
				defer lock.Release()
				return asyncio.Sleep(ctx, 0)
			}
			e.partner(hold)
			giveWay(e.ctx, 1)
			if !lock.Locked() {
				panic("the lock is not contended")
			}
			return func() { must(hold(e.ctx)) }
		},
		"Semaphore uncontended": func(e *allocEnv) func() {
			s := asyncio.NewSemaphore(1)
			return func() {
				must(s.Acquire(e.ctx))
				s.Release()
			}
		},
		"BoundedSemaphore uncontended": func(e *allocEnv) func() {
			s := asyncio.NewBoundedSemaphore(1)
			return func() {
				must(s.Acquire(e.ctx))
				must(s.Release())
			}
		},
		"Semaphore handed over": func(e *allocEnv) func() {
			s := asyncio.NewSemaphore(0)
			e.partner(func(ctx context.Context) error {
				s.Release()
				return asyncio.Sleep(ctx, 0)
			})
			return func() { must(s.Acquire(e.ctx)) }
		},
		"Event waited for": func(e *allocEnv) func() {
			var event asyncio.Event
			e.partner(func(ctx context.Context) error {
				event.Set()
				event.Clear()
				return asyncio.Sleep(ctx, 0)
			})
			return func() { must(event.Wait(e.ctx)) }
		},
		"Condition waited for": func(e *allocEnv) func() {
			var cond asyncio.Condition
			e.partner(func(ctx context.Context) error {
				if err := cond.Acquire(ctx); err != nil {
					return err
				}
				cond.Notify(1)
				cond.Release()
				return asyncio.Sleep(ctx, 0)
			})
			return func() {
				must(cond.Acquire(e.ctx))
				must(cond.Wait(e.ctx))
				cond.Release()
			}
		},
		"Queue handed over": func(e *allocEnv) func() {
			q := asyncio.NewQueue[int](1)
			e.partner(func(ctx context.Context) error {
				if _, err := q.Get(ctx); err != nil {
					return err
				}
				q.TaskDone()
				return nil
			})
			return func() {
				must(q.Put(e.ctx, 1))
				must(q.Join(e.ctx))
			}
		},
		"Send and Receive that need not wait": func(e *allocEnv) func() {
			ch := make(chan int, 1)
			return func() {
				must(asyncio.Send(e.ctx, ch, 1))
				_, _, err := asyncio.Receive(e.ctx, ch)
				must(err)
			}
		},
		"Generator.Next": func(e *allocEnv) func() {
			g := asyncio.Pull(e.ctx, func(yield func(int, error) bool) {
				for yield(1, nil) {
				}
			})
			return func() {
				_, err := g.Next(e.ctx)
				must(err)
			}
		},
		"Future that is done": func(e *allocEnv) func() {
			f := asyncio.NewFuture[int](asyncio.RunningLoop(e.ctx))
			must(f.SetResult(1))
			return func() {
				if v, err := f.Await(e.ctx); v != 1 || err != nil {
					panic("wrong result")
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			assert.Zero(t, allocsInRun(t, prepare), "allocations")
		})
	}
}

func allocsInRun(t *testing.T, prepare func(e *allocEnv) func()) (n float64) {
	run(t, func(ctx context.Context) error {
		e := &allocEnv{ctx: ctx}
		n = allocs(prepare(e))
		e.done = true
		for _, task := range e.tasks {
			task.Cancel()
		}
		if len(e.tasks) > 0 {
			join(ctx, e.tasks...)
		}
		return nil
	})
	return n
}

func TestTaskAllocatesAtMostTwice(t *testing.T) {
	atOnce := asyncio.Coro[int](func(context.Context) (int, error) { return 42, nil })
	suspends := asyncio.Coro[int](func(ctx context.Context) (int, error) { return 42, asyncio.Sleep(ctx, 0) })
	for name, coro := range map[string]asyncio.Coro[int]{"that does not suspend": atOnce, "that suspends": suspends} {
		t.Run(name, func(t *testing.T) {
			n := allocsInRun(t, func(e *allocEnv) func() {
				return func() {
					v, err := asyncio.CreateTask(e.ctx, coro).Await(e.ctx)
					if v != 42 || err != nil {
						panic("wrong result")
					}
				}
			})
			assert.LessOrEqual(t, n, 2.0, "allocations")
		})
	}
}

func TestAwaitOfAFutureAllocatesOnlyTheFuture(t *testing.T) {
	n := allocsInRun(t, func(e *allocEnv) func() {
		l := asyncio.RunningLoop(e.ctx)
		var f *asyncio.Future[int]
		e.partner(func(ctx context.Context) error {
			if f != nil {
				must(f.SetResult(1))
				f = nil
			}
			return asyncio.Sleep(ctx, 0)
		})
		return func() {
			f = asyncio.NewFuture[int](l)
			if v, err := f.Await(e.ctx); v != 1 || err != nil {
				panic("wrong result")
			}
		}
	})
	require.LessOrEqual(t, n, 1.0, "allocations")
}
