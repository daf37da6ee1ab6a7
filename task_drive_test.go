package asyncio_test

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
)

// openResumes counts the goroutines that have resumed another one and wait until it gives control
// back.
func openResumes() int {
	buf := make([]byte, 1<<20)
	buf = buf[:runtime.Stack(buf, true)]
	return strings.Count(string(buf), ".Resume(")
}

// goroutineName returns the first line of the calling goroutine's stack, up to its state.
func goroutineName() string {
	buf := make([]byte, 64)
	name, _, _ := strings.Cut(string(buf[:runtime.Stack(buf, false)]), " [")
	return name
}

func TestTasksThatDoNotWaitShareACoroutine(t *testing.T) {
	run(t, func(ctx context.Context) error {
		goroutines := map[string]bool{}
		coros := make([]asyncio.Coro[int], 1000)
		for i := range coros {
			coros[i] = func(context.Context) (int, error) {
				goroutines[goroutineName()] = true
				return i, nil
			}
		}
		got, err := asyncio.Gather(ctx, coros...).Await(ctx)
		require.NoError(t, err)
		for i := range got {
			require.Equal(t, i, got[i])
		}
		assert.Len(t, goroutines, 1)
		assert.NotContains(t, goroutines, goroutineName(), "main has one of its own")
		return nil
	})
}

// The chain of drivers is bounded, and a task outside it is resumed too.
func TestTasksThatWaitForEachOtherDriveInABoundedChain(t *testing.T) {
	withoutDebug(t)
	const tasks = 50
	run(t, func(ctx context.Context) error {
		deepest := 0
		var await func(ctx context.Context, left int) error
		await = func(ctx context.Context, left int) error {
			if left == 0 {
				for range 3 {
					deepest = max(deepest, openResumes())
					giveWay(ctx, 1)
				}
				return nil
			}
			_, err := spawn(ctx, func(ctx context.Context) error { return await(ctx, left-1) }).Await(ctx)
			return err
		}
		require.NoError(t, await(ctx, tasks))
		assert.Greater(t, deepest, 1, "tasks did not drive")
		assert.Less(t, deepest, 10)
		return nil
	})
}

func TestTheOrderDoesNotDependOnTheDriver(t *testing.T) {
	trace := func(opts ...asyncio.Option) string {
		var got strings.Builder
		_, err := asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
			l := asyncio.RunningLoop(ctx)
			queue := asyncio.NewQueue[string](3)
			var lock asyncio.Lock
			say := func(format string, args ...any) { fmt.Fprintf(&got, format+"\n", args...) }
			var all []*asyncio.Task[asyncio.None]
			for i := range 12 {
				all = append(all, spawn(ctx, func(ctx context.Context) error {
					for j := range 4 {
						switch (i + j) % 4 {
						case 0:
							if err := queue.Put(ctx, fmt.Sprint(i, j)); err != nil {
								return err
							}
						case 1:
							v, err := queue.Get(ctx)
							say("%d got %s, %v", i, v, err)
						case 2:
							if err := lock.Acquire(ctx); err != nil {
								return err
							}
							l.CallSoon(func() { say("callback of %d, in %v", i, asyncio.CurrentTask(ctx)) })
							giveWay(ctx, 2)
							lock.Release()
						case 3:
							v, err := asyncio.CreateTask(ctx, answer(time.Duration(i%3)*time.Millisecond, i)).Await(ctx)
							say("%d awaited %d, %v", i, v, err)
						}
						say("%d %d in %s", i, j, asyncio.CurrentTask(ctx).Name())
					}
					return nil
				}))
			}
			for i := range 3 { // tasks that get before they put would wait for one another
				if err := queue.Put(ctx, fmt.Sprint("main", i)); err != nil {
					return err
				}
			}
			join(ctx, all...)
			return nil
		}), append(opts, asyncio.WithVirtualTime())...)
		require.NoError(t, err)
		return got.String()
	}
	assert.Equal(t, trace(asyncio.WithDebug()), trace(), "with debug mode, in which no task drives, and without")
}

// A Goexit that ends the run unwinds the drivers. Each is unwound in the state in which it drives:
// it is the current task, and cannot wait any more.
func TestGoexitUnwindsTheDrivers(t *testing.T) {
	var got []string
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
			var await func(ctx context.Context, left int) error
			await = func(ctx context.Context, left int) error {
				if left == 0 {
					runtime.Goexit()
				}
				name := fmt.Sprint("t", left)
				defer func() {
					got = append(got, name+" is unwound in "+asyncio.CurrentTask(ctx).Name())
					_ = asyncio.Sleep(ctx, 0)
					got = append(got, name+" went on")
				}()
				child := asyncio.Do(func(ctx context.Context) error { return await(ctx, left-1) })
				_, err := asyncio.CreateTask(ctx, child, asyncio.WithName(fmt.Sprint("t", left-1))).Await(ctx)
				return err
			}
			main := asyncio.CreateTask(ctx, asyncio.Do(func(ctx context.Context) error { return await(ctx, 8) }), asyncio.WithName("t8"))
			spawn(ctx, func(ctx context.Context) error {
				defer func() { got = append(got, "the other is unwound") }()
				return asyncio.Sleep(ctx, time.Hour)
			})
			_, err := main.Await(ctx)
			return err
		}))
		got = append(got, "Run returned")
	}()
	<-done
	for i := range 8 {
		assert.Contains(t, got, fmt.Sprintf("t%d is unwound in t%d", i+1, i+1))
	}
	assert.Contains(t, got, "the other is unwound")
	assert.Len(t, got, 9, "%q", got)
}

func TestStopEndsTheTurnOfTheDrivers(t *testing.T) {
	l := asyncio.NewLoop(asyncio.WithVirtualTime())
	defer l.Close()
	ctx := l.Context(t.Context())
	var got trace
	first := spawn(ctx, func(ctx context.Context) error {
		for i := range 3 {
			got.add("first %d", i)
			giveWay(ctx, 1)
		}
		return nil
	})
	second := spawn(ctx, func(ctx context.Context) error {
		l.Stop()
		got.add("second stops")
		_, err := first.Await(ctx)
		got.add("second ends")
		l.Stop()
		return err
	})
	third := spawn(ctx, func(context.Context) error { got.add("third"); return nil })
	require.NoError(t, l.RunForever(t.Context()))
	got.expect(t, "first 0", "second stops", "third")
	assert.True(t, third.Done())
	assert.Nil(t, asyncio.CurrentTask(ctx))
	require.NoError(t, l.RunForever(t.Context()))
	got.expect(t, "first 0", "second stops", "third", "first 1", "first 2", "second ends")
	assert.True(t, second.Done())
}

// A driver that a Goexit has unwound has ended, so Close does not wait for it.
func TestARunnerCanBeClosedAfterAGoexitInATaskThatADriverResumed(t *testing.T) {
	for _, deferred := range []func(){func() {}, func() { panic("while it unwinds") }} {
		var err error
		done := make(chan struct{})
		go func() {
			defer close(done)
			r := asyncio.NewRunner(asyncio.WithExceptionHandler(func(*asyncio.Loop, asyncio.ExceptionContext) {}))
			defer func() { err = r.Close() }()
			_, _ = asyncio.RunIn(t.Context(), r, asyncio.Do(func(ctx context.Context) error {
				_, err := spawn(ctx, func(ctx context.Context) error {
					defer deferred()
					_, err := spawn(ctx, func(context.Context) error {
						defer deferred()
						runtime.Goexit()
						return nil
					}).Await(ctx)
					return err
				}).Await(ctx)
				return err
			}))
		}()
		<-done
		assert.NoError(t, err)
	}
}

func TestATaskThatAGoexitUnwindsWhileItIsReadyDoesNotRunAgain(t *testing.T) {
	runs := 0
	done := make(chan struct{})
	go func() {
		defer close(done)
		r := asyncio.NewRunner()
		defer func() { assert.NoError(t, r.Close()) }()
		_, _ = asyncio.RunIn(t.Context(), r, asyncio.Do(func(ctx context.Context) error {
			runs++
			_, err := spawn(ctx, func(context.Context) error {
				runtime.Goexit() // makes the awaiting task ready, and then unwinds it
				return nil
			}).Await(ctx)
			return err
		}))
	}()
	<-done
	assert.Equal(t, 1, runs)
}

func TestAPanicThatHidesAGoexitLeavesNoDriverBehind(t *testing.T) {
	withoutDebug(t)
	r := asyncio.NewRunner(asyncio.WithExceptionHandler(func(*asyncio.Loop, asyncio.ExceptionContext) {}))
	q := asyncio.NewQueue[int](0)
	// runIn runs main on a goroutine of its own, which main may end.
	runIn := func(main func(ctx context.Context) error) {
		done := make(chan struct{})
		go func() {
			defer close(done)
			_, _ = asyncio.RunIn(t.Context(), r, asyncio.Do(main))
		}()
		<-done
	}
	var got []int
	runIn(func(ctx context.Context) error {
		r.Loop().CallSoon(func() {}) // a callback, for which main gives up driving
		spawn(ctx, func(ctx context.Context) error {
			defer panic("the driver's clean-up")
			_, err := q.Get(ctx)
			return err
		})
		spawn(ctx, func(ctx context.Context) error {
			for {
				v, err := q.Get(ctx)
				if err != nil {
					return err
				}
				got = append(got, v)
			}
		})
		spawn(ctx, func(ctx context.Context) error {
			giveWay(ctx, 3)
			defer panic("hides the Goexit")
			runtime.Goexit()
			return nil
		})
		return asyncio.Sleep(ctx, time.Second)
	})
	runIn(func(context.Context) error {
		runtime.Goexit()
		return nil
	})
	runIn(func(ctx context.Context) error {
		require.NoError(t, q.PutNowait(1))
		giveWay(ctx, 3)
		require.NoError(t, q.PutNowait(2))
		giveWay(ctx, 3)
		return nil
	})
	assert.Equal(t, []int{1, 2}, got)
	runIn(func(context.Context) error { return nil })
	assert.NoError(t, r.Close())
}
