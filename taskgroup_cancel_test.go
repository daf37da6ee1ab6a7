package asyncio_test

import (
	"context"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
)

// Where releases of CPython differ, these tests follow 3.15; 3.13.0 hangs, or loses the
// cancellation from outside.

// eagerly creates a member that starts eagerly.
func eagerly(tg *group, f func(ctx context.Context) error) *asyncio.Task[asyncio.None] {
	return asyncio.GroupTask(tg, asyncio.Do(f), asyncio.WithEagerStart())
}

func TestAnEagerMemberWhoseFirstStepShutsTheGroupDownIsCancelled(t *testing.T) {
	fails := func(context.Context) error { return errBoom }
	panics := func(context.Context) error { panic(errBoom) }
	for name, c := range map[string]struct {
		shutDown func(tg *group)
		fails    bool
	}{
		"by Cancel":                 {(*group).Cancel, false},
		"by Cancel, twice":          {func(tg *group) { tg.Cancel(); tg.Cancel() }, false},
		"by a member that fails":    {func(tg *group) { eagerly(tg, fails) }, true},
		"by a member that panics":   {func(tg *group) { eagerly(tg, panics) }, true},
		"by a member's member":      {func(tg *group) { eagerly(tg, func(context.Context) error { eagerly(tg, fails); return nil }) }, true},
		"by the Cancel of a member": {func(tg *group) { eagerly(tg, func(context.Context) error { tg.Cancel(); return nil }) }, false},
		"by Cancel and a failure":   {func(tg *group) { eagerly(tg, fails); tg.Cancel() }, true},
		"by a member that waits too": {func(tg *group) {
			eagerly(tg, func(ctx context.Context) error { tg.Cancel(); return asyncio.Sleep(ctx, time.Hour) })
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			var r trace
			inTurn(t, func(ctx context.Context) {
				err := asyncio.WithTaskGroup(ctx, func(ctx context.Context, tg *group) error {
					eagerly(tg, func(ctx context.Context) error {
						c.shutDown(tg)
						err := asyncio.Sleep(ctx, time.Hour)
						r.end("member", err)
						return err
					})
					return nil
				})
				if c.fails {
					assert.Len(t, groupErrors(t, err), 1)
					assert.ErrorIs(t, err, errBoom)
				} else {
					assert.NoError(t, err)
				}
				assert.Zero(t, asyncio.RunningLoop(ctx).Time())
				uncancelled(t, ctx)
			})
			r.expect(t, "member cancelled")
		})
	}
}

func TestAnEagerMemberThatFailsAtOnceShutsTheGroupDownInTheNextTurn(t *testing.T) {
	var r trace
	inTurn(t, func(ctx context.Context) {
		err := asyncio.WithTaskGroup(ctx, func(ctx context.Context, tg *group) error {
			tg.Go(traced(&r, "older", time.Hour, nil))
			giveWay(ctx, 1)
			eagerly(tg, func(context.Context) error { return errBoom })
			assert.Zero(t, asyncio.CurrentTask(ctx).Cancelling(), "not in GroupTask")
			tg.Go(func(context.Context) error { r.add("younger begins"); return nil })
			eagerly(tg, traced(&r, "eager", time.Hour, nil))
			r.add("body goes on")
			err := asyncio.Sleep(ctx, time.Hour)
			r.end("body", err)
			return err
		})
		assert.Equal(t, []error{errBoom}, groupErrors(t, err))
		uncancelled(t, ctx)
	})
	r.expect(t, "body goes on", "older cancelled", "eager cancelled", "body cancelled")
}

func TestAnEagerMemberThatEndsAtOnceIsLikeAnyOther(t *testing.T) {
	for name, c := range map[string]struct {
		member func(ctx context.Context) error
		fails  bool
	}{
		"with a result":       {func(context.Context) error { return nil }, false},
		"with an error":       {func(context.Context) error { return errBoom }, true},
		"with a panic":        {func(context.Context) error { panic(errBoom) }, true},
		"with a cancellation": {func(context.Context) error { return asyncio.ErrCancelled }, false},
		"cancelled by itself": {func(ctx context.Context) error { asyncio.CurrentTask(ctx).Cancel(); return nil }, false},
	} {
		t.Run(name, func(t *testing.T) {
			var r trace
			inTurn(t, func(ctx context.Context) {
				err := asyncio.WithTaskGroup(ctx, func(ctx context.Context, tg *group) error {
					assert.True(t, eagerly(tg, c.member).Done())
					asyncio.RunningLoop(ctx).CallSoon(func() { r.add("next turn") })
					return nil
				})
				r.add("group ends") // the group has waited for the member's callback
				if c.fails {
					assert.Len(t, groupErrors(t, err), 1)
					assert.ErrorIs(t, err, errBoom)
				} else {
					assert.NoError(t, err)
				}
				uncancelled(t, ctx)
			})
			r.expect(t, "next turn", "group ends")
		})
	}
}

func TestAnEagerMemberThatExitsEndsTheRun(t *testing.T) {
	returned := false
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
			err := asyncio.WithTaskGroup(ctx, func(ctx context.Context, tg *group) error {
				defer tg.Cancel()
				tg.Go(func(ctx context.Context) error { return asyncio.Sleep(ctx, time.Hour) })
				eagerly(tg, func(context.Context) error { runtime.Goexit(); return nil })
				return nil
			})
			returned = true
			return err
		}), asyncio.WithVirtualTime())
		returned = true
	}()
	<-done
	assert.False(t, returned)
}

// A Goexit that ends the run unwinds the drivers, so it may end a task that waits for the members
// of a group. The members end when the runner is closed.
func TestAGroupWhoseTaskHasExitedLeavesItsMembersToTheRunner(t *testing.T) {
	withoutDebug(t)
	var reports []string
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		r := asyncio.NewRunner(asyncio.WithVirtualTime(), asyncio.WithExceptionHandler(func(_ *asyncio.Loop, c asyncio.ExceptionContext) {
			reports = append(reports, fmt.Sprintf("%s: %v", c.Message, c.Err))
		}))
		defer func() { err = r.Close() }()
		_, _ = asyncio.RunIn(t.Context(), r, asyncio.Do(func(ctx context.Context) error {
			return asyncio.WithTaskGroup(ctx, func(ctx context.Context, tg *group) error {
				tg.Go(func(ctx context.Context) error {
					giveWay(ctx, 1)
					runtime.Goexit()
					return nil
				})
				tg.Go(func(ctx context.Context) error {
					_ = asyncio.Sleep(ctx, time.Hour)
					return errBoom
				})
				return nil
			})
		}))
	}()
	<-done
	assert.NoError(t, err)
	assert.Equal(t, []string{"unhandled exception during shutdown: boom"}, reports)
}

// A joining is a group that Cancel has ended and that still waits for a member's clean-up, which
// lasts from 0s to 10s.
type joining struct {
	ctx context.Context // the group's context
	r   trace
}

// run runs the group, which is cancelled in the given way before the clean-up begins.
func (j *joining) run(by string) error {
	err := asyncio.WithTaskGroup(j.ctx, func(ctx context.Context, tg *group) error {
		free := context.WithoutCancel(ctx)
		tg.Go(func(context.Context) error {
			_ = asyncio.Sleep(free, time.Hour)
			err := asyncio.Sleep(free, 10*time.Second)
			j.r.end("clean-up", err)
			return err
		})
		giveWay(free, 1)
		loop := asyncio.RunningLoop(ctx)
		switch by {
		case "its body, at the end":
			tg.Cancel()
		case "its body, which is cancelled":
			tg.Cancel()
			return asyncio.Sleep(free, time.Hour)
		case "its body, which ignores it":
			tg.Cancel()
			_ = asyncio.Sleep(free, time.Hour)
		case "a callback in the body":
			loop.CallSoon(tg.Cancel)
			return asyncio.Sleep(free, time.Hour)
		case "a callback in the joining":
			loop.CallSoon(tg.Cancel)
		case "a member":
			tg.Go(func(context.Context) error { tg.Cancel(); return nil })
		}
		return nil
	})
	j.r.end("group", err)
	return err
}

var joinings = []string{
	"its body, at the end", "its body, which is cancelled", "its body, which ignores it",
	"a callback in the body", "a callback in the joining", "a member",
}

func TestAGroupCancelledOnlyByItselfReturnsNil(t *testing.T) {
	for _, by := range joinings {
		t.Run(by, func(t *testing.T) {
			var j joining
			inTurn(t, func(ctx context.Context) {
				j.ctx = ctx
				assert.NoError(t, j.run(by))
				uncancelled(t, ctx)
			})
			j.r.expect(t, "clean-up ok", "group ok")
		})
	}
}

func TestACancellationFromOutsideOutlivesTheJoiningOfACancelledGroup(t *testing.T) {
	for _, by := range joinings {
		t.Run(by, func(t *testing.T) {
			var j joining
			inTurn(t, func(ctx context.Context) {
				task := spawn(ctx, func(ctx context.Context) error {
					j.ctx = ctx
					return j.run(by)
				})
				asyncio.RunningLoop(ctx).CallLater(3*time.Second, func() { task.CancelCause(errBoom) })
				err := errOf[asyncio.None](ctx, task)
				assert.True(t, task.Cancelled())
				assert.ErrorIs(t, err, asyncio.ErrCancelled)
				if by != "its body, which is cancelled" && by != "a callback in the body" { // in those the body's own error remains
					assert.ErrorIs(t, err, errBoom, "the cause")
				}
				assert.Equal(t, 1, task.Cancelling())
				assert.Equal(t, 10*time.Second, asyncio.RunningLoop(ctx).Time())
			})
			j.r.expect(t, "clean-up ok", "group cancelled")
		})
	}
}

func TestATimeoutOutlivesTheJoiningOfACancelledGroup(t *testing.T) {
	for name, limited := range map[string]func(ctx context.Context, f func(ctx context.Context) error) error{
		"Timeout": func(ctx context.Context, f func(ctx context.Context) error) error {
			return asyncio.Timeout(ctx, 3*time.Second, func(ctx context.Context, _ *scope) error { return f(ctx) })
		},
		"WaitFor": func(ctx context.Context, f func(ctx context.Context) error) error {
			_, err := asyncio.WaitFor(ctx, asyncio.Do(f), 3*time.Second)
			return err
		},
		"WaitFor of a task": func(ctx context.Context, f func(ctx context.Context) error) error {
			_, err := asyncio.WaitFor(ctx, spawn(ctx, f), 3*time.Second)
			return err
		},
	} {
		for _, by := range joinings {
			t.Run(name+", by "+by, func(t *testing.T) {
				var j joining
				inTurn(t, func(ctx context.Context) {
					err := limited(ctx, func(ctx context.Context) error {
						j.ctx = ctx
						return j.run(by)
					})
					assert.Equal(t, asyncio.ErrTimeout, err)
					assert.Equal(t, 10*time.Second, asyncio.RunningLoop(ctx).Time())
					uncancelled(t, ctx)
				})
				j.r.expect(t, "clean-up ok", "group cancelled")
			})
		}
	}
}

// An expiring is a context whose deadline passes when expire is called.
type expiring struct {
	context.Context
	expire context.CancelFunc
}

func newExpiring(parent context.Context) *expiring {
	ctx, cancel := context.WithCancel(parent)
	return &expiring{ctx, cancel}
}

func (c *expiring) Err() error {
	if c.Context.Err() != nil {
		return context.DeadlineExceeded
	}
	return nil
}

func TestADoneContextOutlivesTheJoiningOfACancelledGroup(t *testing.T) {
	for _, by := range joinings {
		t.Run(by+", cancelled", func(t *testing.T) {
			var j joining
			inTurn(t, func(ctx context.Context) {
				derived, cancel := context.WithCancelCause(ctx)
				j.ctx = derived
				asyncio.RunningLoop(ctx).CallLater(3*time.Second, func() { cancel(errBoom) })
				err := j.run(by)
				assert.ErrorIs(t, err, asyncio.ErrCancelled)
				assert.ErrorIs(t, err, errBoom)
				assert.Equal(t, 10*time.Second, asyncio.RunningLoop(ctx).Time())
				uncancelled(t, ctx)
			})
			j.r.expect(t, "clean-up ok", "group cancelled")
		})
		t.Run(by+", timed out", func(t *testing.T) {
			var j joining
			inTurn(t, func(ctx context.Context) {
				derived := newExpiring(ctx)
				j.ctx = derived
				asyncio.RunningLoop(ctx).CallLater(3*time.Second, derived.expire)
				assert.ErrorIs(t, j.run(by), asyncio.ErrTimeout)
				assert.Equal(t, 10*time.Second, asyncio.RunningLoop(ctx).Time())
				uncancelled(t, ctx)
			})
		})
	}
}

func TestADoneContextIsNoErrorOfACancelledGroupThatAwaitsNothing(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		derived, cancel := context.WithCancel(ctx)
		cancel()
		assert.NoError(t, asyncio.WithTaskGroup(derived, func(_ context.Context, tg *group) error {
			tg.Cancel()
			return nil
		}))
		uncancelled(t, ctx)
	})
}

func TestAnOuterGroupThatEndsCancelsTheJoiningOfACancelledGroup(t *testing.T) {
	for name, c := range map[string]struct {
		end  func(outer *group) error // ends the outer group, from a member
		want error
	}{
		"it fails":        {func(*group) error { return errBoom }, errBoom},
		"it is cancelled": {func(outer *group) error { outer.Cancel(); return nil }, nil},
	} {
		for _, by := range joinings {
			t.Run(name+", the inner one by "+by, func(t *testing.T) {
				var j joining
				inTurn(t, func(ctx context.Context) {
					err := asyncio.WithTaskGroup(ctx, func(ctx context.Context, outer *group) error {
						outer.Go(func(ctx context.Context) error {
							if err := asyncio.Sleep(ctx, 3*time.Second); err != nil {
								return err
							}
							return c.end(outer)
						})
						j.ctx = ctx
						if err := j.run(by); err != nil {
							return err
						}
						j.r.add("the outer body goes on")
						return nil
					})
					if c.want == nil {
						assert.NoError(t, err)
					} else {
						assert.Equal(t, []error{c.want}, groupErrors(t, err))
					}
					assert.Equal(t, 10*time.Second, asyncio.RunningLoop(ctx).Time())
					uncancelled(t, ctx)
				})
				j.r.expect(t, "clean-up ok", "group cancelled")
			})
		}
	}
}

func TestTheCancellationOfARunOutlivesTheJoiningOfACancelledGroup(t *testing.T) {
	var j joining
	runCtx, cancel := context.WithCancelCause(t.Context())
	_, err := asyncio.Run(runCtx, asyncio.Do(func(ctx context.Context) error {
		j.ctx = ctx
		asyncio.RunningLoop(ctx).CallLater(3*time.Second, func() { cancel(errBoom) })
		return j.run("its body, at the end")
	}), asyncio.WithVirtualTime())
	assert.ErrorIs(t, err, asyncio.ErrCancelled)
	assert.ErrorIs(t, err, errBoom)
	j.r.expect(t, "clean-up ok", "group cancelled")
}

func TestACancellationFromOutsideThatTheBodyHasReceivedIsNotDeliveredAgain(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		task := spawn(ctx, func(ctx context.Context) error {
			err := asyncio.WithTaskGroup(ctx, func(ctx context.Context, tg *group) error {
				tg.Cancel()
				asyncio.CurrentTask(ctx).Cancel()
				assert.ErrorIs(t, asyncio.Sleep(ctx, time.Hour), asyncio.ErrCancelled, "one for both")
				return nil
			})
			assert.NoError(t, err)
			assert.Equal(t, 1, asyncio.CurrentTask(ctx).Cancelling())
			return asyncio.Sleep(ctx, time.Second)
		})
		join(ctx, task)
		require.NoError(t, task.Exception())
	})
}

// badError is an error that panics when it is asked for the error it wraps.
type badError struct{}

func (*badError) Error() string { return "bad" }
func (*badError) Unwrap() error { panic(errBoom) }

func TestABodysErrorThatPanicsDoesNotLetTheMembersOutliveTheGroup(t *testing.T) {
	var r trace
	inTurn(t, func(ctx context.Context) {
		err := asyncio.WithTaskGroup(ctx, func(ctx context.Context, tg *group) error {
			tg.Go(traced(&r, "member", time.Hour, nil))
			giveWay(ctx, 1)
			return new(badError)
		})
		assert.ErrorIs(t, err, errBoom)
		r.add("group ends")
	})
	r.expect(t, "member cancelled", "group ends")
}
