package asyncio_test

import (
	"context"
	"errors"
	"io"
	"iter"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
)

// counting returns a sequence that yields 0, 1, 2, …, one a second, and records what its body does.
func counting(ctx context.Context, r *trace, name string) iter.Seq2[int, error] {
	return func(yield func(int, error) bool) {
		r.add("%s begins in %s", name, asyncio.CurrentTask(ctx).Name())
		defer func() {
			r.add("%s cleans up in %s", name, asyncio.CurrentTask(ctx).Name())
			if asyncio.Sleep(context.WithoutCancel(ctx), 0) == nil {
				r.add("%s closed", name)
			}
		}()
		for i := 0; ; i++ {
			if err := asyncio.Sleep(ctx, time.Second); err != nil {
				yield(0, err)
				return
			}
			if !yield(i, nil) {
				return
			}
		}
	}
}

// next records how Next ended.
func next[T any](ctx context.Context, r *trace, name string, g *asyncio.Generator[T]) error {
	v, err := g.Next(ctx)
	if err == nil {
		r.add("%s %v", name, v)
		return nil
	}
	r.end(name, err)
	return err
}

// The trace is that of the same program under CPython 3.13, where EOF is StopAsyncIteration.
func TestAGeneratorBehavesAsInPython(t *testing.T) {
	for _, mode := range []struct {
		name string
		opts []asyncio.Option
	}{{"virtual", []asyncio.Option{asyncio.WithVirtualTime()}}, {"debug", []asyncio.Option{asyncio.WithVirtualTime(), asyncio.WithDebug()}}} {
		t.Run(mode.name, func(t *testing.T) {
			var r trace
			opts := append(mode.opts, asyncio.WithExceptionHandler(func(_ *asyncio.Loop, c asyncio.ExceptionContext) {
				r.add("%s: %v", c.Message, strings.SplitN(c.Err.Error(), "\n", 2)[0])
			}))
			_, err := asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error { return generatorProgram(ctx, &r) }), opts...)
			require.NoError(t, err)
			r.expect(t,
				"a begins in Task-1",
				"next 0",
				"busy: asyncio: generator is already running",
				"busy close: asyncio: generator is already running",
				"t 1",
				"a cleans up in Task-1",
				"a closed",
				"close ok",
				"close2 ok",
				"after: EOF",
				"close unstarted ok",
				"after: EOF",
				"c begins in Task-3",
				"c cleans up in Task-3",
				"c closed",
				"t cancelled",
				"after cancel: EOF",
				"ignored: asyncio: generator yielded again after yield had returned false",
				"ignored2 ok",
				"after: EOF",
				"panicked true",
				"after: EOF",
				"d begins in Task-1",
				"d cleans up in Task-4",
				"during close: asyncio: generator is already running",
				"close cancelled",
				"after: EOF",
				"f begins in Task-1",
				"g begins in Task-1",
				"e begins in Task-1",
				"h begins in Task-5",
				"main ends",
				"h cleans up in Task-5",
				"h closed",
				"f cleans up in Task-7",
				"g cleans up in Task-8",
				"e cleans up in Task-10",
				"f closed",
				"g closed",
				"e closed",
				"an error occurred during closing of a generator: asyncio: panic: boom",
			)
		})
	}
}

func generatorProgram(ctx context.Context, r *trace) error {
	g := asyncio.Pull(ctx, counting(ctx, r, "a"))
	_ = next(ctx, r, "next", g)
	task := spawn(ctx, func(ctx context.Context) error { return next(ctx, r, "t", g) })
	giveWay(ctx, 1)
	_ = next(ctx, r, "busy", g)
	r.end("busy close", g.Close(ctx))
	must(awaitOf[asyncio.None](task)(ctx))
	r.end("close", g.Close(ctx))
	r.end("close2", g.Close(ctx))
	_ = next(ctx, r, "after", g)

	g = asyncio.Pull(ctx, counting(ctx, r, "b"))
	r.end("close unstarted", g.Close(ctx))
	_ = next(ctx, r, "after", g)

	g = asyncio.Pull(ctx, counting(ctx, r, "c"))
	task = spawn(ctx, func(ctx context.Context) error { return next(ctx, r, "t", g) })
	must(asyncio.Sleep(ctx, time.Second/2))
	task.Cancel()
	_ = awaitOf[asyncio.None](task)(ctx)
	_ = next(ctx, r, "after cancel", g)

	g = asyncio.Pull(ctx, func(yield func(int, error) bool) {
		defer func() { yield(2, nil) }()
		yield(1, nil)
	})
	_, _ = g.Next(ctx)
	r.end("ignored", g.Close(ctx))
	r.end("ignored2", g.Close(ctx))
	_ = next(ctx, r, "after", g)

	panics := func(yield func(int, error) bool) {
		defer panic(errBoom)
		yield(1, nil)
	}
	g = asyncio.Pull(ctx, panics)
	_, _ = g.Next(ctx)
	err := g.Close(ctx)
	_, ok := errors.AsType[*asyncio.PanicError](err)
	r.add("panicked %v", ok && errors.Is(err, errBoom))
	_ = next(ctx, r, "after", g)

	g = asyncio.Pull(ctx, func(yield func(int, error) bool) {
		r.add("d begins in %s", asyncio.CurrentTask(ctx).Name())
		defer func() {
			r.add("d cleans up in %s", asyncio.CurrentTask(ctx).Name())
			_ = asyncio.Sleep(ctx, time.Second)
		}()
		yield(1, nil)
	})
	_, _ = g.Next(ctx)
	task = spawn(ctx, func(ctx context.Context) error {
		err := g.Close(ctx)
		r.end("close", err)
		return err
	})
	giveWay(ctx, 1)
	_ = next(ctx, r, "during close", g)
	task.Cancel()
	_ = awaitOf[asyncio.None](task)(ctx)
	_ = next(ctx, r, "after", g)

	e := asyncio.Pull(ctx, counting(ctx, r, "e"))
	for _, g := range []*asyncio.Generator[int]{asyncio.Pull(ctx, counting(ctx, r, "f")), asyncio.Pull(ctx, counting(ctx, r, "g")), asyncio.Pull(ctx, panics), e} {
		_, err := g.Next(ctx)
		must(err)
		asyncio.RunningLoop(ctx).CallLater(time.Hour, func() { runtime.KeepAlive(g) })
	}
	spawn(ctx, func(ctx context.Context) error {
		for _, err := range counting(ctx, r, "h") {
			if err != nil {
				return err
			}
			if err := asyncio.Sleep(ctx, 9*time.Second); err != nil {
				return err
			}
		}
		return nil
	})
	must(asyncio.Sleep(ctx, 2*time.Second))
	r.add("main ends")
	return nil
}

func TestGeneratorBodiesThatEndInOddWays(t *testing.T) {
	run(t, func(ctx context.Context) error {
		boom := asyncio.Pull(ctx, func(yield func(int, error) bool) {
			if asyncio.Sleep(ctx, 1) == nil && yield(1, nil) {
				panic(errBoom)
			}
		})
		v, err := boom.Next(ctx)
		assert.Equal(t, 1, v)
		require.NoError(t, err)
		_, err = boom.Next(ctx)
		p, ok := errors.AsType[*asyncio.PanicError](err)
		require.True(t, ok)
		assert.Contains(t, string(p.Stack), "TestGeneratorBodiesThatEndInOddWays")
		_, err = boom.Next(ctx)
		assert.Equal(t, io.EOF, err)

		var kept func(int, error) bool
		_, err = asyncio.Pull(ctx, func(yield func(int, error) bool) { kept = yield }).Next(ctx)
		assert.Equal(t, io.EOF, err)
		assert.PanicsWithError(t, "asyncio: generator yielded again after yield had returned false", func() { kept(1, nil) })
		return nil
	})
}

// sleeping returns a sequence whose body sleeps for an hour before each value, under ctx.
func sleeping(ctx context.Context) iter.Seq2[int, error] {
	return func(yield func(int, error) bool) {
		for i := 0; ; i++ {
			if err := asyncio.Sleep(ctx, time.Hour); err != nil {
				yield(0, err)
				return
			}
			if !yield(i, nil) {
				return
			}
		}
	}
}

func TestACancellationArrivesInTheBodyOfAGenerator(t *testing.T) {
	run(t, func(ctx context.Context) error {
		g := asyncio.Pull(ctx, sleeping(ctx))
		task := asyncio.CreateTask(ctx, g.Next)
		giveWay(ctx, 1)
		task.CancelCause(errBoom)
		_, err := task.Await(ctx)
		assert.ErrorIs(t, err, asyncio.ErrCancelled)
		assert.ErrorIs(t, err, errBoom)
		assert.True(t, task.Cancelled())
		_, err = g.Next(ctx)
		assert.Equal(t, io.EOF, err, "the error has ended it")
		return nil
	})
}

func TestACancellationBeforeNextIsDeliveredInTheBody(t *testing.T) {
	run(t, func(ctx context.Context) error {
		g := asyncio.Pull(ctx, sleeping(ctx))
		task := asyncio.CreateTask(ctx, func(ctx context.Context) (int, error) {
			asyncio.CurrentTask(ctx).CancelCause(errBoom)
			return g.Next(ctx)
		})
		_, err := task.Await(ctx)
		assert.ErrorIs(t, err, errBoom)
		assert.True(t, task.Cancelled())
		return nil
	})
}

func TestACancellationDuringTheCleanUpOfABodyIsNotLost(t *testing.T) {
	for _, before := range []bool{false, true} {
		run(t, func(ctx context.Context) error {
			g := asyncio.Pull(ctx, func(yield func(int, error) bool) {
				defer func() { _ = asyncio.Sleep(ctx, time.Hour) }()
				if yield(1, nil) {
					yield(0, errBoom)
				}
			})
			_, err := g.Next(ctx)
			must(err)
			task := spawn(ctx, func(ctx context.Context) error {
				if before {
					asyncio.CurrentTask(ctx).Cancel()
				}
				_, err := g.Next(ctx)
				return err
			})
			giveWay(ctx, 1)
			task.Cancel()
			_, err = task.Await(ctx)
			assert.ErrorIs(t, err, asyncio.ErrCancelled)
			assert.ErrorIs(t, err, errBoom, "the error that the body has yielded is the cause")
			assert.True(t, task.Cancelled())
			return nil
		})
	}
}

func TestACloseThatNothingCancelledReturnsNilInACancelledTask(t *testing.T) {
	run(t, func(ctx context.Context) error {
		g := asyncio.Pull(ctx, func(yield func(int, error) bool) { yield(1, nil) })
		_, err := g.Next(ctx)
		must(err)
		task := spawn(ctx, func(ctx context.Context) error {
			asyncio.CurrentTask(ctx).Cancel()
			assert.NoError(t, g.Close(ctx), "it did not wait")
			err := asyncio.Sleep(ctx, 0)
			assert.ErrorIs(t, err, asyncio.ErrCancelled)
			return err
		})
		join(ctx, task)
		return nil
	})
}

func TestADerivedContextLimitsNextWhateverTheBodyWaitsWith(t *testing.T) {
	run(t, func(ctx context.Context) error {
		g := asyncio.Pull(ctx, sleeping(ctx))
		derived, cancel := context.WithCancelCause(ctx)
		asyncio.RunningLoop(ctx).CallLater(time.Second, func() { cancel(errBoom) })
		_, err := g.Next(derived)
		assert.ErrorIs(t, err, asyncio.ErrCancelled)
		assert.ErrorIs(t, err, errBoom)
		assert.Zero(t, asyncio.CurrentTask(ctx).Cancelling())
		assert.Equal(t, time.Second, asyncio.RunningLoop(ctx).Time())

		g = asyncio.Pull(ctx, sleeping(ctx))
		_, err = g.Next(derived)
		assert.ErrorIs(t, err, errBoom, "done already")
		require.NoError(t, asyncio.Sleep(ctx, 0))

		g = asyncio.Pull(ctx, sleeping(ctx))
		past, cancel2 := context.WithTimeout(ctx, time.Millisecond)
		defer cancel2()
		task := asyncio.CreateTask(ctx, func(context.Context) (int, error) { return g.Next(past) })
		giveWay(ctx, 1)
		task.Cancel()
		_, err = task.Await(ctx)
		assert.ErrorIs(t, err, asyncio.ErrCancelled, "the task itself was cancelled, too")
		assert.True(t, task.Cancelled())

		g = asyncio.Pull(ctx, func(yield func(int, error) bool) { yield(7, nil) })
		v, err := g.Next(derived)
		assert.Equal(t, 7, v, "the body does not wait")
		require.NoError(t, err)
		require.NoError(t, g.Close(derived))
		return asyncio.Sleep(ctx, 0)
	})
}

func TestADeadlineOfNextIsWaitedForInVirtualTime(t *testing.T) {
	run(t, func(ctx context.Context) error {
		g := asyncio.Pull(ctx, func(yield func(int, error) bool) {
			yield(0, asyncio.Sleep(ctx, asyncio.Never))
		})
		ctx, cancel := context.WithTimeout(ctx, time.Millisecond)
		defer cancel()
		_, err := g.Next(ctx)
		assert.ErrorIs(t, err, asyncio.ErrTimeout)
		return nil
	})
}

func TestTasksTakeTurnsAtAGenerator(t *testing.T) {
	for _, opts := range [][]asyncio.Option{nil, {asyncio.WithDebug()}} {
		_, err := asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
			var lock asyncio.Lock
			g := asyncio.Pull(ctx, counting(ctx, new(trace), "g"))
			var got []int
			return asyncio.WithTaskGroup(ctx, func(ctx context.Context, tg *asyncio.TaskGroup) error {
				for range 4 {
					tg.Go(func(ctx context.Context) error {
						for range 3 {
							err := lock.With(ctx, func(ctx context.Context) error {
								v, err := g.Next(ctx)
								assert.Equal(t, len(got), v)
								got = append(got, v)
								return err
							})
							if err != nil {
								return err
							}
						}
						return nil
					})
				}
				return nil
			})
		}), append(opts, asyncio.WithVirtualTime())...)
		require.NoError(t, err)
	}
}

func TestGeneratorsOfGenerators(t *testing.T) {
	_, err := asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
		seq := counting(ctx, new(trace), "inner")
		for range 10 {
			below := seq
			seq = func(yield func(int, error) bool) {
				g := asyncio.Pull(ctx, below)
				defer func() { assert.NoError(t, g.Close(ctx)) }()
				for {
					v, err := g.Next(ctx)
					if !yield(v+1, err) {
						return
					}
				}
			}
		}
		g := asyncio.Pull(ctx, seq)
		for i := range 3 {
			v, err := g.Next(ctx)
			assert.Equal(t, i+10, v)
			require.NoError(t, err)
		}
		return g.Close(ctx)
	}), asyncio.WithVirtualTime(), asyncio.WithDebug())
	require.NoError(t, err)
}

func TestAGeneratorServesTasksOfItsLoopAlone(t *testing.T) {
	run(t, func(ctx context.Context) error {
		g := asyncio.Pull(ctx, counting(ctx, new(trace), "g"))
		_, err := asyncio.Run(context.Background(), func(ctx context.Context) (int, error) { return g.Next(ctx) })
		assert.ErrorIs(t, err, asyncio.ErrForeignLoop)
		_, err = asyncio.Run(context.Background(), asyncio.Do(g.Close))
		assert.ErrorIs(t, err, asyncio.ErrForeignLoop)

		assert.PanicsWithValue(t, "asyncio: nil sequence", func() { asyncio.Pull[int](ctx, nil) })
		assert.PanicsWithValue(t, "asyncio: Generator was not made by Pull", func() { _, _ = new(asyncio.Generator[int]).Next(ctx) })
		var self *asyncio.Generator[int]
		self = asyncio.Pull(ctx, func(yield func(int, error) bool) {
			_, err := self.Next(ctx)
			yield(0, err)
		})
		_, err = self.Next(ctx)
		assert.ErrorIs(t, err, asyncio.ErrGeneratorRunning)
		return nil
	})
}

// leaveGenerators leaves a generator of each kind: one that has not begun, one that is suspended at
// a yield, and one in which a task waits.
func leaveGenerators(ctx context.Context, r *trace) {
	body := func(name string, wait time.Duration) iter.Seq2[int, error] {
		return func(yield func(int, error) bool) {
			defer r.add("%s unwound", name)
			defer func() {
				err := asyncio.Sleep(ctx, 0)
				r.add("%s waited: %v", name, err)
			}()
			if err := asyncio.Sleep(ctx, wait); err != nil {
				yield(0, err)
				return
			}
			r.add("%s goes on: %v", name, yield(0, nil))
		}
	}
	asyncio.Pull(ctx, body("new", 0))
	suspended := asyncio.Pull(ctx, body("suspended", 0))
	_, err := suspended.Next(ctx)
	must(err)
	asyncio.RunningLoop(ctx).CallLater(asyncio.Never, func() { runtime.KeepAlive(suspended) })
	waiting := asyncio.Pull(ctx, body("waiting", asyncio.Never))
	asyncio.CreateTask(ctx, waiting.Next)
	giveWay(ctx, 1)
}

func TestNoGeneratorOutlivesTheRun(t *testing.T) {
	closed := []string{"waiting waited: <nil>", "waiting unwound", "suspended goes on: false", "suspended waited: <nil>", "suspended unwound"}
	killed := []string{"waiting unwound", "suspended goes on: false", "suspended unwound"}
	for _, end := range []struct {
		name string
		main func(ctx context.Context) error
		want []string
	}{
		{"return", func(context.Context) error { return nil }, closed},
		{"error", func(context.Context) error { return errBoom }, closed},
		{"panic", func(context.Context) error { panic(errBoom) }, closed},
		{"Goexit", func(context.Context) error { runtime.Goexit(); return nil }, killed},
		{"deadlock", func(ctx context.Context) error { return asyncio.Sleep(ctx, asyncio.Never) }, killed},
	} {
		for _, debug := range []bool{false, true} {
			t.Run(end.name, func(t *testing.T) {
				before := goroutines()
				var r trace
				opts := []asyncio.Option{asyncio.WithVirtualTime(), asyncio.WithExceptionHandler(func(_ *asyncio.Loop, c asyncio.ExceptionContext) {
					if c.Err != nil && !errors.Is(c.Err, errBoom) {
						r.add("reported: %v", c.Err)
					}
				})}
				if debug {
					opts = append(opts, asyncio.WithDebug())
				}
				ended := make(chan struct{})
				go func() {
					defer close(ended)
					_, _ = asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
						leaveGenerators(ctx, &r)
						return end.main(ctx)
					}), opts...)
				}()
				<-ended
				r.expect(t, end.want...)
				assertGoroutines(t, before)
			})
		}
	}
}

func TestAPanicInTheCleanUpOfAnAbandonedBodyIsReported(t *testing.T) {
	var r trace
	_, err := asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
		g := asyncio.Pull(ctx, func(yield func(int, error) bool) {
			defer panic(errBoom)
			yield(1, nil)
		})
		_, err := g.Next(ctx)
		must(err)
		asyncio.RunningLoop(ctx).CallLater(asyncio.Never, func() { runtime.KeepAlive(g) })
		return asyncio.Sleep(ctx, asyncio.Never)
	}), asyncio.WithVirtualTime(), asyncio.WithExceptionHandler(func(_ *asyncio.Loop, c asyncio.ExceptionContext) {
		r.add("%s: %v", c.Message, errors.Is(c.Err, errBoom))
	}))
	assert.ErrorIs(t, err, asyncio.ErrDeadlock)
	r.expect(t, "error of a generator that was abandoned: true")
}

func TestAGoexitInABodyEndsTheRun(t *testing.T) {
	before := goroutines()
	var r trace
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
			defer r.add("main unwound")
			g := asyncio.Pull(ctx, func(yield func(int, error) bool) {
				defer r.add("body unwound")
				_ = asyncio.Sleep(ctx, time.Second)
				runtime.Goexit()
			})
			spawn(ctx, func(ctx context.Context) error {
				defer r.add("other unwound")
				return asyncio.Sleep(ctx, time.Hour)
			})
			_, err := g.Next(ctx)
			r.add("main goes on: %v", err)
			return err
		}), asyncio.WithVirtualTime())
		r.add("Run returns")
	}()
	<-ended
	r.expect(t, "body unwound", "main unwound", "other unwound")
	assertGoroutines(t, before)
}

func TestAGeneratorGoesOnInTheNextRunOfItsLoop(t *testing.T) {
	var r trace
	before := goroutines()
	loop := asyncio.NewLoop(asyncio.WithVirtualTime())
	var g *asyncio.Generator[int]
	_, err := asyncio.RunUntilComplete(t.Context(), loop, asyncio.Do(func(ctx context.Context) error {
		g = asyncio.Pull(ctx, counting(ctx, &r, "g"))
		return next(ctx, &r, "first", g)
	}))
	require.NoError(t, err)
	_, err = asyncio.RunUntilComplete(t.Context(), loop, asyncio.Do(func(ctx context.Context) error {
		_ = next(ctx, &r, "second", g)
		r.end("shutdown", loop.ShutdownAsyncgens(ctx))
		_ = next(ctx, &r, "third", g)
		g = asyncio.Pull(ctx, counting(ctx, &r, "h"))
		return next(ctx, &r, "fourth", g)
	}))
	require.NoError(t, err)
	require.NoError(t, loop.Close())
	r.expect(t,
		"g begins in Task-1", "first 0", "second 1", "g cleans up in Task-3", "g closed", "shutdown ok", "third: EOF",
		"h begins in Task-2", "fourth 0", "h cleans up in end of a generator")
	assertGoroutines(t, before)
}

// A driver on whose stack, inside a body, another task calls Goexit unwinds through the body.
func TestAGoexitPassesThroughTheBodyOfADriver(t *testing.T) {
	before := goroutines()
	var r trace
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
			defer r.add("main unwound")
			g := asyncio.Pull(ctx, func(yield func(int, error) bool) {
				defer r.add("body unwound")
				_ = asyncio.Sleep(ctx, 0)
				yield(0, asyncio.Sleep(ctx, time.Hour))
			})
			spawn(ctx, func(context.Context) error { runtime.Goexit(); return nil })
			_, err := g.Next(ctx)
			return err
		}), asyncio.WithVirtualTime())
	}()
	<-ended
	r.expect(t, "body unwound", "main unwound")
	assertGoroutines(t, before)
}

func TestTheLoopClosesAGeneratorThatIsGarbage(t *testing.T) {
	var r trace
	run(t, func(ctx context.Context) error {
		func() {
			g := asyncio.Pull(ctx, counting(ctx, &r, "dropped"))
			_, err := g.Next(ctx)
			must(err)
		}()
		kept := asyncio.Pull(ctx, counting(ctx, &r, "kept"))
		_, err := kept.Next(ctx)
		must(err)
		for len(r) < 4 {
			runtime.GC()
			giveWay(ctx, 1)
		}
		return next(ctx, &r, "kept", kept)
	})
	r.expect(t,
		"dropped begins in Task-1", "kept begins in Task-1",
		"dropped cleans up in close of a generator", "dropped closed",
		"kept 1", "kept cleans up in Task-3", "kept closed")
}

func TestTenThousandGenerators(t *testing.T) {
	before := goroutines()
	closed := 0
	run(t, func(ctx context.Context) error {
		gs := make([]*asyncio.Generator[int], 10_000)
		for i := range gs {
			gs[i] = asyncio.Pull(ctx, func(yield func(int, error) bool) {
				defer func() { closed++ }()
				yield(i, asyncio.Sleep(ctx, time.Second))
			})
		}
		nexts := make([]asyncio.Coro[int], len(gs))
		for i, g := range gs {
			nexts[i] = g.Next
		}
		values, err := asyncio.Gather(ctx, nexts...).Await(ctx)
		for i, v := range values {
			must(err)
			if i != v {
				t.Fatal(i, v)
			}
		}
		for _, g := range gs[:5000] {
			must(g.Close(ctx))
		}
		assert.Equal(t, 5000, closed)
		asyncio.RunningLoop(ctx).CallLater(time.Hour, func() { runtime.KeepAlive(gs) })
		return nil
	})
	assert.Equal(t, 10_000, closed)
	assertGoroutines(t, before)
}

// assertGoroutines waits until there are no more goroutines than before: the end of a test's own
// goroutines may take a moment.
func assertGoroutines(t *testing.T, before int) {
	t.Helper()
	for start := time.Now(); goroutines() > before && time.Since(start) < 30*time.Second; {
		runtime.Gosched()
	}
	assert.LessOrEqual(t, goroutines(), before, "goroutines")
}

// As in Python, the task that leaves the group need not be the one that has entered it. That one is the
// group's parent all the same: it is cancelled when a member fails.
func TestAGroupInABodyIsLeftByAnotherTaskThanItsParent(t *testing.T) {
	for _, parentEnds := range []bool{true, false} {
		inBothTimes(t, func(ctx context.Context) error {
			member := asyncio.NewFuture[asyncio.None](asyncio.RunningLoop(ctx))
			g := asyncio.Pull(ctx, func(yield func(int, error) bool) {
				err := asyncio.WithTaskGroup(ctx, func(ctx context.Context, tg *asyncio.TaskGroup) error {
					tg.Go(func(ctx context.Context) error { _, err := member.Await(ctx); return err })
					yield(1, nil)
					return nil
				})
				yield(2, err)
			})
			left := asyncio.NewFuture[asyncio.None](asyncio.RunningLoop(ctx))
			parent := spawn(ctx, func(ctx context.Context) error {
				v, err := g.Next(ctx)
				assert.Equal(t, 1, v)
				if err == nil && !parentEnds {
					_, err = left.Await(ctx)
				}
				return err
			})
			giveWay(ctx, 2)
			next := spawn(ctx, func(ctx context.Context) error {
				v, err := g.Next(ctx)
				assert.Equal(t, 2, v)
				return err
			})
			giveWay(ctx, 2)
			member.SetResult(asyncio.None{})
			giveWay(ctx, 3)
			assert.True(t, next.Done())
			assert.Equal(t, parentEnds, parent.Done())
			left.SetResult(asyncio.None{})
			join(ctx, parent, next)
			return g.Close(ctx)
		})
	}
}

func TestAGeneratorThatIsGarbageAtTheEndOfTheRunIsClosedOnce(t *testing.T) {
	for range 20 {
		ended := 0
		_, err := asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
			for range 20 {
				_, err := asyncio.Pull(ctx, func(yield func(int, error) bool) {
					defer func() {
						giveWay(ctx, 200) // meanwhile the loop learns that the generator is garbage
						ended++
					}()
					yield(1, nil)
				}).Next(ctx)
				require.NoError(t, err)
			}
			go runtime.GC()
			return nil
		}), asyncio.WithExceptionHandler(func(_ *asyncio.Loop, c asyncio.ExceptionContext) { t.Error(c.Message, c.Err) }))
		require.NoError(t, err)
		assert.Equal(t, 20, ended)
	}
}

// A task that is killed in a body must not go on, and a yield in a deferred function would let it.
func TestAYieldWhileItsTaskIsUnwoundDoesNotLetTheTaskGoOn(t *testing.T) {
	before := goroutines()
	var r trace
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
			g := asyncio.Pull(ctx, func(yield func(int, error) bool) {
				defer r.add("body unwound")
				defer func() {
					r.add("yields")
					yield(1, nil)
					r.add("body went on")
				}()
				must(asyncio.Sleep(ctx, time.Hour))
			})
			spawn(ctx, func(ctx context.Context) error {
				defer r.add("task unwound")
				_, err := g.Next(ctx)
				r.add("task went on")
				return err
			})
			giveWay(ctx, 1)
			runtime.Goexit()
			return nil
		}), asyncio.WithVirtualTime())
	}()
	<-ended
	r.expect(t, "yields", "body unwound", "task unwound")
	assertGoroutines(t, before)
}
