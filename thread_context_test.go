package asyncio_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
)

// A function's context behaves the same whether it is asked before the await ends, after it, or
// both.
func TestTheContextOfAFunctionEndsWithTheAwait(t *testing.T) {
	for _, asked := range []string{"before", "after"} {
		for name, end := range map[string]struct {
			cancel bool
			cause  error
		}{
			"returned":  {false, context.Canceled},
			"cancelled": {true, errBoom},
		} {
			t.Run(asked+" it is "+name, func(t *testing.T) {
				var given, derived context.Context
				called := make(chan struct{})
				ask := func() {
					var cancel func()
					derived, cancel = context.WithTimeout(context.WithValue(given, valueKey{}, 6), time.Hour)
					t.Cleanup(cancel)
					context.AfterFunc(derived, func() { close(called) })
				}
				_, err := asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
					begun, release := make(chan struct{}), make(chan struct{})
					task := spawn(context.WithValue(ctx, valueKey{}, 5), func(ctx context.Context) error {
						_, err := asyncio.ToThread(ctx, func(ctx context.Context) (int, error) {
							given = ctx
							if asked == "before" {
								ask()
								assert.NoError(t, ctx.Err())
								assert.NoError(t, context.Cause(ctx))
							}
							close(begun)
							<-release
							return 0, nil
						})
						return err
					})
					giveWay(ctx, 1)
					<-begun
					if end.cancel {
						task.CancelCause(errBoom)
						giveWay(ctx, 2)
					}
					close(release)
					join(ctx, task)
					return nil
				}))
				require.NoError(t, err)
				if asked == "after" {
					ask()
				}
				<-called
				for _, c := range []context.Context{given, derived} {
					<-c.Done()
					assert.Equal(t, context.Canceled, c.Err())
					assert.ErrorIs(t, context.Cause(c), end.cause)
				}
				assert.Equal(t, 5, given.Value(valueKey{}))
				assert.Equal(t, 6, derived.Value(valueKey{}))
			})
		}
	}
}

func TestContextsDerivedFromAFunctionsContextNeedNoGoroutine(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		_, err := asyncio.ToThread(ctx, func(ctx context.Context) (int, error) {
			before := goroutines()
			for range 100 {
				_, cancel := context.WithCancel(ctx)
				defer cancel()
			}
			assert.Less(t, goroutines(), before+100)
			return 0, nil
		})
		assert.NoError(t, err)
	})
}

func TestTheContextOfAFunctionHasTheDeadlineOfTheTask(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		ctx, cancel := context.WithTimeout(ctx, time.Hour)
		defer cancel()
		_, err := asyncio.ToThread(ctx, func(thread context.Context) (int, error) {
			want, _ := ctx.Deadline()
			got, ok := thread.Deadline()
			assert.True(t, ok)
			assert.Equal(t, want, got)
			assert.Contains(t, fmt.Sprintf("%v %#v", thread, thread), "asyncio.function github.com/go-asyncio/asyncio_test.TestTheContext")
			return 0, nil
		})
		assert.NoError(t, err)
	})
}
