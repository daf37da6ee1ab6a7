package asyncio_test

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
)

// byHand is an executor whose functions run when the test calls work.
type byHand struct {
	mu   sync.Mutex
	line []func()
	err  error
}

func (e *byHand) Submit(work func()) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.err == nil {
		e.line = append(e.line, work)
	}
	return e.err
}

// work calls each submitted function twice, which an executor must not do.
func (e *byHand) work() (n int) {
	e.mu.Lock()
	line := e.line
	e.line = nil
	e.mu.Unlock()
	for _, work := range line {
		work()
		work()
	}
	return len(line)
}

func TestAnExecutorRunsTheFunctionAndTheTaskGetsItsOutcome(t *testing.T) {
	run(t, func(ctx context.Context) error {
		executor := &byHand{}
		calls := 0
		functions := map[string]func(context.Context) (int, error){
			"value":  func(context.Context) (int, error) { calls++; return 42, nil },
			"error":  func(context.Context) (int, error) { calls++; return 1, errBoom },
			"panic":  func(context.Context) (int, error) { calls++; panic("no") },
			"goexit": func(context.Context) (int, error) { calls++; runtime.Goexit(); return 0, nil },
		}
		tasks := make(map[string]*asyncio.Task[int])
		for name, fn := range functions {
			tasks[name] = asyncio.CreateTask(ctx, asyncio.Coro[int](func(ctx context.Context) (int, error) {
				return asyncio.RunInExecutor(ctx, executor, fn)
			}))
			giveWay(ctx, 2)
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				executor.work()
			}()
			<-ended
		}
		v, err := tasks["value"].Await(ctx)
		require.NoError(t, err)
		assert.Equal(t, 42, v)
		require.Equal(t, errBoom, errOf(ctx, tasks["error"]))
		var panicked *asyncio.PanicError
		require.ErrorAs(t, errOf(ctx, tasks["panic"]), &panicked)
		require.ErrorContains(t, errOf(ctx, tasks["goexit"]), "runtime.Goexit")
		assert.Equal(t, len(functions), calls, "each is called once")
		return nil
	})
}

func TestAnErrorOrPanicOfSubmitReachesTheCaller(t *testing.T) {
	for _, loop := range []asyncio.Option{asyncio.WithVirtualTime(), asyncio.WithDebug()} {
		_, err := asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
			refuses := &byHand{err: errBoom}
			fn := func(context.Context) (int, error) { return 1, nil }
			_, err := asyncio.RunInExecutor(ctx, refuses, fn)
			require.Equal(t, errBoom, err)
			shut := asyncio.NewThreadPoolExecutor(1)
			shut.Shutdown(true)
			_, err = asyncio.RunInExecutor(ctx, shut, fn)
			require.Equal(t, asyncio.ErrExecutorShutDown, err)
			assert.Panics(t, func() { _, _ = asyncio.RunInExecutor(ctx, panics{}, fn) })
			return asyncio.Sleep(ctx, time.Millisecond) // virtual time goes on
		}), loop)
		require.NoError(t, err)
	}
}

type panics struct{}

func (panics) Submit(func()) error { panic("no") }

// inPlace is an executor that runs functions at once, on the loop's goroutine. It blocks the loop,
// but works otherwise.
type inPlace struct{}

func (inPlace) Submit(work func()) error { work(); return nil }

func TestAnExecutorMayRunTheFunctionWithinSubmit(t *testing.T) {
	run(t, func(ctx context.Context) error {
		v, err := asyncio.RunInExecutor(ctx, inPlace{}, func(context.Context) (int, error) { return 42, nil })
		assert.Equal(t, 42, v)
		return err
	})
}

func TestAFunctionCancelledBeforeItsExecutorBeginsItIsNotCalled(t *testing.T) {
	executor := &byHand{}
	fn := func(context.Context) (int, error) { t.Error("called"); return 0, nil }
	await := func(ctx context.Context) error {
		_, err := asyncio.RunInExecutor(ctx, executor, fn)
		return err
	}
	run(t, func(ctx context.Context) error {
		task := spawn(ctx, await)
		giveWay(ctx, 2)
		task.Cancel()
		join(ctx, task)
		assert.True(t, task.Cancelled())
		require.NoError(t, asyncio.Sleep(ctx, time.Hour), "time does not stand still for it")
		spawn(ctx, await) // the end of the run cancels it
		return asyncio.Sleep(ctx, 0)
	})
	loop := asyncio.NewLoop(new(reports).handler())
	asyncio.CreateTask(loop.Context(t.Context()), asyncio.Do(await))
	loop.Stop()
	require.NoError(t, loop.RunForever(t.Context()))
	require.NoError(t, loop.Close(), "the task is killed")
	assert.Equal(t, 3, executor.work(), "submitted")
}

func TestCancellingTheAwaitCancelsTheContextOfAFunctionInAnExecutor(t *testing.T) {
	executor := asyncio.NewThreadPoolExecutor(1)
	var cause error
	run(t, func(ctx context.Context) error {
		began := make(chan struct{})
		task := spawn(ctx, func(ctx context.Context) error {
			_, err := asyncio.RunInExecutor(ctx, executor, func(ctx context.Context) (int, error) {
				close(began)
				<-ctx.Done()
				cause = context.Cause(ctx)
				return 0, nil
			})
			return err
		})
		giveWay(ctx, 1)
		<-began
		task.CancelCause(errBoom)
		join(ctx, task)
		return nil
	})
	require.ErrorIs(t, cause, errBoom, "Run has waited for it")
	executor.Shutdown(true)
}

func TestTheDefaultExecutorRunsTheFunctionsOfToThread(t *testing.T) {
	run(t, func(ctx context.Context) error {
		loop := asyncio.RunningLoop(ctx)
		loop.SetDefaultExecutor(&byHand{err: errBoom})
		fn := func(context.Context) (int, error) { return 42, nil }
		_, err := asyncio.ToThread(ctx, fn)
		require.Equal(t, errBoom, err)
		_, err = asyncio.RunInExecutor(ctx, nil, fn)
		require.Equal(t, errBoom, err)
		loop.SetDefaultExecutor(nil)
		v, err := asyncio.RunInExecutor(ctx, nil, fn)
		assert.Equal(t, 42, v)
		return err
	})
}

func TestTheLabelsOfATaskDoNotStayOnAnExecutorsGoroutine(t *testing.T) {
	thread := make(oneThread, 10)
	go thread.run()
	defer close(thread)
	run(t, func(ctx context.Context) error {
		_, err := asyncio.RunInExecutor(labelled(ctx, "blue"), thread, func(context.Context) (int, error) {
			assert.Contains(t, labelsHere(), "blue")
			return 0, nil
		})
		done := make(chan struct{})
		thread <- func() { assert.NotContains(t, labelsHere(), "blue"); close(done) }
		<-done
		return err
	})
}

func TestAThreadPoolExecutorRunsALimitedNumberInOrder(t *testing.T) {
	assert.Panics(t, func() { asyncio.NewThreadPoolExecutor(0) })
	executor := asyncio.NewThreadPoolExecutor(3)
	var running, most, calls atomic.Int64
	run(t, func(ctx context.Context) error {
		coros := make([]asyncio.Coro[int], 10_000)
		for i := range coros {
			coros[i] = func(ctx context.Context) (int, error) {
				return asyncio.RunInExecutor(ctx, executor, func(context.Context) (int, error) {
					now := running.Add(1)
					defer running.Add(-1)
					for old := most.Load(); now > old && !most.CompareAndSwap(old, now); old = most.Load() {
					}
					calls.Add(1)
					return i, nil
				})
			}
		}
		values, err := asyncio.Gather(ctx, coros...).Await(ctx)
		assert.Equal(t, 9_999, values[9_999])
		return err
	})
	executor.Shutdown(true)
	assert.LessOrEqual(t, most.Load(), int64(3))
	assert.EqualValues(t, 10_000, calls.Load())
	require.Equal(t, asyncio.ErrExecutorShutDown, executor.Submit(func() {}))

	alone := asyncio.NewThreadPoolExecutor(1)
	var order []int
	for i := range 10 {
		require.NoError(t, alone.Submit(func() {
			order = append(order, i)
			runtime.Goexit() // the next function begins nevertheless
		}))
	}
	alone.Shutdown(true)
	assert.Equal(t, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, order)
}

// The pool's only function waits for the loop, and the other one waits in line.
func TestVirtualTimeMovesOnWhileAFunctionWaitsInTheLineOfAPool(t *testing.T) {
	for name, via := range map[string]func(ctx context.Context, pool *asyncio.ThreadPoolExecutor, fn func(context.Context) (int, error)) (int, error){
		"RunInExecutor": func(ctx context.Context, pool *asyncio.ThreadPoolExecutor, fn func(context.Context) (int, error)) (int, error) {
			return asyncio.RunInExecutor(ctx, pool, fn)
		},
		"ToThread": func(ctx context.Context, pool *asyncio.ThreadPoolExecutor, fn func(context.Context) (int, error)) (int, error) {
			asyncio.RunningLoop(ctx).SetDefaultExecutor(pool)
			return asyncio.ToThread(ctx, fn)
		},
	} {
		t.Run(name, func(t *testing.T) {
			pool := asyncio.NewThreadPoolExecutor(2)
			var tr trace
			run(t, func(ctx context.Context) error {
				loop := asyncio.RunningLoop(ctx)
				funcs := make([]func(ctx context.Context) error, 1000)
				for i := range funcs {
					funcs[i] = func(ctx context.Context) error {
						_, err := via(ctx, pool, func(ctx context.Context) (int, error) {
							if i >= 2 {
								return i, nil
							}
							return asyncio.RunCoroutineThreadsafe(loop, answer(time.Duration(i+1)*time.Hour, i)).Result(ctx)
						})
						if i < 3 {
							tr.at(ctx, "%d", i)
						}
						return err
					}
				}
				return asyncio.GatherErr(ctx, funcs...)
			})
			pool.Shutdown(true)
			tr.expect(t, "1h0m0s 0", "1h0m0s 2", "2h0m0s 1")
		})
	}
}

// A function in line holds up time if what runs before it is not the loop's.
func TestVirtualTimeStandsStillForAFunctionInTheLineOfAPoolThatOthersUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := asyncio.NewThreadPoolExecutor(1)
		require.NoError(t, pool.Submit(func() { time.Sleep(time.Second) }))
		run(t, func(ctx context.Context) error {
			_, err := asyncio.WaitFor(ctx, asyncio.Coro[int](func(ctx context.Context) (int, error) {
				return asyncio.RunInExecutor(ctx, pool, func(context.Context) (int, error) { return 1, nil })
			}), time.Millisecond)
			return err
		})
		pool.Shutdown(true)
	})
}

func TestTheReportOfAStandstillMarksFunctionsThatHaveNotBegun(t *testing.T) {
	got := inStandstill(t, func(ctx context.Context) error { // its executor does not come to it
		executor, block := &byHand{}, make(chan struct{})
		close(block)
		time.AfterFunc(time.Minute, func() { executor.work() })
		_, err := asyncio.RunInExecutor(ctx, executor, blockedOne(block))
		return err
	})
	require.Len(t, got, 1)
	assert.Regexp(t, "^"+standstillMessage+`\S+\.blockedOne\.\w+ \(not begun by its executor\)$`, got[0])
}

func TestAnExecutorKeepsNothingOfACancelledCall(t *testing.T) {
	pool := asyncio.NewThreadPoolExecutor(1)
	block := make(chan struct{})
	require.NoError(t, pool.Submit(func() { <-block }))
	var captured weak.Pointer[[1 << 20]byte]
	run(t, func(ctx context.Context) error {
		task := asyncio.CreateTask(ctx, func(ctx context.Context) (byte, error) {
			large := new([1 << 20]byte)
			captured = weak.Make(large)
			return asyncio.RunInExecutor(ctx, pool, func(context.Context) (byte, error) { return large[0], nil })
		})
		giveWay(ctx, 2)
		task.Cancel()
		require.ErrorIs(t, errOf(ctx, task), asyncio.ErrCancelled)
		return nil
	})
	assert.Eventually(t, func() bool {
		runtime.GC()
		return captured.Value() == nil
	}, 10*time.Second, time.Millisecond)
	close(block)
	pool.Shutdown(true)
}

func TestAMisusedExecutorPanicsClearly(t *testing.T) {
	const notMade = "asyncio: executor was not made by NewThreadPoolExecutor"
	fn := func(context.Context) (int, error) { return 1, nil }
	run(t, func(ctx context.Context) error {
		loop := asyncio.RunningLoop(ctx)
		for _, pool := range []*asyncio.ThreadPoolExecutor{nil, new(asyncio.ThreadPoolExecutor)} {
			assert.PanicsWithValue(t, notMade, func() { _ = pool.Submit(func() {}) })
			assert.PanicsWithValue(t, notMade, func() { pool.Shutdown(false) })
			assert.PanicsWithValue(t, notMade, func() { _, _ = asyncio.RunInExecutor(ctx, pool, fn) })
			assert.PanicsWithValue(t, notMade, func() { loop.SetDefaultExecutor(pool) })
		}
		pool := asyncio.NewThreadPoolExecutor(1)
		assert.PanicsWithValue(t, "asyncio: nil function", func() { _ = pool.Submit(nil) })
		assert.PanicsWithValue(t, "asyncio: nil function", func() { _, _ = asyncio.RunInExecutor[int](ctx, pool, nil) })
		assert.PanicsWithValue(t, "asyncio: nil function", func() { _, _ = asyncio.RunInExecutor[int](ctx, nil, nil) })
		assert.PanicsWithValue(t, "asyncio: nil function", func() { _, _ = asyncio.ToThread[int](ctx, nil) })
		pool.Shutdown(true)
		return asyncio.Sleep(ctx, time.Hour) // time does not stand still
	})
}
