package asyncio_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/go-asyncio/asyncio"
)

// waysToTimeOut lists calls that run f for at most a second.
var waysToTimeOut = map[string]func(ctx context.Context, f func(ctx context.Context) error) error{
	"Timeout": func(ctx context.Context, f func(ctx context.Context) error) error {
		return asyncio.Timeout(ctx, time.Second, func(ctx context.Context, _ *scope) error { return f(ctx) })
	},
	"WaitFor of a coroutine": func(ctx context.Context, f func(ctx context.Context) error) error {
		_, err := asyncio.WaitFor(ctx, asyncio.Do(f), time.Second)
		return err
	},
	"WaitFor of a task": func(ctx context.Context, f func(ctx context.Context) error) error {
		_, err := asyncio.WaitFor(ctx, spawn(ctx, f), time.Second)
		return err
	},
	"WaitFor without time": func(ctx context.Context, f func(ctx context.Context) error) error {
		task := spawn(ctx, f)
		giveWay(ctx, 1)
		_, err := asyncio.WaitFor(ctx, task, 0)
		return err
	},
}

// A bodyError is an error that names what was cut short.
type bodyError struct {
	op  string
	err error
}

func (e *bodyError) Error() string { return e.op + ": " + e.err.Error() }
func (e *bodyError) Unwrap() error { return e.err }

func TestATimeoutKeepsTheErrorOfItsBodyAsItsCause(t *testing.T) {
	for name, c := range map[string]struct {
		end  func(err error) error // ends the body, whose await was cancelled with err
		text string
		disk bool // the result wraps errBoom
		op   bool // the result wraps a *bodyError
	}{
		"wrapped": {func(err error) error { return &bodyError{"reading the header", err} },
			"asyncio: timed out: reading the header: asyncio: cancelled", false, true},
		"joined to another": {func(err error) error { return errors.Join(err, errBoom) },
			"asyncio: timed out: asyncio: cancelled\nboom", true, false},
		"wrapped with another": {func(err error) error { return fmt.Errorf("%w, and then: %w", &bodyError{"reading", err}, errBoom) },
			"asyncio: timed out: reading: asyncio: cancelled, and then: boom", true, true},
		"a cancellation with a cause": {func(error) error { return &asyncio.CancelledError{Cause: errBoom} },
			"asyncio: timed out: asyncio: cancelled: boom", true, false},
	} {
		for way, limited := range waysToTimeOut {
			t.Run(way+", "+name, func(t *testing.T) {
				inTurn(t, func(ctx context.Context) {
					err := limited(ctx, func(ctx context.Context) error { return c.end(asyncio.Sleep(ctx, time.Hour)) })
					assert.EqualError(t, err, c.text)
					assert.ErrorIs(t, err, asyncio.ErrTimeout)
					assert.ErrorIs(t, err, context.DeadlineExceeded)
					assert.Equal(t, c.disk, errors.Is(err, errBoom))
					var op *bodyError
					assert.Equal(t, c.op, errors.As(err, &op))
					uncancelled(t, ctx)

					assert.NotErrorIs(t, err, asyncio.ErrCancelled, "the means of the timeout, not its result")
					assert.NotErrorIs(t, err, context.Canceled)
					var cancelled *asyncio.CancelledError
					assert.False(t, errors.As(err, &cancelled))
					task := spawn(ctx, func(context.Context) error { return err })
					join(ctx, task)
					assert.False(t, task.Cancelled(), "a task that returns it")
				})
			})
		}
	}
}

func TestATimeoutOfAPlainCancellationIsErrTimeoutItself(t *testing.T) {
	for way, limited := range waysToTimeOut {
		t.Run(way, func(t *testing.T) {
			inTurn(t, func(ctx context.Context) {
				err := limited(ctx, func(ctx context.Context) error { return asyncio.Sleep(ctx, time.Hour) })
				assert.True(t, err == asyncio.ErrTimeout) //nolint:errorlint // that is the question
				err = limited(ctx, func(ctx context.Context) error {
					_ = asyncio.Sleep(ctx, time.Hour)
					return new(asyncio.CancelledError)
				})
				assert.True(t, err == asyncio.ErrTimeout) //nolint:errorlint // that is the question
			})
		})
	}
}

func TestATimeoutPassesOnTheFailureOfItsBody(t *testing.T) {
	for name, fail := range map[string]func(err error) error{
		"another error": func(error) error { return errBoom },
		"a group": func(error) error {
			return &asyncio.ExceptionGroup{Message: "two", Errors: []error{errBoom, io.EOF}}
		},
		"a panic": func(err error) error { return &asyncio.PanicError{Value: err} },
	} {
		for way, limited := range waysToTimeOut {
			t.Run(way+", "+name, func(t *testing.T) {
				inTurn(t, func(ctx context.Context) {
					var failure error
					err := limited(ctx, func(ctx context.Context) error {
						failure = fail(asyncio.Sleep(ctx, time.Hour))
						return failure
					})
					assert.Equal(t, failure, err)
					uncancelled(t, ctx)
				})
			})
		}
	}
}

func TestABodyThatIsCancelledFromOutsideKeepsItsErrorAsItIs(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		var inBody error
		task := spawn(ctx, func(ctx context.Context) error {
			return asyncio.Timeout(ctx, time.Minute, func(ctx context.Context, _ *scope) error {
				inBody = errors.Join(asyncio.Sleep(ctx, time.Hour), errBoom)
				return inBody
			})
		})
		giveWay(ctx, 1)
		task.Cancel()
		assert.Equal(t, inBody, errOf[asyncio.None](ctx, task))
		assert.False(t, task.Cancelled())
	})
}
