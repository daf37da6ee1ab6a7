// Package aiter combines asynchronous sequences: an iter.Seq2[T, error] whose body awaits, as in
// package asyncio. Each function returns such a sequence. Ranging over it suspends the running task
// until the next value is there. The first error ends the sequence.
//
// Leaving a range loop over a sequence of this package ends the sequences below it: the tasks that
// read them are cancelled, and have ended, with all clean-up done, before the next statement after
// the loop. The tasks and generators begin with the loop, so a sequence that nobody ranges over needs
// no clean-up.
package aiter

import (
	"context"
	"errors"
	"io"
	"iter"
	"time"

	"github.com/go-asyncio/asyncio"
)

// Values returns the values of a sequence that has no errors.
func Values[T any](seq iter.Seq[T]) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for v := range seq {
			if !yield(v, nil) {
				return
			}
		}
	}
}

// Merge yields the values of all seqs as they come. A task for each reads ahead by one value. It is
// aiostream's merge.
func Merge[T any](ctx context.Context, seqs ...iter.Seq2[T, error]) iter.Seq2[T, error] {
	return inTasks(ctx, 1, seqs)
}

// Buffer yields the values of seq, which a task of its own reads ahead, by at most n values. It panics
// if n is not positive.
func Buffer[T any](ctx context.Context, n int, seq iter.Seq2[T, error]) iter.Seq2[T, error] {
	if n <= 0 {
		panic("aiter: Buffer of no values")
	}
	return inTasks(ctx, n, []iter.Seq2[T, error]{seq})
}

// Timeout yields the values of seq. If seq takes longer than d for one of them, Timeout cancels it and
// yields asyncio.ErrTimeout. The time that the caller takes between two values does not count. It is
// aiostream's timeout.
func Timeout[T any](ctx context.Context, d time.Duration, seq iter.Seq2[T, error]) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		g := asyncio.Pull(ctx, seq)
		defer end(ctx, g.Close)
		for {
			v, err := asyncio.WaitFor(ctx, asyncio.Coro[T](g.Next), d)
			if err == io.EOF || !yield(v, err) || err != nil {
				return
			}
		}
	}
}

// A Pair is a value of Zip.
type Pair[A, B any] struct {
	First  A
	Second B
}

// Zip yields pairs of the values of a and b, until one of them ends. It asks a first, and then b; to
// have both work at the same time, pass Buffers. It is aiostream's zip of two.
func Zip[A, B any](ctx context.Context, a iter.Seq2[A, error], b iter.Seq2[B, error]) iter.Seq2[Pair[A, B], error] {
	return func(yield func(Pair[A, B], error) bool) {
		first, second := asyncio.Pull(ctx, a), asyncio.Pull(ctx, b)
		defer end(ctx, first.Close)
		defer end(ctx, second.Close)
		for {
			var p Pair[A, B]
			var err error
			if p.First, err = first.Next(ctx); err == nil {
				p.Second, err = second.Next(ctx)
			}
			if err == io.EOF || !yield(p, err) || err != nil {
				return
			}
		}
	}
}

// inTasks yields the values of seqs, each of which a task reads. The tasks wait while n values are
// ready.
func inTasks[T any](ctx context.Context, n int, seqs []iter.Seq2[T, error]) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		ready := asyncio.NewQueue[asyncio.Result[T]](n)
		// The group is in a task of its own: a group whose body yields would cancel the caller.
		group := asyncio.CreateTask(ctx, asyncio.Do(func(ctx context.Context) error {
			defer ready.Shutdown(false)
			return asyncio.WithTaskGroup(ctx, func(_ context.Context, tg *asyncio.TaskGroup) error {
				for _, seq := range seqs {
					tg.Go(func(ctx context.Context) error { return putAll(ctx, ready, seq) })
				}
				return nil
			})
		}))
		defer end(ctx, func(ctx context.Context) error {
			ready.Shutdown(true)
			if !group.Cancel() {
				return nil
			}
			_, _, err := asyncio.Wait(ctx, []*asyncio.Task[asyncio.None]{group})
			return err
		})
		for {
			r, err := ready.Get(ctx)
			if errors.Is(err, asyncio.ErrQueueShutDown) {
				err = group.Exception() // of a panic, or of a cancellation of the group's task
				if err == nil {
					return
				}
			}
			if err == nil {
				err = r.Err
			}
			if !yield(r.Value, err) || err != nil {
				return
			}
		}
	}
}

// putAll puts the values of seq into a queue, up to the first error.
func putAll[T any](ctx context.Context, ready *asyncio.Queue[asyncio.Result[T]], seq iter.Seq2[T, error]) error {
	for v, err := range seq {
		switch putErr := ready.Put(ctx, asyncio.Result[T]{Value: v, Err: err}); {
		case putErr == asyncio.ErrQueueShutDown: // the caller has left
			return nil
		case putErr != nil:
			return putErr
		case err != nil:
			return nil
		}
	}
	return nil
}

// end calls close until it is not cancelled, as a task group waits for its tasks. A deferred function
// cannot return the cancellation, so end has the next wait return it.
func end(ctx context.Context, close func(ctx context.Context) error) {
	ctx = context.WithoutCancel(ctx)
	err := close(ctx)
	cancelled, ok := errors.AsType[*asyncio.CancelledError](err)
	for again := ok; again; _, again = errors.AsType[*asyncio.CancelledError](err) {
		err = close(ctx)
	}
	if ok {
		task := asyncio.CurrentTask(ctx)
		task.Uncancel()
		task.CancelCause(cancelled.Cause)
	}
	if err != nil {
		panic(err)
	}
}
