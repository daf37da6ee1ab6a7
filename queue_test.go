package asyncio_test

import (
	"cmp"
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
)

// getters creates tasks that each get one value and record it.
func getters(ctx context.Context, r *trace, q *asyncio.Queue[int], names ...string) []*asyncio.Task[asyncio.None] {
	tasks := make([]*asyncio.Task[asyncio.None], len(names))
	for i, name := range names {
		tasks[i] = spawn(ctx, func(ctx context.Context) error {
			v, err := q.Get(ctx)
			if err != nil {
				r.end(name, err)
			} else {
				r.add("%s got %d", name, v)
			}
			return err
		})
	}
	settled(ctx)
	return tasks
}

// putters creates a task for each value, which puts the value and records that it did.
func putters(ctx context.Context, r *trace, q *asyncio.Queue[int], values ...int) []*asyncio.Task[asyncio.None] {
	tasks := make([]*asyncio.Task[asyncio.None], len(values))
	for i, v := range values {
		tasks[i] = spawn(ctx, func(ctx context.Context) error {
			err := q.Put(ctx, v)
			if err != nil {
				r.end("put", err)
			} else {
				r.add("put %d", v)
			}
			return err
		})
	}
	settled(ctx)
	return tasks
}

func drain[T any](q interface{ GetNowait() (T, error) }) []T {
	var values []T
	for {
		v, err := q.GetNowait()
		if err != nil {
			return values
		}
		values = append(values, v)
	}
}

func TestQueuesReturnValuesInTheirOrder(t *testing.T) {
	type queue interface {
		PutNowait(int) error
		GetNowait() (int, error)
		QSize() int
	}
	for name, c := range map[string]struct {
		q    queue
		want []int
	}{
		"Queue":             {asyncio.NewQueue[int](0), []int{3, 1, 2, 1}},
		"LifoQueue":         {asyncio.NewLifoQueue[int](0), []int{1, 2, 1, 3}},
		"PriorityQueue":     {asyncio.NewPriorityQueue[int](0), []int{1, 1, 2, 3}},
		"PriorityQueueFunc": {asyncio.NewPriorityQueueFunc(0, func(a, b int) int { return cmp.Compare(b, a) }), []int{3, 2, 1, 1}},
	} {
		t.Run(name, func(t *testing.T) {
			for range 2 {
				for _, v := range []int{3, 1, 2, 1} {
					require.NoError(t, c.q.PutNowait(v))
				}
				assert.Equal(t, 4, c.q.QSize())
				assert.Equal(t, c.want, drain[int](c.q))
				assert.Zero(t, c.q.QSize())
			}
		})
	}
}

func TestPriorityQueueReturnsEqualValuesInTheOrderOfPythonsHeapq(t *testing.T) {
	type job struct {
		priority int
		name     string
	}
	q := asyncio.NewPriorityQueueFunc(0, func(a, b job) int { return cmp.Compare(a.priority, b.priority) })
	for _, j := range []job{{2, "a"}, {1, "b"}, {2, "c"}, {1, "d"}, {2, "e"}, {1, "f"}, {0, "g"}} {
		require.NoError(t, q.PutNowait(j))
	}
	var names string
	for _, j := range drain[job](q) {
		names += j.name
	}
	assert.Equal(t, "gbfdcae", names)
}

func TestQueueOfNoPositiveSizeIsUnbounded(t *testing.T) {
	for _, size := range []int{0, -1} {
		q := asyncio.NewQueue[int](size)
		assert.Equal(t, size, q.MaxSize())
		for i := range 10_000 {
			require.NoError(t, q.PutNowait(i))
		}
		assert.False(t, q.Full())
		assert.Equal(t, 10_000, q.QSize())
	}
}

func TestQueueNowaitNeverWaits(t *testing.T) {
	q := asyncio.NewQueue[int](2)
	assert.True(t, q.Empty())
	_, err := q.GetNowait()
	assert.ErrorIs(t, err, asyncio.ErrQueueEmpty)
	require.NoError(t, q.PutNowait(1))
	assert.False(t, q.Full())
	require.NoError(t, q.PutNowait(2))
	assert.True(t, q.Full())
	assert.ErrorIs(t, q.PutNowait(3), asyncio.ErrQueueFull)
	assert.Equal(t, []int{1, 2}, drain[int](q), "the value that did not fit is not in the queue")
}

func TestQueueWithRoomAndValuesDoesNotSuspend(t *testing.T) {
	var r trace
	run(t, func(ctx context.Context) error {
		asyncio.RunningLoop(ctx).CallSoon(func() { r.add("next turn") })
		q := asyncio.NewQueue[int](1)
		for i := range 3 {
			require.NoError(t, q.Put(ctx, i))
			v, err := q.Get(ctx)
			require.NoError(t, err)
			r.add("got %d", v)
		}
		giveWay(ctx, 1)
		return nil
	})
	r.expect(t, "got 0", "got 1", "got 2", "next turn")
}

func TestQueueServesGettersInTheOrderOfTheirCalls(t *testing.T) {
	var r trace
	run(t, func(ctx context.Context) error {
		q := asyncio.NewQueue[int](0)
		tasks := getters(ctx, &r, q, "A", "B", "C")
		for i := range 3 {
			require.NoError(t, q.PutNowait(i))
		}
		join(ctx, tasks...)
		return nil
	})
	r.expect(t, "A got 0", "B got 1", "C got 2")
}

func TestQueueServesPuttersInTheOrderOfTheirCalls(t *testing.T) {
	var r trace
	run(t, func(ctx context.Context) error {
		q := asyncio.NewQueue[int](1)
		tasks := putters(ctx, &r, q, 0, 1, 2, 3)
		for i := range 4 {
			v, err := q.Get(ctx)
			require.NoError(t, err)
			assert.Equal(t, i, v)
			r.add("got %d", v)
			settled(ctx)
		}
		join(ctx, tasks...)
		return nil
	})
	r.expect(t, "put 0", "got 0", "put 1", "got 1", "put 2", "got 2", "put 3", "got 3")
}

func TestQueueLosesNoValueWhenTheWokenGetterIsCancelled(t *testing.T) {
	for name, act := range map[string]func(q *asyncio.Queue[int], a *asyncio.Task[asyncio.None]){
		"put, then cancelled": func(q *asyncio.Queue[int], a *asyncio.Task[asyncio.None]) {
			_ = q.PutNowait(1)
			a.Cancel()
		},
		"cancelled, then put": func(q *asyncio.Queue[int], a *asyncio.Task[asyncio.None]) {
			a.Cancel()
			_ = q.PutNowait(1)
		},
	} {
		t.Run(name, func(t *testing.T) {
			var r trace
			run(t, func(ctx context.Context) error {
				q := asyncio.NewQueue[int](0)
				tasks := getters(ctx, &r, q, "A", "B")
				act(q, tasks[0])
				join(ctx, tasks...)
				assert.True(t, q.Empty())
				return nil
			})
			assert.ElementsMatch(t, []string{"A cancelled", "B got 1"}, r)
		})
	}
	t.Run("without another waiter", func(t *testing.T) {
		var r trace
		run(t, func(ctx context.Context) error {
			q := asyncio.NewQueue[int](0)
			tasks := getters(ctx, &r, q, "A")
			require.NoError(t, q.PutNowait(1))
			tasks[0].Cancel()
			join(ctx, tasks...)
			v, err := q.Get(ctx)
			assert.Equal(t, 1, v)
			return err
		})
		r.expect(t, "A cancelled")
	})
}

func TestQueueLosesNoRoomWhenTheWokenPutterIsCancelled(t *testing.T) {
	for name, act := range map[string]func(q *asyncio.Queue[int], a *asyncio.Task[asyncio.None]){
		"got, then cancelled": func(q *asyncio.Queue[int], a *asyncio.Task[asyncio.None]) {
			_, _ = q.GetNowait()
			a.Cancel()
		},
		"cancelled, then got": func(q *asyncio.Queue[int], a *asyncio.Task[asyncio.None]) {
			a.Cancel()
			_, _ = q.GetNowait()
		},
	} {
		t.Run(name, func(t *testing.T) {
			var r trace
			run(t, func(ctx context.Context) error {
				q := asyncio.NewQueue[int](1)
				require.NoError(t, q.PutNowait(0))
				tasks := putters(ctx, &r, q, 1, 2)
				act(q, tasks[0])
				join(ctx, tasks...)
				assert.Equal(t, []int{2}, drain[int](q), "in the queue")
				return nil
			})
			assert.ElementsMatch(t, []string{"put cancelled", "put 2"}, r)
		})
	}
}

func TestQueueWaiterWithADoneContextGetsAndPutsNothing(t *testing.T) {
	run(t, func(ctx context.Context) error {
		q := asyncio.NewQueue[int](1)
		derived, cancel := context.WithCancel(ctx)
		getter := spawn(ctx, func(context.Context) error {
			_, err := q.Get(derived)
			return err
		})
		giveWay(ctx, 1)
		cancel()
		join(ctx, getter)
		assert.True(t, getter.Cancelled())
		require.NoError(t, q.Put(ctx, 1))
		assert.ErrorIs(t, q.Put(derived, 2), context.Canceled, "a full queue")
		assert.Equal(t, []int{1}, drain[int](q))
		return nil
	})
}

func TestQueueJoinWaitsUntilAllItemsAreDone(t *testing.T) {
	var r trace
	run(t, func(ctx context.Context) error {
		q := asyncio.NewQueue[int](0)
		require.NoError(t, q.Join(ctx), "nothing was put in")
		for i := range 3 {
			require.NoError(t, q.PutNowait(i))
		}
		worker := spawn(ctx, func(ctx context.Context) error {
			for range 3 {
				v, err := q.Get(ctx)
				if err != nil {
					return err
				}
				if err := asyncio.Sleep(ctx, time.Second); err != nil {
					return err
				}
				r.at(ctx, "done %d", v)
				q.TaskDone()
			}
			return nil
		})
		require.NoError(t, q.Join(ctx))
		r.at(ctx, "joined")
		require.NoError(t, q.Join(ctx), "again")
		join(ctx, worker)

		require.NoError(t, q.PutNowait(4), "reuse after")
		task := spawn(ctx, q.Join)
		settled(ctx)
		assert.False(t, task.Done())
		q.TaskDone()
		join(ctx, task)
		return nil
	})
	r.expect(t, "1s done 0", "2s done 1", "3s done 2", "3s joined")
}

func TestTaskDonePanicsIfItIsCalledTooOften(t *testing.T) {
	q := asyncio.NewQueue[int](0)
	assert.PanicsWithValue(t, "asyncio: TaskDone called too many times", q.TaskDone)
	require.NoError(t, q.PutNowait(1))
	q.TaskDone()
	assert.PanicsWithValue(t, "asyncio: TaskDone called too many times", q.TaskDone)
	require.NoError(t, q.PutNowait(1))
	assert.NotPanics(t, q.TaskDone, "reuse after")
}

func TestQueueShutdownLeavesTheItemsToGetters(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		q := asyncio.NewQueue[int](2)
		require.NoError(t, q.PutNowait(1))
		require.NoError(t, q.PutNowait(2))
		q.Shutdown(false)
		assert.ErrorIs(t, q.PutNowait(3), asyncio.ErrQueueShutDown, "and not ErrQueueFull")
		assert.ErrorIs(t, q.Put(ctx, 3), asyncio.ErrQueueShutDown)
		for want := 1; want <= 2; want++ {
			v, err := q.Get(ctx)
			require.NoError(t, err)
			assert.Equal(t, want, v)
		}
		_, err := q.Get(ctx)
		assert.ErrorIs(t, err, asyncio.ErrQueueShutDown)
		_, err = q.GetNowait()
		assert.ErrorIs(t, err, asyncio.ErrQueueShutDown)
		assert.ErrorIs(t, q.Put(ctx, 3), asyncio.ErrQueueShutDown, "there is room")
		q.Shutdown(false)
		q.TaskDone()
		q.TaskDone()
		assert.NoError(t, q.Join(ctx))
	})
}

func TestQueueShutdownImmediateEmptiesIt(t *testing.T) {
	for name, q := range map[string]*asyncio.Queue[int]{
		"Queue":         asyncio.NewQueue[int](0),
		"LifoQueue":     &asyncio.NewLifoQueue[int](0).Queue,
		"PriorityQueue": &asyncio.NewPriorityQueue[int](0).Queue,
	} {
		t.Run(name, func(t *testing.T) {
			inTurn(t, func(ctx context.Context) {
				require.NoError(t, q.PutNowait(1))
				require.NoError(t, q.PutNowait(2))
				joiner := spawn(ctx, q.Join)
				settled(ctx)
				q.Shutdown(true)
				assert.True(t, q.Empty())
				join(ctx, joiner)
				_, err := q.GetNowait()
				assert.ErrorIs(t, err, asyncio.ErrQueueShutDown)
				assert.Panics(t, q.TaskDone, "the dropped items count as done")
				q.Shutdown(true)
			})
		})
	}
	t.Run("but not of items that were got", func(t *testing.T) {
		inTurn(t, func(ctx context.Context) {
			q := asyncio.NewQueue[int](0)
			require.NoError(t, q.PutNowait(1))
			require.NoError(t, q.PutNowait(2))
			_, err := q.Get(ctx)
			require.NoError(t, err)
			joiner := spawn(ctx, q.Join)
			settled(ctx)
			q.Shutdown(true)
			settled(ctx)
			assert.False(t, joiner.Done(), "one value is not done")
			q.TaskDone()
			join(ctx, joiner)
		})
	})
}

func TestAQueueOrBarrierThatWasNotMadeByItsFunctionPanics(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		made := "asyncio: queue was not made by its New function"
		assert.PanicsWithValue(t, made, func() { _ = new(asyncio.Queue[int]).PutNowait(1) })
		assert.PanicsWithValue(t, made, func() { _ = new(asyncio.LifoQueue[int]).Put(ctx, 1) })
		assert.PanicsWithValue(t, made, func() { _, _ = new(asyncio.PriorityQueue[int]).Get(ctx) })
		assert.PanicsWithValue(t, "asyncio: nil comparison", func() { asyncio.NewPriorityQueueFunc[int](0, nil) })
		assert.PanicsWithValue(t, "asyncio: Barrier was not made by NewBarrier", func() { _, _ = new(asyncio.Barrier).Wait(ctx) })
	})
}

func TestQueueShutdownWakesAllWaiters(t *testing.T) {
	for _, immediate := range []bool{false, true} {
		var r trace
		run(t, func(ctx context.Context) error {
			empty, full := asyncio.NewQueue[int](0), asyncio.NewQueue[int](1)
			require.NoError(t, full.PutNowait(0))
			var tasks []*asyncio.Task[asyncio.None]
			for _, name := range []string{"get A", "get B"} {
				tasks = append(tasks, spawn(ctx, func(ctx context.Context) error {
					_, err := empty.Get(ctx)
					r.end(name, err)
					return nil
				}))
			}
			for _, name := range []string{"put C", "put D"} {
				tasks = append(tasks, spawn(ctx, func(ctx context.Context) error {
					r.end(name, full.Put(ctx, 1))
					return nil
				}))
			}
			settled(ctx)
			empty.Shutdown(immediate)
			full.Shutdown(immediate)
			join(ctx, tasks...)
			return nil
		})
		down := ": " + asyncio.ErrQueueShutDown.Error()
		r.expect(t, "get A"+down, "get B"+down, "put C"+down, "put D"+down)
	}
}

func TestQueueGetterWokenByShutdownAndCancelledIsCancelled(t *testing.T) {
	var r trace
	run(t, func(ctx context.Context) error {
		q := asyncio.NewQueue[int](0)
		tasks := getters(ctx, &r, q, "A")
		q.Shutdown(false)
		tasks[0].Cancel()
		join(ctx, tasks...)
		assert.True(t, tasks[0].Cancelled())
		return nil
	})
	r.expect(t, "A cancelled")
}

func TestQueueDeliversEveryValueOnceDespiteCancellations(t *testing.T) {
	const n = 200
	for size := range 3 {
		run(t, func(ctx context.Context) error {
			q := asyncio.NewQueue[int](size)
			seen := make(map[int]int)
			var puts, gets []*asyncio.Task[asyncio.None]
			for i := range n {
				puts = append(puts, spawn(ctx, func(ctx context.Context) error { return q.Put(ctx, i) }))
				gets = append(gets, spawn(ctx, func(ctx context.Context) error {
					v, err := q.Get(ctx)
					if err == nil {
						seen[v]++
					}
					return err
				}))
				if i%3 == 0 {
					giveWay(ctx, i%4)
					puts[i/2].Cancel()
					gets[i].Cancel()
					gets[i/3].Cancel()
				}
			}
			giveWay(ctx, 4*n)
			for !q.Empty() {
				for _, v := range drain[int](q) {
					seen[v]++
				}
				settled(ctx)
			}
			q.Shutdown(false)
			join(ctx, append(puts, gets...)...)
			put := 0
			for i, p := range puts {
				want := 0
				if p.Exception() == nil {
					want = 1
					put++
				}
				assert.Equal(t, want, seen[i], "times that %d was got", i)
			}
			assert.Less(t, n/2, put, "values that were put in")
			assert.Greater(t, n, put, "since some were cancelled")
			return nil
		})
	}
}

func TestQueueServesTenThousandGettersInOrder(t *testing.T) {
	const n = 10_000
	run(t, func(ctx context.Context) error {
		q := asyncio.NewQueue[int](1)
		var want, got []int
		tasks := make([]*asyncio.Task[asyncio.None], n)
		for i := range tasks {
			want = append(want, i)
			tasks[i] = spawn(ctx, func(ctx context.Context) error {
				v, err := q.Get(ctx)
				got = append(got, v)
				return err
			})
		}
		for i := range n {
			require.NoError(t, q.Put(ctx, i))
		}
		join(ctx, tasks...)
		assert.Equal(t, want, got)
		return nil
	})
}
