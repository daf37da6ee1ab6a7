package asyncio

import (
	"context"
	"time"
)

// Sleep suspends the running task for d, or for one turn if d is not positive. It returns an
// error only if it is cancelled. It is asyncio.sleep.
func Sleep(ctx context.Context, d time.Duration) error {
	return (*task)(nil).block(ctx, nil, d)
}
