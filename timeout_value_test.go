package asyncio_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
)

func TestTimeoutValueReturnsTheResultUnlessThereIsAnError(t *testing.T) {
	run(t, func(ctx context.Context) error {
		after := func(d time.Duration, err error) func(context.Context, *asyncio.TimeoutScope) (int, error) {
			return func(ctx context.Context, _ *asyncio.TimeoutScope) (int, error) {
				if slept := asyncio.Sleep(ctx, d); slept != nil {
					return 1, slept
				}
				return 42, err
			}
		}
		v, err := asyncio.TimeoutValue(ctx, time.Minute, after(time.Second, nil))
		require.NoError(t, err)
		assert.Equal(t, 42, v)
		v, err = asyncio.TimeoutValue(ctx, time.Minute, after(time.Hour, nil))
		require.Equal(t, asyncio.ErrTimeout, err)
		assert.Zero(t, v)
		v, err = asyncio.TimeoutValue(ctx, time.Minute, after(time.Second, errBoom))
		require.Equal(t, errBoom, err)
		assert.Zero(t, v)
		v, err = asyncio.TimeoutValue(ctx, time.Minute, func(ctx context.Context, scope *asyncio.TimeoutScope) (int, error) {
			_ = asyncio.Sleep(ctx, time.Hour) // swallows the cancellation
			assert.True(t, scope.Expired())
			return 7, nil
		})
		require.NoError(t, err, "as Timeout has it")
		assert.Equal(t, 7, v)
		assert.PanicsWithValue(t, "no", func() {
			_, _ = asyncio.TimeoutValue(ctx, time.Minute, func(context.Context, *asyncio.TimeoutScope) (int, error) { panic("no") })
		})
		return nil
	})
}
