package asyncio_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
)

// burst has n tasks wait at the same time, and returns when they have ended.
func burst(ctx context.Context, n int) {
	var event asyncio.Event
	tasks := make([]*asyncio.Task[asyncio.None], n)
	for i := range tasks {
		tasks[i] = spawn(ctx, event.Wait)
	}
	giveWay(ctx, 2)
	event.Set()
	join(ctx, tasks...)
}

// inBubble runs main in real time, which takes no time in a bubble.
func inBubble(t *testing.T, main func(ctx context.Context) error) {
	synctest.Test(t, func(t *testing.T) {
		_, err := asyncio.Run(t.Context(), asyncio.Do(main))
		require.NoError(t, err)
	})
}

// slack allows for goroutines that do not belong to the test, such as the runtime's.
const slack = 50

func TestTheCoroutinesOfABurstAreReleased(t *testing.T) {
	const tasks, kept = 20_000, 1024
	for name, wait := range map[string]func(ctx context.Context) error{
		"by a loop that sleeps": func(ctx context.Context) error { return asyncio.Sleep(ctx, 20*time.Second) },
		"by a loop that is never idle": func(ctx context.Context) error {
			for range 20 * 10 {
				time.Sleep(100 * time.Millisecond)
				giveWay(ctx, 500)
			}
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(ctx context.Context) error {
				before := goroutines()
				burst(ctx, tasks)
				assert.GreaterOrEqual(t, goroutines(), before+tasks-slack)
				if err := wait(ctx); err != nil {
					return err
				}
				assert.LessOrEqual(t, goroutines(), before+kept+slack)
				return nil
			})
		})
	}
}

func TestTheCoroutinesOfRecurringBurstsAreKept(t *testing.T) {
	const tasks = 2500
	inBubble(t, func(ctx context.Context) error {
		before := goroutines()
		for range 20 {
			burst(ctx, tasks)
			if err := asyncio.Sleep(ctx, 200*time.Millisecond); err != nil {
				return err
			}
			assert.GreaterOrEqual(t, goroutines(), before+tasks-slack)
		}
		return nil
	})
}

// No portion holds the loop up for long: a task that sleeps meanwhile wakes on time.
func TestTrimmingIsDoneInPortions(t *testing.T) {
	inBubble(t, func(ctx context.Context) error {
		burst(ctx, 15_000)
		_ = asyncio.Sleep(ctx, 1500*time.Millisecond)
		l := asyncio.RunningLoop(ctx)
		for most := asyncio.IdleCoroutines(l); most > 2000; {
			_ = asyncio.Sleep(ctx, 100*time.Microsecond)
			left := asyncio.IdleCoroutines(l)
			assert.LessOrEqual(t, most-left, 2*256)
			most = left
		}
		return nil
	})
}

func TestTheQueuesOfALoopShrinkAfterABurst(t *testing.T) {
	inBubble(t, func(ctx context.Context) error {
		l := asyncio.RunningLoop(ctx)
		const calls = 50_000
		for range calls {
			l.CallSoon(func() {})
			l.CallLater(time.Second, func() {})
		}
		posted := make(chan struct{})
		go func() {
			for range calls {
				assert.NoError(t, l.CallSoonThreadsafe(func() {}))
			}
			close(posted)
		}()
		<-posted
		ready, timers, items := asyncio.QueueSizes(l)
		assert.GreaterOrEqual(t, min(ready, timers, items), calls)
		if err := asyncio.Sleep(ctx, time.Minute); err != nil {
			return err
		}
		for range 10 {
			assert.NoError(t, l.CallSoonThreadsafe(func() {}))
			giveWay(ctx, 1)
		}
		ready, timers, items = asyncio.QueueSizes(l)
		assert.LessOrEqual(t, max(ready, timers, items), 1024, "%d, %d, %d", ready, timers, items)
		return nil
	})
}
