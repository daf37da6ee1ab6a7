package asyncio_test

import (
	"context"
	"crypto/tls"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
)

// suspensions lists the suspension points that can be tried in virtual time. Each entry prepares,
// in main, a call that waits for something that never happens. The name begins with the name of the
// call; otherSuspensions lists the other suspension points.
var suspensions = []struct {
	name    string
	prepare func(ctx context.Context) (wait func(ctx context.Context) error)
}{
	{"Sleep", func(context.Context) func(context.Context) error {
		return func(ctx context.Context) error { return asyncio.Sleep(ctx, time.Hour) }
	}},
	{"Sleep for ever", func(context.Context) func(context.Context) error {
		return func(ctx context.Context) error { return asyncio.Sleep(ctx, asyncio.Never) }
	}},
	{"Future.Await", func(ctx context.Context) func(context.Context) error {
		return awaitOf[int](asyncio.NewFuture[int](asyncio.RunningLoop(ctx)))
	}},
	{"Task.Await", func(ctx context.Context) func(context.Context) error {
		return awaitOf[int](asyncio.CreateTask(ctx, answer(time.Hour, 1)))
	}},
	{"Coro.Await", func(context.Context) func(context.Context) error {
		return awaitOf[int](answer(time.Hour, 1))
	}},
	{"Future.Await of a Gather", func(ctx context.Context) func(context.Context) error {
		l := asyncio.RunningLoop(ctx)
		return awaitOf[[]int](asyncio.Gather(ctx, asyncio.NewFuture[int](l), asyncio.NewFuture[int](l)))
	}},
	{"Future.Await of a GatherResults", func(ctx context.Context) func(context.Context) error {
		l := asyncio.RunningLoop(ctx)
		return awaitOf[[]asyncio.Result[int]](asyncio.GatherResults(ctx, asyncio.NewFuture[int](l), asyncio.NewFuture[int](l)))
	}},
	{"Future.Await of a Shield", func(ctx context.Context) func(context.Context) error {
		return awaitOf[int](asyncio.Shield(ctx, answer(time.Hour, 1)))
	}},
	{"Wait", func(ctx context.Context) func(context.Context) error {
		f := asyncio.NewFuture[int](asyncio.RunningLoop(ctx))
		return func(ctx context.Context) error {
			_, _, err := asyncio.Wait(ctx, []*asyncio.Future[int]{f})
			return err
		}
	}},
	{"WaitFor a future", func(ctx context.Context) func(context.Context) error {
		f := asyncio.NewFuture[int](asyncio.RunningLoop(ctx))
		return func(ctx context.Context) error {
			_, err := asyncio.WaitFor(ctx, f, time.Hour)
			return err
		}
	}},
	{"WaitFor a coroutine", func(context.Context) func(context.Context) error {
		return func(ctx context.Context) error {
			_, err := asyncio.WaitFor(ctx, answer(2*time.Hour, 1), time.Hour)
			return err
		}
	}},
	{"Timeout", func(context.Context) func(context.Context) error {
		return func(ctx context.Context) error {
			return asyncio.Timeout(ctx, time.Hour, func(ctx context.Context, _ *asyncio.TimeoutScope) error {
				return asyncio.Sleep(ctx, 2*time.Hour)
			})
		}
	}},
	{"TimeoutValue", func(context.Context) func(context.Context) error {
		return func(ctx context.Context) error {
			_, err := asyncio.TimeoutValue(ctx, time.Hour, func(ctx context.Context, _ *asyncio.TimeoutScope) (int, error) {
				return 1, asyncio.Sleep(ctx, 2*time.Hour)
			})
			return err
		}
	}},
	{"GatherErr", func(context.Context) func(context.Context) error {
		return func(ctx context.Context) error {
			sleep := func(ctx context.Context) error { return asyncio.Sleep(ctx, time.Hour) }
			return asyncio.GatherErr(ctx, sleep, sleep)
		}
	}},
	{"TimeoutAt", func(context.Context) func(context.Context) error {
		return func(ctx context.Context) error {
			return asyncio.TimeoutAt(ctx, time.Hour, func(ctx context.Context, _ *asyncio.TimeoutScope) error {
				return asyncio.Sleep(ctx, 2*time.Hour)
			})
		}
	}},
	{"ToThread", func(context.Context) func(context.Context) error {
		return func(ctx context.Context) error {
			_, err := asyncio.ToThread(ctx, func(ctx context.Context) (int, error) {
				<-ctx.Done()
				return 0, ctx.Err()
			})
			return err
		}
	}},
	{"RunInExecutor", func(context.Context) func(context.Context) error {
		executor := asyncio.NewThreadPoolExecutor(1)
		return func(ctx context.Context) error {
			_, err := asyncio.RunInExecutor(ctx, executor, func(ctx context.Context) (int, error) {
				<-ctx.Done()
				return 0, ctx.Err()
			})
			return err
		}
	}},
	{"Receive", func(context.Context) func(context.Context) error {
		ch := make(chan int)
		return func(ctx context.Context) error {
			_, _, err := asyncio.Receive(ctx, ch)
			return err
		}
	}},
	{"Receive from a nil channel", func(context.Context) func(context.Context) error {
		return func(ctx context.Context) error {
			_, _, err := asyncio.Receive[int](ctx, nil)
			return err
		}
	}},
	{"Receive behind another task", func(ctx context.Context) func(context.Context) error {
		ch := make(chan int)
		spawn(ctx, func(ctx context.Context) error {
			_, _, err := asyncio.Receive(ctx, ch)
			return err
		})
		giveWay(ctx, 1)
		return func(ctx context.Context) error {
			_, _, err := asyncio.Receive(ctx, ch)
			return err
		}
	}},
	{"Send", func(context.Context) func(context.Context) error {
		ch := make(chan int)
		return func(ctx context.Context) error { return asyncio.Send(ctx, ch, 1) }
	}},
	{"Select", func(context.Context) func(context.Context) error {
		ch := make(chan int)
		return func(ctx context.Context) error {
			_, err := asyncio.Select(ctx, asyncio.ReceiveFrom(ch), asyncio.SendTo(ch, 1))
			return err
		}
	}},
	{"AwaitDone", func(context.Context) func(context.Context) error {
		return func(ctx context.Context) error { return asyncio.AwaitDone(ctx, context.Background()) }
	}},
	{"AwaitDone of a context that may be cancelled", func(ctx context.Context) func(context.Context) error {
		other, cancel := context.WithCancel(ctx)
		asyncio.RunningLoop(ctx).CallLater(asyncio.Never, cancel)
		return func(ctx context.Context) error { return asyncio.AwaitDone(ctx, other) }
	}},
	{"AwaitGroup", func(ctx context.Context) func(context.Context) error {
		var wg sync.WaitGroup
		wg.Add(1)
		asyncio.CurrentTask(ctx).OnDone(wg.Done)
		return func(ctx context.Context) error { return asyncio.AwaitGroup(ctx, &wg) }
	}},
	{"AsCompleted", func(ctx context.Context) func(context.Context) error {
		f := asyncio.NewFuture[int](asyncio.RunningLoop(ctx))
		return func(ctx context.Context) error {
			for aw, err := range asyncio.AsCompleted(ctx, f) {
				if aw == nil {
					return err
				}
			}
			return nil
		}
	}},
	{"AsCompletedTimeout", func(ctx context.Context) func(context.Context) error {
		f := asyncio.NewFuture[int](asyncio.RunningLoop(ctx))
		return func(ctx context.Context) error {
			for aw, err := range asyncio.AsCompletedTimeout(ctx, time.Hour, f) {
				if aw == nil {
					return err
				}
			}
			return nil
		}
	}},
	{"WithTaskGroup at its end", func(context.Context) func(context.Context) error {
		return func(ctx context.Context) error {
			return asyncio.WithTaskGroup(ctx, func(ctx context.Context, tg *asyncio.TaskGroup) error {
				tg.Go(func(ctx context.Context) error { return asyncio.Sleep(ctx, time.Hour) })
				return nil
			})
		}
	}},
	{"Lock.Acquire", func(ctx context.Context) func(context.Context) error {
		var lock asyncio.Lock
		_ = lock.Acquire(ctx)
		return lock.Acquire
	}},
	{"Lock.With", func(ctx context.Context) func(context.Context) error {
		var lock asyncio.Lock
		_ = lock.Acquire(ctx)
		return func(ctx context.Context) error {
			return lock.With(ctx, func(context.Context) error { panic("not reached") })
		}
	}},
	{"Event.Wait", func(context.Context) func(context.Context) error {
		return new(asyncio.Event).Wait
	}},
	{"Condition.Wait", func(context.Context) func(context.Context) error {
		var cond asyncio.Condition
		return func(ctx context.Context) error { return cond.With(ctx, cond.Wait) }
	}},
	{"Condition.WaitFor", func(context.Context) func(context.Context) error {
		var cond asyncio.Condition
		return func(ctx context.Context) error {
			return cond.With(ctx, func(ctx context.Context) error {
				return cond.WaitFor(ctx, func() bool { return false })
			})
		}
	}},
	{"Condition.Acquire", func(ctx context.Context) func(context.Context) error {
		var cond asyncio.Condition
		_ = cond.Acquire(ctx)
		return cond.Acquire
	}},
	{"Condition.With", func(ctx context.Context) func(context.Context) error {
		var cond asyncio.Condition
		_ = cond.Acquire(ctx)
		return func(ctx context.Context) error {
			return cond.With(ctx, func(context.Context) error { panic("not reached") })
		}
	}},
	{"Semaphore.Acquire", func(context.Context) func(context.Context) error {
		return asyncio.NewSemaphore(0).Acquire
	}},
	{"Semaphore.With", func(context.Context) func(context.Context) error {
		s := asyncio.NewSemaphore(0)
		return func(ctx context.Context) error {
			return s.With(ctx, func(context.Context) error { panic("not reached") })
		}
	}},
	{"BoundedSemaphore.Acquire", func(context.Context) func(context.Context) error {
		return asyncio.NewBoundedSemaphore(0).Acquire
	}},
	{"BoundedSemaphore.With", func(context.Context) func(context.Context) error {
		s := asyncio.NewBoundedSemaphore(0)
		return func(ctx context.Context) error {
			return s.With(ctx, func(context.Context) error { panic("not reached") })
		}
	}},
	{"Barrier.Wait", func(context.Context) func(context.Context) error {
		b := asyncio.NewBarrier(2)
		return func(ctx context.Context) error {
			_, err := b.Wait(ctx)
			return err
		}
	}},
	{"Queue.Get", func(context.Context) func(context.Context) error {
		q := asyncio.NewQueue[int](0)
		return func(ctx context.Context) error {
			_, err := q.Get(ctx)
			return err
		}
	}},
	{"Queue.Put", func(context.Context) func(context.Context) error {
		q := asyncio.NewQueue[int](1)
		_ = q.PutNowait(1)
		return func(ctx context.Context) error { return q.Put(ctx, 2) }
	}},
	{"Queue.Join", func(context.Context) func(context.Context) error {
		q := asyncio.NewQueue[int](0)
		_ = q.PutNowait(1)
		return q.Join
	}},
	{"StreamReader.Read", func(ctx context.Context) func(context.Context) error {
		r := silence(ctx)
		return func(ctx context.Context) error {
			_, err := r.Read(ctx, 1)
			return err
		}
	}},
	{"StreamReader.ReadInto", func(ctx context.Context) func(context.Context) error {
		r := silence(ctx)
		return func(ctx context.Context) error {
			_, err := r.ReadInto(ctx, make([]byte, 1))
			return err
		}
	}},
	{"StreamReader.ReadExactly", func(ctx context.Context) func(context.Context) error {
		r := silence(ctx)
		return func(ctx context.Context) error {
			_, err := r.ReadExactly(ctx, 2)
			return err
		}
	}},
	{"StreamReader.ReadLine", func(ctx context.Context) func(context.Context) error {
		r := silence(ctx)
		return func(ctx context.Context) error {
			_, err := r.ReadLine(ctx)
			return err
		}
	}},
	{"StreamReader.ReadUntil", func(ctx context.Context) func(context.Context) error {
		r := silence(ctx)
		return func(ctx context.Context) error {
			_, err := r.ReadUntil(ctx, ";")
			return err
		}
	}},
	{"StreamReader.Lines", func(ctx context.Context) func(context.Context) error {
		r := silence(ctx)
		return func(ctx context.Context) error {
			for _, err := range r.Lines(ctx) {
				return err
			}
			return nil
		}
	}},
	{"StreamWriter.Drain", func(ctx context.Context) func(context.Context) error {
		return unread(ctx).Drain
	}},
	{"StreamWriter.WaitClosed", func(ctx context.Context) func(context.Context) error {
		w := unread(ctx)
		_ = w.Close()
		return w.WaitClosed
	}},
	{"StreamWriter.SendFile", func(ctx context.Context) func(context.Context) error {
		w := unread(ctx)
		return func(ctx context.Context) error {
			_, err := w.SendFile(ctx, strings.NewReader("file"), 0, -1)
			return err
		}
	}},
	{"StreamWriter.StartTLS", func(ctx context.Context) func(context.Context) error {
		client, _ := asyncio.StreamPair(ctx)
		return func(ctx context.Context) error {
			return client.Writer.StartTLS(ctx, &tls.Config{InsecureSkipVerify: true})
		}
	}},
}

// otherSuspensions lists the suspension points that are not in suspensions, each with the reason.
var otherSuspensions = map[string]string{
	"Generator.Next": waitsInABody, "Generator.Close": waitsInABody, "Loop.ShutdownAsyncgens": waitsInABody,

	"Barrier.Abort": needsSomeTurns, "Barrier.Reset": needsSomeTurns,

	"Conn.Read": takesNoContext, "Conn.Write": takesNoContext,
	"Dialer.Dial": takesNoContext, "Listener.Accept": takesNoContext,

	"OpenConnection": needsDescriptors, "OpenUnixConnection": needsDescriptors,
	"StartServer": needsDescriptors, "Listen": needsDescriptors, "CreateDatagramEndpoint": needsDescriptors,
	"Server.Serve": needsDescriptors, "Server.Shutdown": needsDescriptors, "Server.WaitClosed": needsDescriptors,
	"Dialer.DialContext":     needsDescriptors,
	"DatagramEndpoint.Drain": needsDescriptors, "DatagramEndpoint.RecvFrom": needsDescriptors,
	"DatagramEndpoint.WaitClosed": needsDescriptors,
	"CreateConnection":            needsDescriptors, "CreateUnixConnection": needsDescriptors, "ConnectAcceptedSocket": needsDescriptors,
	"CreateServer": needsDescriptors, "Transport.SendFile": needsDescriptors, "Transport.StartTLS": needsDescriptors, "CreateDatagramTransport": needsDescriptors,
	"SubprocessExec": needsDescriptors, "SubprocessShell": needsDescriptors,
	"ConnectReadPipeTransport": needsDescriptors, "ConnectWritePipeTransport": needsDescriptors,
	"AwaitCmd":            "needs a process",
	"Process.Communicate": needsDescriptors, "Process.Wait": needsDescriptors,
	"Loop.SockAccept": needsDescriptors, "Loop.SockConnect": needsDescriptors, "Loop.SockRecv": needsDescriptors,
	"Loop.SockRecvFrom": needsDescriptors, "Loop.SockRecvFromInto": needsDescriptors, "Loop.SockSendFile": needsDescriptors, "Loop.SockRecvInto": needsDescriptors, "Loop.SockSendAll": needsDescriptors,
	"Loop.SockSendTo": needsDescriptors, "Loop.GetAddrInfo": needsDescriptors, "Loop.GetNameInfo": needsDescriptors,
}

const (
	needsDescriptors = "needs descriptors or the resolver, and so real time"
	needsSomeTurns   = "waits for a few turns at most"
	waitsInABody     = "waits in a body, which has a context of its own"
	takesNoContext   = "takes no context that could be derived"
)

// silence returns a reader that receives nothing.
func silence(ctx context.Context) *asyncio.StreamReader {
	client, _ := asyncio.StreamPair(ctx)
	return client.Reader
}

// unread returns a writer with more bytes than fit, which nobody reads.
func unread(ctx context.Context) *asyncio.StreamWriter {
	client, _ := asyncio.StreamPair(ctx)
	_, _ = client.Writer.Write(make([]byte, 1<<20))
	return client.Writer
}

func awaitOf[T any](aw asyncio.Awaitable[T]) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := aw.Await(ctx)
		return err
	}
}

// eachSuspension runs body as a subtest, as main of a run, for each suspension point.
func eachSuspension(t *testing.T, body func(t *testing.T, ctx context.Context, wait func(ctx context.Context) error)) {
	for _, s := range suspensions {
		t.Run(s.name, func(t *testing.T) {
			run(t, func(ctx context.Context) error {
				body(t, ctx, s.prepare(ctx))
				return nil
			})
		})
	}
}

func TestCancelEndsAWaitEverywhere(t *testing.T) {
	eachSuspension(t, func(t *testing.T, ctx context.Context, wait func(context.Context) error) {
		var got error
		task := spawn(ctx, func(ctx context.Context) error {
			got = wait(ctx)
			return got
		})
		settled(ctx)
		require.False(t, task.Done(), "the task waits")
		require.True(t, task.Cancel())
		_, err := task.Await(ctx)

		assert.ErrorIs(t, got, asyncio.ErrCancelled)
		assert.ErrorIs(t, got, context.Canceled)
		assert.ErrorIs(t, err, asyncio.ErrCancelled)
		assert.True(t, task.Cancelled())
		assert.Equal(t, 1, task.Cancelling())
		assert.Zero(t, asyncio.RunningLoop(ctx).Time(), "time that it took")
	})
}

func TestCancelCauseReachesTheAwaitEverywhere(t *testing.T) {
	eachSuspension(t, func(t *testing.T, ctx context.Context, wait func(context.Context) error) {
		var got error
		task := spawn(ctx, func(ctx context.Context) error {
			got = wait(ctx)
			return got
		})
		settled(ctx)
		require.True(t, task.CancelCause(errBoom))
		_, err := task.Await(ctx)

		assert.ErrorIs(t, got, asyncio.ErrCancelled)
		assert.ErrorIs(t, got, errBoom)
		assert.ErrorIs(t, err, errBoom)
		var cancelled *asyncio.CancelledError
		require.ErrorAs(t, got, &cancelled)
		assert.Equal(t, errBoom, cancelled.Cause)
	})
}

func TestTaskCancelledBeforeItsFirstStepDoesNotBegin(t *testing.T) {
	eachSuspension(t, func(t *testing.T, ctx context.Context, wait func(context.Context) error) {
		began := false
		task := spawn(ctx, func(ctx context.Context) error {
			began = true
			return wait(ctx)
		})
		require.True(t, task.CancelCause(errBoom))
		_, err := task.Await(ctx)

		assert.ErrorIs(t, err, errBoom)
		assert.True(t, task.Cancelled())
		assert.False(t, began)
	})
}

func TestCancelOfARunningTaskIsDeliveredByItsNextWaitEverywhere(t *testing.T) {
	eachSuspension(t, func(t *testing.T, ctx context.Context, wait func(context.Context) error) {
		var got error
		task := spawn(ctx, func(ctx context.Context) error {
			asyncio.CurrentTask(ctx).CancelCause(errBoom)
			got = wait(ctx)
			return asyncio.Sleep(ctx, time.Second)
		})
		_, err := task.Await(ctx)

		assert.ErrorIs(t, got, asyncio.ErrCancelled)
		assert.ErrorIs(t, got, errBoom)
		assert.NoError(t, err, "a cancellation is delivered once")
		assert.Equal(t, time.Second, asyncio.RunningLoop(ctx).Time())
	})
}

func TestDerivedContextCancelsAWaitEverywhere(t *testing.T) {
	eachSuspension(t, func(t *testing.T, ctx context.Context, wait func(context.Context) error) {
		derived, cancel := context.WithCancelCause(ctx)
		var got error
		task := spawn(ctx, func(ctx context.Context) error {
			got = wait(derived)
			return asyncio.Sleep(ctx, time.Minute)
		})
		settled(ctx)
		require.False(t, task.Done())
		cancel(errBoom)
		_, err := task.Await(ctx)

		assert.ErrorIs(t, got, context.Canceled)
		assert.ErrorIs(t, got, asyncio.ErrCancelled)
		assert.ErrorIs(t, got, errBoom)
		assert.NoError(t, err, "the task itself was not cancelled")
		assert.Zero(t, task.Cancelling())
		assert.Equal(t, time.Minute, asyncio.RunningLoop(ctx).Time(), "time that it took")
	})
}

func TestTasksOwnContextDerivedFromEndsAWaitEverywhere(t *testing.T) {
	eachSuspension(t, func(t *testing.T, ctx context.Context, wait func(context.Context) error) {
		var cancel context.CancelFunc
		task := spawn(ctx, func(ctx context.Context) error {
			var derived context.Context
			derived, cancel = context.WithCancel(ctx)
			return wait(derived)
		})
		settled(ctx)
		cancel()
		_, err := task.Await(ctx)
		assert.ErrorIs(t, err, context.Canceled)
		assert.True(t, task.Cancelled())
	})
}

func TestADoneContextEndsAWaitAtOnceEverywhere(t *testing.T) {
	eachSuspension(t, func(t *testing.T, ctx context.Context, wait func(context.Context) error) {
		derived, cancel := context.WithCancelCause(ctx)
		cancel(errBoom)
		var got error
		task := spawn(ctx, func(ctx context.Context) error {
			got = wait(derived)
			return nil
		})
		_, err := task.Await(ctx)
		assert.NoError(t, err)
		assert.ErrorIs(t, got, context.Canceled)
		assert.ErrorIs(t, got, errBoom)
		assert.Zero(t, asyncio.RunningLoop(ctx).Time(), "time that it took")
	})
}

func TestContextPastItsDeadlineEndsAWaitAsATimeoutEverywhere(t *testing.T) {
	eachSuspension(t, func(t *testing.T, ctx context.Context, wait func(context.Context) error) {
		derived, cancel := context.WithDeadlineCause(ctx, time.Unix(0, 0), errBoom)
		defer cancel()
		var got error
		task := spawn(ctx, func(ctx context.Context) error {
			got = wait(derived)
			return nil
		})
		_, err := task.Await(ctx)
		assert.NoError(t, err)
		assert.ErrorIs(t, got, context.DeadlineExceeded)
		assert.ErrorIs(t, got, asyncio.ErrTimeout)
		assert.ErrorIs(t, got, errBoom)
		assert.NotErrorIs(t, got, asyncio.ErrCancelled)
	})
}

func TestWaitUnderAnotherTasksContextSuspendsTheRunningTask(t *testing.T) {
	eachSuspension(t, func(t *testing.T, ctx context.Context, wait func(context.Context) error) {
		outer := ctx
		var got error
		task := spawn(ctx, func(context.Context) error {
			got = wait(outer)
			return got
		})
		settled(ctx)
		require.False(t, task.Done())
		task.Cancel()
		join(ctx, task)
		assert.ErrorIs(t, got, asyncio.ErrCancelled)
		assert.True(t, task.Cancelled())
	})
}

func TestTaskCancelledWhileItsContextIsDoneKeepsTheCancellation(t *testing.T) {
	eachSuspension(t, func(t *testing.T, ctx context.Context, wait func(context.Context) error) {
		derived, cancel := context.WithCancel(ctx)
		var got error
		task := spawn(ctx, func(context.Context) error {
			got = wait(derived)
			return got
		})
		settled(ctx)
		task.CancelCause(errBoom)
		cancel()
		join(ctx, task)
		assert.ErrorIs(t, got, asyncio.ErrCancelled)
		assert.True(t, task.Cancelled())
		assert.Equal(t, 1, task.Cancelling())
	})
}

func TestTenThousandWaitersAreCancelledInTheOrderOfTheCalls(t *testing.T) {
	const n = 10_000
	for _, s := range suspensions {
		switch s.name { // the tasks share one queue
		case "Lock.Acquire", "Event.Wait", "Condition.Wait", "Semaphore.Acquire", "Queue.Get", "Queue.Put", "Queue.Join", "Sleep":
		default:
			continue
		}
		t.Run(s.name, func(t *testing.T) {
			run(t, func(ctx context.Context) error {
				wait := s.prepare(ctx)
				var order []int
				tasks := make([]*asyncio.Task[asyncio.None], n)
				for i := range tasks {
					tasks[i] = spawn(ctx, func(ctx context.Context) error {
						err := wait(ctx)
						if errors.Is(err, asyncio.ErrCancelled) {
							order = append(order, i)
						}
						return err
					})
				}
				giveWay(ctx, 2)
				var want []int
				for i := n - 1; i >= 0; i-- {
					tasks[i].Cancel()
					want = append(want, i)
				}
				join(ctx, tasks...)
				assert.Equal(t, want, order)
				return nil
			})
		})
	}
}

func TestCancelTakesPrecedenceOverTheErrorOfAContextThatHasJustEndedTheWait(t *testing.T) {
	eachSuspension(t, func(t *testing.T, ctx context.Context, wait func(context.Context) error) {
		derived, cancel := context.WithDeadline(ctx, time.Unix(0, 0))
		defer cancel()
		var got error
		task := spawn(ctx, func(context.Context) error {
			got = wait(derived)
			return got
		})
		giveWay(ctx, 1)
		require.False(t, task.Done(), "the task is ready, but has not resumed")
		task.CancelCause(errBoom)
		join(ctx, task)
		assert.ErrorIs(t, got, asyncio.ErrCancelled)
		assert.ErrorIs(t, got, errBoom)
		assert.True(t, task.Cancelled())
	})
}
