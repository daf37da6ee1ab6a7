package inspect_test

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
	"github.com/go-asyncio/asyncio/inspect"
)

// standstill makes three tasks wait for one another for ever, over two locks and a queue: two hold a
// lock each and want the other's, and the third waits for what they would put into the queue.
func standstill(ctx context.Context) error {
	var accounts, orders asyncio.Lock
	accounts.SetName("accounts")
	orders.SetName("orders")
	receipts := asyncio.NewQueue[string](1)
	receipts.SetName("receipts")
	transfer := func(first, second *asyncio.Lock) func(ctx context.Context) error {
		return func(ctx context.Context) error {
			return first.With(ctx, func(ctx context.Context) error {
				if err := asyncio.Sleep(ctx, time.Second); err != nil {
					return err
				}
				return second.With(ctx, func(ctx context.Context) error { return receipts.Put(ctx, "paid") })
			})
		}
	}
	payer := spawn(ctx, "payer", transfer(&accounts, &orders))
	clerk := spawn(ctx, "clerk", transfer(&orders, &accounts))
	printer := spawn(ctx, "printer", func(ctx context.Context) error {
		_, err := receipts.Get(ctx)
		return err
	})
	_, err := asyncio.Gather(ctx, payer, clerk, printer).Await(ctx)
	return err
}

// waits are the descriptions of the waits of a standstill.
var waits = map[string]string{
	"payer":   `Lock "orders", held by clerk since deadlock_test.go:\d+`,
	"clerk":   `Lock "accounts", held by payer since deadlock_test.go:\d+`,
	"printer": `a value in Queue "receipts"`,
}

func TestOfADeadlockTheDumpAndThePageNameEveryTaskLockAndLine(t *testing.T) {
	withLoop(t, standstill, func(t *testing.T, loop *asyncio.Loop) {
		time.Sleep(time.Minute)
		h := inspect.Handler(loop)
		dump := get(t, h, "dump").Body.String()
		rows := getJSON[answer](t, h, "tasks").View.Rows
		for name, wait := range waits {
			assert.Regexp(t, `(?m)^`+name+`, waiting \S+ for `+wait+`, created \S+ ago by Task-1, awaited by Task-1\n(\t\S+ \S+:\d+\n)+`, dump)
			stack := regexp.MustCompile(`(?m)^` + name + `, waiting.*\n((\t.*\n)+)`).FindStringSubmatch(dump)
			require.NotNil(t, stack)
			assert.Contains(t, stack[1], "deadlock_test.go:", "the line in which it stands")
			found := false
			for _, r := range rows {
				if r.Name == name {
					found = true
					assert.Regexp(t, "^"+wait+"$", r.WaitsFor)
					assert.Contains(t, get(t, h, "stack?task="+id(r)).Body.String(), "deadlock_test.go")
				}
			}
			assert.True(t, found, name)
		}
		assert.Regexp(t, `(?m)^Tasks wait for one another: (payer|clerk) waits for Lock .*, (payer|clerk) waits for Lock .*$`, dump)
		rings := getJSON[answer](t, h, "tasks").View.Rings
		require.Len(t, rings, 1)
		assert.Len(t, rings[0], 2)
		for _, m := range rings[0] {
			assert.Regexp(t, "^"+waits[m.Name]+"$", m.WaitsFor)
		}
	})
}

// The error, in virtual time, has the same words.
func TestOfADeadlockTheErrorNamesEveryTaskLockAndLine(t *testing.T) {
	_, err := asyncio.Run(t.Context(), asyncio.Do(standstill), asyncio.WithVirtualTime(), asyncio.WithInspection())
	var deadlock *asyncio.DeadlockError
	require.ErrorAs(t, err, &deadlock)
	for name, wait := range waits {
		assert.Regexp(t, name+` waits for `+wait+` at deadlock_test.go:\d+`, err.Error())
	}
	require.Len(t, deadlock.Rings, 1)
	assert.Len(t, deadlock.Rings[0], 2)
}

// So has the report of a loop in real time.
func TestOfADeadlockTheReportNamesEveryTaskLockAndLine(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var report string
	_, err := asyncio.Run(ctx, asyncio.Do(func(ctx context.Context) error { return standstill(ctx) }), asyncio.WithInspection(),
		asyncio.WithExceptionHandler(func(_ *asyncio.Loop, c asyncio.ExceptionContext) {
			report = c.Message
			cancel()
		}))
	require.Error(t, err)
	assert.True(t, strings.HasPrefix(report, "2 tasks wait for one another: "), report)
	for _, name := range []string{"payer", "clerk"} {
		assert.Regexp(t, name+` waits for `+waits[name]+` at deadlock_test.go:\d+`, report)
	}
}

// A task that waits for the first of two does not need each of them, so it is in no ring.
func TestAWaitForOneOfSeveralIsNoRing(t *testing.T) {
	withLoop(t, func(ctx context.Context) error {
		var lock asyncio.Lock
		return lock.With(ctx, func(ctx context.Context) error {
			first := spawn(ctx, "first", lock.Acquire)
			second := spawn(ctx, "second", forever)
			_, _, err := asyncio.Wait(ctx, []asyncio.AnyTask{first, second}, asyncio.ReturnWhen(asyncio.FirstCompleted))
			return err
		})
	}, func(t *testing.T, loop *asyncio.Loop) {
		h := inspect.Handler(loop)
		assert.Equal(t, "[]", fmt.Sprint(getJSON[answer](t, h, "tasks").View.Rings))
		assert.NotContains(t, get(t, h, "dump").Body.String(), "wait for one another")
	})
}

// Who waits for a place of a semaphore with several may get that of any task.
func TestAWaitForASemaphoreWithSeveralPlacesIsNoRing(t *testing.T) {
	withLoop(t, func(ctx context.Context) error {
		places := asyncio.NewSemaphore(2)
		if err := places.Acquire(ctx); err != nil {
			return err
		}
		if err := places.Acquire(ctx); err != nil {
			return err
		}
		places.Release()
		waits := spawn(ctx, "waits", func(ctx context.Context) error {
			return errors.Join(places.Acquire(ctx), places.Acquire(ctx))
		})
		_, err := waits.Await(ctx)
		return err
	}, func(t *testing.T, loop *asyncio.Loop) {
		assert.Equal(t, "[]", fmt.Sprint(getJSON[answer](t, inspect.Handler(loop), "tasks").View.Rings))
	})
}
