package asyncio_test

import (
	"context"
	"runtime/pprof"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
)

type colourKey struct{}

func withColour(ctx context.Context, c string) context.Context {
	return context.WithValue(ctx, colourKey{}, c)
}

// seesColour is a coroutine that checks the value that it and a task of its own see.
func seesColour(t *testing.T, want any) func(context.Context) error {
	return func(ctx context.Context) error {
		assert.Equal(t, want, ctx.Value(colourKey{}))
		_, err := spawn(ctx, func(ctx context.Context) error {
			assert.Equal(t, want, ctx.Value(colourKey{}), "in a task of the task")
			return asyncio.Sleep(ctx, time.Second)
		}).Await(ctx)
		return err
	}
}

// In Python a task has the context variables of the code that creates it.
func TestWithContextGivesATaskOfAGroupTheValues(t *testing.T) {
	run(t, func(ctx context.Context) error {
		return asyncio.WithTaskGroup(withColour(ctx, "red"), func(ctx context.Context, tg *asyncio.TaskGroup) error {
			blue := withColour(ctx, "blue")
			tg.Go(seesColour(t, "blue"), asyncio.WithContext(blue))
			tg.Go(seesColour(t, "blue"), asyncio.WithContext(blue), asyncio.WithEagerStart())
			asyncio.GroupTask(tg, asyncio.Do(seesColour(t, "blue")), asyncio.WithContext(blue))
			tg.Go(seesColour(t, "red"))
			tg.Go(seesColour(t, nil), asyncio.WithContext(context.Background()))
			_, err := asyncio.CreateTask(blue, asyncio.Do(func(ctx context.Context) error {
				tg.Go(seesColour(t, "blue"), asyncio.WithContext(ctx)) // a task's own context
				return nil
			})).Await(ctx)
			return err
		})
	})
}

func TestWithContextLeavesCancellationToTheContextOfCreateTask(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		of, cancel := context.WithCancelCause(withColour(ctx, "red"))
		values, cancelValues := context.WithCancelCause(withColour(ctx, "blue"))
		deadline, cancelDeadline := context.WithTimeout(values, time.Hour)
		defer cancelDeadline()
		var inner error
		task := asyncio.CreateTask(of, asyncio.Do(func(ctx context.Context) error {
			_, limited := ctx.Deadline()
			assert.False(t, limited, "the deadline of the values")
			derived, cancel := context.WithCancel(ctx)
			defer cancel()
			inner = asyncio.Sleep(derived, time.Hour)
			assert.Equal(t, errBoom, context.Cause(ctx))
			return inner
		}), asyncio.WithContext(deadline))
		giveWay(ctx, 2)
		cancelValues(assert.AnError)
		giveWay(ctx, 2)
		require.False(t, task.Done(), "cancelled by the context of its values")
		cancel(errBoom)
		_, err := task.Await(ctx)
		require.ErrorIs(t, err, errBoom)
		require.ErrorIs(t, inner, context.Canceled)
		assert.NotErrorIs(t, inner, assert.AnError)
	})
}

func TestWithContextGivesATaskTheProfilerLabels(t *testing.T) {
	labelled := pprof.WithLabels(context.Background(), pprof.Labels("colour", "blue"))
	inTurn(t, func(ctx context.Context) {
		_, err := asyncio.CreateTask(ctx, asyncio.Do(func(ctx context.Context) error {
			label, _ := pprof.Label(ctx, "colour")
			assert.Equal(t, "blue", label)
			return nil
		}), asyncio.WithContext(labelled)).Await(ctx)
		require.NoError(t, err)
	})
}
