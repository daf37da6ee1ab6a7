//go:build !race

package asyncio_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
)

// The race detector reports that the channel is closed during a send, and is right.
func TestASendWaitingAtAChannelThatIsClosedPanicsInItsTask(t *testing.T) {
	inBothTimes(t, func(ctx context.Context) error {
		ch := make(chan int)
		send := spawn(ctx, func(ctx context.Context) error { return asyncio.Send(ctx, ch, 1) })
		choose := spawn(ctx, func(ctx context.Context) error {
			_, err := asyncio.Select(ctx, asyncio.SendTo(ch, 1))
			return err
		})
		giveWay(ctx, 1)
		close(ch)
		for _, task := range []*asyncio.Task[asyncio.None]{send, choose} {
			p, ok := errors.AsType[*asyncio.PanicError](errOf(ctx, task))
			require.True(t, ok)
			assert.EqualError(t, p.Value.(error), "send on closed channel")
		}
		return nil
	})
}
