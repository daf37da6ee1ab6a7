package asyncio_test

import (
	"context"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"testing"
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
	withoutDebug(t)
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
	}, withoutStacks(deadlock.Waiting))
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

func TestVirtualTimeWaitsForTheDeadlineOfAContextBeforeItReportsADeadlock(t *testing.T) {
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

// A past deadline is due however long ago it was: no difference of times overflows.
func TestTimesNearTheExtremesDoNotOverflow(t *testing.T) {
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

func TestVirtualTimeStopsAtItsMaximum(t *testing.T) {
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
		s := random.Float64() * math.Pow(10, float64(random.IntN(15)-4))
		if random.IntN(2) == 0 {
			s = -s
		}
		d := asyncio.Seconds(s)
		if d == asyncio.Never || d == math.MinInt64 {
			assert.GreaterOrEqual(t, math.Abs(s), asyncio.Never.Seconds())
			continue
		}
		assert.GreaterOrEqual(t, d.Seconds(), s)
		exact := new(big.Rat).Mul(new(big.Rat).SetFloat64(s), big.NewRat(int64(time.Second), 1))
		more, _ := exact.Sub(big.NewRat(int64(d), 1), exact).Float64()
		assert.Less(t, math.Abs(more), 1.0, "nanoseconds between %v s and %d", s, d)
	}
	assert.PanicsWithValue(t, "asyncio: seconds are not a number", func() { asyncio.Seconds(math.NaN()) })
}

// A timer that sets itself again until a time computed in seconds has come would go on forever at
// one instant if it could fire early.
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
