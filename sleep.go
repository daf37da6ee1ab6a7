package asyncio

import (
	"context"
	"time"
)

// Sleep suspends the running task for d. If d is not positive it gives way for
// one turn. It returns nil, or the error of a cancellation. It is asyncio.sleep.
func Sleep(ctx context.Context, d time.Duration) error {
	return (*task)(nil).block(ctx, nil, d)
}
