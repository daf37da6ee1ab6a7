package asyncio_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
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
			needPoller(t, "the loop waits in it")
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

// Between the loop's last look at its mailbox and its sleep an item may be posted: here by a
// context whose deadline the loop asks for.
func TestAnItemPostedJustBeforeTheLoopSleepsWakesIt(t *testing.T) {
	for name, post := range map[string]func(l *asyncio.Loop, set func()){
		"a callback": func(l *asyncio.Loop, set func()) { assert.NoError(t, l.CallSoonThreadsafe(set)) },
		"a coroutine": func(l *asyncio.Loop, set func()) {
			asyncio.RunCoroutineThreadsafe(l, asyncio.Do(func(context.Context) error { set(); return nil }))
		},
		"a stop": func(l *asyncio.Loop, _ func()) { l.Stop() },
	} {
		t.Run(name, func(t *testing.T) {
			ended := make(chan error, 1)
			go func() { // if the loop slept on, it would miss the end of t
				l := asyncio.NewLoop(asyncio.WithVirtualTime())
				defer l.Close()
				_, err := asyncio.RunUntilComplete(t.Context(), l, asyncio.Awaitable[asyncio.None](asyncio.Do(func(ctx context.Context) error {
					var event asyncio.Event
					hostile := newHostile(ctx)
					hostile.deadline = func() (time.Time, bool) {
						hostile.deadline = func() (time.Time, bool) { return time.Now().Add(time.Hour), true }
						post(l, event.Set)
						return hostile.deadline()
					}
					return event.Wait(hostile)
				})))
				ended <- err
			}()
			select {
			case err := <-ended:
				if name == "a stop" {
					require.ErrorIs(t, err, asyncio.ErrLoopStopped)
				} else {
					require.NoError(t, err)
				}
			case <-time.After(30 * time.Second):
				require.Fail(t, "the loop keeps sleeping")
			}
		})
	}
}

// When the loop's timer and a goroutine wake the loop at the same instant, whichever is first,
// nothing is lost or late.
func TestATimerAndAWakeUpAtTheSameInstantAreBothHandled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const rounds, each = 500, 3
		_, err := asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
			l := asyncio.RunningLoop(ctx)
			for round := range rounds {
				got, begun := 0, time.Now()
				var posters sync.WaitGroup
				for range each {
					posters.Go(func() {
						time.Sleep(time.Second)
						assert.NoError(t, l.CallSoonThreadsafe(func() {
							got++
							assert.Equal(t, time.Second, time.Since(begun), "round %d", round)
						}))
					})
				}
				if err := asyncio.Sleep(ctx, time.Second); err != nil {
					return err
				}
				posters.Wait()
				giveWay(ctx, 3)
				if !assert.Equal(t, each, got, "round %d", round) {
					return nil
				}
			}
			return nil
		}))
		require.NoError(t, err)
	})
}
