package asyncio_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
)

// eventLog returns an observer that adds a line for each event to lines.
func eventLog(lines *[]string) func(*asyncio.LoopEvent) {
	return func(e *asyncio.LoopEvent) {
		var b strings.Builder
		fmt.Fprintf(&b, "%v %v", e.Time, e.Kind)
		if e.Kind != asyncio.OnEnd || e.Task() != nil {
			if name := e.Name(); name != "" {
				fmt.Fprintf(&b, " %s", name[strings.LastIndex(name, ".")+1:])
			}
		}
		if e.Kind == asyncio.OnCreated {
			fmt.Fprintf(&b, " by %d", e.Parent)
		}
		if e.Kind == asyncio.OnReady && e.InStep {
			fmt.Fprintf(&b, " by %d", e.By)
		}
		for _, s := range []string{string(e.State), string(e.Wait), e.WaitsFor()} {
			if s != "" {
				b.WriteString(" " + s)
			}
		}
		if e.Cancelled {
			b.WriteString(" cancelled")
		}
		if e.Err != nil {
			fmt.Fprintf(&b, " %v", e.Err)
		}
		*lines = append(*lines, b.String())
	}
}

// spawnAs creates a task with a name.
func spawnAs(ctx context.Context, name string, f func(ctx context.Context) error) *asyncio.Task[asyncio.None] {
	return spawn(ctx, f, asyncio.WithName(name))
}

// observed runs main in virtual time and returns the events of the loop from main's second step on.
func observed(t *testing.T, main func(ctx context.Context) error, opts ...asyncio.Option) (lines []string) {
	t.Helper()
	_, err := asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
		defer asyncio.RunningLoop(ctx).Observe(eventLog(&lines))()
		giveWay(ctx, 2)
		lines = nil
		return main(ctx)
	}), append(opts, asyncio.WithVirtualTime())...)
	require.NoError(t, err)
	return lines
}

func TestAnObserverSeesWhatTheTasksDo(t *testing.T) {
	lines := observed(t, func(ctx context.Context) error {
		var lock asyncio.Lock
		lock.SetName("accounts")
		if err := lock.Acquire(ctx); err != nil {
			return err
		}
		child := spawnAs(ctx, "child", func(ctx context.Context) error {
			if err := lock.Acquire(ctx); err != nil {
				return err
			}
			return errBoom
		})
		if err := asyncio.Sleep(ctx, time.Second); err != nil {
			return err
		}
		lock.Release()
		_, err := child.Await(ctx)
		assert.ErrorIs(t, err, errBoom)
		return nil
	})
	assert.Equal(t, []string{
		"0s created child by 2",
		"0s ready child by 2",
		"0s end Task-1 waiting sleep sleep",
		"0s begin child",
		`0s end child waiting sync Lock "accounts"`,
		"0s idle",
		"1s awake",
		"1s ready timer of task Task-1",
		"1s begin timer of task Task-1",
		"1s ready Task-1 by 0 sleep",
		"1s end",
		"1s begin Task-1",
		"1s ready child by 2 sync",
		"1s end Task-1 waiting task task child",
		"1s begin child",
		"1s ready Task-1 by 1 task",
		"1s end child done",
		"1s done child boom",
		"1s begin Task-1",
	}, lines[:19])
}

func TestAnObserverSeesCancellations(t *testing.T) {
	lines := observed(t, func(ctx context.Context) error {
		waits := spawnAs(ctx, "waits", func(ctx context.Context) error { return asyncio.Sleep(ctx, time.Hour) })
		awaits := spawnAs(ctx, "awaits", func(ctx context.Context) error { return errOf(ctx, waits) })
		giveWay(ctx, 1)
		awaits.Cancel()
		_ = errOf(ctx, awaits)
		never := spawnAs(ctx, "never", func(context.Context) error { return nil })
		never.Cancel()
		_ = errOf(ctx, never)
		return nil
	})
	for _, want := range []string{
		"0s ready waits by 2 sleep cancelled",
		"0s done waits cancelled asyncio: cancelled",
		"0s ready awaits by 1 task cancelled",
		"0s end never done",
		"0s done never cancelled asyncio: cancelled",
	} {
		assert.Contains(t, lines, want)
	}
}

func TestAnEagerStartIsAStepWithinAnother(t *testing.T) {
	lines := observed(t, func(ctx context.Context) error {
		loop := asyncio.RunningLoop(ctx)
		var event asyncio.Event
		loop.CallSoon(event.Set)
		asyncio.CreateTask(ctx, asyncio.Do(func(ctx context.Context) error {
			loop.CallSoon(func() {})
			return event.Wait(ctx)
		}), asyncio.WithName("eager"), asyncio.WithEagerStart())
		return asyncio.Sleep(ctx, time.Second)
	})
	assert.Equal(t, []string{
		"0s ready Set-fm by 2",
		"0s created eager by 2",
		"0s begin eager",
		"0s ready 1 by 1",
		"0s end eager waiting sync Event",
		"0s end Task-1 waiting sleep sleep",
		"0s begin Set-fm",
		"0s ready eager by 0 sync",
		"0s end",
		"0s begin 1",
		"0s end",
		"0s begin eager",
		"0s end eager done",
		"0s done eager",
	}, removeSuffixes(lines[:14]))
}

// removeSuffixes removes what the compiler adds to the names of functions.
func removeSuffixes(lines []string) []string {
	for i, line := range lines {
		lines[i] = strings.ReplaceAll(line, "func1", "")
	}
	return lines
}

func TestEachEntryIsReadyBeforeItBegins(t *testing.T) {
	for name, opts := range map[string][]asyncio.Option{"": nil, "debug": {asyncio.WithDebug()}, "eager": {asyncio.WithEagerTasks()}} {
		t.Run(name, func(t *testing.T) {
			ready, begun, depth := make(map[uint64]string), 0, 0
			var last time.Duration
			_, err := asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
				loop := asyncio.RunningLoop(ctx)
				loop.CallSoon(func() {
					loop.Observe(func(e *asyncio.LoopEvent) {
						assert.GreaterOrEqual(t, e.Time, last)
						last = e.Time
						switch e.Kind {
						case asyncio.OnReady:
							assert.NotContains(t, ready, e.Entry)
							ready[e.Entry] = e.Name()
						case asyncio.OnBegin:
							depth++
							begun++
							if e.Entry == 0 {
								assert.Equal(t, 2, depth, "an eager start")
								break
							}
							assert.Equal(t, ready[e.Entry], e.Name())
							delete(ready, e.Entry)
						case asyncio.OnEnd:
							depth--
						}
					})
				})
				giveWay(ctx, 2)
				q := asyncio.NewQueue[int](2)
				return asyncio.WithTaskGroup(ctx, func(ctx context.Context, group *asyncio.TaskGroup) error {
					for i := range 20 {
						group.Go(func(ctx context.Context) error {
							for range 5 {
								if err := q.Put(ctx, i); err != nil {
									return err
								}
								_ = loop.CallSoonThreadsafe(func() {})
							}
							_, err := asyncio.ToThread(ctx, func(context.Context) (int, error) { return 0, loop.CallSoonThreadsafe(func() {}) })
							return err
						})
						group.Go(func(ctx context.Context) error {
							for range 5 {
								if _, err := q.Get(ctx); err != nil {
									return err
								}
							}
							return asyncio.Sleep(ctx, time.Duration(i)*time.Microsecond)
						})
					}
					return nil
				})
			}), opts...)
			require.NoError(t, err)
			assert.Greater(t, begun, 100)
			assert.Empty(t, ready)
			assert.Zero(t, depth)
		})
	}
}

func TestObserversComeAndGoWhileTheLoopRuns(t *testing.T) {
	withoutDebug(t)
	run(t, func(ctx context.Context) error {
		loop := asyncio.RunningLoop(ctx)
		counts := make([]int, 3)
		count := func(i int) func(*asyncio.LoopEvent) { return func(*asyncio.LoopEvent) { counts[i]++ } }
		partner := spawn(ctx, func(ctx context.Context) error {
			for {
				if err := asyncio.Sleep(ctx, 0); err != nil {
					return err
				}
			}
		})
		stop0 := loop.Observe(count(0))
		assert.Zero(t, counts[0])
		giveWay(ctx, 300)
		assert.Positive(t, counts[0])
		stop1 := loop.Observe(count(1))
		giveWay(ctx, 3)
		assert.Positive(t, counts[1])
		stop0()
		stop0()
		before := counts[0]
		giveWay(ctx, 3)
		assert.Equal(t, before, counts[0])
		stop1()
		giveWay(ctx, 3)
		before = counts[1]
		giveWay(ctx, 300) // tasks drive again
		assert.Equal(t, before, counts[1])
		loop.Observe(count(2))() // gone before it has come
		giveWay(ctx, 3)
		assert.Zero(t, counts[2])
		_, err := spawn(ctx, func(ctx context.Context) error { // that main drives
			var stop func()
			stop = loop.Observe(func(e *asyncio.LoopEvent) {
				counts[2]++
				if counts[2] == 10 {
					stop()
				}
			})
			giveWay(ctx, 100)
			return nil
		}).Await(ctx)
		assert.Equal(t, 10, counts[2])
		partner.Cancel()
		join(ctx, partner)
		return err
	})
}

func TestAnObserverThatPanicsIsRemovedAndReported(t *testing.T) {
	var reported []error
	calls, others := 0, 0
	_, err := asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
		loop := asyncio.RunningLoop(ctx)
		loop.Observe(func(*asyncio.LoopEvent) { calls++; panic(errBoom) })
		loop.Observe(func(*asyncio.LoopEvent) { others++ })
		giveWay(ctx, 5)
		return nil
	}), asyncio.WithExceptionHandler(func(_ *asyncio.Loop, c asyncio.ExceptionContext) {
		assert.Equal(t, "panic in an observer", c.Message)
		reported = append(reported, c.Err)
	}))
	require.NoError(t, err)
	assert.Equal(t, 1, calls)
	assert.Greater(t, others, 10)
	require.Len(t, reported, 1)
	assert.ErrorIs(t, reported[0], errBoom)
}

func TestAnObserverThatCallsGoexitEndsTheRunAndLosesNothing(t *testing.T) {
	for _, at := range []asyncio.LoopEventKind{asyncio.OnCreated, asyncio.OnReady, asyncio.OnBegin, asyncio.OnEnd} {
		for _, eager := range []bool{false, true} {
			if eager && at == asyncio.OnReady {
				continue // it has no such event
			}
			t.Run(fmt.Sprintf("%v, eager %v", at, eager), func(t *testing.T) {
				loop := asyncio.NewLoop()
				calls, others, done := 0, 0, 0
				loop.Observe(func(e *asyncio.LoopEvent) {
					if e.Kind == at && e.Name() == "child" {
						calls++
						runtime.Goexit()
					}
				})
				loop.Observe(func(*asyncio.LoopEvent) { others++ })
				var child *asyncio.Task[asyncio.None]
				loop.CallSoon(func() {
					opts := []asyncio.TaskOption{asyncio.WithName("child")}
					if eager {
						opts = append(opts, asyncio.WithEagerStart())
					}
					child = asyncio.CreateTask(loop.Context(context.Background()), asyncio.Do(func(context.Context) error { done++; return nil }), opts...)
				})
				loop.CallSoon(func() {})
				ended := make(chan struct{})
				go func() {
					defer close(ended)
					_ = loop.RunForever(context.Background())
				}()
				<-ended
				assert.Equal(t, 1, calls)
				before := others
				_, err := asyncio.RunUntilComplete(t.Context(), loop, asyncio.Do(func(ctx context.Context) error { giveWay(ctx, 3); return nil }))
				require.NoError(t, err)
				assert.Equal(t, 1, done)
				if child != nil {
					assert.True(t, child.Done())
				}
				assert.Equal(t, 1, calls, "it was removed")
				assert.Greater(t, others, before)
				require.NoError(t, loop.Close())
			})
		}
	}
}

// Between the call of Observe and the next turn the loop goes on as before, eager starts included.
func TestEagerStartsBeforeTheObservationBeginsDoNotDisturbIt(t *testing.T) {
	withoutDebug(t)
	run(t, func(ctx context.Context) error {
		ready := make(map[uint64]bool)
		missed := 0
		eager := func(ctx context.Context) {
			asyncio.CreateTask(ctx, asyncio.Do(func(ctx context.Context) error { return asyncio.Sleep(ctx, 0) }), asyncio.WithEagerStart())
		}
		loop := asyncio.RunningLoop(ctx)
		for range 5 {
			spawn(ctx, func(ctx context.Context) error { eager(ctx); giveWay(ctx, 5); eager(ctx); return nil })
		}
		loop.Observe(func(e *asyncio.LoopEvent) {
			switch {
			case e.Kind == asyncio.OnReady:
				ready[e.Entry] = true
			case e.Kind == asyncio.OnBegin && e.Entry != 0 && !ready[e.Entry]:
				missed++
			}
		})
		eager(ctx)
		settled(ctx)
		assert.Zero(t, missed)
		assert.Greater(t, len(ready), 20)
		return nil
	})
}

func TestAStepThatCallsGoexitIsObservedToItsEnd(t *testing.T) {
	var lines []string
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = asyncio.Run(context.Background(), asyncio.Do(func(ctx context.Context) error {
			asyncio.RunningLoop(ctx).Observe(eventLog(&lines))
			giveWay(ctx, 2)
			lines = nil
			runtime.Goexit()
			return nil
		}), asyncio.WithVirtualTime())
	}()
	<-ended
	require.GreaterOrEqual(t, len(lines), 3)
	assert.Equal(t, []string{"0s end Task-1 done", "0s done Task-1 cancelled asyncio: cancelled", "0s closed"}, lines[len(lines)-3:])
}

func TestTheEndOfTheLoopIsTheLastEvent(t *testing.T) {
	var lines []string
	loop := asyncio.NewLoop(asyncio.WithVirtualTime(), asyncio.WithExceptionHandler(func(*asyncio.Loop, asyncio.ExceptionContext) {}))
	stop := loop.Observe(eventLog(&lines))
	left := asyncio.CreateTask(loop.Context(context.Background()), asyncio.Do(func(ctx context.Context) error {
		loop.CallSoon(loop.Stop)
		return new(asyncio.Event).Wait(ctx)
	}), asyncio.WithName("left"))
	require.NoError(t, loop.RunForever(t.Context()))
	require.NoError(t, loop.Close())
	assert.Equal(t, []string{
		"0s created left by 0", "0s ready left", "0s begin left", "0s ready Stop-fm by 1", "0s end left waiting sync Event",
		"0s begin Stop-fm", "0s end", "0s done left cancelled asyncio: cancelled", "0s closed",
	}, lines)
	assert.True(t, left.Cancelled())
	stop()
	assert.PanicsWithValue(t, "asyncio: event loop is closed", func() { loop.Observe(func(*asyncio.LoopEvent) {}) })
}

func TestWhatAnObserverDoesIsNotObserved(t *testing.T) {
	var created []uint64
	run(t, func(ctx context.Context) error {
		loop := asyncio.RunningLoop(ctx)
		var made *asyncio.Task[asyncio.None]
		defer loop.Observe(func(e *asyncio.LoopEvent) {
			kind, id := e.Kind, e.ID
			if made == nil {
				made = asyncio.CreateTask(ctx, asyncio.Do(func(context.Context) error { return nil }), asyncio.WithEagerStart())
			}
			assert.Equal(t, kind, e.Kind)
			assert.Equal(t, id, e.ID)
			if e.Kind == asyncio.OnCreated {
				created = append(created, e.ID)
			}
		})()
		giveWay(ctx, 3)
		assert.True(t, made.Done())
		return nil
	})
	assert.Empty(t, created)
}

func TestTheErrorOfATaskThatAnObserverSeesIsStillReported(t *testing.T) {
	var seen []error
	reported := 0
	_, err := asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
		asyncio.RunningLoop(ctx).Observe(func(e *asyncio.LoopEvent) {
			if e.Kind == asyncio.OnDone && e.Err != nil {
				seen = append(seen, e.Err)
			}
		})
		giveWay(ctx, 2)
		spawn(ctx, func(context.Context) error { return errBoom })
		giveWay(ctx, 2)
		return nil
	}), asyncio.WithExceptionHandler(func(*asyncio.Loop, asyncio.ExceptionContext) { reported++ }))
	require.NoError(t, err)
	assert.Equal(t, []error{errBoom}, seen)
	assert.Equal(t, 1, reported)
}

func TestAnObserverIsCalledWithoutAllocation(t *testing.T) {
	run(t, func(ctx context.Context) error {
		events := 0
		defer asyncio.RunningLoop(ctx).Observe(func(*asyncio.LoopEvent) { events++ })()
		giveWay(ctx, 2)
		assert.Zero(t, allocs(func() { must(asyncio.Sleep(ctx, 0)) }))
		assert.Zero(t, allocs(func() { must(asyncio.Sleep(ctx, time.Microsecond)) }))
		assert.Greater(t, events, 4000)
		return nil
	})
}

func TestTheKindsOfWaitsAreDistinguished(t *testing.T) {
	kinds := make(map[string]asyncio.WaitKind)
	runReal(t, func(ctx context.Context) error {
		loop := asyncio.RunningLoop(ctx)
		defer loop.Observe(func(e *asyncio.LoopEvent) {
			if e.Kind == asyncio.OnEnd && e.State == asyncio.TaskWaiting {
				kinds[e.Name()] = e.Wait
			}
		})()
		giveWay(ctx, 2)
		release := make(chan struct{})
		client, server := asyncio.StreamPair(ctx)
		waits := map[string]func(context.Context) error{
			"sleep":   func(ctx context.Context) error { return asyncio.Sleep(ctx, time.Hour) },
			"lock":    func(ctx context.Context) error { return errors.Join(new(asyncio.Event).Wait(ctx)) },
			"queue":   func(ctx context.Context) error { _, err := asyncio.NewQueue[int](1).Get(ctx); return err },
			"task":    func(ctx context.Context) error { return errOf(ctx, spawn(ctx, new(asyncio.Event).Wait)) },
			"future":  func(ctx context.Context) error { _, err := asyncio.NewFuture[int](loop).Await(ctx); return err },
			"network": func(ctx context.Context) error { _, err := client.Reader.Read(ctx, 1); return err },
			"thread": func(ctx context.Context) error {
				_, err := asyncio.ToThread(ctx, func(context.Context) (int, error) { <-release; return 0, nil })
				return err
			},
			"channel": func(ctx context.Context) error { _, _, err := asyncio.Receive(ctx, make(chan int)); return err },
			"group": func(ctx context.Context) error {
				return asyncio.WithTaskGroup(ctx, func(ctx context.Context, g *asyncio.TaskGroup) error { g.Go(new(asyncio.Event).Wait); return nil })
			},
			"condition": func(ctx context.Context) error { return asyncio.NewSemaphore(0).Acquire(ctx) },
		}
		var tasks []*asyncio.Task[asyncio.None]
		for name, wait := range waits {
			tasks = append(tasks, spawnAs(ctx, name, wait))
		}
		giveWay(ctx, 5)
		for _, task := range tasks {
			task.Cancel()
		}
		join(ctx, tasks...)
		close(release)
		_ = server
		return nil
	})
	for name, kind := range map[string]asyncio.WaitKind{
		"sleep": asyncio.WaitSleep, "lock": asyncio.WaitSync, "queue": asyncio.WaitQueue, "task": asyncio.WaitTask, "future": asyncio.WaitFuture,
		"network": asyncio.WaitNetwork, "thread": asyncio.WaitThread, "channel": asyncio.WaitChannel, "group": asyncio.WaitTask, "condition": asyncio.WaitSync,
	} {
		assert.Equal(t, kind, kinds[name], name)
	}
}

func TestObserveRefusesNilAndOtherGoroutines(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		loop := asyncio.RunningLoop(ctx)
		assert.PanicsWithValue(t, "asyncio: nil observer", func() { loop.Observe(nil) })
		assert.True(t, wrongly(func() { loop.Observe(func(*asyncio.LoopEvent) {}) }))
		stop := loop.Observe(func(*asyncio.LoopEvent) {})
		assert.True(t, wrongly(stop))
		stop()
	})
}
