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

type group = asyncio.TaskGroup

// traced returns a function for a member that sleeps for d, returns err, and records how it ended.
func traced(r *trace, name string, d time.Duration, err error) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		got := asyncio.Sleep(ctx, d)
		if got == nil {
			got = err
		}
		r.end(name, got)
		return got
	}
}

// groupErrors returns the errors of an *ExceptionGroup.
func groupErrors(t *testing.T, err error) []error {
	t.Helper()
	var g *asyncio.ExceptionGroup
	require.ErrorAs(t, err, &g)
	return g.Errors
}

func TestTaskGroupWaitsForAllItsTasks(t *testing.T) {
	var r trace
	inTurn(t, func(ctx context.Context) {
		require.NoError(t, asyncio.WithTaskGroup(ctx, func(ctx context.Context, tg *group) error {
			tg.Go(traced(&r, "slow", 3*time.Second, nil))
			tg.Go(traced(&r, "fast", time.Second, nil))
			r.add("body ends")
			return nil
		}))
		r.at(ctx, "group ends")
	})
	r.expect(t, "body ends", "fast ok", "slow ok", "3s group ends")
}

func TestTaskGroupOfNothingDoesNotSuspend(t *testing.T) {
	var r trace
	inTurn(t, func(ctx context.Context) {
		asyncio.RunningLoop(ctx).CallSoon(func() { r.add("next turn") })
		require.NoError(t, asyncio.WithTaskGroup(ctx, func(context.Context, *group) error { return nil }))
		r.add("group ends")
		giveWay(ctx, 1)
	})
	r.expect(t, "group ends", "next turn")
}

func TestGroupTaskReturnsATypedTask(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		var a, b *asyncio.Task[int]
		require.NoError(t, asyncio.WithTaskGroup(ctx, func(ctx context.Context, tg *group) error {
			a = asyncio.GroupTask(tg, answer(time.Second, 1), asyncio.WithName("one"))
			b = asyncio.GroupTask(tg, answer(0, 2))
			return nil
		}))
		v, err := a.Result()
		assert.NoError(t, err)
		assert.Equal(t, 1, v)
		assert.Equal(t, "one", a.Name())
		v, err = b.Result()
		assert.NoError(t, err)
		assert.Equal(t, 2, v)
	})
}

func TestTaskGroupCancelsTheOthersWhenOneFails(t *testing.T) {
	var r trace
	inTurn(t, func(ctx context.Context) {
		err := asyncio.WithTaskGroup(ctx, func(ctx context.Context, tg *group) error {
			tg.Go(traced(&r, "A", time.Hour, nil))
			tg.Go(traced(&r, "B", time.Second, errBoom))
			tg.Go(traced(&r, "C", time.Hour, nil))
			return nil
		})
		assert.Equal(t, []error{errBoom}, groupErrors(t, err))
		assert.ErrorIs(t, err, errBoom)
		assert.NotErrorIs(t, err, asyncio.ErrCancelled)
		assert.Equal(t, "unhandled errors in a TaskGroup (1 sub-exception): boom", err.Error())
		assert.Equal(t, time.Second, asyncio.RunningLoop(ctx).Time())
		uncancelled(t, ctx)
	})
	r.expect(t, "B: boom", "A cancelled", "C cancelled")
}

func TestTaskGroupCancelsItsBodyWhenATaskFails(t *testing.T) {
	var r trace
	inTurn(t, func(ctx context.Context) {
		err := asyncio.WithTaskGroup(ctx, func(ctx context.Context, tg *group) error {
			tg.Go(traced(&r, "task", time.Second, errBoom))
			err := asyncio.Sleep(ctx, time.Hour)
			r.end("body", err)
			return err
		})
		assert.Equal(t, []error{errBoom}, groupErrors(t, err))
		uncancelled(t, ctx)
	})
	r.expect(t, "task: boom", "body cancelled")
}

func TestTaskGroupCancelsItsTasksWhenTheBodyFails(t *testing.T) {
	panics := func(context.Context) error { panic("no") }
	fails := func(context.Context) error { return errBoom }
	for name, body := range map[string]func(context.Context) error{"returns an error": fails, "panics": panics} {
		t.Run(name, func(t *testing.T) {
			var r trace
			inTurn(t, func(ctx context.Context) {
				err := asyncio.WithTaskGroup(ctx, func(ctx context.Context, tg *group) error {
					tg.Go(traced(&r, "A", time.Hour, nil))
					tg.Go(traced(&r, "B", time.Hour, nil))
					giveWay(ctx, 1)
					return body(ctx)
				})
				errs := groupErrors(t, err)
				require.Len(t, errs, 1)
				var p *asyncio.PanicError
				if errors.As(errs[0], &p) {
					assert.Equal(t, "no", p.Value)
					assert.Contains(t, string(p.Stack), "taskgroup_test.go", "where it happened")
				} else {
					assert.Equal(t, errBoom, errs[0])
				}
				uncancelled(t, ctx)
			})
			r.expect(t, "A cancelled", "B cancelled")
		})
	}
}

func TestTaskGroupTasksThatHadNoStepYetDoNotBeginWhenTheBodyFails(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		began := false
		err := asyncio.WithTaskGroup(ctx, func(ctx context.Context, tg *group) error {
			tg.Go(func(context.Context) error { began = true; return nil })
			return errBoom
		})
		assert.Equal(t, []error{errBoom}, groupErrors(t, err))
		assert.False(t, began)
	})
}

func TestTaskGroupReturnsAllErrorsInTheOrderOfTheirOccurrence(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		first, cleanup, body := errors.New("first"), errors.New("cleanup"), errors.New("body")
		err := asyncio.WithTaskGroup(ctx, func(ctx context.Context, tg *group) error {
			tg.Go(func(ctx context.Context) error {
				_ = asyncio.Sleep(ctx, time.Hour)
				return cleanup
			})
			tg.Go(func(ctx context.Context) error {
				giveWay(ctx, 1)
				return first
			})
			_ = asyncio.Sleep(ctx, time.Hour)
			return body
		})
		assert.Equal(t, []error{first, cleanup, body}, groupErrors(t, err))
		assert.Equal(t, "unhandled errors in a TaskGroup (3 sub-exceptions): first; cleanup; body", err.Error())
		uncancelled(t, ctx)
	})
}

func TestTaskGroupTaskThatPanicsFails(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		err := asyncio.WithTaskGroup(ctx, func(ctx context.Context, tg *group) error {
			tg.Go(func(context.Context) error { panic(errBoom) })
			return asyncio.Sleep(ctx, time.Hour)
		})
		var p *asyncio.PanicError
		require.ErrorAs(t, err, &p)
		assert.ErrorIs(t, err, errBoom)
		uncancelled(t, ctx)
	})
}

func TestTaskGroupTaskThatIsCancelledIsNoFailure(t *testing.T) {
	var r trace
	inTurn(t, func(ctx context.Context) {
		require.NoError(t, asyncio.WithTaskGroup(ctx, func(ctx context.Context, tg *group) error {
			a := tg.Go(traced(&r, "A", time.Hour, nil))
			tg.Go(traced(&r, "B", time.Second, nil))
			giveWay(ctx, 1)
			a.Cancel()
			return nil
		}))
	})
	r.expect(t, "A cancelled", "B ok")
}

func TestTaskGroupOfACancelledTaskCancelsItsTasks(t *testing.T) {
	for name, inBody := range map[string]bool{"in the body": true, "at its end": false} {
		t.Run(name, func(t *testing.T) {
			var r trace
			inTurn(t, func(ctx context.Context) {
				parent := spawn(ctx, func(ctx context.Context) error {
					err := asyncio.WithTaskGroup(ctx, func(ctx context.Context, tg *group) error {
						tg.Go(traced(&r, "A", time.Hour, nil))
						tg.Go(traced(&r, "B", time.Hour, nil))
						if inBody {
							return asyncio.Sleep(ctx, time.Hour)
						}
						return nil
					})
					r.end("group", err)
					assert.ErrorIs(t, err, errBoom, "the cause")
					return err
				})
				settled(ctx)
				parent.CancelCause(errBoom)
				join(ctx, parent)
				assert.True(t, parent.Cancelled())
				assert.Equal(t, 1, parent.Cancelling())
			})
			r.expect(t, "A cancelled", "B cancelled", "group cancelled")
		})
	}
}

func TestTaskGroupCancelledWhileATaskFailsReturnsTheErrorsAndKeepsTheCancellation(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		var got, next error
		parent := spawn(ctx, func(ctx context.Context) error {
			got = asyncio.WithTaskGroup(ctx, func(ctx context.Context, tg *group) error {
				tg.Go(func(ctx context.Context) error {
					_ = asyncio.Sleep(ctx, time.Hour)
					return errBoom
				})
				return nil
			})
			next = asyncio.Sleep(ctx, time.Hour)
			return next
		})
		settled(ctx)
		parent.Cancel()
		join(ctx, parent)
		assert.Equal(t, []error{errBoom}, groupErrors(t, got))
		assert.ErrorIs(t, next, asyncio.ErrCancelled, "the next suspension")
		assert.Equal(t, 1, parent.Cancelling())
	})
}

func TestTaskGroupWaitsForTasksThatCleanUpEvenIfItIsCancelledAgain(t *testing.T) {
	var r trace
	inTurn(t, func(ctx context.Context) {
		parent := spawn(ctx, func(ctx context.Context) error {
			err := asyncio.WithTaskGroup(ctx, func(ctx context.Context, tg *group) error {
				tg.Go(func(ctx context.Context) error {
					err := asyncio.Sleep(ctx, time.Hour)
					r.end("cleaned", asyncio.Sleep(ctx, time.Second))
					return err
				})
				return nil
			})
			r.end("group", err)
			return err
		})
		settled(ctx)
		parent.Cancel()
		settled(ctx)
		parent.Cancel()
		settled(ctx)
		assert.False(t, parent.Done())
		join(ctx, parent)
		assert.Equal(t, 2, parent.Cancelling())
		assert.Equal(t, time.Second, asyncio.RunningLoop(ctx).Time())
	})
	r.expect(t, "cleaned ok", "group cancelled")
}

func TestTaskGroupUnderADoneContextWaitsForItsTasks(t *testing.T) {
	var r trace
	inTurn(t, func(ctx context.Context) {
		derived, cancel := context.WithCancelCause(ctx)
		task := spawn(ctx, func(context.Context) error {
			err := asyncio.WithTaskGroup(derived, func(_ context.Context, tg *group) error {
				tg.Go(func(context.Context) error {
					_ = asyncio.Sleep(derived, time.Hour)
					r.end("cleaned", asyncio.Sleep(ctx, time.Second))
					return nil
				})
				return nil
			})
			r.end("group", err)
			assert.ErrorIs(t, err, context.Canceled)
			assert.ErrorIs(t, err, errBoom)
			return nil
		})
		settled(ctx)
		cancel(errBoom)
		join(ctx, task)
		assert.NoError(t, task.Exception())
		assert.Equal(t, time.Second, asyncio.RunningLoop(ctx).Time())
	})
	r.expect(t, "cleaned ok", "group cancelled")
}

func TestTaskGroupTakesTasksUntilTheLastOneHasEnded(t *testing.T) {
	var r trace
	inTurn(t, func(ctx context.Context) {
		require.NoError(t, asyncio.WithTaskGroup(ctx, func(ctx context.Context, tg *group) error {
			tg.Go(func(ctx context.Context) error {
				giveWay(ctx, 3)
				tg.Go(traced(&r, "late", time.Second, nil))
				return nil
			})
			return nil
		}))
		r.at(ctx, "group ends")
	})
	r.expect(t, "late ok", "1s group ends")
}

func TestTaskGroupThatIsFinishedOrShuttingDownTakesNoTasks(t *testing.T) {
	nothing := func(context.Context) error { return nil }
	inTurn(t, func(ctx context.Context) {
		var tg *group
		require.NoError(t, asyncio.WithTaskGroup(ctx, func(_ context.Context, g *group) error {
			tg = g
			return nil
		}))
		assert.PanicsWithValue(t, "asyncio: task group is finished", func() { tg.Go(nothing) })

		err := asyncio.WithTaskGroup(ctx, func(ctx context.Context, tg *group) error {
			tg.Go(func(context.Context) error { return errBoom })
			err := asyncio.Sleep(ctx, time.Hour)
			assert.PanicsWithValue(t, "asyncio: task group is shutting down", func() { tg.Go(nothing) })
			return err
		})
		assert.Equal(t, []error{errBoom}, groupErrors(t, err))

		require.NoError(t, asyncio.WithTaskGroup(ctx, func(_ context.Context, tg *group) error {
			assert.PanicsWithValue(t, "asyncio: nil coroutine", func() { tg.Go(nil) })
			assert.PanicsWithValue(t, "asyncio: nil coroutine", func() { asyncio.GroupTask[int](tg, nil) })
			return nil
		}), "a group that was asked for nothing")
	})
}

func TestTaskGroupCancelEndsItWithoutAnError(t *testing.T) {
	for name, c := range map[string]struct {
		inTask, inBody, twice bool
	}{
		"by its body":            {inBody: true},
		"by its body, twice":     {inBody: true, twice: true},
		"by a task":              {inTask: true},
		"by a task, twice":       {inTask: true, twice: true},
		"by a task and its body": {inTask: true, inBody: true},
	} {
		t.Run(name, func(t *testing.T) {
			var r trace
			inTurn(t, func(ctx context.Context) {
				var tg *group
				cancel := func() {
					tg.Cancel()
					if c.twice {
						tg.Cancel()
					}
				}
				require.NoError(t, asyncio.WithTaskGroup(ctx, func(ctx context.Context, g *group) error {
					tg = g
					tg.Go(traced(&r, "sleeper", time.Hour, nil))
					tg.Go(func(ctx context.Context) error {
						err := asyncio.Sleep(ctx, 0)
						if c.inTask {
							cancel()
						}
						return err
					})
					giveWay(ctx, 1)
					if c.inBody {
						cancel()
					}
					err := asyncio.Sleep(ctx, time.Hour)
					r.end("body", err)
					return err
				}))
				assert.Zero(t, asyncio.RunningLoop(ctx).Time())
				uncancelled(t, ctx)
				tg.Cancel()
				uncancelled(t, ctx)
			})
			assert.ElementsMatch(t, []string{"sleeper cancelled", "body cancelled"}, r)
		})
	}
}

func TestTaskGroupCancelWhileItWaitsForItsTasksEndsIt(t *testing.T) {
	var r trace
	inTurn(t, func(ctx context.Context) {
		require.NoError(t, asyncio.WithTaskGroup(ctx, func(ctx context.Context, tg *group) error {
			tg.Go(traced(&r, "sleeper", time.Hour, nil))
			asyncio.RunningLoop(ctx).CallLater(time.Second, tg.Cancel)
			return nil
		}))
		assert.Equal(t, time.Second, asyncio.RunningLoop(ctx).Time())
		uncancelled(t, ctx)
	})
	r.expect(t, "sleeper cancelled")
}

func TestTaskGroupCancelDoesNotHideErrors(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		err := asyncio.WithTaskGroup(ctx, func(ctx context.Context, tg *group) error {
			tg.Go(func(ctx context.Context) error {
				_ = asyncio.Sleep(ctx, time.Hour)
				return errBoom
			})
			giveWay(ctx, 1)
			tg.Cancel()
			return nil
		})
		assert.Equal(t, []error{errBoom}, groupErrors(t, err))
		uncancelled(t, ctx)
	})
}

func TestTaskGroupsNest(t *testing.T) {
	var r trace
	inTurn(t, func(ctx context.Context) {
		err := asyncio.WithTaskGroup(ctx, func(ctx context.Context, outer *group) error {
			outer.Go(traced(&r, "outer task", time.Hour, nil))
			err := asyncio.WithTaskGroup(ctx, func(ctx context.Context, inner *group) error {
				inner.Go(traced(&r, "inner task", time.Second, errBoom))
				return nil
			})
			r.end("inner group", err)
			return err
		})
		inner := groupErrors(t, err)
		require.Len(t, inner, 1)
		assert.Equal(t, []error{errBoom}, groupErrors(t, inner[0]))
		assert.ErrorIs(t, err, errBoom)
		uncancelled(t, ctx)
	})
	r.expect(t, "inner task: boom",
		"inner group: unhandled errors in a TaskGroup (1 sub-exception): boom", "outer task cancelled")
}

func TestTaskGroupWithinATimeoutTimesOut(t *testing.T) {
	var r trace
	inTurn(t, func(ctx context.Context) {
		err := asyncio.Timeout(ctx, time.Second, func(ctx context.Context, _ *scope) error {
			return asyncio.WithTaskGroup(ctx, func(ctx context.Context, tg *group) error {
				tg.Go(traced(&r, "task", time.Hour, nil))
				return nil
			})
		})
		assert.ErrorIs(t, err, asyncio.ErrTimeout)
		uncancelled(t, ctx)
	})
	r.expect(t, "task cancelled")
}

func TestTaskGroupGivesItsContextToItsTasks(t *testing.T) {
	type key struct{}
	inTurn(t, func(ctx context.Context) {
		require.NoError(t, asyncio.WithTaskGroup(context.WithValue(ctx, key{}, "v"), func(ctx context.Context, tg *group) error {
			assert.Equal(t, "v", ctx.Value(key{}))
			tg.Go(func(ctx context.Context) error {
				assert.Equal(t, "v", ctx.Value(key{}))
				return nil
			})
			return nil
		}))
	})
}

func TestTaskGroupTaskThatStartsEagerlyAndEndsAtOnce(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		err := asyncio.WithTaskGroup(ctx, func(ctx context.Context, tg *group) error {
			ok := asyncio.GroupTask(tg, asyncio.Coro[int](func(context.Context) (int, error) { return 1, nil }), asyncio.WithEagerStart())
			assert.True(t, ok.Done())
			asyncio.GroupTask(tg, asyncio.Coro[int](func(context.Context) (int, error) { return 0, errBoom }), asyncio.WithEagerStart())
			return asyncio.Sleep(ctx, time.Hour)
		})
		assert.Equal(t, []error{errBoom}, groupErrors(t, err))
		uncancelled(t, ctx)
	})
}

func TestTaskGroupOfTenThousandIsCancelledByOneFailure(t *testing.T) {
	const n = 10_000
	inTurn(t, func(ctx context.Context) {
		cancelled := 0
		err := asyncio.WithTaskGroup(ctx, func(ctx context.Context, tg *group) error {
			for range n {
				tg.Go(func(ctx context.Context) error {
					err := asyncio.Sleep(ctx, time.Hour)
					if errors.Is(err, asyncio.ErrCancelled) {
						cancelled++
					}
					return err
				})
			}
			tg.Go(failingBody(time.Second))
			return nil
		})
		assert.Equal(t, []error{errBoom}, groupErrors(t, err))
		assert.Equal(t, n, cancelled)
		assert.Equal(t, time.Second, asyncio.RunningLoop(ctx).Time())
	})
}

func failingBody(d time.Duration) func(context.Context) error {
	return func(ctx context.Context) error { return errOf[int](ctx, failing(d, errBoom)) }
}

func TestTaskGroupOutsideAnyTaskPanics(t *testing.T) {
	assert.PanicsWithValue(t, "asyncio: await with a context that does not come from a task", func() {
		_ = asyncio.WithTaskGroup(t.Context(), func(context.Context, *group) error { return nil })
	})
}

func TestTaskGroupCancelAfterItsEndDoesNothing(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		var tg *group
		require.NoError(t, asyncio.WithTaskGroup(ctx, func(_ context.Context, g *group) error {
			tg = g
			return nil
		}))
		tg.Cancel()
		uncancelled(t, ctx)
	})
}

func TestTheEndOfTheLastMemberDoesNotEndAWaitOfTheBody(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		require.NoError(t, asyncio.WithTaskGroup(ctx, func(ctx context.Context, tg *group) error {
			tg.Go(func(context.Context) error { return nil }) // the last member
			err := asyncio.Sleep(ctx, time.Second)
			assert.Equal(t, time.Second, asyncio.RunningLoop(ctx).Time())
			return err
		}))
	})
}

func TestTaskGroupKeepsAnErrorJoinedToACancellation(t *testing.T) {
	cleanUp := func(ctx context.Context) error { return errors.Join(asyncio.Sleep(ctx, time.Hour), errBoom) }
	for name, f := range map[string]func(ctx context.Context, tg *group) error{
		"in its body": func(ctx context.Context, _ *group) error { return cleanUp(ctx) },
		"in a task":   func(_ context.Context, tg *group) error { tg.Go(cleanUp); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			inTurn(t, func(ctx context.Context) {
				var err, next error
				parent := spawn(ctx, func(ctx context.Context) error {
					err = asyncio.WithTaskGroup(ctx, f)
					next = asyncio.Sleep(ctx, 0)
					return next
				})
				settled(ctx)
				parent.Cancel()
				join(ctx, parent)
				assert.Len(t, groupErrors(t, err), 1)
				assert.ErrorIs(t, err, errBoom)
				assert.ErrorIs(t, next, asyncio.ErrCancelled, "the cancellation, at the next suspension")
				assert.Equal(t, 1, parent.Cancelling())
			})
		})
	}
}
