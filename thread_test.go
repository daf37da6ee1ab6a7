package asyncio_test

import (
	"context"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
)

func TestToThread(t *testing.T) {
	t.Run("returns the function's result while the loop goes on", func(t *testing.T) {
		_, err := asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
			started, release := make(chan struct{}), make(chan struct{})
			task := asyncio.CreateTask(ctx, func(ctx context.Context) (int, error) {
				return asyncio.ToThread(ctx, func(context.Context) (int, error) {
					close(started)
					<-release
					return 7, errBoom
				})
			})
			giveWay(ctx, 2)
			<-started
			assert.False(t, task.Done())
			close(release)
			v, err := task.Await(ctx)
			assert.Same(t, errBoom, err)
			assert.Zero(t, v)
			v, err = asyncio.ToThread(ctx, func(context.Context) (int, error) { return 7, nil })
			assert.Equal(t, 7, v)
			return err
		}))
		require.NoError(t, err)
	})
	t.Run("returns a panic as an error", func(t *testing.T) {
		inTurn(t, func(ctx context.Context) {
			_, err := asyncio.ToThread(ctx, func(context.Context) (int, error) { panic(errBoom) })
			var panicked *asyncio.PanicError
			assert.ErrorAs(t, err, &panicked)
			assert.ErrorIs(t, err, errBoom)
			assert.Contains(t, string(panicked.Stack), "thread_test.go")
			_, err = asyncio.ToThread(ctx, func(context.Context) (int, error) { runtime.Goexit(); return 0, nil })
			assert.ErrorContains(t, err, "Goexit")
		})
	})
	t.Run("returns at once when it is cancelled, and cancels the function's context", func(t *testing.T) {
		var ended atomic.Bool
		started := make(chan struct{})
		_, err := asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
			task := asyncio.CreateTask(ctx, func(ctx context.Context) (int, error) {
				return asyncio.ToThread(ctx, func(ctx context.Context) (int, error) {
					close(started)
					<-ctx.Done()
					assert.ErrorIs(t, context.Cause(ctx), errBoom)
					for range 1000 {
						runtime.Gosched()
					}
					ended.Store(true)
					return 0, nil
				})
			})
			giveWay(ctx, 2)
			<-started
			task.CancelCause(errBoom)
			_, err := task.Await(ctx)
			assert.ErrorIs(t, err, errBoom)
			return nil
		}))
		require.NoError(t, err)
		assert.True(t, ended.Load(), "Run waits for the function")
	})
	t.Run("runs the given number of functions at a time, and none that was cancelled in the queue", func(t *testing.T) {
		var running, most, total atomic.Int32
		_, err := asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
			var tasks []*asyncio.Task[int]
			for range 100 {
				tasks = append(tasks, asyncio.CreateTask(ctx, func(ctx context.Context) (int, error) {
					return asyncio.ToThread(ctx, func(context.Context) (int, error) {
						n := running.Add(1)
						for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
						}
						for range 100 {
							runtime.Gosched()
						}
						running.Add(-1)
						total.Add(1)
						return 0, nil
					})
				}))
			}
			_, err := asyncio.Gather(ctx, tasks...).Await(ctx)
			assert.NoError(t, err)
			assert.LessOrEqual(t, most.Load(), int32(3))
			assert.Equal(t, int32(100), total.Load())

			block := make(chan struct{})
			for range 3 {
				asyncio.CreateTask(ctx, func(ctx context.Context) (int, error) {
					return asyncio.ToThread(ctx, func(context.Context) (int, error) { <-block; return 0, nil })
				}, asyncio.WithEagerStart())
			}
			_, err = asyncio.WaitFor(ctx, asyncio.Coro[int](func(ctx context.Context) (int, error) {
				return asyncio.ToThread(ctx, func(context.Context) (int, error) { panic("ran") })
			}), time.Millisecond)
			close(block)
			assert.ErrorIs(t, err, asyncio.ErrTimeout)
			return nil
		}), asyncio.WithMaxThreads(3))
		require.NoError(t, err)
	})
	t.Run("returns the cancellation, not the error that the function makes of it", func(t *testing.T) {
		for range 100 {
			ctx, cancel := context.WithCancelCause(t.Context())
			_, err := asyncio.Run(ctx, asyncio.Do(func(ctx context.Context) error {
				_, err := asyncio.ToThread(ctx, func(ctx context.Context) (int, error) {
					cancel(errBoom)
					<-ctx.Done()
					return 0, ctx.Err()
				})
				return err
			}))
			require.ErrorIs(t, err, asyncio.ErrCancelled)
			require.ErrorIs(t, err, errBoom)
		}
	})
	t.Run("hides the task from the function", func(t *testing.T) {
		inTurn(t, func(ctx context.Context) {
			loop := asyncio.RunningLoop(ctx)
			_, err := asyncio.ToThread(context.WithValue(ctx, valueKey{}, 5), func(ctx context.Context) (int, error) {
				assert.Nil(t, asyncio.CurrentTask(ctx))
				assert.Equal(t, 5, ctx.Value(valueKey{}))
				assert.Panics(t, func() { asyncio.RunningLoop(ctx) })
				assert.PanicsWithValue(t, "asyncio: await with a context that does not come from a task", func() { _ = asyncio.Sleep(ctx, 0) })
				return 0, loop.CallSoonThreadsafe(func() {})
			})
			assert.NoError(t, err)
		})
	})
	t.Run("needs threads", func(t *testing.T) {
		assert.PanicsWithValue(t, "asyncio: WithMaxThreads needs a positive number", func() { asyncio.WithMaxThreads(0) })
	})
}

func TestInVirtualTimeAFunctionOnAThreadStopsTheClock(t *testing.T) {
	var tr trace
	inTurn(t, func(ctx context.Context) {
		loop := asyncio.RunningLoop(ctx)
		spawn(ctx, func(ctx context.Context) error {
			err := asyncio.Sleep(ctx, time.Second)
			tr.at(ctx, "slept")
			return err
		})
		_, err := asyncio.ToThread(ctx, func(context.Context) (int, error) {
			for range 100 { // in each of them the loop becomes idle
				done := make(chan struct{})
				assert.NoError(t, loop.CallSoonThreadsafe(func() { close(done) }))
				<-done
			}
			return 0, nil
		})
		tr.at(ctx, "thread")
		assert.NoError(t, err)
		_ = asyncio.Sleep(ctx, 2*time.Second)
	})
	tr.expect(t, "0s thread", "1s slept")
}

func TestInVirtualTimeAThreadMayWaitForTheLoop(t *testing.T) {
	var tr trace
	inTurn(t, func(ctx context.Context) {
		loop := asyncio.RunningLoop(ctx)
		_, err := asyncio.ToThread(ctx, func(ctx context.Context) (int, error) {
			for i := range 3 {
				v, err := asyncio.RunCoroutineThreadsafe(loop, answer(time.Hour, i)).Result(ctx)
				assert.NoError(t, err)
				assert.Equal(t, i, v)
			}
			given, cancel := context.WithCancel(ctx)
			cancel()
			_, err := asyncio.RunCoroutineThreadsafe(loop, answer(time.Hour, 0)).Result(given)
			assert.ErrorIs(t, err, context.Canceled)
			return 0, nil
		})
		assert.NoError(t, err)
		tr.at(ctx, "back")
	})
	tr.expect(t, "3h0m0s back")
}

func TestInVirtualTimeFunctionsThatQueueForASlotDoNotStopTheClock(t *testing.T) {
	_, err := asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
		loop := asyncio.RunningLoop(ctx)
		var tasks []*asyncio.Task[int]
		for i := range 3 {
			tasks = append(tasks, asyncio.CreateTask(ctx, func(ctx context.Context) (int, error) {
				return asyncio.ToThread(ctx, func(ctx context.Context) (int, error) {
					return asyncio.RunCoroutineThreadsafe(loop, answer(time.Hour, i)).Result(ctx)
				})
			}))
		}
		_, err := asyncio.Gather(ctx, tasks...).Await(ctx)
		assert.Equal(t, 3*time.Hour, loop.Time())
		return err
	}), asyncio.WithVirtualTime(), asyncio.WithMaxThreads(1))
	require.NoError(t, err)
}

func TestInVirtualTimeAFunctionThatIsCancelledWhileItWaitsStopsTheClock(t *testing.T) {
	var tr trace
	inTurn(t, func(ctx context.Context) {
		loop := asyncio.RunningLoop(ctx)
		started := make(chan struct{})
		thread := spawn(ctx, func(ctx context.Context) error {
			_, err := asyncio.ToThread(ctx, func(ctx context.Context) (int, error) {
				f := asyncio.RunCoroutineThreadsafe(loop, answer(time.Hour, 0))
				close(started)
				_, err := f.Result(ctx)
				assert.ErrorIs(t, err, errBoom)
				f.Cancel()
				return 0, loop.CallSoonThreadsafe(func() { tr.add("%v function", loop.Time()) })
			})
			return err
		})
		giveWay(ctx, 2)
		<-started
		thread.CancelCause(errBoom)
		join(ctx, thread)
		_ = asyncio.Sleep(ctx, time.Minute)
		tr.at(ctx, "main")
	})
	tr.expect(t, "0s function", "1m0s main")
}

func TestInVirtualTimeAWaitWithoutCancellationLetsTheClockAdvance(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		loop := asyncio.RunningLoop(ctx)
		thread := spawn(ctx, func(ctx context.Context) error {
			_, err := asyncio.ToThread(ctx, func(ctx context.Context) (int, error) {
				return asyncio.RunCoroutineThreadsafe(loop, answer(time.Second, 1)).Result(context.WithoutCancel(ctx))
			})
			return err
		})
		_ = asyncio.Sleep(ctx, time.Millisecond)
		thread.Cancel()
		join(ctx, thread)
		assert.NoError(t, asyncio.Sleep(ctx, time.Minute))
	})
}

// A function that blocks on something that only the loop could do keeps Run from returning. The
// loop reports it.
func TestAFunctionThatKeepsALoopFromClosingIsReported(t *testing.T) {
	for name, opts := range map[string][]asyncio.Option{"virtual": {asyncio.WithVirtualTime()}, "real": nil} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var r reports
				block := make(chan struct{})
				time.AfterFunc(time.Hour, func() { close(block) })
				begun := time.Now()
				_, err := asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
					for _, f := range []func(context.Context) (int, error){
						blockedOne(block),
						func(context.Context) (int, error) { return 0, nil },
						func(ctx context.Context) (int, error) { <-ctx.Done(); return 0, nil },
					} {
						asyncio.CreateTask(ctx, func(ctx context.Context) (int, error) { return asyncio.ToThread(ctx, f) })
					}
					giveWay(ctx, 2)
					time.Sleep(time.Second) // in a bubble: until all of them have begun
					return errBoom
				}), append(opts, r.handler())...)
				require.ErrorIs(t, err, errBoom)
				assert.Equal(t, time.Hour, time.Since(begun), "Run waits")
				require.Len(t, r.texts(), 1)
				assert.Contains(t, r.texts()[0], "the loop cannot close for 10s, until these functions on other goroutines return: github.com/")
				assert.Contains(t, r.texts()[0], ".blockedOne.")
				assert.NotContains(t, r.texts()[0], ", github.com/")
			})
		})
	}
}

func TestTheContextOfAFunctionHasTheCauseOfTheAwaitsEnd(t *testing.T) {
	for name, end := range map[string]struct {
		await func(ctx context.Context, fn func(ctx context.Context) error) error
		is    error
	}{
		"cancelled": {func(ctx context.Context, fn func(ctx context.Context) error) error {
			task := spawn(ctx, fn)
			asyncio.RunningLoop(ctx).CallLater(time.Second, func() { task.CancelCause(errBoom) })
			_, err := task.Await(ctx)
			return err
		}, asyncio.ErrCancelled},
		"by a context": {func(ctx context.Context, fn func(ctx context.Context) error) error {
			ctx, cancel := context.WithCancelCause(ctx)
			asyncio.RunningLoop(ctx).CallLater(time.Second, func() { cancel(errBoom) })
			return fn(ctx)
		}, asyncio.ErrCancelled},
		"by a context's deadline": {func(ctx context.Context, fn func(ctx context.Context) error) error {
			ctx, cancel := context.WithTimeoutCause(ctx, time.Second, errBoom)
			defer cancel()
			return fn(ctx)
		}, asyncio.ErrTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { // lets the function begin before the second is over
				var cause error
				_, err := asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
					err := end.await(ctx, func(ctx context.Context) error {
						_, err := asyncio.ToThread(ctx, func(ctx context.Context) (int, error) {
							<-ctx.Done()
							cause = context.Cause(ctx)
							return 0, nil
						})
						return err
					})
					assert.ErrorIs(t, err, end.is)
					assert.ErrorIs(t, err, errBoom)
					return nil
				}))
				require.NoError(t, err)
				assert.ErrorIs(t, cause, end.is)
				assert.ErrorIs(t, cause, errBoom)
			})
		})
	}
}

// runOnOneThread runs main with at most one function of ToThread at a time.
func runOnOneThread(t *testing.T, main func(ctx context.Context) error) {
	t.Helper()
	_, err := asyncio.Run(t.Context(), asyncio.Do(main), asyncio.WithMaxThreads(1))
	require.NoError(t, err)
}

func TestFunctionsThatWaitInLineBeginInTheOrderOfTheirCalls(t *testing.T) {
	var order []int // no lock: each begins after the previous one has ended
	runOnOneThread(t, func(ctx context.Context) error {
		block := make(chan struct{})
		var tasks []*asyncio.Task[int]
		for i := range 10 {
			tasks = append(tasks, asyncio.CreateTask(ctx, func(ctx context.Context) (int, error) {
				return asyncio.ToThread(ctx, func(context.Context) (int, error) {
					<-block
					if order = append(order, i); i%3 == 0 {
						runtime.Goexit() // passes the slot on too
					}
					return i, nil
				})
			}))
		}
		giveWay(ctx, 1)
		assert.Equal(t, 9, asyncio.FunctionsInLine(asyncio.RunningLoop(ctx)))
		close(block)
		for i, task := range tasks {
			v, err := task.Await(ctx)
			if i%3 == 0 {
				assert.ErrorContains(t, err, "Goexit")
			} else {
				assert.NoError(t, err)
				assert.Equal(t, i, v)
			}
		}
		return nil
	})
	assert.Equal(t, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, order)
}

func TestAFunctionThatWaitsInLineHoldsNoGoroutineAndLeavesTheLineWhenItIsCancelled(t *testing.T) {
	for _, name := range []string{"by its task", "by its context"} {
		t.Run(name, func(t *testing.T) {
			runOnOneThread(t, func(ctx context.Context) error {
				const n = 1000
				block := make(chan struct{})
				first := asyncio.CreateTask(ctx, func(ctx context.Context) (int, error) { return asyncio.ToThread(ctx, blockedOne(block)) },
					asyncio.WithEagerStart())
				ctx, cancel := context.WithCancel(ctx)
				defer cancel()
				var tasks []*asyncio.Task[int]
				for range n {
					tasks = append(tasks, asyncio.CreateTask(ctx, func(ctx context.Context) (int, error) {
						return asyncio.ToThread(ctx, func(context.Context) (int, error) { panic("ran") })
					}))
				}
				l := asyncio.RunningLoop(ctx)
				before := goroutines()
				giveWay(ctx, 1)
				assert.Equal(t, n, asyncio.FunctionsInLine(l))
				assert.Less(t, goroutines(), before+n+n/2, "a task has one goroutine, and its function none")
				if name == "by its context" {
					cancel()
				} else {
					for _, task := range tasks {
						task.Cancel()
					}
				}
				for _, task := range tasks {
					_, err := task.Await(context.WithoutCancel(ctx))
					assert.ErrorIs(t, err, asyncio.ErrCancelled)
				}
				assert.Zero(t, asyncio.FunctionsInLine(l))
				close(block)
				_, err := first.Await(context.WithoutCancel(ctx))
				return err
			})
		})
	}
}

func TestAFunctionThatWaitsInLineLeavesItWhenItsTaskIsUnwound(t *testing.T) {
	l := asyncio.NewLoop(asyncio.WithMaxThreads(1), new(reports).handler())
	_, err := asyncio.RunUntilComplete(t.Context(), l, asyncio.Awaitable[asyncio.None](asyncio.Do(func(ctx context.Context) error {
		asyncio.CreateTask(ctx, func(ctx context.Context) (int, error) {
			return asyncio.ToThread(ctx, func(ctx context.Context) (int, error) { <-ctx.Done(); return 0, nil })
		})
		asyncio.CreateTask(ctx, func(ctx context.Context) (int, error) {
			return asyncio.ToThread(ctx, func(context.Context) (int, error) { panic("ran") })
		})
		giveWay(ctx, 1)
		return nil
	})))
	require.NoError(t, err)
	require.Equal(t, 1, asyncio.FunctionsInLine(l))
	require.NoError(t, l.Close())
	require.Zero(t, asyncio.FunctionsInLine(l))
}
