package aiter_test

import (
	"context"
	"errors"
	"iter"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
	"github.com/go-asyncio/asyncio/aiter"
)

var errBoom = errors.New("boom")

// run runs main in virtual time, and checks that all bodies that have begun have cleaned up.
func run(t *testing.T, main func(ctx context.Context, s *source) error) {
	t.Helper()
	s := &source{}
	_, err := asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
		err := main(ctx, s)
		assert.Zero(t, s.open, "bodies that have not cleaned up")
		assert.Len(t, asyncio.RunningLoop(ctx).AllTasks(), 1, "tasks")
		return err
	}), asyncio.WithVirtualTime(), asyncio.WithExceptionHandler(func(_ *asyncio.Loop, c asyncio.ExceptionContext) {
		assert.Fail(t, c.Message, "%v", c.Err)
	}))
	require.NoError(t, err)
}

// A source makes sequences and counts those that are open.
type source struct{ open int }

// every yields prefix+0, prefix+1, … n times, one after each d, and then ends or fails with err. Its
// clean-up takes a second.
func (s *source) every(ctx context.Context, d time.Duration, prefix, n int, err error) iter.Seq2[int, error] {
	return func(yield func(int, error) bool) {
		s.open++
		defer func() {
			_ = asyncio.Sleep(context.WithoutCancel(ctx), time.Second)
			s.open--
		}()
		for i := range n {
			if err := asyncio.Sleep(ctx, d); err != nil {
				yield(0, err)
				return
			}
			if !yield(prefix+i, nil) {
				return
			}
		}
		if err != nil {
			yield(0, err)
		}
	}
}

// collect returns the values of seq up to the first error.
func collect[T any](seq iter.Seq2[T, error]) (values []T, err error) {
	for v, err := range seq {
		if err != nil {
			return values, err
		}
		values = append(values, v)
	}
	return values, nil
}

// A function makes a sequence of one or two that seq returns.
type function func(ctx context.Context, seq func() iter.Seq2[int, error]) iter.Seq2[int, error]

var functions = map[string]function{
	"Merge": func(ctx context.Context, seq func() iter.Seq2[int, error]) iter.Seq2[int, error] {
		return aiter.Merge(ctx, seq(), seq())
	},
	"Buffer": func(ctx context.Context, seq func() iter.Seq2[int, error]) iter.Seq2[int, error] {
		return aiter.Buffer(ctx, 2, seq())
	},
	"Timeout": func(ctx context.Context, seq func() iter.Seq2[int, error]) iter.Seq2[int, error] {
		return aiter.Timeout(ctx, time.Hour, seq())
	},
	"Zip": func(ctx context.Context, seq func() iter.Seq2[int, error]) iter.Seq2[int, error] {
		return func(yield func(int, error) bool) {
			for p, err := range aiter.Zip(ctx, seq(), seq()) {
				if !yield(p.First, err) {
					return
				}
			}
		}
	},
}

func eachFunction(t *testing.T, test func(t *testing.T, ctx context.Context, s *source, of function) error) {
	for name, of := range functions {
		t.Run(name, func(t *testing.T) {
			run(t, func(ctx context.Context, s *source) error { return test(t, ctx, s, of) })
		})
	}
}

func TestLeavingTheLoopEndsTheSequencesBelow(t *testing.T) {
	eachFunction(t, func(t *testing.T, ctx context.Context, s *source, of function) error {
		for i, err := range of(ctx, func() iter.Seq2[int, error] { return s.every(ctx, time.Second, 0, 100, nil) }) {
			require.NoError(t, err)
			if i == 3 {
				break
			}
		}
		assert.Zero(t, s.open)
		return asyncio.Sleep(ctx, 0)
	})
}

func TestAnErrorEndsTheSequence(t *testing.T) {
	eachFunction(t, func(t *testing.T, ctx context.Context, s *source, of function) error {
		_, err := collect(of(ctx, func() iter.Seq2[int, error] { return s.every(ctx, time.Second, 0, 3, errBoom) }))
		assert.Equal(t, errBoom, err)
		return nil
	})
}

func TestAPanicInABodyIsAnErrorOfTheSequence(t *testing.T) {
	eachFunction(t, func(t *testing.T, ctx context.Context, s *source, of function) error {
		_, err := collect(of(ctx, func() iter.Seq2[int, error] {
			return func(yield func(int, error) bool) {
				if yield(1, asyncio.Sleep(ctx, time.Second)) {
					panic(errBoom)
				}
			}
		}))
		assert.ErrorIs(t, err, errBoom)
		return nil
	})
}

// The first cancellation arrives while the caller waits for a value, the second during the clean-up.
func TestACancellationEndsTheSequenceAndIsNotLost(t *testing.T) {
	for _, cancels := range []int{1, 2} {
		eachFunction(t, func(t *testing.T, ctx context.Context, s *source, of function) error {
			task := asyncio.CreateTask(ctx, func(ctx context.Context) ([]int, error) {
				values, err := collect(of(ctx, func() iter.Seq2[int, error] { return s.every(ctx, time.Second, 0, 100, nil) }))
				assert.Zero(t, s.open, "the clean-up is done")
				return values, err
			})
			must(asyncio.Sleep(ctx, 4500*time.Millisecond))
			for range cancels {
				task.Cancel()
				must(asyncio.Sleep(ctx, 10*time.Millisecond))
			}
			_, err := task.Await(ctx)
			assert.ErrorIs(t, err, asyncio.ErrCancelled)
			assert.Equal(t, cancels, task.Cancelling())
			return nil
		})
	}
}

func TestACancellationDuringTheCleanUpArrivesAtTheNextWait(t *testing.T) {
	eachFunction(t, func(t *testing.T, ctx context.Context, s *source, of function) error {
		left := false
		task := asyncio.CreateTask(ctx, asyncio.Do(func(ctx context.Context) error {
			for _, err := range of(ctx, func() iter.Seq2[int, error] { return s.every(ctx, time.Second, 0, 100, nil) }) {
				require.NoError(t, err)
				left = true
				break
			}
			assert.Zero(t, s.open, "the clean-up is done")
			return asyncio.Sleep(ctx, time.Hour)
		}))
		for !left {
			must(asyncio.Sleep(ctx, 100*time.Millisecond))
		}
		must(asyncio.Sleep(ctx, 10*time.Millisecond))
		assert.NotZero(t, s.open)
		task.CancelCause(errBoom)
		_, err := task.Await(ctx)
		assert.ErrorIs(t, err, asyncio.ErrCancelled)
		assert.Equal(t, 1, task.Cancelling())
		return nil
	})
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func TestMergeYieldsTheValuesAsTheyCome(t *testing.T) {
	run(t, func(ctx context.Context, s *source) error {
		values, err := collect(aiter.Merge(ctx, s.every(ctx, 2*time.Second, 0, 3, nil), s.every(ctx, 3*time.Second, 100, 2, nil), aiter.Values(slices.Values([]int{7}))))
		assert.Equal(t, []int{7, 0, 100, 1, 101, 2}, values)
		none, errNone := collect(aiter.Merge[int](ctx))
		assert.Empty(t, none)
		return errors.Join(err, errNone)
	})
}

func TestZipEndsWithTheShorterSequence(t *testing.T) {
	run(t, func(ctx context.Context, s *source) error {
		pairs, err := collect(aiter.Zip(ctx, s.every(ctx, time.Second, 0, 5, nil), aiter.Values(slices.Values([]string{"a", "b"}))))
		assert.Equal(t, []aiter.Pair[int, string]{{0, "a"}, {1, "b"}}, pairs)
		return err
	})
}

func TestTimeoutLimitsTheTimeOfEachValue(t *testing.T) {
	run(t, func(ctx context.Context, s *source) error {
		values, err := collect(aiter.Timeout(ctx, 2*time.Second, s.every(ctx, time.Second, 0, 5, nil)))
		require.NoError(t, err)
		assert.Len(t, values, 5)
		_, err = collect(aiter.Timeout(ctx, time.Second, s.every(ctx, 2*time.Second, 0, 5, nil)))
		assert.ErrorIs(t, err, asyncio.ErrTimeout)
		return nil
	})
}

func TestBufferReadsAhead(t *testing.T) {
	run(t, func(ctx context.Context, s *source) error {
		begun := asyncio.RunningLoop(ctx).Time()
		for _, err := range aiter.Buffer(ctx, 3, s.every(ctx, time.Second, 0, 5, nil)) {
			must(err)
			must(asyncio.Sleep(ctx, time.Second))
		}
		assert.Equal(t, 6*time.Second, asyncio.RunningLoop(ctx).Time()-begun)
		assert.PanicsWithValue(t, "aiter: Buffer of no values", func() { aiter.Buffer(ctx, 0, s.every(ctx, 1, 0, 1, nil)) })
		return nil
	})
}
