package asyncio_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
)

type intTasks = []*asyncio.Task[int]

// answers creates tasks that return 1, 2, ... after the given numbers of seconds. A task with a
// negative number fails after as many seconds.
func answers(ctx context.Context, seconds ...int) intTasks {
	tasks := make(intTasks, len(seconds))
	for i, s := range seconds {
		if s < 0 {
			tasks[i] = asyncio.CreateTask(ctx, failing(time.Duration(-s)*time.Second, errBoom))
		} else {
			tasks[i] = asyncio.CreateTask(ctx, answer(time.Duration(s)*time.Second, i+1))
		}
	}
	return tasks
}

func TestWaitReturnsWhenItsConditionHolds(t *testing.T) {
	for name, c := range map[string]struct {
		seconds []int
		opts    []asyncio.WaitOption
		at      time.Duration
		done    []int // indexes
		pending []int
	}{
		"all completed is the default":         {[]int{3, 1, 2}, nil, 3 * time.Second, []int{0, 1, 2}, nil},
		"all completed, one fails":             {[]int{3, -1, 2}, opts(asyncio.ReturnWhen(asyncio.AllCompleted)), 3 * time.Second, []int{0, 1, 2}, nil},
		"first completed":                      {[]int{3, 1, 2}, opts(asyncio.ReturnWhen(asyncio.FirstCompleted)), time.Second, []int{1}, []int{0, 2}},
		"first completed, two at once":         {[]int{1, 5, 1}, opts(asyncio.ReturnWhen(asyncio.FirstCompleted)), time.Second, []int{0, 2}, []int{1}},
		"first exception":                      {[]int{1, -2, 3}, opts(asyncio.ReturnWhen(asyncio.FirstException)), 2 * time.Second, []int{0, 1}, []int{2}},
		"first exception, none":                {[]int{1, 2, 3}, opts(asyncio.ReturnWhen(asyncio.FirstException)), 3 * time.Second, []int{0, 1, 2}, nil},
		"a timeout is no error":                {[]int{1, 2, 5}, opts(asyncio.WithTimeout(3 * time.Second)), 3 * time.Second, []int{0, 1}, []int{2}},
		"an unneeded timeout":                  {[]int{1, 2}, opts(asyncio.WithTimeout(time.Hour)), 2 * time.Second, []int{0, 1}, nil},
		"a timeout of zero":                    {[]int{1, 2}, opts(asyncio.WithTimeout(0)), 0, nil, []int{0, 1}},
		"a negative timeout":                   {[]int{1, 2}, opts(asyncio.WithTimeout(-time.Second)), 0, nil, []int{0, 1}},
		"no timeout":                           {[]int{1, 2}, opts(asyncio.WithTimeout(asyncio.Never)), 2 * time.Second, []int{0, 1}, nil},
		"timeout and first completed together": {[]int{3, 5}, opts(asyncio.WithTimeout(time.Second), asyncio.ReturnWhen(asyncio.FirstCompleted)), time.Second, nil, []int{0, 1}},
	} {
		t.Run(name, func(t *testing.T) {
			inTurn(t, func(ctx context.Context) {
				tasks := answers(ctx, c.seconds...)
				done, pending, err := asyncio.Wait(ctx, tasks, c.opts...)
				require.NoError(t, err)
				assert.Equal(t, c.at, asyncio.RunningLoop(ctx).Time(), "time that it took")
				assert.Equal(t, c.done, indexes(tasks, done), "done")
				assert.Equal(t, c.pending, indexes(tasks, pending), "pending")
				for _, p := range pending {
					assert.Zero(t, p.Cancelling(), "nothing is cancelled")
				}
				_, _, err = asyncio.Wait(ctx, tasks)
				require.NoError(t, err)
				for _, task := range tasks {
					_ = task.Exception()
				}
			})
		})
	}
}

func opts(o ...asyncio.WaitOption) []asyncio.WaitOption { return o }

// indexes returns the positions of some tasks in the list of all.
func indexes(all, some intTasks) (is []int) {
	for _, s := range some {
		for i, a := range all {
			if a == s {
				is = append(is, i)
			}
		}
	}
	return is
}

func TestACancelledTaskIsNoExceptionForWait(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		tasks := answers(ctx, 1, 2)
		tasks[0].Cancel()
		done, pending, err := asyncio.Wait(ctx, tasks, asyncio.ReturnWhen(asyncio.FirstException))
		require.NoError(t, err)
		assert.Len(t, done, 2)
		assert.Empty(t, pending)
		assert.Equal(t, 2*time.Second, asyncio.RunningLoop(ctx).Time())
	})
}

func TestWaitForNothingReturnsErrNothingToWait(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		_, _, err := asyncio.Wait(ctx, intTasks{})
		assert.ErrorIs(t, err, asyncio.ErrNothingToWait)
		_, _, err = asyncio.Wait[asyncio.Waitable](ctx, nil)
		assert.ErrorIs(t, err, asyncio.ErrNothingToWait)
	})
}

func TestWaitReturnsEachTaskOnce(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		tasks := answers(ctx, 1, 2)
		done, pending, err := asyncio.Wait(ctx, intTasks{tasks[1], tasks[0], tasks[1], tasks[0]})
		require.NoError(t, err)
		assert.Equal(t, []int{1, 0}, indexes(tasks, done), "in the order of the argument")
		assert.Empty(t, pending)
	})
}

func TestWaitTakesFuturesAndTasksOfAllTypes(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		f := asyncio.NewFuture[string](asyncio.RunningLoop(ctx))
		task := asyncio.CreateTask(ctx, answer(time.Second, 1))
		task.AddDoneCallback(func(*asyncio.Task[int]) { _ = f.SetResult("done") })
		done, pending, err := asyncio.Wait(ctx, []asyncio.Waitable{f, task})
		require.NoError(t, err)
		assert.Equal(t, []asyncio.Waitable{f, task}, done)
		assert.Empty(t, pending)
	})
}

func TestACancelledWaitCancelsNothing(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		tasks := answers(ctx, 1, 2)
		waiter := spawn(ctx, func(ctx context.Context) error {
			_, _, err := asyncio.Wait(ctx, tasks)
			return err
		})
		giveWay(ctx, 1)
		waiter.Cancel()
		join(ctx, waiter)
		assert.True(t, waiter.Cancelled())
		for i, task := range tasks {
			v, err := task.Await(ctx)
			assert.NoError(t, err)
			assert.Equal(t, i+1, v)
		}
	})
}

func TestWaitWokenAndCancelledInTheSameTurnIsCancelled(t *testing.T) {
	var r trace
	run(t, func(ctx context.Context) error {
		l := asyncio.RunningLoop(ctx)
		f := asyncio.NewFuture[int](l)
		waiter := spawnTraced(ctx, &r, "wait", func(ctx context.Context) error {
			_, _, err := asyncio.Wait(ctx, []*asyncio.Future[int]{f})
			return err
		})
		giveWay(ctx, 1)
		require.NoError(t, f.SetResult(1))
		l.CallSoon(func() { waiter.Cancel() }) // after the callback that wakes it
		join(ctx, waiter)
		return nil
	})
	r.expect(t, "wait cancelled")
}

func TestWaitReturnsTenThousandTasks(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		tasks := answers(ctx, make([]int, 10_000)...)
		done, pending, err := asyncio.Wait(ctx, tasks)
		require.NoError(t, err)
		assert.Equal(t, tasks, done)
		assert.Empty(t, pending)
	})
}

func TestACancelledWaitDoesNotWakeItsTaskLater(t *testing.T) {
	for name, wait := range map[string]func(ctx context.Context, f *asyncio.Future[int]) error{
		"Wait": func(ctx context.Context, f *asyncio.Future[int]) error {
			_, _, err := asyncio.Wait(ctx, []*asyncio.Future[int]{f}, asyncio.WithTimeout(time.Second))
			return err
		},
		"AsCompleted": func(ctx context.Context, f *asyncio.Future[int]) (err error) {
			for _, err = range asyncio.AsCompletedTimeout(ctx, time.Second, f) {
			}
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			inTurn(t, func(ctx context.Context) {
				f := asyncio.NewFuture[int](asyncio.RunningLoop(ctx))
				waiter := spawn(ctx, func(ctx context.Context) error {
					assert.ErrorIs(t, wait(ctx, f), asyncio.ErrCancelled)
					return asyncio.Sleep(ctx, time.Hour)
				})
				giveWay(ctx, 1)
				waiter.Cancel()
				require.NoError(t, f.SetResult(1)) // its callback runs after the task has gone on
				join(ctx, waiter)
				assert.Equal(t, time.Hour, asyncio.RunningLoop(ctx).Time())
			})
		})
	}
}
