package asyncio_test

import (
	"context"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
)

// inBothTimes runs main in real and in virtual time, each with and without debug mode. No goroutine may be left.
func inBothTimes(t *testing.T, main func(ctx context.Context) error) {
	t.Helper()
	for name, opts := range map[string][]asyncio.Option{
		"real": nil, "virtual": {asyncio.WithVirtualTime()},
		"debug": {asyncio.WithDebug(), asyncio.WithSlowCallbackDuration(time.Hour)},
	} {
		t.Run(name, func(t *testing.T) {
			before := goroutines()
			_, err := asyncio.Run(t.Context(), asyncio.Do(main), opts...)
			require.NoError(t, err)
			assertGoroutines(t, before)
		})
	}
}

func TestReceiveAndSendWithoutWaiting(t *testing.T) {
	inBothTimes(t, func(ctx context.Context) error {
		before := goroutines()
		ch := make(chan int, 1)
		require.NoError(t, asyncio.Send(ctx, ch, 7))
		v, ok, err := asyncio.Receive(ctx, ch)
		assert.Equal(t, 7, v)
		assert.True(t, ok)
		require.NoError(t, err)
		close(ch)
		v, ok, err = asyncio.Receive(ctx, ch)
		assert.Zero(t, v)
		assert.False(t, ok)
		require.NoError(t, err)
		assert.Panics(t, func() { _ = asyncio.Send(ctx, ch, 1) })
		assert.LessOrEqual(t, goroutines(), before)
		return nil
	})
}

func TestATaskReceivesFromAnotherGoroutine(t *testing.T) {
	for _, size := range []int{0, 1, 100} {
		inBothTimes(t, func(ctx context.Context) error {
			ch, back := make(chan int, size), make(chan int, size)
			go func() {
				defer close(ch)
				for i := range 1000 {
					ch <- i
					if got := <-back; got != i {
						panic(got)
					}
				}
			}()
			for i := 0; ; i++ {
				v, ok, err := asyncio.Receive(ctx, ch)
				if err != nil || !ok {
					assert.Equal(t, 1000, i)
					return err
				}
				assert.Equal(t, i, v)
				if err := asyncio.Send(ctx, back, v); err != nil {
					return err
				}
			}
		})
	}
}

func TestTasksOfOneLoopMeetAtAChannel(t *testing.T) {
	for _, size := range []int{0, 1, 3} {
		inBothTimes(t, func(ctx context.Context) error {
			ch := make(chan int, size)
			var got []int
			receivers := make([]*asyncio.Task[asyncio.None], 20)
			for i := range receivers {
				receivers[i] = spawn(ctx, func(ctx context.Context) error {
					v, ok, err := asyncio.Receive(ctx, ch)
					assert.True(t, ok)
					assert.Equal(t, i, v, "receivers take their values in the order of their calls")
					got = append(got, v)
					return err
				})
			}
			giveWay(ctx, 2)
			for i := range receivers {
				require.NoError(t, asyncio.Send(ctx, ch, i))
			}
			join(ctx, receivers...)
			assert.Len(t, got, len(receivers))
			return nil
		})
	}
}

func TestSendersAreServedInTheOrderOfTheirCalls(t *testing.T) {
	inBothTimes(t, func(ctx context.Context) error {
		ch := make(chan int)
		senders := make([]*asyncio.Task[asyncio.None], 20)
		for i := range senders {
			senders[i] = spawn(ctx, func(ctx context.Context) error { return asyncio.Send(ctx, ch, i) })
		}
		giveWay(ctx, 1)
		for i := range senders {
			v, _, err := asyncio.Receive(ctx, ch)
			require.NoError(t, err)
			assert.Equal(t, i, v)
		}
		join(ctx, senders...)
		return nil
	})
}

// The instants are fixed: virtual time does not move on while goroutines are about to meet.
func TestVirtualTimeWaitsForChannelsThatTasksUse(t *testing.T) {
	for range 200 {
		var r trace
		run(t, func(ctx context.Context) error {
			unbuffered, buffered, quit := make(chan int), make(chan int, 1), make(chan struct{})
			tick := func(name string, f func(ctx context.Context) error) *asyncio.Task[asyncio.None] {
				return spawn(ctx, func(ctx context.Context) error {
					err := f(ctx)
					r.at(ctx, "%s", name)
					return err
				})
			}
			ticker := tick("ticker", func(ctx context.Context) error {
				for range 10 {
					must(asyncio.Sleep(ctx, time.Second))
				}
				return nil
			})
			tasks := []*asyncio.Task[asyncio.None]{
				ticker,
				tick("receive", func(ctx context.Context) error { _, _, err := asyncio.Receive(ctx, unbuffered); return err }),
				tick("receive buffered", func(ctx context.Context) error { _, _, err := asyncio.Receive(ctx, buffered); return err }),
				tick("closed", func(ctx context.Context) error { _, _, err := asyncio.Receive(ctx, quit); return err }),
				tick("select", func(ctx context.Context) error {
					_, err := asyncio.Select(ctx, asyncio.ReceiveFrom(quit), asyncio.SendTo(make(chan int), 1))
					return err
				}),
			}
			must(asyncio.Sleep(ctx, time.Second))
			must(asyncio.Send(ctx, unbuffered, 1))
			r.at(ctx, "sent")
			must(asyncio.Sleep(ctx, time.Second))
			buffered <- 1
			must(asyncio.Sleep(ctx, time.Second))
			close(quit)
			join(ctx, tasks...)
			return nil
		})
		r.expect(t, "1s receive", "1s sent", "2s receive buffered", "3s closed", "3s select", "10s ticker")
	}
}

func TestACancelledReceiveTakesNoValue(t *testing.T) {
	inBothTimes(t, func(ctx context.Context) error {
		ch := make(chan int)
		task := spawn(ctx, func(ctx context.Context) error {
			_, _, err := asyncio.Receive(ctx, ch)
			return err
		})
		giveWay(ctx, 1)
		task.CancelCause(errBoom)
		err := errOf(ctx, task)
		assert.ErrorIs(t, err, asyncio.ErrCancelled)
		assert.ErrorIs(t, err, errBoom)
		select {
		case ch <- 1:
			assert.Fail(t, "somebody still receives")
		default:
		}
		return nil
	})
}

// Whether the value or the cancellation is first, nothing is lost: neither the value nor the
// cancellation.
func TestAValueThatComesTogetherWithACancellationIsNotLost(t *testing.T) {
	received, cancelledAt := 0, 0
	for range 300 {
		inTurn(t, func(ctx context.Context) {
			ch := make(chan int)
			sent := make(chan bool, 1)
			got := false
			task := spawn(ctx, func(ctx context.Context) error {
				_, _, err := asyncio.Receive(ctx, ch)
				if err != nil {
					cancelledAt++
					return err
				}
				got = true
				received++
				return asyncio.Sleep(ctx, time.Hour)
			})
			giveWay(ctx, 1)
			stop := make(chan struct{})
			go func() {
				select {
				case ch <- 1:
					sent <- true
				case <-stop:
					sent <- false
				}
			}()
			runtime.Gosched()
			task.Cancel()
			assert.ErrorIs(t, errOf(ctx, task), asyncio.ErrCancelled, "the cancellation arrives")
			close(stop)
			assert.Equal(t, <-sent, got)
		})
	}
	t.Log(received, cancelledAt)
}

func TestAReceiveThatHasItsValueReturnsItAndIsCancelledLater(t *testing.T) {
	run(t, func(ctx context.Context) error {
		for _, derived := range []bool{false, true} {
			ch := make(chan int)
			waitCtx, cancel := context.WithCancelCause(ctx)
			task := spawn(ctx, func(ctx context.Context) error {
				c := ctx
				if derived {
					c = waitCtx
				}
				v, ok, err := asyncio.Receive(c, ch)
				assert.Equal(t, 7, v)
				assert.True(t, ok)
				require.NoError(t, err)
				err = asyncio.Sleep(c, time.Hour)
				assert.ErrorIs(t, err, asyncio.ErrCancelled)
				assert.ErrorIs(t, err, errBoom)
				if derived {
					assert.NoError(t, asyncio.Sleep(ctx, time.Hour))
				}
				return err
			})
			giveWay(ctx, 1)
			ch <- 7 // received by the goroutine; in virtual time the task learns of it when the loop is idle
			if derived {
				cancel(errBoom)
			} else {
				task.CancelCause(errBoom)
			}
			join(ctx, task)
			assert.True(t, task.Cancelled())
			cancel(nil)
		}
		return nil
	})
}

func TestACancelledTaskInLinePassesItsTurnOn(t *testing.T) {
	inBothTimes(t, func(ctx context.Context) error {
		ch := make(chan int)
		var got []int
		tasks := make([]*asyncio.Task[asyncio.None], 5)
		for i := range tasks {
			tasks[i] = spawn(ctx, func(ctx context.Context) error {
				_, _, err := asyncio.Receive(ctx, ch)
				if err == nil {
					got = append(got, i)
				}
				return err
			})
		}
		giveWay(ctx, 1)
		for _, i := range []int{0, 2, 3} {
			tasks[i].Cancel()
		}
		giveWay(ctx, 1) // until they have resumed, the first of them may still receive
		for range 2 {
			require.NoError(t, asyncio.Send(ctx, ch, 0))
		}
		join(ctx, tasks...)
		assert.Equal(t, []int{1, 4}, got)
		return nil
	})
}

func TestSelectTakesTheFirstCaseThatCanBeMade(t *testing.T) {
	inBothTimes(t, func(ctx context.Context) error {
		a, b, c := make(chan int, 1), make(chan error, 1), make(chan string, 1)
		fromA, fromB, toC := asyncio.ReceiveFrom(a), asyncio.ReceiveFrom(b), asyncio.SendTo(c, "c")
		never := asyncio.ReceiveFrom[int](nil)
		choose := func() asyncio.SelectCase {
			chosen, err := asyncio.Select(ctx, never, fromA, fromB, toC)
			require.NoError(t, err)
			return chosen
		}
		a <- 1
		b <- errBoom
		assert.Same(t, fromA, choose())
		assert.Equal(t, 1, fromA.Value)
		assert.True(t, fromA.OK)
		assert.Same(t, fromB, choose())
		assert.Equal(t, errBoom, fromB.Value)
		assert.Same(t, toC, choose())
		assert.Equal(t, "c", <-c)
		c <- "full"
		asyncio.RunningLoop(ctx).CallSoon(func() { b <- nil })
		assert.Same(t, fromB, choose(), "it waits")
		assert.NoError(t, fromB.Value)
		assert.True(t, fromB.OK)
		asyncio.RunningLoop(ctx).CallSoon(func() { assert.Equal(t, "full", <-c) })
		assert.Same(t, toC, choose())
		assert.Equal(t, "c", <-c)
		c <- "full"
		asyncio.RunningLoop(ctx).CallSoon(func() { close(a) })
		assert.Same(t, fromA, choose())
		assert.False(t, fromA.OK)
		assert.Zero(t, fromA.Value)
		assert.PanicsWithValue(t, "asyncio: nil SelectCase", func() { _, _ = asyncio.Select(ctx, nil) })
		return nil
	})
}

func TestSelectsMeetAtUnbufferedChannels(t *testing.T) {
	inBothTimes(t, func(ctx context.Context) error {
		ch, quit := make(chan int), make(chan int)
		const n = 100
		sum := 0
		receiver := spawn(ctx, func(ctx context.Context) error {
			values, end := asyncio.ReceiveFrom(ch), asyncio.ReceiveFrom(quit)
			for {
				chosen, err := asyncio.Select(ctx, values, end)
				if err != nil || chosen == asyncio.SelectCase(end) {
					return err
				}
				sum += values.Value
			}
		})
		for i := range n {
			if _, err := asyncio.Select(ctx, asyncio.SendTo(ch, i), asyncio.SendTo[string](nil, "")); err != nil {
				return err
			}
		}
		close(quit)
		require.NoError(t, errOf(ctx, receiver))
		assert.Equal(t, n*(n-1)/2, sum)
		return nil
	})
}

func TestADeadlockNamesANilChannel(t *testing.T) {
	for _, wait := range []func(ctx context.Context) error{
		func(ctx context.Context) error { _, _, err := asyncio.Receive[int](ctx, nil); return err },
		func(ctx context.Context) error { return asyncio.Send(ctx, nil, 1) },
		func(ctx context.Context) error { _, err := asyncio.Select(ctx); return err },
	} {
		_, err := asyncio.Run(t.Context(), asyncio.Do(wait), asyncio.WithVirtualTime())
		assert.ErrorContains(t, err, "asyncio: deadlock: Task-1 waits for a nil channel at channel_test.go:")
	}
}

func TestVirtualTimeReportsTasksWhoseChannelsNobodyUses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r trace
		_, err := asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
			ch := make(chan int)
			time.AfterFunc(time.Minute, func() { ch <- 1 })
			must(asyncio.Sleep(ctx, time.Hour))
			_, _, err := asyncio.Receive(ctx, ch)
			r.at(ctx, "received")
			return err
		}), asyncio.WithVirtualTime(), asyncio.WithExceptionHandler(func(_ *asyncio.Loop, c asyncio.ExceptionContext) { r.add("%s", c.Message) }))
		require.NoError(t, err)
		r.expect(t, "virtual time has stood still for 10s, until other goroutines act: Task-1 waits for a value from a channel", "1h0m0s received")
	})
}

func TestTasksThatKeepOneInstantBusyDoNotHoldUpAReceive(t *testing.T) {
	run(t, func(ctx context.Context) error {
		ch := make(chan int, 1)
		received := false
		task := spawn(ctx, func(ctx context.Context) error {
			_, _, err := asyncio.Receive(ctx, ch)
			received = true
			return err
		})
		giveWay(ctx, 1)
		ch <- 1
		for turns := 0; !received; turns++ {
			require.Less(t, turns, 1000)
			giveWay(ctx, 1)
		}
		return errOf(ctx, task)
	})
}

func TestValuesFromAnotherGoroutineAreNoLivelock(t *testing.T) {
	const n = 2000
	sum, err := asyncio.Run(t.Context(), func(ctx context.Context) (sum int, err error) {
		ch := make(chan int)
		go func() {
			defer close(ch)
			for range n {
				ch <- 1
			}
		}()
		for {
			v, ok, err := asyncio.Receive(ctx, ch)
			if err != nil || !ok {
				return sum, err
			}
			sum += v
			giveWay(ctx, 1)
		}
	}, asyncio.WithVirtualTime(), asyncio.WithMaxTurnsPerInstant(100))
	require.NoError(t, err)
	assert.Equal(t, n, sum)
}

func TestAChannelThatIsAlwaysReadyDoesNotHoldTheLoop(t *testing.T) {
	closed, buffered := make(chan int), make(chan int, 1)
	close(closed)
	for _, operate := range []func(ctx context.Context) error{
		func(ctx context.Context) error { _, _, err := asyncio.Receive(ctx, closed); return err },
		func(ctx context.Context) error { err := asyncio.Send(ctx, buffered, 1); <-buffered; return err },
		func(ctx context.Context) error {
			_, err := asyncio.Select(ctx, asyncio.ReceiveFrom(closed))
			return err
		},
	} {
		inBothTimes(t, func(ctx context.Context) error {
			stop := false
			task := spawn(ctx, func(ctx context.Context) error {
				for i := 0; !stop; i++ {
					require.Less(t, i, 10_000)
					if err := operate(ctx); err != nil {
						return err
					}
				}
				return nil
			})
			giveWay(ctx, 3)
			stop = true
			return errOf(ctx, task)
		})
	}
}

func TestNoGoroutineOfAChannelOutlivesTheRun(t *testing.T) {
	for _, end := range []func(ctx context.Context) error{
		func(context.Context) error { return nil },
		func(context.Context) error { panic(errBoom) },
		func(context.Context) error { runtime.Goexit(); return nil },
		func(ctx context.Context) error { asyncio.RunningLoop(ctx).Stop(); return asyncio.Sleep(ctx, 0) },
	} {
		for _, opts := range [][]asyncio.Option{nil, {asyncio.WithVirtualTime()}} {
			before := goroutines()
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				_, _ = asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
					ch := make(chan int)
					for range 3 {
						spawn(ctx, func(ctx context.Context) error { _, _, err := asyncio.Receive(ctx, ch); return err })
						spawn(ctx, func(ctx context.Context) error {
							_, err := asyncio.Select(ctx, asyncio.ReceiveFrom(make(chan int)))
							return err
						})
					}
					giveWay(ctx, 1)
					return end(ctx)
				}), append(opts, asyncio.WithExceptionHandler(func(*asyncio.Loop, asyncio.ExceptionContext) {}))...)
			}()
			<-ended
			assertGoroutines(t, before)
		}
	}
}

func TestThousandsOfReceives(t *testing.T) {
	inBothTimes(t, func(ctx context.Context) error {
		const n = 5000
		shared := make(chan int)
		own := make([]chan int, n)
		sum := 0
		tasks := make([]*asyncio.Task[asyncio.None], 0, 2*n)
		receive := func(ch chan int) {
			tasks = append(tasks, spawn(ctx, func(ctx context.Context) error {
				v, _, err := asyncio.Receive(ctx, ch)
				sum += v
				return err
			}))
		}
		for i := range own {
			own[i] = make(chan int)
			receive(own[i])
			receive(shared)
		}
		giveWay(ctx, 1)
		var wg sync.WaitGroup
		wg.Go(func() {
			for i := range own {
				own[i] <- 1
				shared <- 2
			}
		})
		join(ctx, tasks...)
		wg.Wait()
		assert.Equal(t, 3*n, sum)
		return nil
	})
}

func TestVirtualTimeDoesNotMoveBeforeTasksAtBothEndsOfAChannelHaveMet(t *testing.T) {
	for range 20 {
		run(t, func(ctx context.Context) error {
			loop := asyncio.RunningLoop(ctx)
			loop.CallLater(time.Second, func() {}) // for time to move to
			ch := make(chan int)
			join(ctx,
				spawn(ctx, func(ctx context.Context) error { return asyncio.OperateSlowly(ctx, asyncio.SendTo(ch, 1)) }),
				spawn(ctx, func(ctx context.Context) error { return asyncio.OperateSlowly(ctx, asyncio.ReceiveFrom(ch)) }))
			assert.Zero(t, loop.Time())
			return nil
		})
	}
}
