package asyncio_test

import (
	"context"
	"log/slog"
	"net"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
)

// A sharedLog is a log that any goroutine may read while others write.
type sharedLog struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *sharedLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *sharedLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// logged sends the program's log to a sharedLog until the end of the test.
func logged(t *testing.T) *sharedLog {
	t.Helper()
	log := new(sharedLog)
	before := slog.Default()
	t.Cleanup(func() { slog.SetDefault(before) })
	slog.SetDefault(slog.New(slog.NewTextHandler(log, nil)))
	return log
}

// awaitThat waits until a condition holds.
func awaitThat(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for begin := time.Now(); !condition(); time.Sleep(time.Millisecond) {
		if time.Since(begin) > time.Minute {
			assert.Fail(t, "it did not happen within a minute: "+what)
			return
		}
	}
}

// blockedStep waits until a step blocks the loop, and returns it with its stack.
func blockedStep(t *testing.T, loop *asyncio.Loop) (s asyncio.SlowStep) {
	t.Helper()
	awaitThat(t, "a step blocks the loop", func() bool {
		steps := loop.SlowSteps()
		if len(steps) == 0 {
			return false
		}
		s = steps[len(steps)-1]
		return !s.Over && len(s.Stack) > 0
	})
	return s
}

// watched runs main in an inspected loop, and watch meanwhile on another goroutine.
func watched(t *testing.T, main func(ctx context.Context) error, watch func(loop *asyncio.Loop), opts ...asyncio.Option) {
	t.Helper()
	opts = append([]asyncio.Option{asyncio.WithInspection(), asyncio.WithSlowCallbackDuration(20 * time.Millisecond)}, opts...)
	ended := make(chan struct{})
	_, err := asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
		loop := asyncio.RunningLoop(ctx)
		go func() {
			defer close(ended)
			watch(loop)
		}()
		return main(ctx)
	}), opts...)
	<-ended
	require.NoError(t, err)
}

// waysToBlock returns functions that block the loop until release is closed, each with a function that
// is on the stack meanwhile.
func waysToBlock(release chan struct{}) map[string]struct {
	block func(ctx context.Context)
	in    string
} {
	var mutex sync.Mutex
	var group sync.WaitGroup
	released := func() bool {
		select {
		case <-release:
			return true
		default:
			return false
		}
	}
	mutex.Lock()
	group.Go(func() { <-release })
	pool := make(chan struct{}, 1)
	pool <- struct{}{}
	go func() {
		<-release
		mutex.Unlock()
		<-pool
	}()
	ours, theirs := net.Pipe()
	go func() {
		<-release
		_ = theirs.Close()
	}()
	type way = struct {
		block func(ctx context.Context)
		in    string
	}
	return map[string]way{
		"a mutex that another goroutine holds": {func(context.Context) { mutex.Lock() }, "(*Mutex).Lock"},
		"a channel":                            {func(context.Context) { <-release }, "chanrecv1"},
		"a pool at its limit":                  {func(context.Context) { pool <- struct{}{} }, "chansend1"},
		"a wait group":                         {func(context.Context) { group.Wait() }, "(*WaitGroup).Wait"},
		"a sleep": {func(context.Context) {
			for !released() {
				time.Sleep(50 * time.Millisecond)
			}
		}, "Sleep"},
		"a select": {func(context.Context) {
			var never chan int
			select {
			case <-never:
			case <-release:
			}
		}, "selectgo"},
		"a computation": {func(context.Context) {
			for !released() {
			}
		}, "waysToBlock"},
		"a read from a net.Conn": {func(context.Context) { _, _ = ours.Read(make([]byte, 1)) }, "(*pipe).Read"},
		"another loop": {func(context.Context) {
			_, _ = asyncio.Run(context.Background(), func(ctx context.Context) (int, error) {
				return asyncio.ToThread(ctx, func(context.Context) (int, error) { <-release; return 0, nil })
			})
		}, "waysToBlock"},
	}
}

func TestAStepThatBlocksIsReportedWhileItBlocks(t *testing.T) {
	withoutDebug(t)
	for name := range waysToBlock(closedChannel()) {
		t.Run(name, func(t *testing.T) {
			log := logged(t)
			release := make(chan struct{})
			way := waysToBlock(release)[name]
			watched(t, func(ctx context.Context) error {
				asyncio.CurrentTask(ctx).SetName("culprit")
				giveWay(ctx, 1)
				way.block(ctx)
				return nil
			}, func(loop *asyncio.Loop) {
				defer close(release)
				s := blockedStep(t, loop)
				assert.Equal(t, "task culprit", s.Name)
				assert.GreaterOrEqual(t, s.Took, 10*time.Millisecond)
				assert.NotContains(t, functions(s.Stack), "asyncPreempt")
				names := strings.Join(functions(s.Stack), "\n")
				assert.Contains(t, names, way.in)
				assert.Contains(t, names, "TestAStepThatBlocks")
				assert.True(t, slices.ContainsFunc(s.Stack, func(f asyncio.Frame) bool { return strings.HasSuffix(f.File, "loop_watchdog_test.go") }))
				awaitThat(t, "it is logged", func() bool { return strings.Contains(log.String(), "the event loop is blocked") })
				assert.Contains(t, log.String(), `by="task culprit"`)
				assert.Contains(t, log.String(), "ToThread")
				assert.Contains(t, log.String(), "loop_watchdog_test.go")
			})
			assert.Equal(t, 1, strings.Count(log.String(), "the event loop is blocked"))
		})
	}
}

// closedChannel returns a channel that is closed.
func closedChannel() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}

//go:noinline
func blockUntil(release <-chan struct{}) { <-release }

func TestEveryKindOfStepIsWatched(t *testing.T) {
	withoutDebug(t)
	release := make(chan struct{}, 1)
	block := func() { blockUntil(release) }
	for name, test := range map[string]struct {
		main func(ctx context.Context) error
		want string
	}{
		"the first step of a task": {func(ctx context.Context) error {
			return errOf(ctx, spawn(ctx, func(context.Context) error { block(); return nil }, asyncio.WithName("first")))
		}, "task first"},
		"a later step of a task": {func(ctx context.Context) error {
			return errOf(ctx, spawn(ctx, func(ctx context.Context) error { giveWay(ctx, 3); block(); return nil }, asyncio.WithName("later")))
		}, "task later"},
		"an eager first step": {func(ctx context.Context) error {
			spawn(ctx, func(context.Context) error { block(); return nil }, asyncio.WithName("eager"), asyncio.WithEagerStart())
			return nil
		}, "task eager"},
		"a callback": {func(ctx context.Context) error {
			asyncio.RunningLoop(ctx).CallSoon(block)
			return asyncio.Sleep(ctx, time.Millisecond)
		}, "callback github.com/go-asyncio/asyncio_test.TestEveryKindOfStepIsWatched.func"},
		"a callback from another goroutine": {func(ctx context.Context) error {
			require.NoError(t, asyncio.RunningLoop(ctx).CallSoonThreadsafe(block))
			return asyncio.Sleep(ctx, time.Millisecond)
		}, "callback github.com/go-asyncio/asyncio_test.TestEveryKindOfStepIsWatched.func"},
		"a timer": {func(ctx context.Context) error {
			asyncio.RunningLoop(ctx).CallLater(time.Millisecond, block)
			return asyncio.Sleep(ctx, 5*time.Millisecond)
		}, "callback github.com/go-asyncio/asyncio_test.TestEveryKindOfStepIsWatched.func"},
		"the callback of a future": {func(ctx context.Context) error {
			f := asyncio.NewFuture[int](asyncio.RunningLoop(ctx))
			f.OnDone(block)
			_ = f.SetResult(1)
			return asyncio.Sleep(ctx, time.Millisecond)
		}, "callback github.com/go-asyncio/asyncio_test.TestEveryKindOfStepIsWatched.func"},
		"a generator": {func(ctx context.Context) error {
			g := asyncio.Pull(ctx, func(yield func(int, error) bool) { block(); yield(1, nil) })
			_, err := g.Next(ctx)
			return err
		}, "task Task-1"},
		"a method of a context": {func(ctx context.Context) error {
			blocked := false
			return asyncio.Sleep(contextThatCalls{ctx, func() {
				if !blocked {
					blocked = true
					block()
				}
			}}, time.Millisecond)
		}, "task Task-1"},
	} {
		t.Run(name, func(t *testing.T) {
			watched(t, test.main, func(loop *asyncio.Loop) {
				s := blockedStep(t, loop)
				release <- struct{}{}
				assert.Contains(t, s.Name, test.want)
				assert.Contains(t, functions(s.Stack), "blockUntil")
				assert.False(t, slices.ContainsFunc(s.Stack, func(f asyncio.Frame) bool {
					return strings.HasPrefix(f.Function, "github.com/go-asyncio/asyncio.")
				}), "the library has no frames")
			})
		})
	}
}

func TestTheHandlerOfADescriptorIsWatched(t *testing.T) {
	needPoller(t, "AddReader")
	withoutDebug(t)
	release := make(chan struct{})
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer r.Close()
	defer w.Close()
	watched(t, func(ctx context.Context) error {
		loop := asyncio.RunningLoop(ctx)
		called := asyncio.NewFuture[int](loop)
		if err := loop.AddReader(int(r.Fd()), func() {
			loop.RemoveReader(int(r.Fd()))
			blockUntil(release)
			_ = called.SetResult(1)
		}); err != nil {
			return err
		}
		_, err := w.Write([]byte("x"))
		require.NoError(t, err)
		return errOf(ctx, called)
	}, func(loop *asyncio.Loop) {
		defer close(release)
		s := blockedStep(t, loop)
		assert.Contains(t, s.Name, "callback github.com/go-asyncio/asyncio_test.TestTheHandlerOfADescriptor")
		assert.Contains(t, functions(s.Stack), "blockUntil")
	})
}

//go:noinline
func blockHere(release <-chan struct{}) { <-release }

//go:noinline
func blockThere(release <-chan struct{}) { <-release }

// Both loops are blocked at the same time, so there are two stacks to choose from: that of a task of
// the one loop, and that of a callback of the other.
func TestOfTwoBlockedLoopsEachReportHasItsOwnStack(t *testing.T) {
	withoutDebug(t)
	release := make(chan struct{})
	var begun, seen, ended sync.WaitGroup
	begun.Add(2)
	seen.Add(2)
	block := func(function string, main func(ctx context.Context) error) {
		ended.Go(func() {
			watched(t, func(ctx context.Context) error {
				begun.Done()
				begun.Wait()
				return main(ctx)
			}, func(loop *asyncio.Loop) {
				defer seen.Done()
				assert.Contains(t, functions(blockedStep(t, loop).Stack), function)
			})
		})
	}
	block("blockHere", func(context.Context) error { blockHere(release); return nil })
	block("blockThere", func(ctx context.Context) error {
		asyncio.RunningLoop(ctx).CallSoon(func() { blockThere(release) })
		return asyncio.Sleep(ctx, time.Millisecond)
	})
	seen.Wait()
	close(release)
	ended.Wait()
}

func TestTheDurationOfASlowStepIsFinalOnceItHasEnded(t *testing.T) {
	for _, debug := range []bool{false, true} {
		withoutDebug(t)
		log := logged(t)
		release := make(chan struct{})
		opts := []asyncio.Option{}
		if debug {
			opts = append(opts, asyncio.WithDebug())
		}
		watched(t, func(ctx context.Context) error {
			_, err := spawn(ctx, func(context.Context) error { blockUntil(release); return nil }, asyncio.WithName("culprit")).Await(ctx)
			return err
		}, func(loop *asyncio.Loop) {
			going := blockedStep(t, loop)
			awaitThat(t, "it goes on", func() bool { return loop.SlowSteps()[0].Took > going.Took })
			close(release)
			var s asyncio.SlowStep
			awaitThat(t, "it ends", func() bool { s = loop.SlowSteps()[0]; return s.Over })
			assert.Equal(t, "task culprit", s.Name)
			assert.Equal(t, going.Stack, s.Stack)
			assert.GreaterOrEqual(t, s.Took, going.Took)
			assert.Equal(t, s, loop.SlowSteps()[0])
			assert.Len(t, loop.SlowSteps(), 1)
		}, opts...)
		assert.Equal(t, 1, strings.Count(log.String(), "the event loop is blocked"))
		if debug {
			assert.Equal(t, 1, strings.Count(log.String(), "the event loop was blocked"))
		}
	}
}

func TestSlowStepsThatDebugModeTimesAreKeptWithoutAStack(t *testing.T) {
	log := logged(t)
	_, err := asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
		loop := asyncio.RunningLoop(ctx)
		for range 60 {
			giveWay(ctx, 1)
		}
		steps := loop.SlowSteps()
		require.Len(t, steps, 50)
		for i, s := range steps {
			assert.True(t, s.Over)
			assert.Empty(t, s.Stack)
			assert.True(t, i == 0 || !s.Begin.Before(steps[i-1].Begin), "in their order")
		}
		return nil
	}), asyncio.WithDebug(), asyncio.WithSlowCallbackDuration(0))
	require.NoError(t, err)
	assert.NotContains(t, log.String(), "is blocked")
}

func TestAStepThatNeverEndsIsShownAfterSlowOnesThatHave(t *testing.T) {
	withoutDebug(t)
	release := make(chan struct{}, 1)
	watched(t, func(ctx context.Context) error {
		for range 3 {
			blockUntil(release)
			giveWay(ctx, 1)
		}
		return nil
	}, func(loop *asyncio.Loop) {
		for i := range 3 {
			awaitThat(t, "the next step blocks", func() bool {
				steps := loop.SlowSteps()
				return len(steps) == i+1 && !steps[i].Over
			})
			release <- struct{}{}
		}
	})
}

// The clock of the loop moves on by an hour within a millisecond, or not at all for longer than the
// limit.
func TestNothingIsReportedOfALoopThatIsIdle(t *testing.T) {
	withoutDebug(t)
	log := logged(t)
	idle := func(ctx context.Context) error {
		if err := asyncio.Sleep(ctx, 1500*time.Millisecond); err != nil {
			return err
		}
		_, err := asyncio.ToThread(ctx, func(context.Context) (int, error) { time.Sleep(1500 * time.Millisecond); return 0, nil })
		return err
	}
	for name, opts := range map[string][]asyncio.Option{"real": nil, "virtual": {asyncio.WithVirtualTime()}} {
		var loop *asyncio.Loop
		watched(t, idle, func(l *asyncio.Loop) { loop = l }, append(opts, asyncio.WithSlowCallbackDuration(time.Second))...)
		assert.Empty(t, loop.SlowSteps(), name)
	}
	assert.NotContains(t, log.String(), "blocked")
}

// watchdogs returns the number of goroutines that watch a loop.
func watchdogs() int {
	stacks := make([]byte, 1<<20)
	return strings.Count(string(stacks[:runtime.Stack(stacks, true)]), "(*watchdog).run(")
}

func TestTheWatchdogFollowsInspectionDebugModeAndTheLimit(t *testing.T) {
	withoutDebug(t)
	before := goroutines()
	runReal(t, func(ctx context.Context) error {
		loop := asyncio.RunningLoop(ctx)
		assertWatched := func(want int, when string) {
			t.Helper()
			awaitThat(t, when, func() bool { return watchdogs() == want }) // one that was stopped may still be ending
		}
		loop.Inspect(true)
		assertWatched(1, "inspected")
		loop.SetDebug(true)
		assertWatched(1, "in debug mode, too")
		loop.Inspect(false)
		assertWatched(1, "in debug mode")
		loop.SetSlowCallbackDuration(0)
		assertWatched(0, "without a limit")
		loop.SetSlowCallbackDuration(time.Hour)
		assertWatched(1, "with a limit again")
		loop.SetDebug(false)
		assertWatched(0, "with all off")
		loop.SetSlowCallbackDuration(time.Second)
		assertWatched(0, "with another limit")
		loop.Inspect(true)
		return nil
	})
	assertNoMoreGoroutines(t, before)
}

func TestANewLimitHoldsAtOnce(t *testing.T) {
	withoutDebug(t)
	release := make(chan struct{})
	watched(t, func(ctx context.Context) error {
		asyncio.RunningLoop(ctx).SetSlowCallbackDuration(5 * time.Millisecond)
		blockUntil(release)
		return nil
	}, func(loop *asyncio.Loop) {
		defer close(release)
		blockedStep(t, loop)
	}, asyncio.WithSlowCallbackDuration(time.Hour))
}

func TestNoWatchdogIsLeftHoweverARunEnds(t *testing.T) {
	before := goroutines()
	for name, main := range map[string]func(ctx context.Context) error{
		"it returns":      func(context.Context) error { return nil },
		"it panics":       func(context.Context) error { panic("boom") },
		"it calls Goexit": func(context.Context) error { runtime.Goexit(); return nil },
		"it is stopped":   func(ctx context.Context) error { asyncio.RunningLoop(ctx).Stop(); return asyncio.Sleep(ctx, time.Hour) },
	} {
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			_, _ = asyncio.Run(t.Context(), asyncio.Do(main), asyncio.WithInspection())
		}()
		<-ended
		assertNoMoreGoroutines(t, before)
		_ = name
	}
}

func TestInspectionFromTheBeginningKnowsTheFirstTask(t *testing.T) {
	withoutDebug(t)
	_, err := asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
		infos := asyncio.RunningLoop(ctx).Snapshot()
		require.Len(t, infos, 1)
		assert.NotEqual(t, asyncio.Never, infos[0].Created)
		return nil
	}), asyncio.WithInspection())
	require.NoError(t, err)
}
