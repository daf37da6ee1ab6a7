package asyncio_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
)

func TestAReaderWithoutAConnectionReadsWhatItIsFed(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		r := asyncio.NewStreamReader(ctx)
		p := []byte("one\ntwo\nthr")
		r.FeedData(p)
		clear(p) // the reader has a copy
		line, err := r.ReadLine(ctx)
		require.NoError(t, err)
		assert.Equal(t, "one\n", string(line))
		assert.False(t, r.AtEOF())
		r.FeedData(nil)
		r.FeedData([]byte("ee"))
		r.FeedEOF()
		r.FeedEOF()
		rest, err := r.Read(ctx, -1)
		require.NoError(t, err)
		assert.Equal(t, "two\nthree", string(rest))
		assert.True(t, r.AtEOF())
		_, err = r.Read(ctx, 1)
		assert.Equal(t, io.EOF, err)
		assert.PanicsWithValue(t, "asyncio: FeedData after FeedEOF", func() { r.FeedData([]byte("x")) })
	})
}

func TestFeedingWakesTheTaskThatReads(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		r := asyncio.NewStreamReader(ctx)
		var tr trace
		task := spawn(ctx, func(ctx context.Context) error {
			for line, err := range r.Lines(ctx) {
				tr.at(ctx, "%s %v", bytes.TrimSpace(line), err)
			}
			return nil
		})
		for _, part := range []string{"o", "ne\nt", "wo\n"} {
			require.NoError(t, asyncio.Sleep(ctx, time.Second))
			r.FeedData([]byte(part))
		}
		require.NoError(t, asyncio.Sleep(ctx, time.Second))
		r.FeedEOF()
		join(ctx, task)
		tr.expect(t, "2s one <nil>", "3s two <nil>")
	})
}

func TestAnExceptionThatIsSetComesAfterTheBytes(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		r := asyncio.NewStreamReader(ctx)
		r.FeedData([]byte("last"))
		r.SetException(errBoom)
		r.SetException(errors.New("another"))
		r.FeedData([]byte("dropped"))
		r.FeedEOF()
		p, err := r.Read(ctx, 100)
		require.NoError(t, err)
		assert.Equal(t, "last", string(p))
		for range 2 {
			_, err = r.ReadLine(ctx)
			assert.Equal(t, errBoom, err)
		}
		assert.False(t, r.AtEOF())
		assert.PanicsWithValue(t, "asyncio: SetException of a nil error", func() { r.SetException(nil) })

		again := asyncio.NewStreamReader(ctx)
		again.SetException(syscall.EAGAIN) // by which the loop knows that it must wait
		_, err = again.Read(ctx, 1)
		assert.ErrorIs(t, err, syscall.EAGAIN)

		waiting := asyncio.NewStreamReader(ctx)
		task := spawn(ctx, func(ctx context.Context) error {
			_, err := waiting.ReadExactly(ctx, 1)
			return err
		})
		settled(ctx)
		waiting.SetException(errBoom)
		assert.Equal(t, errBoom, errOf(ctx, task))
	})
}

func TestALimitHoldsForAReaderWithoutAConnection(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		r := asyncio.NewStreamReader(ctx, asyncio.WithLimit(10))
		data := bytes.Repeat([]byte("x"), 1<<20)
		r.FeedData(data)
		var overrun *asyncio.LimitOverrunError
		_, err := r.ReadUntil(ctx, "\n")
		require.ErrorAs(t, err, &overrun)
		p, err := r.ReadExactly(ctx, len(data))
		require.NoError(t, err)
		assert.Equal(t, data, p)
	})
}

func TestACancelledReadLosesNothingThatIsFed(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		r := asyncio.NewStreamReader(ctx)
		r.FeedData([]byte("he"))
		task := spawn(ctx, func(ctx context.Context) error {
			_, err := r.ReadExactly(ctx, 5)
			return err
		})
		settled(ctx)
		task.Cancel()
		r.FeedData([]byte("llo"))
		require.ErrorIs(t, errOf(ctx, task), asyncio.ErrCancelled)
		p, err := r.ReadExactly(ctx, 5)
		require.NoError(t, err)
		assert.Equal(t, "hello", string(p))
	})
}

func TestAClosedReaderKeepsItsBytesAndTakesNoMore(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		r := asyncio.NewStreamReader(ctx)
		r.FeedData([]byte("before"))
		require.NoError(t, r.Close())
		require.NoError(t, r.Close())
		r.FeedData([]byte("after"))
		r.FeedEOF()
		p, err := r.Read(ctx, -1)
		require.NoError(t, err)
		assert.Equal(t, "before", string(p))
	})
}

func TestOnlyAReaderWithoutAConnectionIsFed(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		client, _ := asyncio.StreamPair(ctx)
		assert.PanicsWithValue(t, "asyncio: FeedData on a reader that has a connection", func() { client.Reader.FeedData(nil) })
		assert.PanicsWithValue(t, "asyncio: FeedEOF on a reader that has a connection", func() { client.Reader.FeedEOF() })
		assert.PanicsWithValue(t, "asyncio: SetException on a reader that has a connection", func() { client.Reader.SetException(errBoom) })
	})
}
