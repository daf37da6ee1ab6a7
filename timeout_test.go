package asyncio_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
)

type scope = asyncio.TimeoutScope

func sleepBody(d time.Duration) func(context.Context, *scope) error {
	return func(ctx context.Context, _ *scope) error { return asyncio.Sleep(ctx, d) }
}

// uncancelled fails the test if the running task has a cancellation left: one that was counted, or
// one that the next suspension would deliver.
func uncancelled(t *testing.T, ctx context.Context) {
	t.Helper()
	assert.Zero(t, asyncio.CurrentTask(ctx).Cancelling(), "requests to cancel")
	assert.NoError(t, asyncio.Sleep(ctx, 0), "the next suspension")
}

func TestTimeoutReturnsErrTimeoutWhenTheTimeIsOver(t *testing.T) {
	for _, d := range []time.Duration{time.Second, 0, -time.Second} {
		inTurn(t, func(ctx context.Context) {
			var in *scope
			var got error
			err := asyncio.Timeout(ctx, d, func(ctx context.Context, s *scope) error {
				in = s
				got = asyncio.Sleep(ctx, time.Hour)
				return got
			})
			assert.ErrorIs(t, got, asyncio.ErrCancelled, "in the body")
			assert.ErrorIs(t, err, asyncio.ErrTimeout)
			assert.ErrorIs(t, err, context.DeadlineExceeded)
			assert.NotErrorIs(t, err, asyncio.ErrCancelled)
			assert.True(t, in.Expired())
			assert.Equal(t, max(0, d), asyncio.RunningLoop(ctx).Time())
			uncancelled(t, ctx)
		})
	}
}

func TestAnUnneededTimeoutDoesNothing(t *testing.T) {
	for _, d := range []time.Duration{2 * time.Second, asyncio.Never} {
		inTurn(t, func(ctx context.Context) {
			var in *scope
			require.NoError(t, asyncio.Timeout(ctx, d, func(ctx context.Context, s *scope) error {
				in = s
				return asyncio.Sleep(ctx, time.Second)
			}))
			assert.False(t, in.Expired())
			require.NoError(t, asyncio.Sleep(ctx, time.Hour), "the time is over after the body")
			assert.False(t, in.Expired())
			uncancelled(t, ctx)
		})
	}
}

func TestTimeoutOfZeroLetsABodyThatDoesNotSuspendPass(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		require.NoError(t, asyncio.Timeout(ctx, 0, func(context.Context, *scope) error { return nil }))
		uncancelled(t, ctx)
	})
}

func TestTimeoutReturnsTheBodysOwnError(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		err := asyncio.Timeout(ctx, time.Second, func(context.Context, *scope) error { return errBoom })
		assert.Equal(t, errBoom, err, "before the time")
		err = asyncio.Timeout(ctx, time.Second, func(ctx context.Context, s *scope) error {
			_ = asyncio.Sleep(ctx, time.Hour)
			assert.True(t, s.Expired(), "the task was cancelled")
			return errBoom
		})
		assert.Equal(t, errBoom, err, "after the time")
		uncancelled(t, ctx)
		err = asyncio.Timeout(ctx, time.Second, func(ctx context.Context, _ *scope) error {
			_ = asyncio.Sleep(ctx, time.Hour)
			return nil
		})
		assert.NoError(t, err, "a body that ignores the cancellation")
		uncancelled(t, ctx)
	})
}

func TestTimeoutPassesACancellationFromOutsideOn(t *testing.T) {
	for name, c := range map[string]struct {
		cancelAt time.Duration
		want     error
		notWant  error
	}{
		"before the time":     {time.Second, asyncio.ErrCancelled, asyncio.ErrTimeout},
		"at the same instant": {time.Minute, asyncio.ErrCancelled, asyncio.ErrTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			inTurn(t, func(ctx context.Context) {
				task := spawn(ctx, func(ctx context.Context) error {
					return asyncio.Timeout(ctx, time.Minute, sleepBody(time.Hour))
				})
				giveWay(ctx, 1)
				asyncio.RunningLoop(ctx).CallAt(c.cancelAt, func() { task.CancelCause(errBoom) })
				err := errOf[asyncio.None](ctx, task)
				assert.ErrorIs(t, err, c.want)
				assert.NotErrorIs(t, err, c.notWant)
				assert.True(t, task.Cancelled())
				assert.Equal(t, 1, task.Cancelling())
			})
		})
	}
}

func TestTimeoutsNest(t *testing.T) {
	for name, c := range map[string]struct {
		outer, inner time.Duration
		want         []string
	}{
		"the inner one is over first": {3, 1, []string{"1s inner: asyncio: timed out", "1s outer ok"}},
		"the outer one is over first": {1, 3, []string{"1s inner cancelled", "1s outer: asyncio: timed out"}},
		// The outer timer was set first; the cancellation belongs to both scopes.
		"both at once": {1, 1, []string{"1s inner cancelled", "1s outer: asyncio: timed out"}},
	} {
		t.Run(name, func(t *testing.T) {
			var r trace
			inTurn(t, func(ctx context.Context) {
				end := func(name string, err error) {
					var e trace
					e.end(name, err)
					r.at(ctx, "%s", e[0])
				}
				err := asyncio.Timeout(ctx, c.outer*time.Second, func(ctx context.Context, _ *scope) error {
					err := asyncio.Timeout(ctx, c.inner*time.Second, sleepBody(time.Hour))
					end("inner", err)
					if errors.Is(err, asyncio.ErrTimeout) {
						return nil
					}
					return err
				})
				end("outer", err)
				uncancelled(t, ctx)
			})
			r.expect(t, c.want...)
		})
	}
}

func TestTimeoutCanBeRescheduled(t *testing.T) {
	for name, c := range map[string]struct {
		when time.Duration
		want error
		at   time.Duration
	}{
		"later":                 {5 * time.Second, asyncio.ErrTimeout, 5 * time.Second},
		"earlier":               {2 * time.Second, asyncio.ErrTimeout, 2 * time.Second},
		"into the past":         {0, asyncio.ErrTimeout, time.Second},
		"never":                 {asyncio.Never, nil, time.Minute},
		"beyond the body's end": {time.Hour, nil, time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			inTurn(t, func(ctx context.Context) {
				var in *scope
				err := asyncio.Timeout(ctx, 3*time.Second, func(ctx context.Context, s *scope) error {
					in = s
					assert.Equal(t, 3*time.Second, s.When())
					require.NoError(t, asyncio.Sleep(ctx, time.Second))
					require.NoError(t, s.Reschedule(c.when))
					assert.Equal(t, c.when, s.When())
					return asyncio.Sleep(ctx, time.Minute-time.Second)
				})
				assert.ErrorIs(t, err, c.want)
				assert.Equal(t, c.at, asyncio.RunningLoop(ctx).Time())
				assert.Error(t, in.Reschedule(time.Hour), "after the body")
				uncancelled(t, ctx)
				require.NoError(t, asyncio.Sleep(ctx, 2*time.Hour))
			})
		})
	}
}

func TestTimeoutFromNeverCanBeSet(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		err := asyncio.TimeoutAt(ctx, asyncio.Never, func(ctx context.Context, s *scope) error {
			assert.Equal(t, asyncio.Never, s.When())
			require.NoError(t, s.Reschedule(time.Second))
			return asyncio.Sleep(ctx, time.Hour)
		})
		assert.ErrorIs(t, err, asyncio.ErrTimeout)
		assert.Equal(t, time.Second, asyncio.RunningLoop(ctx).Time())
	})
}

func TestAnExpiredTimeoutCannotBeRescheduled(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		err := asyncio.Timeout(ctx, time.Second, func(ctx context.Context, s *scope) error {
			err := asyncio.Sleep(ctx, time.Hour)
			assert.Error(t, s.Reschedule(time.Hour))
			assert.Equal(t, time.Second, s.When())
			return err
		})
		assert.ErrorIs(t, err, asyncio.ErrTimeout)
	})
}

func TestTimeoutAtUsesTheLoopsTime(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		require.NoError(t, asyncio.Sleep(ctx, time.Minute))
		err := asyncio.TimeoutAt(ctx, 2*time.Minute, sleepBody(time.Hour))
		assert.ErrorIs(t, err, asyncio.ErrTimeout)
		assert.Equal(t, 2*time.Minute, asyncio.RunningLoop(ctx).Time())
		err = asyncio.TimeoutAt(ctx, time.Minute, sleepBody(time.Hour))
		assert.ErrorIs(t, err, asyncio.ErrTimeout, "in the past")
		assert.Equal(t, 2*time.Minute, asyncio.RunningLoop(ctx).Time())
	})
}

func TestTimeoutWhoseBodyPanicsLeavesNothingBehind(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		for name, body := range map[string]func(ctx context.Context, s *scope) error{
			"before the time": func(context.Context, *scope) error { panic("no") },
			"after the time": func(ctx context.Context, _ *scope) error {
				_ = asyncio.Sleep(ctx, time.Hour)
				panic("no")
			},
		} {
			assert.PanicsWithValue(t, "no", func() { _ = asyncio.Timeout(ctx, time.Second, body) }, name)
			require.NoError(t, asyncio.Sleep(ctx, time.Minute), name)
			uncancelled(t, ctx)
		}
	})
}

func TestTimeoutInATaskThatWasCancelledAlreadyStillTimesOut(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		task := spawn(ctx, func(ctx context.Context) error {
			_ = asyncio.Sleep(ctx, time.Hour) // ignores the cancellation
			err := asyncio.Timeout(ctx, time.Second, sleepBody(time.Hour))
			assert.ErrorIs(t, err, asyncio.ErrTimeout)
			assert.Equal(t, 1, asyncio.CurrentTask(ctx).Cancelling(), "the request from before")
			return nil
		})
		giveWay(ctx, 1)
		task.Cancel()
		join(ctx, task)
	})
}

func TestTimeoutOutsideAnyTaskPanics(t *testing.T) {
	assert.PanicsWithValue(t, "asyncio: await with a context that does not come from a task", func() {
		_ = asyncio.Timeout(t.Context(), time.Second, sleepBody(0))
	})
}

func TestWaitForReturnsAResultThatComesInTime(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		for name, aw := range map[string]asyncio.Awaitable[int]{
			"coroutine": answer(time.Second, 1),
			"task":      asyncio.CreateTask(ctx, answer(time.Second, 1)),
		} {
			for _, d := range []time.Duration{time.Minute, asyncio.Never} {
				v, err := asyncio.WaitFor(ctx, aw, d)
				assert.NoError(t, err, name)
				assert.Equal(t, 1, v, name)
			}
		}
		_, err := asyncio.WaitFor(ctx, failing(time.Second, errBoom), time.Minute)
		assert.Equal(t, errBoom, err)
		uncancelled(t, ctx)
	})
}

func TestWaitForCancelsATaskThatTakesTooLong(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		task := asyncio.CreateTask(ctx, answer(time.Hour, 1))
		v, err := asyncio.WaitFor(ctx, task, time.Second)
		assert.ErrorIs(t, err, asyncio.ErrTimeout)
		assert.Zero(t, v)
		assert.True(t, task.Cancelled())
		assert.Equal(t, time.Second, asyncio.RunningLoop(ctx).Time())

		f := asyncio.NewFuture[int](asyncio.RunningLoop(ctx))
		_, err = asyncio.WaitFor(ctx, f, time.Second)
		assert.ErrorIs(t, err, asyncio.ErrTimeout)
		assert.True(t, f.Cancelled())
		uncancelled(t, ctx)
	})
}

func TestWaitForWaitsUntilTheTaskThatItCancelledHasEnded(t *testing.T) {
	for _, d := range []time.Duration{time.Second, 0} {
		inTurn(t, func(ctx context.Context) {
			cleaned := false
			task := asyncio.CreateTask(ctx, func(ctx context.Context) (int, error) {
				err := asyncio.Sleep(ctx, time.Hour)
				require.NoError(t, asyncio.Sleep(ctx, 5*time.Second))
				cleaned = true
				return 0, err
			})
			giveWay(ctx, 1)
			_, err := asyncio.WaitFor(ctx, task, d)
			assert.ErrorIs(t, err, asyncio.ErrTimeout)
			assert.True(t, cleaned)
			assert.Equal(t, d+5*time.Second, asyncio.RunningLoop(ctx).Time())
			uncancelled(t, ctx)
		})
	}
}

func TestWaitForReturnsTheResultOfATaskThatRefusesToBeCancelled(t *testing.T) {
	for _, d := range []time.Duration{time.Second, 0} {
		inTurn(t, func(ctx context.Context) {
			stubborn := func(err error) *asyncio.Task[int] {
				task := asyncio.CreateTask(ctx, func(ctx context.Context) (int, error) {
					_ = asyncio.Sleep(ctx, time.Hour)
					return 7, err
				})
				giveWay(ctx, 1)
				return task
			}
			v, err := asyncio.WaitFor(ctx, stubborn(nil), d)
			assert.NoError(t, err)
			assert.Equal(t, 7, v)
			v, err = asyncio.WaitFor(ctx, stubborn(errBoom), d)
			assert.Equal(t, errBoom, err)
			assert.Zero(t, v)
			uncancelled(t, ctx)
		})
	}
}

func TestWaitForWithZeroTimeoutReturnsOnlyResultsThatAreReady(t *testing.T) {
	for _, d := range []time.Duration{0, -time.Second} {
		inTurn(t, func(ctx context.Context) {
			began := false
			_, err := asyncio.WaitFor(ctx, asyncio.Do(func(context.Context) error { began = true; return nil }), d)
			assert.ErrorIs(t, err, asyncio.ErrTimeout)
			assert.False(t, began, "a coroutine does not begin")

			f := asyncio.NewFuture[int](asyncio.RunningLoop(ctx))
			require.NoError(t, f.SetResult(1))
			v, err := asyncio.WaitFor(ctx, f, d)
			assert.NoError(t, err, "an awaitable that is done already")
			assert.Equal(t, 1, v)

			task := asyncio.CreateTask(ctx, answer(time.Hour, 1))
			_, err = asyncio.WaitFor(ctx, task, d)
			assert.ErrorIs(t, err, asyncio.ErrTimeout)
			assert.True(t, task.Cancelled())
			assert.Zero(t, asyncio.RunningLoop(ctx).Time())
			uncancelled(t, ctx)
		})
	}
}

func TestACancelledWaitForCancelsTheTaskThatItAwaits(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		task := asyncio.CreateTask(ctx, answer(time.Hour, 1))
		waiter := spawn(ctx, func(ctx context.Context) error {
			_, err := asyncio.WaitFor(ctx, task, time.Minute)
			return err
		})
		giveWay(ctx, 1)
		waiter.CancelCause(errBoom)
		err := errOf[asyncio.None](ctx, waiter)
		assert.ErrorIs(t, err, asyncio.ErrCancelled)
		assert.ErrorIs(t, err, errBoom)
		assert.True(t, task.Cancelled())
	})
}

func TestWaitForIsCancelledIfItsTaskIsCancelledByOthers(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		f := asyncio.NewFuture[int](asyncio.RunningLoop(ctx))
		asyncio.RunningLoop(ctx).CallLater(time.Second, func() { f.Cancel() })
		_, err := asyncio.WaitFor(ctx, f, time.Minute)
		assert.ErrorIs(t, err, asyncio.ErrCancelled)
		assert.NotErrorIs(t, err, asyncio.ErrTimeout)
		uncancelled(t, ctx)
	})
}

func TestWaitForLosesNoResultThatComesWithTheTimeout(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		q := asyncio.NewQueue[int](0)
		// The callback was scheduled first, so it puts the value in before the timeout.
		asyncio.RunningLoop(ctx).CallAt(time.Second, func() { _ = q.PutNowait(1) })
		_, err := asyncio.WaitFor(ctx, asyncio.Coro[int](q.Get), time.Second)
		assert.ErrorIs(t, err, asyncio.ErrTimeout)
		v, err := q.GetNowait()
		assert.NoError(t, err)
		assert.Equal(t, 1, v)
	})
}

func TestWaitForOfANilCoroutinePanics(t *testing.T) {
	for _, d := range []time.Duration{0, time.Second} {
		inTurn(t, func(ctx context.Context) {
			assert.PanicsWithValue(t, "asyncio: nil coroutine", func() { _, _ = asyncio.WaitFor(ctx, asyncio.Coro[int](nil), d) })
		})
	}
}

func TestTenThousandTimeoutsAtOnce(t *testing.T) {
	const n = 10_000
	inTurn(t, func(ctx context.Context) {
		timedOut := 0
		tasks := make([]*asyncio.Task[asyncio.None], n)
		for i := range tasks {
			tasks[i] = spawn(ctx, func(ctx context.Context) error {
				if err := asyncio.Timeout(ctx, time.Second, sleepBody(time.Hour)); !errors.Is(err, asyncio.ErrTimeout) {
					return err
				}
				timedOut++
				return nil
			})
		}
		join(ctx, tasks...)
		assert.Equal(t, n, timedOut)
		assert.Equal(t, time.Second, asyncio.RunningLoop(ctx).Time())
	})
}

func TestATimeoutRescheduledWhileItIsDueDoesNotExpire(t *testing.T) {
	for name, c := range map[string]struct {
		when time.Duration
		want error
		at   time.Duration
	}{
		"later":     {5 * time.Second, asyncio.ErrTimeout, 5 * time.Second},
		"never":     {asyncio.Never, nil, time.Minute},
		"to now":    {time.Second, asyncio.ErrTimeout, time.Second},
		"backwards": {0, asyncio.ErrTimeout, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			inTurn(t, func(ctx context.Context) {
				var in *scope
				// It is due at the same instant and was scheduled first, so it runs first.
				asyncio.RunningLoop(ctx).CallAt(time.Second, func() {
					require.NoError(t, in.Reschedule(c.when))
					assert.Equal(t, c.when, in.When())
				})
				err := asyncio.TimeoutAt(ctx, time.Second, func(ctx context.Context, s *scope) error {
					in = s
					return asyncio.Sleep(ctx, time.Minute)
				})
				assert.Equal(t, c.want, err)
				assert.Equal(t, c.want != nil, in.Expired())
				assert.Equal(t, c.at, asyncio.RunningLoop(ctx).Time())
				uncancelled(t, ctx)
				require.NoError(t, asyncio.Sleep(ctx, time.Hour), "no timer is left")
			})
		})
	}
}

func TestATimeoutMovedAwayAndBackWhileItIsReadyExpiresOnce(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		var in *scope
		turns := 0
		err := asyncio.TimeoutAt(ctx, 0, func(ctx context.Context, s *scope) error { // ready from the start
			in = s
			require.NoError(t, s.Reschedule(asyncio.Never))
			require.NoError(t, s.Reschedule(0))
			require.NoError(t, s.Reschedule(time.Second))
			for ; turns < 3; turns++ {
				if err := asyncio.Sleep(ctx, 0); err != nil {
					return err
				}
			}
			return asyncio.Sleep(ctx, time.Hour)
		})
		assert.Equal(t, asyncio.ErrTimeout, err)
		assert.Equal(t, 3, turns, "the ready timeout was revoked")
		assert.True(t, in.Expired())
		assert.Equal(t, time.Second, asyncio.RunningLoop(ctx).Time())
		uncancelled(t, ctx)
	})
}

func TestATimeoutMovedAwayAndBackExpiresInTheOrderOfTheCalls(t *testing.T) {
	var r trace
	inTurn(t, func(ctx context.Context) {
		var in *scope
		look := func() { r.add("expired %v", in.Expired()) }
		err := asyncio.TimeoutAt(ctx, 0, func(ctx context.Context, s *scope) error { // ready from the start
			in = s
			asyncio.RunningLoop(ctx).CallSoon(look)
			require.NoError(t, s.Reschedule(asyncio.Never))
			require.NoError(t, s.Reschedule(0)) // ready again, at the back
			asyncio.RunningLoop(ctx).CallSoon(look)
			return asyncio.Sleep(ctx, time.Hour)
		})
		assert.Equal(t, asyncio.ErrTimeout, err)
	})
	r.expect(t, "expired false", "expired true")
}
