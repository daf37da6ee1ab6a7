package asyncio_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
)

// rearm schedules a callback that schedules itself again and again.
func rearm(schedule func(fn func())) {
	var again func()
	again = func() { schedule(again) }
	again()
}

func TestALivelockEndsTheRunAndNamesTheTasksAndCallbacksThatRan(t *testing.T) {
	forever := func(ctx context.Context) error { return asyncio.Sleep(ctx, asyncio.Never) }
	for name, c := range map[string]struct {
		main func(ctx context.Context) error
		ran  string
	}{
		"a task that yields": {func(ctx context.Context) error {
			for {
				if err := asyncio.Sleep(ctx, 0); err != nil {
					return err
				}
			}
		}, "task main"},
		"a task that sleeps for a negative time": {func(ctx context.Context) error {
			for {
				if err := asyncio.Sleep(ctx, math.MinInt64); err != nil {
					return err
				}
			}
		}, "task main"},
		"a callback": {func(ctx context.Context) error {
			rearm(func(fn func()) { asyncio.RunningLoop(ctx).CallSoon(fn) })
			return forever(ctx)
		}, "callback github.com/go-asyncio/asyncio_test.rearm.func1"},
		"a callback from any goroutine": {func(ctx context.Context) error {
			rearm(func(fn func()) { _ = asyncio.RunningLoop(ctx).CallSoonThreadsafe(fn) })
			return forever(ctx)
		}, "callback github.com/go-asyncio/asyncio_test.rearm.func1"},
		"a timer": {func(ctx context.Context) error {
			l := asyncio.RunningLoop(ctx)
			_ = asyncio.Sleep(ctx, time.Hour)
			rearm(func(fn func()) { l.CallAt(l.Time(), fn) })
			return forever(ctx)
		}, "callback github.com/go-asyncio/asyncio_test.rearm.func1"},
		"a timer of long ago": {func(ctx context.Context) error {
			rearm(func(fn func()) { asyncio.RunningLoop(ctx).CallAt(math.MinInt64, fn) })
			return forever(ctx)
		}, "callback github.com/go-asyncio/asyncio_test.rearm.func1"},
		"a done callback": {func(ctx context.Context) error {
			f := newFuture[int](ctx)
			_ = f.SetResult(1)
			var again func(*asyncio.Future[int])
			again = func(f *asyncio.Future[int]) { f.AddDoneCallback(again) }
			again(f)
			return forever(ctx)
		}, "callback github.com/go-asyncio/asyncio_test.TestALivelock"},
		"two tasks with a queue": {func(ctx context.Context) error {
			there, back := asyncio.NewQueue[int](1), asyncio.NewQueue[int](1)
			pass := func(from, to *asyncio.Queue[int]) func(ctx context.Context) error {
				return func(ctx context.Context) error {
					for {
						v, err := from.Get(ctx)
						if err != nil {
							return err
						}
						if err := to.Put(ctx, v); err != nil {
							return err
						}
					}
				}
			}
			asyncio.CreateTask(ctx, asyncio.Do(pass(back, there)), asyncio.WithName("second"))
			_ = there.PutNowait(1)
			return pass(there, back)(ctx)
		}, "task second"},
		"a task that creates the next": {func(ctx context.Context) error {
			var next func(ctx context.Context) error
			next = func(ctx context.Context) error {
				asyncio.CreateTask(ctx, asyncio.Do(next), asyncio.WithName("next"))
				return nil
			}
			_ = next(ctx)
			return forever(ctx)
		}, "task next"},
		"expired timeouts": {func(ctx context.Context) error {
			for {
				_ = asyncio.Timeout(ctx, 0, func(ctx context.Context, _ *asyncio.TimeoutScope) error { return forever(ctx) })
			}
		}, "timeout of task main"},
	} {
		for _, debug := range []bool{false, true} {
			t.Run(fmt.Sprint(name, debug), func(t *testing.T) {
				unwound := false
				opts := []asyncio.Option{asyncio.WithVirtualTime(), asyncio.WithMaxTurnsPerInstant(1000)}
				if debug {
					opts = append(opts, asyncio.WithDebug())
				}
				_, err := asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
					asyncio.CurrentTask(ctx).SetName("main")
					defer func() { unwound = true }()
					return c.main(ctx)
				}), opts...)
				require.ErrorIs(t, err, asyncio.ErrLivelock)
				var livelock *asyncio.LivelockError
				require.ErrorAs(t, err, &livelock)
				assert.Equal(t, 1000, livelock.Turns)
				assert.True(t, slices.ContainsFunc(livelock.Ran, func(ran string) bool { return strings.HasPrefix(ran, c.ran) }), "%q", livelock.Ran)
				assert.Contains(t, err.Error(), fmt.Sprintf("asyncio: livelock: 1000 turns at %v (see WithMaxTurnsPerInstant) ran: ", livelock.Time))
				assert.True(t, unwound)
			})
		}
	}
}

func TestTurnsAreCountedForEachInstant(t *testing.T) {
	for _, most := range []int{3, 8, 9, 10, 100} {
		for _, more := range []int{0, 1} {
			_, err := asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
				for range 300 { // in each of them the timer and main take a turn
					if err := asyncio.Sleep(ctx, 1); err != nil {
						return err
					}
					giveWay(ctx, most-2+more)
				}
				return asyncio.Sleep(ctx, 1)
			}), asyncio.WithVirtualTime(), asyncio.WithMaxTurnsPerInstant(most))
			if more > 0 {
				require.ErrorIs(t, err, asyncio.ErrLivelock, "%d, %d more", most, more)
			} else {
				require.NoError(t, err, "%d, %d more", most, more)
			}
		}
	}
}

func TestTheTextOfALivelockOfThousandsOfTasksIsBounded(t *testing.T) {
	ended := 0
	_, err := asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
		for range 10_000 {
			spawn(ctx, func(ctx context.Context) error {
				defer func() { ended++ }()
				for {
					giveWay(ctx, 1)
				}
			})
		}
		return asyncio.Sleep(ctx, time.Hour)
	}), asyncio.WithVirtualTime(), asyncio.WithMaxTurnsPerInstant(20))
	var livelock *asyncio.LivelockError
	require.ErrorAs(t, err, &livelock)
	assert.Len(t, livelock.Ran, 100)
	assert.Less(t, len(err.Error()), 1000)
	assert.Equal(t, 10_000, ended, "tasks that were unwound")
}

func TestALivelockInTheCleanUpIsAnErrorToo(t *testing.T) {
	_, err := asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
		spawn(ctx, func(ctx context.Context) error {
			for {
				_ = asyncio.Sleep(ctx, 0)
			}
		})
		return errBoom
	}), asyncio.WithVirtualTime(), asyncio.WithMaxTurnsPerInstant(50))
	require.ErrorIs(t, err, errBoom)
	require.ErrorIs(t, err, asyncio.ErrLivelock)
}

func TestALoopRunsAgainAfterALivelock(t *testing.T) {
	l := asyncio.NewLoop(asyncio.WithVirtualTime(), asyncio.WithMaxTurnsPerInstant(50))
	var spins *asyncio.Handle
	var spin func()
	spin = func() { spins = l.CallSoon(spin) }
	spin()
	require.ErrorIs(t, l.RunForever(t.Context()), asyncio.ErrLivelock)
	require.ErrorIs(t, l.RunForever(t.Context()), asyncio.ErrLivelock)
	spins.Cancel()
	v, err := asyncio.RunUntilComplete(t.Context(), l, asyncio.Awaitable[int](answer(time.Hour, 7)))
	require.NoError(t, err)
	assert.Equal(t, 7, v)
	require.NoError(t, l.Close())
}

func TestTurnsAreNotCountedWhileTimeHasToStandStill(t *testing.T) {
	opts := []asyncio.Option{asyncio.WithVirtualTime(), asyncio.WithMaxTurnsPerInstant(20)}
	t.Run("for a function on a thread", func(t *testing.T) {
		_, err := asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
			release := make(chan struct{})
			function := asyncio.CreateTask(ctx, func(ctx context.Context) (int, error) {
				return asyncio.ToThread(ctx, func(context.Context) (int, error) { <-release; return 1, nil })
			})
			giveWay(ctx, 1000)
			close(release)
			for !function.Done() {
				giveWay(ctx, 1)
			}
			giveWay(ctx, 12)
			return nil
		}), opts...)
		require.NoError(t, err)
	})
	t.Run("for a function that asks the loop again and again", func(t *testing.T) {
		_, err := asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
			l := asyncio.RunningLoop(ctx)
			_, err := asyncio.ToThread(ctx, func(ctx context.Context) (int, error) {
				for range 200 {
					if _, err := asyncio.RunCoroutineThreadsafe(l, answer(0, 1)).Result(ctx); err != nil {
						return 0, err
					}
				}
				return 0, nil
			})
			return err
		}), opts...)
		require.NoError(t, err)
	})
	t.Run("for the deadline of a context", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			_, err := asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
				waits := spawn(ctx, func(ctx context.Context) error {
					ctx, cancel := context.WithTimeout(ctx, time.Minute)
					defer cancel()
					return new(asyncio.Event).Wait(ctx)
				})
				giveWay(ctx, 1000)
				time.Sleep(time.Minute)
				for !waits.Done() {
					giveWay(ctx, 1)
				}
				assert.ErrorIs(t, waits.Exception(), asyncio.ErrTimeout)
				return nil
			}), opts...)
			require.NoError(t, err)
		})
	})
}

func TestAFunctionThatWaitsForACoroutineThatSpinsIsALivelock(t *testing.T) {
	_, err := asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
		l := asyncio.RunningLoop(ctx)
		_, err := asyncio.ToThread(ctx, func(ctx context.Context) (asyncio.None, error) {
			return asyncio.RunCoroutineThreadsafe(l, asyncio.Do(func(ctx context.Context) error {
				for {
					if err := asyncio.Sleep(ctx, 0); err != nil {
						return err
					}
				}
			})).Result(ctx)
		})
		return err
	}), asyncio.WithVirtualTime(), asyncio.WithMaxTurnsPerInstant(100))
	require.ErrorIs(t, err, asyncio.ErrLivelock)
}

func TestRealTimeHasNoLivelock(t *testing.T) {
	_, err := asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
		giveWay(ctx, 1000)
		return nil
	}), asyncio.WithMaxTurnsPerInstant(10))
	require.NoError(t, err)
}

func blockedOne(block chan struct{}) func(context.Context) (int, error) {
	return func(context.Context) (int, error) { <-block; return 1, nil }
}

// inStandstill runs main in virtual time and returns the messages that were reported. It runs in a
// bubble, where ten seconds take no time.
func inStandstill(t *testing.T, main func(ctx context.Context) error) (messages []string) {
	synctest.Test(t, func(t *testing.T) {
		_, err := asyncio.Run(t.Context(), asyncio.Do(main), asyncio.WithVirtualTime(), asyncio.WithMaxTurnsPerInstant(1000),
			asyncio.WithExceptionHandler(func(_ *asyncio.Loop, c asyncio.ExceptionContext) { messages = append(messages, c.Message) }))
		require.NoError(t, err)
	})
	return messages
}

const standstillMessage = "virtual time has stood still for 10s, until these functions on other goroutines return: "

func TestAFunctionThatStopsVirtualTimeIsReportedOnce(t *testing.T) {
	t.Run("while nothing else goes on", func(t *testing.T) {
		var ended time.Duration
		got := inStandstill(t, func(ctx context.Context) error {
			block, begun := make(chan struct{}), time.Now()
			time.AfterFunc(time.Hour, func() { close(block) })
			_, err := asyncio.ToThread(ctx, blockedOne(block))
			ended = time.Since(begun)
			return err
		})
		require.Len(t, got, 1)
		assert.Regexp(t, "^"+standstillMessage+`\S+\.blockedOne\.\w+$`, got[0])
		assert.Equal(t, time.Hour, ended, "it keeps waiting")
	})
	t.Run("while a task yields", func(t *testing.T) {
		got := inStandstill(t, func(ctx context.Context) error {
			block := make(chan struct{})
			task := asyncio.CreateTask(ctx, func(ctx context.Context) (int, error) { return asyncio.ToThread(ctx, blockedOne(block)) })
			for range 20 {
				giveWay(ctx, 2000)
				time.Sleep(time.Second)
			}
			close(block)
			_, err := task.Await(ctx)
			return err
		})
		require.Len(t, got, 1)
		assert.Regexp(t, "^"+standstillMessage+`\S+\.blockedOne\.\w+$`, got[0])
	})
	t.Run("with functions that block, too", func(t *testing.T) {
		got := inStandstill(t, func(ctx context.Context) error {
			l := asyncio.RunningLoop(ctx)
			block := make(chan struct{})
			time.AfterFunc(time.Minute, func() { close(block) })
			_, err := asyncio.Gather(ctx,
				asyncio.Coro[int](func(ctx context.Context) (int, error) { return asyncio.ToThread(ctx, blockedOne(block)) }),
				asyncio.Coro[int](func(ctx context.Context) (int, error) {
					return asyncio.ToThread(ctx, func(context.Context) (int, error) {
						select {
						case <-block:
						case <-asyncio.RunCoroutineThreadsafe(l, answer(time.Second, 1)).Done(): // does not let time advance
						}
						return 0, nil
					})
				}),
				asyncio.Coro[int](func(ctx context.Context) (int, error) { // this one lets time advance
					return asyncio.ToThread(ctx, func(ctx context.Context) (int, error) {
						return asyncio.RunCoroutineThreadsafe(l, answer(time.Second, 1)).Result(ctx)
					})
				})).Await(ctx)
			return err
		})
		require.Len(t, got, 1)
		assert.Contains(t, got[0], ".blockedOne.")
		assert.Equal(t, 2, strings.Count(got[0], "asyncio_test."), got[0])
	})
	t.Run("though other calls reach the loop", func(t *testing.T) {
		got := inStandstill(t, func(ctx context.Context) error {
			l := asyncio.RunningLoop(ctx)
			block := make(chan struct{})
			over := false
			others := spawn(ctx, func(ctx context.Context) error { // tasks that come and go
				for !over {
					if _, err := asyncio.ToThread(ctx, func(context.Context) (int, error) { time.Sleep(time.Second); return 0, nil }); err != nil {
						return err
					}
				}
				return nil
			})
			go func() {
				for range 20 {
					time.Sleep(700 * time.Millisecond)
					must(l.CallSoonThreadsafe(func() {}))
				}
				close(block)
			}()
			_, err := asyncio.ToThread(ctx, blockedOne(block))
			over = true
			join(ctx, others)
			return err
		})
		require.Len(t, got, 1)
		assert.Regexp(t, "^"+standstillMessage+`\S+\.blockedOne\.\w+$`, got[0])
	})
	t.Run("and one that goes on after it has waited for the loop, when others have been reported", func(t *testing.T) {
		got := inStandstill(t, func(ctx context.Context) error {
			l := asyncio.RunningLoop(ctx)
			block := make(chan struct{})
			time.AfterFunc(time.Minute, func() { close(block) })
			waiter := spawn(ctx, func(ctx context.Context) error {
				_, err := asyncio.ToThread(ctx, func(ctx context.Context) (int, error) {
					ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
					defer cancel()
					_, _ = asyncio.RunCoroutineThreadsafe(l, answer(time.Hour, 1)).Result(ctx)
					<-block
					return 0, nil
				})
				return err
			})
			_, err := asyncio.ToThread(ctx, blockedOne(block))
			join(ctx, waiter)
			return err
		})
		require.Len(t, got, 2)
		assert.Contains(t, got[0], ".blockedOne.")
		assert.NotContains(t, got[1], ".blockedOne.")
	})
	t.Run("but not one that returns to waiting for the loop", func(t *testing.T) {
		got := inStandstill(t, func(ctx context.Context) error {
			l := asyncio.RunningLoop(ctx)
			_, err := asyncio.ToThread(ctx, func(ctx context.Context) (int, error) {
				for range 100 {
					time.Sleep(9 * time.Second)
					if _, err := asyncio.RunCoroutineThreadsafe(l, answer(time.Second, 1)).Result(ctx); err != nil {
						return 0, err
					}
				}
				return asyncio.RunCoroutineThreadsafe(l, answer(time.Hour, 1)).Result(ctx)
			})
			return err
		})
		assert.Empty(t, got)
	})
}

func TestAnExceptionHandlerMayEndARunThatStandsStill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		block := make(chan struct{})
		ctx, cancel := context.WithCancelCause(t.Context())
		_, err := asyncio.Run(ctx, asyncio.Do(func(ctx context.Context) error {
			_, err := asyncio.ToThread(ctx, blockedOne(block))
			return err
		}), asyncio.WithVirtualTime(), asyncio.WithExceptionHandler(func(_ *asyncio.Loop, c asyncio.ExceptionContext) {
			cancel(errors.New(c.Message))
			close(block)
		}))
		assert.ErrorContains(t, err, standstillMessage)
	})
}

// A function may wait for the loop under a context that panics when the loop asks for its state.
func TestAPanicInTheContextOfAFunctionThatWaitsEndsTheRun(t *testing.T) {
	for name, wait := range map[string]func(ctx context.Context) error{
		"while nothing else goes on": func(ctx context.Context) error { return asyncio.Sleep(ctx, asyncio.Never) },
		"while tasks drive": func(ctx context.Context) error {
			for {
				if err := asyncio.Sleep(ctx, 0); err != nil {
					return err
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			var innocent *asyncio.Task[asyncio.None]
			_, err := asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
				l := asyncio.RunningLoop(ctx)
				innocent = spawn(ctx, wait)
				_, err := asyncio.ToThread(ctx, func(ctx context.Context) (int, error) {
					hostile := newHostile(ctx)
					var asked atomic.Int32
					hostile.err = func() error {
						switch asked.Add(1) {
						case 1: // by Result itself
							return nil
						case 2:
							close(hostile.done)
						}
						panic(errBoom)
					}
					defer func() { _ = recover() }()
					return asyncio.RunCoroutineThreadsafe(l, answer(asyncio.Never, 1)).Result(hostile)
				})
				return err
			}), asyncio.WithVirtualTime(), asyncio.WithMaxTurnsPerInstant(100))
			require.ErrorIs(t, err, errBoom)
			assert.NotErrorIs(t, innocent.Exception(), errBoom)
		})
	}
}

// An exception handler that calls runtime.Goexit ends the run, whatever was reported, and no task
// hangs or goes on.
func TestAnExceptionHandlerMayCallGoexitOrPanic(t *testing.T) {
	for name, handle := range map[string]func(){"Goexit": runtime.Goexit, "panic": func() { panic(errBoom) }} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				handled, ended, returned := 0, 0, false
				over := make(chan struct{})
				block := make(chan struct{})
				time.AfterFunc(time.Minute, func() { close(block) })
				go func() {
					defer close(over)
					_, _ = asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
						for range 5 {
							spawn(ctx, func(ctx context.Context) error {
								defer func() { ended++ }()
								return asyncio.Sleep(ctx, time.Hour)
							})
						}
						_, err := asyncio.ToThread(ctx, blockedOne(block))
						return err
					}), asyncio.WithVirtualTime(), asyncio.WithExceptionHandler(func(*asyncio.Loop, asyncio.ExceptionContext) {
						handled++
						handle()
					}))
					returned = true
				}()
				<-over
				assert.Equal(t, 1, handled)
				assert.Equal(t, 5, ended)
				assert.Equal(t, name == "panic", returned)
			})
		})
	}
}
