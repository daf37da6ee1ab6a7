package asyncio_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
)

func TestTheTextsOfErrorsHaveOneForm(t *testing.T) {
	voice := regexp.MustCompile(`^asyncio: [a-zA-Z][^.\n]*[^.\n]$`)
	for _, err := range []error{
		asyncio.ErrCancelled, asyncio.ErrTimeout, asyncio.ErrInvalidState, asyncio.ErrAwaitSelf, asyncio.ErrForeignLoop,
		asyncio.ErrLoopClosed, asyncio.ErrLoopRunning, asyncio.ErrLoopStopped, asyncio.ErrInterrupted, asyncio.ErrDeadlock,
		asyncio.ErrReleased, asyncio.ErrBrokenBarrier, asyncio.ErrNothingToWait, asyncio.ErrQueueEmpty, asyncio.ErrQueueFull,
		asyncio.ErrQueueShutDown, &asyncio.CancelledError{Cause: errBoom},
	} {
		assert.Regexp(t, voice, err.Error())
	}
}

func TestCancelledErrorIsErrCancelledAndContextCanceled(t *testing.T) {
	for _, err := range []error{
		asyncio.ErrCancelled,
		&asyncio.CancelledError{},
		&asyncio.CancelledError{Cause: errBoom},
		fmt.Errorf("closing: %w", &asyncio.CancelledError{}),
	} {
		assert.ErrorIs(t, err, asyncio.ErrCancelled)
		assert.ErrorIs(t, err, context.Canceled)
		assert.NotErrorIs(t, err, asyncio.ErrTimeout)
		assert.NotErrorIs(t, err, context.DeadlineExceeded)
	}
	assert.ErrorIs(t, &asyncio.CancelledError{Cause: errBoom}, errBoom)
	assert.NotErrorIs(t, context.Canceled, asyncio.ErrCancelled, "the other way round")
}

func TestTheTextOfCancelledErrorNamesItsCause(t *testing.T) {
	assert.Equal(t, "asyncio: cancelled", (&asyncio.CancelledError{}).Error())
	assert.Equal(t, "asyncio: cancelled: boom", (&asyncio.CancelledError{Cause: errBoom}).Error())
}

func TestErrTimeoutIsDeadlineExceededAndANetTimeout(t *testing.T) {
	assert.ErrorIs(t, asyncio.ErrTimeout, context.DeadlineExceeded)
	assert.NotErrorIs(t, asyncio.ErrTimeout, asyncio.ErrCancelled)
	assert.NotErrorIs(t, context.DeadlineExceeded, asyncio.ErrTimeout, "the other way round")
	var timeout net.Error
	require.ErrorAs(t, asyncio.ErrTimeout, &timeout)
	assert.True(t, timeout.Timeout())
}

func TestATaskEndsAsCancelledIfItsErrorIsNothingButCancellations(t *testing.T) {
	other := errors.New("other")
	join := errors.Join
	for name, c := range map[string]struct {
		err       error
		cancelled bool
	}{
		"ErrCancelled":            {asyncio.ErrCancelled, true},
		"a CancelledError":        {&asyncio.CancelledError{Cause: errBoom}, true},
		"wrapped":                 {fmt.Errorf("closing: %w", asyncio.ErrCancelled), true},
		"wrapped twice":           {fmt.Errorf("a: %w", fmt.Errorf("b: %w", asyncio.ErrCancelled)), true},
		"an operation's":          {&net.OpError{Op: "read", Err: asyncio.ErrCancelled}, true},
		"two of them":             {join(asyncio.ErrCancelled, &asyncio.CancelledError{Cause: errBoom}), true},
		"two of them, wrapped":    {fmt.Errorf("x: %w", join(join(asyncio.ErrCancelled), fmt.Errorf("y: %w", asyncio.ErrCancelled))), true},
		"joined to an error":      {join(asyncio.ErrCancelled, other), false},
		"an error joined to it":   {join(other, asyncio.ErrCancelled), false},
		"with an error in text":   {fmt.Errorf("%w while flushing: %w", asyncio.ErrCancelled, other), false},
		"deep among errors":       {join(asyncio.ErrCancelled, fmt.Errorf("x: %w", join(asyncio.ErrCancelled, other))), false},
		"joined to a panic":       {join(asyncio.ErrCancelled, &asyncio.PanicError{Value: asyncio.ErrCancelled}), false},
		"joined to a timeout":     {join(asyncio.ErrCancelled, asyncio.ErrTimeout), false},
		"joined to context's":     {join(asyncio.ErrCancelled, context.Canceled), false},
		"closed and cancelled":    {fmt.Errorf("%w: %w", net.ErrClosed, asyncio.ErrCancelled), false},
		"an empty tree":           {emptyJoin{}, false},
		"another error":           {other, false},
		"context.Canceled alone":  {context.Canceled, false},
		"ErrTimeout":              {asyncio.ErrTimeout, false},
		"in a group":              {&asyncio.ExceptionGroup{Message: "m", Errors: []error{asyncio.ErrCancelled}}, false},
		"the value of a panic":    {&asyncio.PanicError{Value: asyncio.ErrCancelled}, false},
		"a group that is wrapped": {fmt.Errorf("x: %w", &asyncio.ExceptionGroup{Errors: []error{asyncio.ErrCancelled}}), false},
	} {
		t.Run(name, func(t *testing.T) {
			inTurn(t, func(ctx context.Context) {
				task := spawn(ctx, func(context.Context) error { return c.err })
				_, err := task.Await(ctx)
				assert.Equal(t, c.err, err)
				assert.Equal(t, c.cancelled, task.Cancelled())

				err = asyncio.WithTaskGroup(ctx, func(_ context.Context, tg *group) error {
					tg.Go(func(context.Context) error { return c.err })
					return nil
				})
				if c.cancelled {
					assert.NoError(t, err, "of a group's member")
				} else {
					assert.Equal(t, []error{c.err}, groupErrors(t, err), "of a group's member")
				}
			})
		})
	}
}

// emptyJoin is a join of no errors.
type emptyJoin struct{}

func (emptyJoin) Error() string   { return "empty" }
func (emptyJoin) Unwrap() []error { return nil }

func TestTheTextOfExceptionGroupListsItsErrors(t *testing.T) {
	group := func(errs ...error) *asyncio.ExceptionGroup {
		return &asyncio.ExceptionGroup{Message: "two things", Errors: errs}
	}
	assert.Equal(t, "two things (1 sub-exception): boom", group(errBoom).Error())
	assert.Equal(t, "two things (2 sub-exceptions): boom; EOF", group(errBoom, io.EOF).Error())
	assert.Equal(t, "two things (0 sub-exceptions)", group().Error())
	nested := group(group(io.EOF), errBoom)
	assert.ErrorIs(t, nested, io.EOF)
	assert.ErrorIs(t, nested, errBoom)
	assert.NotErrorIs(t, nested, io.ErrUnexpectedEOF)
	assert.Equal(t, []error{errBoom, io.EOF}, group(errBoom, io.EOF).Unwrap())
}

func TestPanicErrorKeepsTheValueAndTheStack(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		for _, value := range []any{"no", 42, errBoom} {
			task := spawn(ctx, func(ctx context.Context) error {
				giveWay(ctx, 1)
				panic(value)
			})
			_, err := task.Await(ctx)
			var p *asyncio.PanicError
			require.ErrorAs(t, err, &p)
			assert.Equal(t, value, p.Value)
			assert.Contains(t, string(p.Stack), "errors_test.go")
			assert.Contains(t, err.Error(), fmt.Sprintf("asyncio: panic: %v", value))
			assert.Equal(t, value == any(errBoom), errors.Is(err, errBoom), "the panic's value as an error")
			assert.False(t, task.Cancelled())
		}
	})
}

func TestDeadlockErrorNamesTheTasksAndWhatTheyWaitFor(t *testing.T) {
	withoutDebug(t)
	_, err := asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
		asyncio.CurrentTask(ctx).SetName("main")
		var lock asyncio.Lock
		var event asyncio.Event
		var cond asyncio.Condition
		q := asyncio.NewQueue[int](1)
		_ = q.PutNowait(1)
		_ = lock.Acquire(ctx)
		waits := []struct {
			name string
			wait func(context.Context) error
		}{
			{"lock", lock.Acquire},
			{"event", event.Wait},
			{"condition", func(ctx context.Context) error { return cond.With(ctx, cond.Wait) }},
			{"semaphore", asyncio.NewSemaphore(0).Acquire},
			{"get", func(ctx context.Context) error { _, err := asyncio.NewQueue[int](0).Get(ctx); return err }},
			{"put", func(ctx context.Context) error { return q.Put(ctx, 2) }},
			{"future", awaitOf[int](asyncio.NewFuture[int](asyncio.RunningLoop(ctx)))},
			{"forever", func(ctx context.Context) error { return asyncio.Sleep(ctx, asyncio.Never) }},
		}
		var last *asyncio.Task[asyncio.None]
		for _, w := range waits {
			last = asyncio.CreateTask(ctx, asyncio.Do(w.wait), asyncio.WithName(w.name))
		}
		return errOf[asyncio.None](ctx, last)
	}), asyncio.WithVirtualTime())

	assert.ErrorIs(t, err, asyncio.ErrDeadlock)
	var d *asyncio.DeadlockError
	require.ErrorAs(t, err, &d)
	assert.Equal(t, []asyncio.WaitingTask{
		{Name: "main", For: "task forever"},
		{Name: "lock", For: "Lock"},
		{Name: "event", For: "Event"},
		{Name: "condition", For: "Condition"},
		{Name: "semaphore", For: "Semaphore"},
		{Name: "get", For: "a value in a Queue"},
		{Name: "put", For: "room in a Queue"},
		{Name: "future", For: "future"},
		{Name: "forever", For: "sleep"},
	}, withoutStacks(d.Waiting))
	assert.Regexp(t, `^asyncio: deadlock: main waits for task forever at \w+_test.go:\d+, lock waits for Lock, event`, err.Error())
}

func TestTheErrorOfAContextIsBothItsErrAndItsCause(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		cancelled, cancel := context.WithCancelCause(ctx)
		cancel(errBoom)
		err := asyncio.Sleep(cancelled, time.Hour)
		assert.Equal(t, "asyncio: cancelled: boom", err.Error())

		plain, cancelPlain := context.WithCancel(ctx)
		cancelPlain()
		assert.ErrorIs(t, asyncio.Sleep(plain, time.Hour), context.Canceled)

		late, cancelLate := context.WithDeadlineCause(ctx, time.Unix(0, 0), errBoom)
		defer cancelLate()
		err = asyncio.Sleep(late, time.Hour)
		assert.Equal(t, "asyncio: timed out: boom", err.Error())

		late, cancelLate = context.WithDeadline(ctx, time.Unix(0, 0))
		defer cancelLate()
		err = asyncio.Sleep(late, time.Hour)
		assert.Equal(t, "asyncio: timed out: context deadline exceeded", err.Error())
		assert.Zero(t, asyncio.RunningLoop(ctx).Time())
	})
}

func TestTheTextsOfManyErrorsAreBounded(t *testing.T) {
	group := &asyncio.ExceptionGroup{Message: "many"}
	deadlock := new(asyncio.DeadlockError)
	for range 1000 {
		group.Errors = append(group.Errors, errBoom)
		deadlock.Waiting = append(deadlock.Waiting, asyncio.WaitingTask{Name: "t", For: "Lock"})
	}
	assert.EqualError(t, group, "many (1000 sub-exceptions): boom; boom; boom; boom; boom; boom; boom; boom; boom; boom; and 990 more")
	assert.Less(t, len(deadlock.Error()), 300)
	assert.EqualError(t, new(asyncio.DeadlockError), "asyncio: deadlock")
}

func TestAnErrorJoinedToACancellationIsNotLost(t *testing.T) {
	cleanUp := func(ctx context.Context) error { return errors.Join(asyncio.Sleep(ctx, time.Hour), errBoom) }
	started := func(ctx context.Context) *asyncio.Task[asyncio.None] {
		task := spawn(ctx, cleanUp)
		giveWay(ctx, 1)
		return task
	}
	for name, end := range map[string]func(ctx context.Context) error{
		"await under a context that ends": func(ctx context.Context) error {
			derived, cancel := context.WithCancel(ctx)
			task := started(ctx)
			asyncio.RunningLoop(ctx).CallSoon(cancel)
			return errOf[asyncio.None](derived, task)
		},
		"Gather": func(ctx context.Context) error {
			task := started(ctx)
			task.Cancel()
			return errOf[[]asyncio.None](ctx, asyncio.Gather(ctx, task))
		},
		"GatherResults": func(ctx context.Context) error {
			task := started(ctx)
			task.Cancel()
			results, err := asyncio.GatherResults(ctx, task).Await(ctx)
			must(err)
			return results[0].Err
		},
		"Shield": func(ctx context.Context) error {
			task := started(ctx)
			task.Cancel()
			return errOf[asyncio.None](ctx, asyncio.Shield(ctx, task))
		},
		"Wait for the first exception": func(ctx context.Context) error {
			task := started(ctx)
			task.Cancel()
			other := started(ctx)
			done, _, err := asyncio.Wait(ctx, []*asyncio.Task[asyncio.None]{task, other}, asyncio.ReturnWhen(asyncio.FirstException))
			must(err)
			other.Cancel()
			join(ctx, other)
			return done[0].Exception()
		},
		"ToThread": func(ctx context.Context) error {
			_, err := asyncio.ToThread(ctx, func(context.Context) (asyncio.None, error) {
				return asyncio.None{}, errors.Join(asyncio.ErrCancelled, errBoom)
			})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			inTurn(t, func(ctx context.Context) {
				assert.ErrorIs(t, end(ctx), errBoom)
			})
		})
	}
}

func TestAnErrorJoinedToACancellationIsReportedAtTheEndOfTheRun(t *testing.T) {
	var reported []error
	_, err := asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
		spawn(ctx, func(ctx context.Context) error { return errors.Join(asyncio.Sleep(ctx, time.Hour), errBoom) })
		spawn(ctx, func(ctx context.Context) error { return fmt.Errorf("x: %w", asyncio.Sleep(ctx, time.Hour)) })
		giveWay(ctx, 1)
		return nil
	}), asyncio.WithVirtualTime(), asyncio.WithExceptionHandler(func(_ *asyncio.Loop, c asyncio.ExceptionContext) {
		reported = append(reported, c.Err)
	}))
	require.NoError(t, err)
	require.Len(t, reported, 1)
	assert.ErrorIs(t, reported[0], errBoom)
}

func TestTheTextOfNestedGroupsGrowsLinearly(t *testing.T) {
	const levels = 100_000
	err := errBoom
	for range levels {
		err = &asyncio.ExceptionGroup{Message: "g", Errors: []error{err}}
	}
	const level = "g (1 sub-exception): "
	text := err.Error() // 100 GB if each level copied the levels below
	assert.Len(t, text, levels*len(level)+len("boom"))
	assert.Equal(t, level+level, text[:2*len(level)])
	assert.Equal(t, level+"boom", text[len(text)-len(level)-len("boom"):])
}
