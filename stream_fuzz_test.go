package asyncio_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
)

// FuzzStreamReader runs a program of reads against bytes that arrive in pieces, and compares each
// result with that of a model that has all the bytes. Timeouts and cancellations interrupt the
// reads at any moment.
func FuzzStreamReader(f *testing.F) {
	f.Add([]byte("one\ntwo\nthree"), []byte{3, 1, 4, 1, 5}, []byte{0, 1, 2, 3, 4, 5, 6, 7}, uint16(16))
	f.Add([]byte("a||b|c\n\n\n|||"), []byte{1}, []byte{2, 10, 2, 2, 9, 1, 1, 1}, uint16(2))
	f.Add(bytes.Repeat([]byte("0123456789\n"), 1000), []byte{255, 0, 255}, []byte{1, 200, 8, 131, 4, 1, 20, 3}, uint16(1000))
	f.Add(bytes.Repeat([]byte("x"), 200_000), []byte{250, 251, 252}, []byte{1, 4, 2, 0, 7, 7, 7}, uint16(65535))
	f.Fuzz(func(t *testing.T, data, pieces, program []byte, limit uint16) {
		if len(pieces) == 0 || len(program) == 0 || len(data) > 1<<18 || len(program) > 1000 {
			return
		}
		run(t, func(ctx context.Context) error {
			client, server := asyncio.StreamPair(ctx, asyncio.WithLimit(int(limit)+1))
			feed := asyncio.CreateTask(ctx, asyncio.Do(func(ctx context.Context) error {
				return feedPieces(ctx, client.Writer, data, pieces)
			}))
			m := &readerModel{rest: data, limit: int(limit) + 1}
			for i := 0; !m.over; i++ {
				op, n := program[i%len(program)], int(program[(i+1)%len(program)])
				got, err := disturbed(ctx, int(op>>4), func(ctx context.Context) ([]byte, error) {
					return readOnce(ctx, server.Reader, op, n)
				})
				if m.check(t, op, n, got, err); t.Failed() {
					break
				}
				if i > 2000 { // the program reads little or nothing
					break
				}
			}
			feed.Cancel()
			_, _ = feed.Await(ctx)
			return nil
		})
	})
}

// feedPieces writes data in pieces, some of them after a pause.
func feedPieces(ctx context.Context, w *asyncio.StreamWriter, data, pieces []byte) error {
	for i := 0; len(data) > 0; i++ {
		b := pieces[i%len(pieces)]
		n := min(len(data), int(b)*int(b)+1)
		if _, err := w.Write(data[:n]); err != nil {
			return err
		}
		if data = data[n:]; b%3 == 0 {
			if err := asyncio.Sleep(ctx, time.Duration(b%2)*time.Millisecond); err != nil {
				return err
			}
		}
		if err := w.Drain(ctx); err != nil {
			return err
		}
	}
	return w.WriteEOF()
}

// readOnce makes the call that op stands for.
func readOnce(ctx context.Context, r *asyncio.StreamReader, op byte, n int) ([]byte, error) {
	switch op % 8 {
	case 0:
		return r.Read(ctx, n*7)
	case 1:
		return r.ReadLine(ctx)
	case 2:
		return r.ReadExactly(ctx, n)
	case 3:
		return r.ReadUntil(ctx, "|")
	case 4:
		return r.ReadUntil(ctx, "||", "\n", "5678")
	case 5:
		p := make([]byte, n*300)
		n, err := r.ReadInto(ctx, p)
		return p[:n], err
	case 6:
		if r.AtEOF() {
			return nil, io.EOF
		}
		return r.Read(ctx, 1)
	default:
		return r.ReadExactly(ctx, n*n)
	}
}

// disturbed repeats the call until it is neither cancelled nor timed out.
func disturbed(ctx context.Context, how int, call func(context.Context) ([]byte, error)) ([]byte, error) {
	for try := 0; ; try++ {
		task := asyncio.CreateTask(ctx, asyncio.Coro[[]byte](call))
		if try < 3 {
			switch how % 4 {
			case 1:
				for range how {
					if err := asyncio.Sleep(ctx, 0); err != nil {
						return nil, err
					}
				}
				task.Cancel()
			case 2:
				got, err := asyncio.WaitFor(ctx, task, time.Duration(how%2)*time.Millisecond)
				if !errors.Is(err, asyncio.ErrTimeout) {
					return got, err
				}
				continue
			}
		}
		got, err := task.Await(ctx)
		if !errors.Is(err, asyncio.ErrCancelled) {
			return got, err
		}
	}
}

// A readerModel holds all the bytes that are still to be read.
type readerModel struct {
	rest  []byte
	limit int
	over  bool
}

func (m *readerModel) check(t *testing.T, op byte, n int, got []byte, err error) {
	switch op % 8 {
	case 0:
		m.some(t, n*7, got, err)
	case 1:
		m.line(t, got, err)
	case 2:
		m.exactly(t, n, got, err)
	case 3:
		m.until(t, []string{"|"}, got, err)
	case 4:
		m.until(t, []string{"||", "\n", "5678"}, got, err)
	case 5:
		m.some(t, n*300, got, err)
	case 6:
		m.some(t, 1, got, err)
	default:
		m.exactly(t, n*n, got, err)
	}
}

// took checks that got is the next part of the bytes.
func (m *readerModel) took(t *testing.T, got []byte) {
	require.LessOrEqual(t, len(got), len(m.rest))
	require.True(t, bytes.Equal(m.rest[:len(got)], got), "got %.50q, want %.50q", got, m.rest)
	m.rest = m.rest[len(got):]
}

func (m *readerModel) some(t *testing.T, n int, got []byte, err error) {
	switch {
	case n == 0:
		require.NoError(t, err)
		require.Empty(t, got)
	case len(m.rest) == 0:
		require.Equal(t, io.EOF, err)
		m.over = true
	default:
		require.NoError(t, err)
		require.NotEmpty(t, got)
		require.LessOrEqual(t, len(got), n)
		m.took(t, got)
	}
}

func (m *readerModel) exactly(t *testing.T, n int, got []byte, err error) {
	if n <= len(m.rest) {
		require.NoError(t, err)
		require.Len(t, got, n)
		m.took(t, got)
		return
	}
	m.incomplete(t, n, err)
}

// incomplete checks the error of a read that met the end.
func (m *readerModel) incomplete(t *testing.T, expected int, err error) {
	var incomplete *asyncio.IncompleteReadError
	require.ErrorAs(t, err, &incomplete)
	require.Equal(t, expected, incomplete.Expected)
	require.Equal(t, len(m.rest) == 0, errors.Is(err, io.EOF))
	m.took(t, incomplete.Partial)
	require.Empty(t, m.rest)
	m.over = true
}

// first finds the separator that ends first.
func (m *readerModel) first(separators []string) (start, end int) {
	end = -1
	for _, sep := range separators {
		if i := bytes.Index(m.rest, []byte(sep)); i >= 0 && (end < 0 || i+len(sep) < end || i+len(sep) == end && i > start) {
			start, end = i, i+len(sep)
		}
	}
	return start, end
}

func (m *readerModel) until(t *testing.T, separators []string, got []byte, err error) {
	start, end := m.first(separators)
	var overrun *asyncio.LimitOverrunError
	switch {
	case errors.As(err, &overrun):
		// How much of it had arrived depends on the pieces. Nothing is lost.
		require.Greater(t, overrun.Consumed, m.limit)
		require.True(t, end < 0 || overrun.Consumed <= start, "consumed %d, separator at %d", overrun.Consumed, start)
		m.rest = m.rest[:0] // the result would be the same again and again
		m.over = true
	case end >= 0:
		require.NoError(t, err)
		require.LessOrEqual(t, start, m.limit)
		require.Len(t, got, end)
		m.took(t, got)
	default:
		m.incomplete(t, 0, err)
	}
}

func (m *readerModel) line(t *testing.T, got []byte, err error) {
	start, end := m.first([]string{"\n"})
	var overrun *asyncio.LimitOverrunError
	switch {
	case errors.As(err, &overrun):
		require.Greater(t, overrun.Consumed, m.limit)
		require.True(t, end < 0 || overrun.Consumed <= start)
		m.over = true // the number of bytes dropped depends on the pieces
	case len(m.rest) == 0:
		require.Equal(t, io.EOF, err)
		m.over = true
	case end < 0:
		require.NoError(t, err)
		require.Len(t, got, len(m.rest))
		m.took(t, got)
	default:
		require.NoError(t, err)
		require.Len(t, got, end)
		m.took(t, got)
	}
}
