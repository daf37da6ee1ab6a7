package asyncio_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
)

func TestVirtualTimeJumps(t *testing.T) {
	start := time.Now()
	inTurn(t, func(ctx context.Context) {
		loop := asyncio.RunningLoop(ctx)
		assert.Zero(t, loop.Time())
		_ = asyncio.Sleep(ctx, 1000*time.Hour)
		assert.Equal(t, 1000*time.Hour, loop.Time())
	})
	assert.Less(t, time.Since(start), time.Hour)
}

func TestADeadlockNamesWhatEachTaskWaitsFor(t *testing.T) {
	var tr trace
	_, err := asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
		asyncio.CurrentTask(ctx).SetName("main")
		var lock asyncio.Lock
		_ = lock.Acquire(ctx)
		named := func(name string, wait func(ctx context.Context) error) *asyncio.Task[asyncio.None] {
			return asyncio.CreateTask(ctx, asyncio.Do(func(ctx context.Context) error {
				defer tr.add("%s unwound", name)
				err := wait(ctx)
				tr.add("%s resumed", name)
				return err
			}), asyncio.WithName(name))
		}
		a := named("a", lock.Acquire)
		named("b", func(ctx context.Context) error { _, err := asyncio.NewQueue[int](0).Get(ctx); return err })
		named("c", func(ctx context.Context) error { _, err := newFuture[int](ctx).Await(ctx); return err })
		named("d", func(ctx context.Context) error { return asyncio.Sleep(ctx, asyncio.Never) })
		_, err := asyncio.Shield(ctx, a).Await(ctx)
		return err
	}), asyncio.WithVirtualTime())
	require.ErrorIs(t, err, asyncio.ErrDeadlock)
	var deadlock *asyncio.DeadlockError
	require.ErrorAs(t, err, &deadlock)
	assert.Equal(t, []asyncio.WaitingTask{
		{Name: "main", For: "shielded task a"},
		{Name: "a", For: "Lock"},
		{Name: "b", For: "a value in a Queue"},
		{Name: "c", For: "future"},
		{Name: "d", For: "sleep"},
	}, deadlock.Waiting)
	assert.EqualError(t, err, "asyncio: deadlock: main waits for shielded task a, a waits for Lock, "+
		"b waits for a value in a Queue, c waits for future, d waits for sleep")
	tr.expect(t, "a unwound", "b unwound", "c unwound", "d unwound")
}

func TestADeadlockInTheCleanUpIsAnErrorToo(t *testing.T) {
	_, err := asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
		spawn(ctx, func(ctx context.Context) error {
			_ = asyncio.Sleep(ctx, time.Hour)
			return new(asyncio.Event).Wait(ctx)
		})
		giveWay(ctx, 1)
		return errBoom
	}), asyncio.WithVirtualTime())
	require.ErrorIs(t, err, errBoom)
	require.ErrorIs(t, err, asyncio.ErrDeadlock)
}

func TestVirtualTimeWaitsForTheDeadlineOfAContextBeforeItIsADeadlock(t *testing.T) {
	_, err := asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
		_ = asyncio.Sleep(ctx, time.Hour)
		ctx, cancel := context.WithTimeout(ctx, time.Millisecond)
		defer cancel()
		return new(asyncio.Event).Wait(ctx)
	}), asyncio.WithVirtualTime())
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

func TestTheRealClockIsNeverEarly(t *testing.T) {
	_, err := asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
		loop := asyncio.RunningLoop(ctx)
		for range 20 {
			want := loop.Time() + 100*time.Microsecond
			if err := asyncio.Sleep(ctx, 100*time.Microsecond); err != nil {
				return err
			}
			assert.GreaterOrEqual(t, loop.Time(), want)
		}
		return nil
	}))
	require.NoError(t, err)
}

// A time that is past is past however long ago: no difference of times overflows.
func TestTimesNearTheExtremes(t *testing.T) {
	for name, opts := range map[string][]asyncio.Option{"virtual": {asyncio.WithVirtualTime()}, "real": nil} {
		for _, past := range []time.Duration{math.MinInt64, math.MinInt64 + 1, -1 << 62, -1, 0} {
			t.Run(fmt.Sprint(name, int64(past)), func(t *testing.T) {
				limit, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				_, err := asyncio.Run(limit, asyncio.Do(func(ctx context.Context) error {
					l := asyncio.RunningLoop(ctx)
					_ = asyncio.Sleep(ctx, time.Millisecond)
					for _, schedule := range []func(time.Duration, func()) *asyncio.TimerHandle{l.CallAt, l.CallLater} {
						fired := newFuture[int](ctx)
						schedule(past, func() { _ = fired.SetResult(1) })
						l.CallAt(asyncio.Never-1, func() { assert.Fail(t, "the end of time has come") })
						l.CallLater(asyncio.Never-1, func() { assert.Fail(t, "the end of time has come") })
						if err := errOf(ctx, fired); err != nil {
							return err
						}
					}
					forever := func(ctx context.Context, _ *asyncio.TimeoutScope) error { return asyncio.Sleep(ctx, asyncio.Never-1) }
					assert.NoError(t, asyncio.Sleep(ctx, past))
					assert.ErrorIs(t, asyncio.Timeout(ctx, past, forever), asyncio.ErrTimeout)
					assert.ErrorIs(t, asyncio.TimeoutAt(ctx, past, forever), asyncio.ErrTimeout)
					assert.ErrorIs(t, asyncio.Timeout(ctx, asyncio.Never-1, func(ctx context.Context, scope *asyncio.TimeoutScope) error {
						assert.NoError(t, scope.Reschedule(past))
						return forever(ctx, scope)
					}), asyncio.ErrTimeout)
					_, err := asyncio.WaitFor(ctx, answer(asyncio.Never-1, 1), past)
					assert.ErrorIs(t, err, asyncio.ErrTimeout)
					never := newFuture[int](ctx)
					_, _, err = asyncio.Wait(ctx, []*asyncio.Future[int]{never}, asyncio.WithTimeout(past))
					assert.NoError(t, err)
					for _, err := range asyncio.AsCompletedTimeout(ctx, past, never) {
						assert.ErrorIs(t, err, asyncio.ErrTimeout)
					}
					return ctx.Err()
				}), opts...)
				require.NoError(t, err)
			})
		}
	}
}

func TestVirtualTimeGoesToItsEndAndNoFurther(t *testing.T) {
	_, err := asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
		l := asyncio.RunningLoop(ctx)
		assert.NoError(t, asyncio.Sleep(ctx, asyncio.Never-1))
		assert.Equal(t, asyncio.Never-1, l.Time())
		assert.NoError(t, asyncio.Sleep(ctx, 0))
		assert.NoError(t, asyncio.Sleep(ctx, math.MinInt64))
		fired := newFuture[int](ctx)
		l.CallAt(math.MinInt64, func() { _ = fired.SetResult(1) })
		assert.NoError(t, errOf(ctx, fired))
		return asyncio.Sleep(ctx, 1)
	}), asyncio.WithVirtualTime())
	require.ErrorIs(t, err, asyncio.ErrDeadlock)
}

// Between the loop's last look at its mailbox and its sleep something may be posted: here by a
// context whose deadline the loop asks for.
func TestWhatIsPostedJustBeforeTheLoopSleepsWakesIt(t *testing.T) {
	for name, post := range map[string]func(l *asyncio.Loop, set func()){
		"a callback": func(l *asyncio.Loop, set func()) { assert.NoError(t, l.CallSoonThreadsafe(set)) },
		"a coroutine": func(l *asyncio.Loop, set func()) {
			asyncio.RunCoroutineThreadsafe(l, asyncio.Do(func(context.Context) error { set(); return nil }))
		},
		"a stop": func(l *asyncio.Loop, _ func()) { l.Stop() },
	} {
		t.Run(name, func(t *testing.T) {
			ended := make(chan error, 1)
			go func() { // a loop that sleeps on would not hear of t's end
				l := asyncio.NewLoop(asyncio.WithVirtualTime())
				defer l.Close()
				_, err := asyncio.RunUntilComplete(t.Context(), l, asyncio.Awaitable[asyncio.None](asyncio.Do(func(ctx context.Context) error {
					var event asyncio.Event
					hostile := newHostile(ctx)
					hostile.deadline = func() (time.Time, bool) {
						hostile.deadline = func() (time.Time, bool) { return time.Now().Add(time.Hour), true }
						post(l, event.Set)
						return hostile.deadline()
					}
					return event.Wait(hostile)
				})))
				ended <- err
			}()
			select {
			case err := <-ended:
				if name == "a stop" {
					require.ErrorIs(t, err, asyncio.ErrLoopStopped)
				} else {
					require.NoError(t, err)
				}
			case <-time.After(30 * time.Second):
				require.Fail(t, "the loop sleeps on")
			}
		})
	}
}

// When the loop's timer and a goroutine wake it at the same instant, whichever comes first,
// nothing is lost or late.
func TestATimerAndAWakeUpAtTheSameInstant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const rounds, each = 500, 3
		_, err := asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
			l := asyncio.RunningLoop(ctx)
			for round := range rounds {
				got, begun := 0, time.Now()
				var posters sync.WaitGroup
				for range each {
					posters.Go(func() {
						time.Sleep(time.Second)
						assert.NoError(t, l.CallSoonThreadsafe(func() {
							got++
							assert.Equal(t, time.Second, time.Since(begun), "round %d", round)
						}))
					})
				}
				if err := asyncio.Sleep(ctx, time.Second); err != nil {
					return err
				}
				posters.Wait()
				giveWay(ctx, 3)
				if !assert.Equal(t, each, got, "round %d", round) {
					return nil
				}
			}
			return nil
		}))
		require.NoError(t, err)
	})
}

func TestSecondsAreRoundedUpToTheLeastDurationThatIsNotEarly(t *testing.T) {
	tenth := 0.1
	for s, want := range map[float64]time.Duration{
		0: 0, 1: time.Second, 0.1: 100 * time.Millisecond, 1.1: 1100 * time.Millisecond, 2.5: 2500 * time.Millisecond,
		0.3: 300 * time.Millisecond, tenth + 0.2: 300000001, 1e-9: 1, 1e-10: 1, 1.5e-9: 2, 5e-324: 1,
		-1: -time.Second, -1.5e-9: -1, -0.1: -100 * time.Millisecond,
		1e300: asyncio.Never, math.Inf(1): asyncio.Never, math.Inf(-1): math.MinInt64, -1e300: math.MinInt64,
	} {
		assert.Equal(t, want, asyncio.Seconds(s), "%v", s)
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 10_000 {
		s := random.Float64() * math.Pow(10, float64(random.IntN(14)-4))
		d := asyncio.Seconds(s)
		assert.GreaterOrEqual(t, d.Seconds(), s)
		if s < 1e6 {
			assert.Less(t, (d - 1).Seconds(), s, "more than needed")
		}
	}
	assert.Panics(t, func() { asyncio.Seconds(math.NaN()) })
}

// A timer that is computed from the loop's time in seconds and sets itself again until its time has
// come would else go on for ever at one instant.
func TestATimerComputedFromSecondsIsNotEarly(t *testing.T) {
	run(t, func(ctx context.Context) error {
		loop := asyncio.RunningLoop(ctx)
		calls := 0
		for i := range 100 {
			until := loop.Time().Seconds() + 1/float64(i+3)
			for loop.Time().Seconds() < until {
				calls++
				if err := asyncio.Sleep(ctx, asyncio.Seconds(until-loop.Time().Seconds())); err != nil {
					return err
				}
			}
		}
		assert.Less(t, calls, 210)
		return nil
	})
}
