package asyncio_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
)

// sleeper returns a coroutine that sleeps for d.
func sleeper(d time.Duration) asyncio.Coro[asyncio.None] {
	return asyncio.Do(func(ctx context.Context) error { return asyncio.Sleep(ctx, d) })
}

// reports collects the calls of an exception handler.
type reports []asyncio.ExceptionContext

func (r *reports) handler() asyncio.LoopOption {
	return asyncio.WithExceptionHandler(func(_ *asyncio.Loop, c asyncio.ExceptionContext) { *r = append(*r, c) })
}

func (r *reports) texts() (texts []string) {
	for _, c := range *r {
		texts = append(texts, fmt.Sprintf("%s: %s: %v", c.Task, c.Message, c.Err))
	}
	return texts
}

func TestRunReturnsTheResultOfMain(t *testing.T) {
	v, err := asyncio.Run(t.Context(), func(ctx context.Context) (int, error) { return 42, asyncio.Sleep(ctx, 0) })
	require.NoError(t, err)
	assert.Equal(t, 42, v)

	_, err = asyncio.Run(t.Context(), failing(0, errBoom))
	require.Same(t, errBoom, err)

	_, err = asyncio.Run(t.Context(), func(ctx context.Context) (int, error) { panic(errBoom) })
	var panicked *asyncio.PanicError
	require.ErrorAs(t, err, &panicked)
	assert.ErrorIs(t, err, errBoom)
	assert.Contains(t, string(panicked.Stack), "run_test.go")
	assert.Contains(t, err.Error(), "asyncio: panic: boom")
}

// leave starts 10,000 tasks and leaves them in all states of waiting.
func leave(ctx context.Context, t *testing.T) {
	lock, never := new(asyncio.Lock), new(asyncio.Event)
	require.NoError(t, lock.Acquire(ctx))
	for i := range 10_000 {
		asyncio.CreateTask(ctx, asyncio.Do(func(ctx context.Context) error {
			switch i % 4 {
			case 0:
				return asyncio.Sleep(ctx, time.Hour)
			case 1:
				return lock.With(ctx, func(context.Context) error { return nil })
			case 2:
				return never.Wait(ctx)
			default:
				_, err := asyncio.CreateTask(ctx, sleeper(time.Hour)).Await(ctx)
				return err
			}
		}))
	}
	if err := asyncio.Sleep(ctx, 0); err != nil {
		panic(err)
	}
	for range 100 { // and some tasks that have not begun
		asyncio.CreateTask(ctx, sleeper(0))
	}
}

func TestRunLeavesNoGoroutineBehindHoweverItEnds(t *testing.T) {
	ways := map[string]struct {
		opts []asyncio.Option
		end  func(ctx context.Context, cancel func()) error
	}{
		"return": {end: func(context.Context, func()) error { return nil }},
		"error":  {end: func(context.Context, func()) error { return errBoom }},
		"panic":  {end: func(context.Context, func()) error { panic("boom") }},
		"Goexit": {end: func(context.Context, func()) error { runtime.Goexit(); return nil }},
		"Goexit in a task that starts eagerly": {end: func(ctx context.Context, _ func()) error {
			asyncio.CreateTask(ctx, asyncio.Do(func(context.Context) error { runtime.Goexit(); return nil }), asyncio.WithEagerStart())
			return nil
		}},
		"Goexit in another task": {end: func(ctx context.Context, _ func()) error {
			spawn(ctx, func(context.Context) error { runtime.Goexit(); return nil })
			return asyncio.Sleep(ctx, time.Hour)
		}},
		"Goexit in a callback": {end: func(ctx context.Context, _ func()) error {
			asyncio.RunningLoop(ctx).CallSoon(runtime.Goexit)
			return asyncio.Sleep(ctx, time.Hour)
		}},
		"Goexit in deferred functions of tasks that are abandoned": {end: func(ctx context.Context, _ func()) error {
			for range 3 {
				spawn(ctx, func(ctx context.Context) error {
					defer runtime.Goexit()
					return asyncio.Sleep(ctx, time.Hour)
				})
			}
			if err := asyncio.Sleep(ctx, 0); err != nil {
				return err
			}
			runtime.Goexit()
			return nil
		}},
		"cancelled ctx": {end: func(ctx context.Context, cancel func()) error {
			cancel()
			return asyncio.Sleep(ctx, time.Hour)
		}},
		"deadlock": {
			opts: []asyncio.Option{asyncio.WithVirtualTime()},
			end:  func(ctx context.Context, _ func()) error { return new(asyncio.Event).Wait(ctx) },
		},
		"deadlock in tasks that ignore their cancellation": {
			opts: []asyncio.Option{asyncio.WithVirtualTime()},
			end: func(ctx context.Context, _ func()) error {
				spawn(ctx, func(ctx context.Context) error {
					for {
						new(asyncio.Event).Wait(ctx)
					}
				})
				return asyncio.Sleep(ctx, 0)
			},
		},
	}
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			before := goroutines()
			done := make(chan struct{})
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			go func() { // ended by Goexit
				defer close(done)
				_, _ = asyncio.Run(ctx, asyncio.Do(func(ctx context.Context) error {
					leave(ctx, t)
					return way.end(ctx, cancel)
				}), append(way.opts, asyncio.WithExceptionHandler(func(*asyncio.Loop, asyncio.ExceptionContext) {}))...)
			}()
			<-done
			assertNoMoreGoroutines(t, before) // the one above, and that of the context, may still be ending
		})
	}
}

func TestRunCancelsTheRemainingTasksInOrderOfCreationAndWaitsForThem(t *testing.T) {
	var tr trace
	var seen reports
	v, err := asyncio.Run(t.Context(), func(ctx context.Context) (int, error) {
		for _, name := range []string{"a", "b", "c"} {
			asyncio.CreateTask(ctx, asyncio.Do(func(ctx context.Context) error {
				err := asyncio.Sleep(ctx, time.Hour)
				tr.end(name, err)
				_ = asyncio.Sleep(ctx, time.Second)
				tr.at(ctx, "%s has cleaned up", name)
				if name == "b" {
					return errBoom
				}
				return err
			}), asyncio.WithName(name))
		}
		return 1, asyncio.Sleep(ctx, 0)
	}, asyncio.WithVirtualTime(), seen.handler())
	require.NoError(t, err)
	assert.Equal(t, 1, v)
	tr.expect(t, "a cancelled", "b cancelled", "c cancelled",
		"1s a has cleaned up", "1s b has cleaned up", "1s c has cleaned up")
	assert.Equal(t, []string{"b: unhandled exception during shutdown: boom"}, seen.texts())
}

func TestCancellingTheOuterContextWakesASleepingLoop(t *testing.T) {
	cause := errors.New("shutdown")
	ctx, cancel := context.WithCancelCause(t.Context())
	_, err := asyncio.Run(ctx, asyncio.Do(func(ctx context.Context) error {
		asyncio.RunningLoop(ctx).CallSoon(func() { go cancel(cause) })
		return asyncio.Sleep(ctx, time.Hour)
	}))
	require.ErrorIs(t, err, asyncio.ErrCancelled)
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, err, cause)
}

func TestMainDoesNotBeginUnderADoneContext(t *testing.T) {
	ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	_, err := asyncio.Run(ctx, asyncio.Do(func(context.Context) error { t.Error("main began"); return nil }))
	require.ErrorIs(t, err, asyncio.ErrCancelled)
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

func TestMainMayRefuseToBeCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	v, err := asyncio.Run(ctx, func(ctx context.Context) (string, error) {
		cancel()
		err := asyncio.Sleep(ctx, time.Hour)
		assert.ErrorIs(t, err, asyncio.ErrCancelled)
		return "cleaned up", asyncio.Sleep(ctx, time.Microsecond) // the cancellation is delivered only once
	})
	require.NoError(t, err)
	assert.Equal(t, "cleaned up", v)
}

func TestRunner(t *testing.T) {
	var tr trace
	r := asyncio.NewRunner(asyncio.WithVirtualTime())
	_, err := asyncio.RunIn(t.Context(), r, asyncio.Do(func(ctx context.Context) error {
		spawnTraced(ctx, &tr, "left", func(ctx context.Context) error { return asyncio.Sleep(ctx, 3*time.Second) })
		spawnTraced(ctx, &tr, "stays", func(ctx context.Context) error { return asyncio.Sleep(ctx, time.Hour) })
		return asyncio.Sleep(ctx, time.Second)
	}))
	require.NoError(t, err)
	tr.add("between")
	_, err = asyncio.RunIn(t.Context(), r, sleeper(5*time.Second))
	require.NoError(t, err)
	assert.Equal(t, 6*time.Second, r.Loop().Time())
	tr.add("close")
	require.NoError(t, r.Close())
	require.NoError(t, r.Close())
	tr.expect(t, "between", "left ok", "close", "stays cancelled")
	_, err = asyncio.RunIn(t.Context(), r, sleeper(0))
	require.ErrorIs(t, err, asyncio.ErrLoopClosed)
}

func TestRunUntilCompleteRefusesAnotherLoopsFuture(t *testing.T) {
	a, b := asyncio.NewLoop(), asyncio.NewLoop()
	defer a.Close()
	defer b.Close()
	_, err := asyncio.RunUntilComplete(t.Context(), a, asyncio.NewFuture[int](b))
	require.ErrorIs(t, err, asyncio.ErrForeignLoop)
}

func TestUnderSynctestAnHourTakesNoTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		_, err := asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
			_, err := asyncio.Gather(ctx, sleeper(time.Hour), sleeper(time.Minute)).Await(ctx)
			if err != nil {
				return err
			}
			_, err = asyncio.ToThread(ctx, func(context.Context) (int, error) {
				time.Sleep(time.Hour)
				return 0, nil
			})
			return err
		}))
		require.NoError(t, err)
		assert.Equal(t, 2*time.Hour, time.Since(start))
	})
}

func TestUnderSynctestAContextsDeadlineEndsTheRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := asyncio.Run(ctx, sleeper(time.Hour))
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
}

// The loop's coroutines inherit the thread of a locked goroutine.
func TestRunWorksUnderLockOSThread(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	_, err := asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
		leave(ctx, t)
		return nil
	}))
	require.NoError(t, err)
}

// Some tests run this binary again, with a function of their own in place of the tests.
func TestMain(m *testing.M) {
	if f := children[os.Getenv("ASYNCIO_TEST_CHILD")]; f != nil {
		f()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

var children = map[string]func(){
	"interrupt": func() {
		_, err := asyncio.Run(context.Background(), asyncio.Do(func(ctx context.Context) error {
			interruptSelf()
			err := asyncio.Sleep(ctx, time.Hour)
			fmt.Println("main:", err)
			return err
		}), asyncio.WithInterrupt())
		fmt.Println("Run:", err)
	},
	"interrupt twice": func() {
		_, _ = asyncio.Run(context.Background(), asyncio.Do(func(ctx context.Context) error {
			interruptSelf()
			_ = asyncio.Sleep(ctx, time.Hour)
			fmt.Println("main goes on")
			interruptSelf()
			return asyncio.Sleep(ctx, time.Hour)
		}), asyncio.WithInterrupt())
		fmt.Println("not reached")
	},
	"interrupt without the option": func() {
		_, _ = asyncio.Run(context.Background(), asyncio.Do(func(ctx context.Context) error {
			interruptSelf()
			return asyncio.Sleep(ctx, time.Hour)
		}))
		fmt.Println("not reached")
	},
	"interrupt after Run": func() {
		_, _ = asyncio.Run(context.Background(), sleeper(0), asyncio.WithInterrupt())
		interruptSelf()
		select {}
	},
	"FailNow": func() {
		testing.Main(func(string, string) (bool, error) { return true, nil }, []testing.InternalTest{
			{Name: "Fails", F: func(t *testing.T) {
				_, _ = asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
					_, err := asyncio.CreateTask(ctx, asyncio.Do(func(context.Context) error { t.FailNow(); return nil })).Await(ctx)
					return err
				}))
				fmt.Println("not reached")
			}},
			{Name: "Passes", F: func(t *testing.T) { fmt.Println("the next test runs") }},
		}, nil, nil)
	},
}

func interruptSelf() {
	p, _ := os.FindProcess(os.Getpid())
	_ = p.Signal(os.Interrupt)
}

func inChild(t *testing.T, name string) (output string, err error) {
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), "ASYNCIO_TEST_CHILD="+name)
	out, err := cmd.Output()
	return string(out), err
}

func TestWithInterrupt(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a process cannot interrupt itself there")
	}
	needInterrupt(t)
	out, err := inChild(t, "interrupt")
	require.NoError(t, err)
	assert.Equal(t, "main: asyncio: cancelled: asyncio: interrupted\nRun: asyncio: interrupted\n", out)

	out, err = inChild(t, "interrupt twice")
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit)
	assert.Equal(t, 130, exit.ExitCode())
	assert.Equal(t, "main goes on\n", out)

	for _, name := range []string{"interrupt without the option", "interrupt after Run"} {
		out, err = inChild(t, name)
		require.ErrorAs(t, err, &exit)
		assert.Equal(t, syscall.SIGINT, exit.Sys().(syscall.WaitStatus).Signal(), name)
		assert.Empty(t, out)
	}
}

func TestFailNowInATaskEndsTheTestAndNothingElse(t *testing.T) {
	out, err := inChild(t, "FailNow")
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit)
	assert.Contains(t, out, "--- FAIL: Fails")
	assert.Contains(t, out, "the next test runs")
	assert.NotContains(t, out, "not reached")
}

func TestATaskThatRecoversPanicsIsAbandonedToo(t *testing.T) {
	var tr trace
	_, err := asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
		guarded := func(name string, wait func() error) (err error) {
			defer tr.add("%s unwound", name)
			defer func() {
				if r := recover(); r != nil {
					tr.add("%s recovered %v", name, r)
				}
			}()
			return wait()
		}
		q := asyncio.NewQueue[int](0)
		for _, name := range []string{"a", "b"} {
			spawn(ctx, func(ctx context.Context) error {
				defer func() { _ = asyncio.Sleep(ctx, 0); tr.add("never") }()
				for {
					_ = guarded(name, func() error { _, err := q.Get(ctx); return err })
				}
			})
		}
		return new(asyncio.Event).Wait(ctx)
	}), asyncio.WithVirtualTime())
	require.ErrorIs(t, err, asyncio.ErrDeadlock)
	tr.expect(t, "a unwound", "b unwound")
}

func TestAPanicInADeferredFunctionOfAnAbandonedTaskIsReported(t *testing.T) {
	var seen reports
	_, err := asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
		asyncio.CreateTask(ctx, asyncio.Do(func(ctx context.Context) error {
			defer func() { panic(errBoom) }()
			return new(asyncio.Event).Wait(ctx)
		}), asyncio.WithName("worker"))
		return new(asyncio.Event).Wait(ctx)
	}), asyncio.WithVirtualTime(), seen.handler())
	require.ErrorIs(t, err, asyncio.ErrDeadlock)
	require.Len(t, seen, 1)
	assert.Equal(t, "worker", seen[0].Task)
	assert.ErrorIs(t, seen[0].Err, errBoom)
}

func TestInVirtualTimeARunEndsWhenATaskCancelsItsContext(t *testing.T) {
	for range 100 {
		ctx, cancel := context.WithCancelCause(t.Context())
		_, err := asyncio.Run(ctx, asyncio.Do(func(ctx context.Context) error {
			spawn(ctx, func(context.Context) error { cancel(errBoom); return nil })
			return asyncio.Sleep(ctx, time.Hour)
		}), asyncio.WithVirtualTime())
		require.ErrorIs(t, err, errBoom)
	}
}

func TestALateStopDoesNotEndTheNextRun(t *testing.T) {
	loop := asyncio.NewLoop()
	defer loop.Close()
	for range 100 {
		ctx, cancel := context.WithCancel(t.Context())
		loop.CallSoon(func() { cancel(); loop.Stop() })
		_ = loop.RunForever(ctx)
		turns := 0
		loop.CallSoon(func() {
			turns++
			loop.CallSoon(func() { turns++; loop.Stop() })
		})
		require.NoError(t, loop.RunForever(t.Context()))
		require.Equal(t, 2, turns)
	}
}

func TestRunUntilCompleteCancelsACoroutineOnce(t *testing.T) {
	loop := asyncio.NewLoop()
	defer loop.Close()
	ctx, cancel := context.WithCancel(t.Context())
	v, err := asyncio.RunUntilComplete(ctx, loop, asyncio.Coro[string](func(ctx context.Context) (string, error) {
		cancel()
		assert.ErrorIs(t, asyncio.Sleep(ctx, time.Hour), asyncio.ErrCancelled)
		return "cleaned up", asyncio.Sleep(ctx, time.Microsecond)
	}))
	require.NoError(t, err)
	assert.Equal(t, "cleaned up", v)
}

func TestTheExceptionHandlerMayCloseTheLoop(t *testing.T) {
	reported := 0
	loop := asyncio.NewLoop(asyncio.WithExceptionHandler(func(l *asyncio.Loop, _ asyncio.ExceptionContext) {
		reported++
		assert.NoError(t, l.Close())
	}))
	asyncio.CreateTask(loop.Context(t.Context()), sleeper(0))
	require.NoError(t, loop.Close())
	assert.Equal(t, 1, reported)
}

func TestDeferredFunctionsOfAbandonedTasksDoNotWait(t *testing.T) {
	_, err := asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
		f, g := newFuture[int](ctx), newFuture[int](ctx)
		var lock asyncio.Lock
		_ = lock.Acquire(ctx)
		spawn(ctx, func(ctx context.Context) error {
			defer g.Await(ctx)
			defer f.Await(ctx)
			defer lock.Acquire(ctx)
			return asyncio.Sleep(ctx, asyncio.Never)
		})
		spawn(ctx, func(ctx context.Context) error {
			defer func() {
				_ = f.SetResult(1)
				lock.Release()
				assert.NoError(t, lock.Acquire(ctx), "no task waits for it")
			}()
			return asyncio.Sleep(ctx, asyncio.Never)
		})
		return asyncio.Sleep(ctx, asyncio.Never)
	}), asyncio.WithVirtualTime())
	require.ErrorIs(t, err, asyncio.ErrDeadlock)
}

func TestARunnerCanBeClosedAfterGoexit(t *testing.T) {
	var tr trace
	done := make(chan struct{})
	go func() {
		defer close(done)
		r := asyncio.NewRunner()
		defer func() {
			assert.Len(t, r.Loop().AllTasks(), 1)
			assert.NoError(t, r.Close())
		}()
		_, _ = asyncio.RunIn(t.Context(), r, asyncio.Do(func(ctx context.Context) error {
			spawnTraced(ctx, &tr, "other", func(ctx context.Context) error { return asyncio.Sleep(ctx, time.Hour) })
			giveWay(ctx, 1)
			runtime.Goexit()
			return nil
		}))
	}()
	<-done
	tr.expect(t, "other cancelled")
}
