package asyncio_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
)

// Goroutines post to the loop while it falls asleep, in each way of sleeping. None of them waits
// for ever, and the items of each goroutine stay in order.
func TestItemsPostedWhileTheLoopFallsAsleepWakeIt(t *testing.T) {
	for name, prepare := range map[string]func(t *testing.T, ctx context.Context){
		"without a timer": func(*testing.T, context.Context) {},
		"with a timer": func(_ *testing.T, ctx context.Context) {
			spawn(ctx, func(ctx context.Context) error {
				for {
					if err := asyncio.Sleep(ctx, time.Microsecond); err != nil {
						return err
					}
				}
			})
		},
		"in the poller": func(t *testing.T, ctx context.Context) {
			needPoller(t)
			_, err := asyncio.StartServer(ctx, func(context.Context, *asyncio.StreamReader, *asyncio.StreamWriter) error { return nil }, "127.0.0.1:0")
			must(err)
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
				prepare(t, ctx)
				const posters, each = 4, 500
				ran := make([]int, posters)
				elsewhere(ctx, func() {
					l := asyncio.RunningLoop(ctx)
					var all sync.WaitGroup
					for p := range posters {
						all.Go(func() {
							seen := make(chan struct{}, 1)
							for i := range each {
								assert.NoError(t, l.CallSoonThreadsafe(func() {
									assert.Equal(t, 2*i, ran[p])
									ran[p]++
								}))
								assert.NoError(t, l.CallSoonThreadsafe(func() {
									ran[p]++
									seen <- struct{}{}
								}))
								<-seen
							}
						})
					}
					all.Wait()
				})
				for _, n := range ran {
					assert.Equal(t, 2*each, n)
				}
				return nil
			}))
			require.NoError(t, err)
		})
	}
}
