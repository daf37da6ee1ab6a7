package asyncio_test

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
)

// functions returns the names of the functions of frames, without their packages.
func functions(frames []asyncio.Frame) (names []string) {
	for _, f := range frames {
		name := f.Function[strings.LastIndex(f.Function, "/")+1:]
		names = append(names, name[strings.Index(name, ".")+1:])
	}
	return names
}

//go:noinline
func lockOuter(ctx context.Context, l *asyncio.Lock) error { return lockInner(ctx, l) }

//go:noinline
func lockInner(ctx context.Context, l *asyncio.Lock) error {
	return l.With(ctx, func(context.Context) error { return nil })
}

func TestAStackHasTheCallThatWaitsAndTheFunctionsOfTheProgram(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		var l asyncio.Lock
		assert.NoError(t, l.Acquire(ctx))
		waiting := asyncio.CreateTask(ctx, asyncio.Do(func(ctx context.Context) error { return lockOuter(ctx, &l) }))
		bare := spawn(ctx, l.Acquire)
		assert.Nil(t, waiting.GetStack(), "before the first step")
		giveWay(ctx, 1)
		for range 2 { // a stack can be captured again and again
			got := functions(waiting.GetStack())
			require.Len(t, got, 4)
			assert.Equal(t, []string{"(*Lock).With", "lockInner", "lockOuter"}, got[:3])
			assert.Contains(t, got[3], "TestAStackHas")
		}
		assert.Equal(t, []string{"(*Lock).Acquire"}, functions(bare.GetStack()), "a method of the library is the coroutine")
		l.Release()
		join(ctx, waiting)
		assert.Nil(t, waiting.GetStack(), "after the end")
		l.Release()
	})
}

func TestTheStackOfTheRunningTaskBeginsAtTheCaller(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		_, _, line, _ := runtime.Caller(0)
		frames := asyncio.CurrentTask(ctx).GetStack()
		require.NotEmpty(t, frames)
		assert.Contains(t, frames[0].Function, "TestTheStackOfTheRunningTaskBeginsAtTheCaller")
		assert.Equal(t, line+1, frames[0].Line)
		assert.Contains(t, frames[0].File, "task_stack_test.go")
	})
}

func TestAStackCanBeCapturedWhoeverDrives(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		main := asyncio.CurrentTask(ctx)
		seen := func() []string { return functions(main.GetStack()) }
		for name, await := range map[string]func(){
			// Main drives while it awaits a task.
			"by a task that the driver runs": func() {
				join(ctx, spawn(ctx, func(context.Context) error { assert.Equal(t, "Wait[...]", seen()[0]); return nil }))
			},
			"by a task after a step": func() {
				join(ctx, spawn(ctx, func(ctx context.Context) error {
					giveWay(ctx, 1)
					assert.Equal(t, "Wait[...]", seen()[0])
					giveWay(ctx, 1)
					assert.Equal(t, "Wait[...]", seen()[0])
					return nil
				}))
			},
			"by a callback": func() {
				asyncio.RunningLoop(ctx).CallSoon(func() { assert.Equal(t, "Sleep", seen()[0]) })
				giveWay(ctx, 2)
			},
		} {
			t.Log(name)
			await()
		}
	})
}

func TestATaskThatStartsAnotherEagerlyHasNoStack(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		main := asyncio.CurrentTask(ctx)
		var waiting *asyncio.Task[asyncio.None]
		ran := false
		outer := asyncio.CreateTask(ctx, asyncio.Do(func(ctx context.Context) error {
			outer := asyncio.CurrentTask(ctx)
			waiting = spawn(ctx, func(ctx context.Context) error { return asyncio.Sleep(ctx, 1) })
			giveWay(ctx, 1)
			asyncio.CreateTask(ctx, asyncio.Do(func(ctx context.Context) error {
				ran = true
				assert.Empty(t, outer.GetStack(), "it is starting this task")
				assert.NotEmpty(t, asyncio.CurrentTask(ctx).GetStack())
				assert.Equal(t, "Sleep", functions(waiting.GetStack())[0])
				_ = main.GetStack() // main may drive
				return nil
			}), asyncio.WithEagerStart())
			assert.NotEmpty(t, outer.GetStack())
			return nil
		}))
		join(ctx, outer)
		join(ctx, waiting)
		assert.True(t, ran)
	})
}

// Capturing stacks must not change which steps run, or their order.
func TestCapturingStacksChangesNothing(t *testing.T) {
	for seed := range uint64(200) {
		want := stackProgram(t, seed, false)
		require.Equal(t, want, stackProgram(t, seed, true), "seed %d", seed)
	}
}

// stackProgram runs a random program and returns its trace. If capture is set, its tasks and
// callbacks capture the stacks of all tasks as they go.
func stackProgram(t *testing.T, seed uint64, capture bool) (tr trace) {
	r := rand.New(rand.NewPCG(seed, 1))
	steps := 0
	var l asyncio.Lock
	var q = asyncio.NewQueue[int](1)
	look := func(ctx context.Context) {
		if !capture {
			return
		}
		for _, other := range asyncio.RunningLoop(ctx).AllTasks() {
			other.GetStack()
		}
	}
	var body func(ctx context.Context) error
	body = func(ctx context.Context) error {
		for range 1 + r.IntN(4) {
			if steps++; steps > 300 {
				return nil
			}
			tr.add("%s %d", asyncio.CurrentTask(ctx).Name(), steps)
			look(ctx)
			var err error
			switch r.IntN(9) {
			case 0:
				err = asyncio.Sleep(ctx, 0)
			case 1:
				err = l.With(ctx, func(ctx context.Context) error { look(ctx); return asyncio.Sleep(ctx, 0) })
			case 2:
				_, err = asyncio.CreateTask(ctx, asyncio.Do(body)).Await(ctx)
			case 3:
				err = asyncio.WithTaskGroup(ctx, func(ctx context.Context, tg *asyncio.TaskGroup) error {
					tg.Go(body)
					tg.Go(body)
					return nil
				})
			case 4:
				asyncio.CreateTask(ctx, asyncio.Do(body), asyncio.WithEagerStart())
			case 5:
				asyncio.RunningLoop(ctx).CallSoon(func() { tr.add("callback"); look(ctx) })
			case 6:
				if !q.Full() {
					err = q.Put(ctx, steps)
				} else {
					_, err = q.Get(ctx)
				}
			case 7:
				err = asyncio.Sleep(ctx, asyncio.Seconds(r.Float64()))
			case 8:
				if all := asyncio.RunningLoop(ctx).AllTasks(); len(all) > 1 {
					all[1+r.IntN(len(all)-1)].Cancel()
				}
			}
			if err != nil {
				tr.add("%s %v", asyncio.CurrentTask(ctx).Name(), err)
			}
		}
		return nil
	}
	_, err := asyncio.Run(t.Context(), asyncio.Do(body), asyncio.WithVirtualTime(),
		asyncio.WithExceptionHandler(func(*asyncio.Loop, asyncio.ExceptionContext) {}))
	tr.add("%v", errors.Is(err, asyncio.ErrDeadlock))
	return tr
}

func TestPrintStackSaysSoIfThereIsNone(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		var l asyncio.Lock
		assert.NoError(t, l.Acquire(ctx))
		task := asyncio.CreateTask(ctx, asyncio.Do(func(ctx context.Context) error { return lockOuter(ctx, &l) }), asyncio.WithName("waiter"))
		var b strings.Builder
		assert.NoError(t, task.PrintStack(&b))
		assert.Equal(t, "No stack for task waiter\n", b.String())
		giveWay(ctx, 1)
		b.Reset()
		assert.NoError(t, task.PrintStack(&b))
		assert.Contains(t, b.String(), "Stack for task waiter (most recent call first):\n  File ")
		assert.Contains(t, b.String(), "in github.com/go-asyncio/asyncio_test.lockInner()\n")
		l.Release()
		join(ctx, task)
	})
}

//go:noinline
func readNumber(ctx context.Context, g *asyncio.Generator[int]) error {
	_, err := g.Next(ctx)
	return err
}

func TestAStackGoesOnFromAGeneratorsBodyToItsReader(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		var e asyncio.Event
		inner := asyncio.Pull(ctx, func(yield func(int, error) bool) {
			err := e.Wait(ctx)
			yield(1, err)
		})
		outer := asyncio.Pull(ctx, func(yield func(int, error) bool) { yield(1, readNumber(ctx, inner)) })
		reader := spawn(ctx, func(ctx context.Context) error { return readNumber(ctx, outer) })
		giveWay(ctx, 1)
		for range 2 {
			got := functions(reader.GetStack())
			require.Len(t, got, 8, "%q", got)
			assert.Equal(t, "(*Event).Wait", got[0])
			assert.Contains(t, got[1], "TestAStackGoesOn")
			assert.Equal(t, []string{"(*Generator[...]).Next", "readNumber"}, got[2:4])
			assert.Contains(t, got[4], "TestAStackGoesOn")
			assert.Equal(t, []string{"(*Generator[...]).Next", "readNumber"}, got[5:7])
		}
		e.Set()
		join(ctx, reader)
	})
}

//go:noinline
func descend(ctx context.Context, n int, bottom func(context.Context) error) error {
	if n > 0 {
		return descend(ctx, n-1, bottom)
	}
	return bottom(ctx)
}

func TestADeepStackHasItsInnermostFrames(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		waiting := spawn(ctx, func(ctx context.Context) error { return descend(ctx, 1000, waitsForEver) })
		giveWay(ctx, 1)
		check := func(got []string, first string) {
			assert.Equal(t, first, got[0])
			assert.Equal(t, "descend", got[len(got)-1])
			assert.LessOrEqual(t, len(got), 64)
			assert.Greater(t, len(got), 50)
		}
		check(functions(waiting.GetStack()), "(*Event).Wait")
		must(descend(ctx, 1000, func(ctx context.Context) error {
			got := functions(asyncio.CurrentTask(ctx).GetStack())
			check(got, got[0])
			assert.Contains(t, got[0], "TestADeepStack")
			return nil
		}))
		waiting.Cancel()
		giveWay(ctx, 2)
	})
}

func TestATaskThatUnwindsHasAStack(t *testing.T) {
	withoutDebug(t) // in which no task drives
	var got []string
	looks := func(ctx context.Context, others ...asyncio.AnyTask) {
		got = nil
		for _, task := range append(others, asyncio.CurrentTask(ctx)) {
			names := functions(task.GetStack())
			got = append(got, names[:min(1, len(names))]...)
		}
	}
	waiting := func(ctx context.Context) *asyncio.Task[asyncio.None] {
		task := spawn(ctx, waitsForEver)
		giveWay(ctx, 1)
		return task
	}
	for name, c := range map[string]struct {
		main func(ctx context.Context) error
		want []string
	}{
		"by runtime.Goexit while another task drives": {func(ctx context.Context) error {
			other := waiting(ctx)
			return errOf(ctx, spawn(ctx, func(ctx context.Context) error {
				defer looks(ctx, other)
				runtime.Goexit()
				return nil
			}))
		}, []string{"(*Event).Wait", "TestATaskThatUnwindsHasAStack"}},
		"by the Goexit of a task that it had resumed": {func(ctx context.Context) error {
			other := waiting(ctx)
			defer looks(ctx, other)
			return errOf(ctx, spawn(ctx, func(context.Context) error { runtime.Goexit(); return nil }))
		}, []string{"(*Event).Wait", "TestATaskThatUnwindsHasAStack"}},
		"when its loop closes": {func(ctx context.Context) error {
			other := waiting(ctx)
			task := spawn(ctx, func(ctx context.Context) error {
				defer looks(ctx, other)
				return waitsForEver(ctx)
			})
			giveWay(ctx, 1)
			_ = task
			asyncio.RunningLoop(ctx).Stop()
			return waitsForEver(ctx)
		}, []string{"TestATaskThatUnwindsHasAStack"}}, // other was unwound before
		"by a panic": {func(ctx context.Context) error {
			other := waiting(ctx)
			_ = errOf(ctx, spawn(ctx, func(ctx context.Context) error {
				defer looks(ctx, other)
				panic("a bug")
			}))
			return nil
		}, []string{"(*Event).Wait", "TestATaskThatUnwindsHasAStack"}},
	} {
		t.Run(name, func(t *testing.T) {
			done := make(chan struct{})
			go func() {
				defer close(done)
				loop := asyncio.NewLoop(asyncio.WithVirtualTime(), asyncio.WithExceptionHandler(func(*asyncio.Loop, asyncio.ExceptionContext) {}))
				defer func() { assert.NoError(t, loop.Close()) }()
				_, _ = asyncio.RunUntilComplete(t.Context(), loop, asyncio.Do(c.main))
			}()
			<-done
			require.Len(t, got, len(c.want))
			for i := range got {
				assert.Contains(t, got[i], c.want[i])
			}
		})
	}
}

func TestAStackIsRefusedToOtherGoroutinesWhileTheLoopRuns(t *testing.T) {
	withoutDebug(t)
	inTurn(t, func(ctx context.Context) {
		task := spawn(ctx, waitsForEver)
		giveWay(ctx, 1)
		assert.True(t, wrongly(func() { task.GetStack() }), "by another goroutine")
		assert.True(t, wrongly(func() { _ = task.PrintStack(io.Discard) }))
		assert.True(t, wrongly(func() { asyncio.CaptureCallGraph(ctx, task) }))
		assert.True(t, wrongly(func() {
			_, err := asyncio.Run(context.Background(), asyncio.Do(func(context.Context) error { task.GetStack(); return nil }))
			must(err)
		}), "by another loop")
		assert.NotEmpty(t, task.GetStack())
		task.Cancel()
		giveWay(ctx, 1)
	})
}

func TestTheStacksOfALoopThatDoesNotRunCanBeCaptured(t *testing.T) {
	loop := asyncio.NewLoop(asyncio.WithVirtualTime(), asyncio.WithExceptionHandler(func(*asyncio.Loop, asyncio.ExceptionContext) {}))
	var task *asyncio.Task[asyncio.None]
	_, err := asyncio.RunUntilComplete(t.Context(), loop, asyncio.Do(func(ctx context.Context) error {
		task = spawn(ctx, waitsForEver)
		return asyncio.Sleep(ctx, 1)
	}))
	require.NoError(t, err)
	for range 2 {
		done := make(chan []string)
		go func() { done <- functions(task.GetStack()) }()
		assert.Equal(t, "(*Event).Wait", (<-done)[0])
	}
	require.NoError(t, loop.Close())
	assert.Nil(t, task.GetStack(), "after Close")
}

// A peekingContext calls peek whenever it is asked for its error.
type peekingContext struct {
	context.Context
	peek func()
}

func (c peekingContext) Err() error {
	c.peek()
	return c.Context.Err()
}

// A task that drives calls the methods of contexts between two steps.
func TestCapturingStacksInAMethodOfAContextChangesNothing(t *testing.T) {
	withoutDebug(t)
	program := func(capture bool) (tr trace) {
		inTurn(t, func(ctx context.Context) {
			inner, cancel := context.WithCancel(ctx)
			peeking := peekingContext{inner, func() {
				tr.add("peek")
				for _, task := range asyncio.RunningLoop(ctx).AllTasks() {
					if capture {
						task.GetStack()
					}
				}
				if capture {
					asyncio.CaptureCallGraph(ctx, nil)
				}
			}}
			waiting := spawn(ctx, func(context.Context) error { return waitsForEver(peeking) })
			// Main drives. Each of the others ends as the last in its turn, so main begins the next.
			var last asyncio.Event
			var chain func(i int)
			chain = func(i int) {
				spawn(ctx, func(context.Context) error {
					tr.add("link %d", i)
					if i < 10 {
						chain(i + 1)
					} else {
						last.Set()
					}
					return nil
				})
			}
			chain(0)
			must(last.Wait(ctx))
			cancel()
			join(ctx, waiting)
		})
		return tr
	}
	want := program(false)
	assert.Contains(t, want, "peek")
	assert.Equal(t, want, program(true))
}
