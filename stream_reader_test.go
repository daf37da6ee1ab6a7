package asyncio_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
)

// sent returns a reader that receives the pieces, one in each turn, and then the end.
func sent(t *testing.T, ctx context.Context, opts []asyncio.LimitOption, pieces ...string) *asyncio.StreamReader {
	t.Helper()
	client, server := asyncio.StreamPair(ctx, opts...)
	asyncio.CreateTask(ctx, asyncio.Do(func(ctx context.Context) error {
		for _, p := range pieces {
			_, err := client.Writer.WriteString(p)
			require.NoError(t, err)
			if err := asyncio.Sleep(ctx, 0); err != nil {
				return err
			}
		}
		return client.Writer.WriteEOF()
	}))
	return server.Reader
}

func limit(n int) []asyncio.LimitOption { return []asyncio.LimitOption{asyncio.WithLimit(n)} }

func TestReadReturnsTheAvailableBytes(t *testing.T) {
	run(t, func(ctx context.Context) error {
		r := sent(t, ctx, nil, "hello", "world")
		for _, want := range []struct {
			n    int
			text string
			err  error
		}{{3, "hel", nil}, {0, "", nil}, {10, "lo", nil}, {10, "world", nil}, {1, "", io.EOF}, {-1, "", nil}, {0, "", nil}} {
			got, err := r.Read(ctx, want.n)
			require.Equal(t, want.err, err, "Read(%d)", want.n)
			require.Equal(t, want.text, string(got), "Read(%d)", want.n)
		}
		require.True(t, r.AtEOF())

		r = sent(t, ctx, nil, "he", "llo")
		got, err := r.Read(ctx, -1)
		require.NoError(t, err)
		require.Equal(t, "hello", string(got))
		return nil
	})
}

func TestReadIntoReturnsTheAvailableBytes(t *testing.T) {
	run(t, func(ctx context.Context) error {
		r := sent(t, ctx, nil, "hello", "world")
		p := make([]byte, 3)
		var got []byte
		for {
			n, err := r.ReadInto(ctx, p)
			got = append(got, p[:n]...)
			if err == io.EOF {
				break
			}
			require.NoError(t, err)
			require.NotZero(t, n)
		}
		require.Equal(t, "helloworld", string(got))
		n, err := r.ReadInto(ctx, nil)
		require.NoError(t, err)
		require.Zero(t, n)
		return nil
	})
}

// The expected results are those of CPython 3.13's readuntil on the same bytes, fed in one piece.
func TestReadUntilFindsTheSeparatorThatEndsFirst(t *testing.T) {
	for name, test := range map[string]struct {
		data, want string
		separators []string
	}{
		"one":                        {"a,b", "a,", []string{","}},
		"long":                       {"a--b->c", "a--b->", []string{"->"}},
		"the first of two":           {"a;b,c", "a;", []string{",", ";"}},
		"a part of another":          {"abcd", "abc", []string{"abcd", "bc"}},
		"two that end together":      {"xabcy", "xabc", []string{"abc", "bc"}},
		"a longer one that ends now": {"a\r\nb", "a\r\n", []string{"\n", "\r\n"}},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, func(ctx context.Context) error {
				for _, pieces := range [][]string{{test.data}, strings.Split(test.data, "")} {
					got, err := sent(t, ctx, nil, pieces...).ReadUntil(ctx, test.separators...)
					require.NoError(t, err)
					require.Equal(t, test.want, string(got))
				}
				return nil
			})
		})
	}
}

func TestReadUntilKeepsALineThatExceedsTheLimit(t *testing.T) {
	run(t, func(ctx context.Context) error {
		var overrun *asyncio.LimitOverrunError
		r := sent(t, ctx, limit(5), "0123456789\nrest\n")
		_, err := r.ReadUntil(ctx, "\n")
		require.ErrorAs(t, err, &overrun)
		require.Equal(t, 10, overrun.Consumed)
		require.ErrorContains(t, err, "separator found")
		got, err := r.ReadExactly(ctx, overrun.Consumed+1)
		require.NoError(t, err)
		require.Equal(t, "0123456789\n", string(got))
		got, err = r.ReadUntil(ctx, "\n")
		require.NoError(t, err)
		require.Equal(t, "rest\n", string(got))

		r = sent(t, ctx, limit(5), "0123456789")
		_, err = r.ReadUntil(ctx, "::")
		require.ErrorAs(t, err, &overrun)
		require.Equal(t, 9, overrun.Consumed) // the last byte may be the first half of a separator
		require.ErrorContains(t, err, "separator not found")
		got, err = r.Read(ctx, -1)
		require.NoError(t, err)
		require.Equal(t, "0123456789", string(got))

		r = sent(t, ctx, limit(5), "12345\n")
		got, err = r.ReadUntil(ctx, "\n")
		require.NoError(t, err) // exactly the limit
		require.Equal(t, "12345\n", string(got))
		return nil
	})
}

func TestReadUntilReturnsTheRemainingBytesAtTheEnd(t *testing.T) {
	run(t, func(ctx context.Context) error {
		var incomplete *asyncio.IncompleteReadError
		r := sent(t, ctx, nil, "half")
		_, err := r.ReadUntil(ctx, "\n")
		require.ErrorAs(t, err, &incomplete)
		require.Equal(t, "half", string(incomplete.Partial))
		require.ErrorIs(t, err, io.ErrUnexpectedEOF)
		_, err = r.ReadUntil(ctx, "\n")
		require.ErrorIs(t, err, io.EOF)
		return nil
	})
}

func TestReadUntilWithoutASeparatorPanics(t *testing.T) {
	run(t, func(ctx context.Context) error {
		r := sent(t, ctx, nil)
		for _, separators := range [][]string{nil, {""}, {"a", ""}} {
			require.PanicsWithValue(t, "asyncio: ReadUntil needs a separator of at least one byte", func() {
				_, _ = r.ReadUntil(ctx, separators...)
			})
		}
		return nil
	})
}

func TestLinesAreReadOneByOneAndALongLineIsDropped(t *testing.T) {
	run(t, func(ctx context.Context) error {
		r := sent(t, ctx, limit(8), "one\ntwo\nmuch too long\nthr", "ee\n\nlast")
		var got []string
		for line, err := range r.Lines(ctx) {
			if errors.As(err, new(*asyncio.LimitOverrunError)) {
				got = append(got, "too long")
				continue
			}
			require.NoError(t, err)
			got = append(got, string(line))
		}
		require.Equal(t, []string{"one\n", "two\n", "too long", "three\n", "\n", "last"}, got)
		_, err := r.ReadLine(ctx)
		require.Equal(t, io.EOF, err)
		return nil
	})
}

func TestReadExactlyReturnsTheRemainingBytesAtTheEnd(t *testing.T) {
	run(t, func(ctx context.Context) error {
		var incomplete *asyncio.IncompleteReadError
		r := sent(t, ctx, nil, "abc", "def")
		got, err := r.ReadExactly(ctx, 4)
		require.NoError(t, err)
		require.Equal(t, "abcd", string(got))
		got, err = r.ReadExactly(ctx, 0)
		require.NoError(t, err)
		require.Empty(t, got)
		_, err = r.ReadExactly(ctx, math.MaxInt) // takes no more memory than the bytes that arrive
		require.ErrorAs(t, err, &incomplete)
		require.Equal(t, "ef", string(incomplete.Partial))
		require.Equal(t, math.MaxInt, incomplete.Expected)
		_, err = r.ReadExactly(ctx, 1)
		require.ErrorIs(t, err, io.EOF)
		require.Panics(t, func() { _, _ = r.ReadExactly(ctx, -1) })
		return nil
	})
}

func TestAtEOFReportsAnEndThatHasArrived(t *testing.T) {
	run(t, func(ctx context.Context) error {
		client, server := asyncio.StreamPair(ctx)
		require.False(t, server.Reader.AtEOF())
		_, err := client.Writer.WriteString("x")
		require.NoError(t, err)
		require.NoError(t, client.Writer.WriteEOF())
		require.False(t, server.Reader.AtEOF())
		_, err = server.Reader.ReadExactly(ctx, 1)
		require.NoError(t, err)
		require.True(t, server.Reader.AtEOF())
		return nil
	})
}

func TestASecondReaderIsRefused(t *testing.T) {
	run(t, func(ctx context.Context) error {
		client, server := asyncio.StreamPair(ctx)
		first := asyncio.CreateTask(ctx, func(ctx context.Context) ([]byte, error) { return server.Reader.ReadLine(ctx) })
		require.NoError(t, asyncio.Sleep(ctx, 0))
		_, err := server.Reader.Read(ctx, 1)
		require.ErrorIs(t, err, asyncio.ErrReaderBusy)
		require.False(t, server.Reader.AtEOF())
		require.ErrorIs(t, server.Writer.StartTLS(ctx, nil), asyncio.ErrReaderBusy)

		// The part of the first reader's line that has arrived is not for other readers.
		_, err = client.Writer.WriteString("half a ")
		require.NoError(t, err)
		settled(ctx)
		for name, read := range map[string]func() error{
			"Read":        func() error { _, err := server.Reader.Read(ctx, 1); return err },
			"ReadInto":    func() error { _, err := server.Reader.ReadInto(ctx, make([]byte, 1)); return err },
			"ReadExactly": func() error { _, err := server.Reader.ReadExactly(ctx, 1); return err },
			"ReadUntil":   func() error { _, err := server.Reader.ReadUntil(ctx, "a"); return err },
		} {
			require.ErrorIs(t, read(), asyncio.ErrReaderBusy, name)
		}
		_, err = client.Writer.WriteString("line\n")
		require.NoError(t, err)
		got, err := first.Await(ctx)
		require.NoError(t, err)
		require.Equal(t, "half a line\n", string(got))
		return nil
	})
}

// A reader that yields because its peer sends too fast is still reading.
func TestASecondReaderIsRefusedWhileTheFirstYields(t *testing.T) {
	run(t, func(ctx context.Context) error {
		client, server := asyncio.StreamPair(ctx)
		_, err := client.Writer.Write(make([]byte, 1<<20))
		require.NoError(t, err)
		first := asyncio.CreateTask(ctx, func(ctx context.Context) ([]byte, error) { return server.Reader.ReadExactly(ctx, 1<<20) })
		giveWay(ctx, 1)
		for !first.Done() {
			_, err := server.Reader.Read(ctx, 1)
			require.ErrorIs(t, err, asyncio.ErrReaderBusy)
			giveWay(ctx, 1)
		}
		return nil
	})
}

func TestACancelledReadLosesNothing(t *testing.T) {
	run(t, func(ctx context.Context) error {
		client, server := asyncio.StreamPair(ctx)
		read := func(ctx context.Context) ([]byte, error) { return server.Reader.ReadExactly(ctx, 6) }

		// The task waits with half of its bytes.
		_, err := client.Writer.WriteString("abc")
		require.NoError(t, err)
		task := asyncio.CreateTask(ctx, read)
		require.NoError(t, asyncio.Sleep(ctx, time.Second))
		task.Cancel()
		_, err = task.Await(ctx)
		require.ErrorIs(t, err, asyncio.ErrCancelled)

		// The other half arrives in the turn in which the task is cancelled.
		task = asyncio.CreateTask(ctx, read)
		require.NoError(t, asyncio.Sleep(ctx, time.Second))
		_, err = client.Writer.WriteString("def")
		require.NoError(t, err)
		task.Cancel()
		_, err = task.Await(ctx)
		require.ErrorIs(t, err, asyncio.ErrCancelled)

		// A read that times out loses nothing either.
		_, err = asyncio.WaitFor(ctx, asyncio.Coro[[]byte](func(ctx context.Context) ([]byte, error) {
			return server.Reader.ReadExactly(ctx, 7)
		}), time.Second)
		require.ErrorIs(t, err, asyncio.ErrTimeout)

		got, err := server.Reader.ReadExactly(ctx, 6)
		require.NoError(t, err)
		require.Equal(t, "abcdef", string(got))
		return nil
	})
}

func TestAResetComesAfterTheData(t *testing.T) {
	run(t, func(ctx context.Context) error {
		client, server := asyncio.StreamPair(ctx)
		_, err := client.Writer.WriteString("last words")
		require.NoError(t, err)
		client.Writer.Reset()
		got, err := server.Reader.ReadExactly(ctx, 10)
		require.NoError(t, err)
		require.Equal(t, "last words", string(got))
		require.False(t, server.Reader.AtEOF())
		_, err = server.Reader.Read(ctx, 1)
		require.ErrorIs(t, err, syscall.ECONNRESET)
		require.False(t, server.Reader.AtEOF())
		require.True(t, server.Writer.IsClosing())
		require.ErrorIs(t, server.Writer.Drain(ctx), syscall.ECONNRESET)
		return nil
	})
}

func TestAResetEndsAWaitingRead(t *testing.T) {
	run(t, func(ctx context.Context) error {
		client, server := asyncio.StreamPair(ctx)
		task := asyncio.CreateTask(ctx, func(ctx context.Context) ([]byte, error) { return server.Reader.Read(ctx, -1) })
		require.NoError(t, asyncio.Sleep(ctx, 0))
		client.Writer.Reset()
		_, err := task.Await(ctx)
		require.ErrorIs(t, err, syscall.ECONNRESET)
		return nil
	})
}

func TestCloseEndsAWaitingRead(t *testing.T) {
	run(t, func(ctx context.Context) error {
		_, server := asyncio.StreamPair(ctx)
		task := asyncio.CreateTask(ctx, func(ctx context.Context) ([]byte, error) { return server.Reader.ReadLine(ctx) })
		require.NoError(t, asyncio.Sleep(ctx, 0))
		require.NoError(t, server.Writer.Close())
		_, err := task.Await(ctx)
		require.Equal(t, io.EOF, err)
		return nil
	})
}

func TestReadingFromAnEndlessPeerLetsOtherTasksRun(t *testing.T) {
	run(t, func(ctx context.Context) error {
		client, server := asyncio.StreamPair(ctx)
		asyncio.CreateTask(ctx, asyncio.Do(func(ctx context.Context) error {
			for {
				if _, err := client.Writer.Write(make([]byte, 64<<10)); err != nil {
					return nil
				}
				if err := client.Writer.Drain(ctx); err != nil {
					return err
				}
			}
		}))
		asyncio.CreateTask(ctx, asyncio.Do(func(ctx context.Context) error {
			p := make([]byte, 10)
			for {
				if _, err := server.Reader.ReadInto(ctx, p); err != nil {
					return err
				}
			}
		}))
		for range 100 {
			if err := asyncio.Sleep(ctx, 0); err != nil {
				return err
			}
		}
		return nil
	})
}

// A turn reads a bounded number of a peer's bytes, whichever method reads them.
func TestReadingManyBytesLetsOtherTasksRun(t *testing.T) {
	for name, pair := range map[string]func(*testing.T, context.Context) (client, server asyncio.Stream){
		"plain": func(_ *testing.T, ctx context.Context) (client, server asyncio.Stream) {
			return asyncio.StreamPair(ctx)
		},
		"TLS": tlsPair,
	} {
		for how, read := range map[string]func(context.Context, *asyncio.StreamReader) error{
			"all": func(ctx context.Context, r *asyncio.StreamReader) error { _, err := r.Read(ctx, -1); return err },
			"ReadExactly": func(ctx context.Context, r *asyncio.StreamReader) error {
				_, err := r.ReadExactly(ctx, 8<<20)
				return err
			},
			"ReadInto": func(ctx context.Context, r *asyncio.StreamReader) error {
				p := make([]byte, 64*kib)
				for {
					if _, err := r.ReadInto(ctx, p); err != nil {
						return nil
					}
				}
			},
			"AtEOF and Read": func(ctx context.Context, r *asyncio.StreamReader) error {
				for !r.AtEOF() {
					if _, err := r.Read(ctx, 64*kib); err != nil && err != io.EOF {
						return err
					}
				}
				return nil
			},
		} {
			t.Run(name+", "+how, func(t *testing.T) {
				run(t, func(ctx context.Context) error {
					client, server := pair(t, ctx)
					_, err := client.Writer.Write(make([]byte, 8<<20))
					require.NoError(t, err)
					require.NoError(t, client.Writer.Close())
					turns := 0
					for reading := spawn(ctx, func(ctx context.Context) error { return read(ctx, server.Reader) }); !reading.Done(); turns++ {
						giveWay(ctx, 1)
					}
					require.GreaterOrEqual(t, turns, 8<<20/(256*kib), "turns")
					return nil
				})
			})
		}
	}
}

func TestTheBytesReadBelongToTheCaller(t *testing.T) {
	run(t, func(ctx context.Context) error {
		r := sent(t, ctx, nil, strings.Repeat("a", 1000)+"\n"+strings.Repeat("b", 1000)+"\n")
		first, err := r.ReadLine(ctx)
		require.NoError(t, err)
		want := bytes.Clone(first)
		second, err := r.ReadLine(ctx)
		require.NoError(t, err)
		for i := range second {
			second[i] = 'x'
		}
		require.Equal(t, want, first)
		return nil
	})
}

func TestAWaitingStreamHoldsNoBuffer(t *testing.T) {
	const n = 1000
	run(t, func(ctx context.Context) error {
		clients := make([]asyncio.Stream, n)
		for i := range clients {
			var server asyncio.Stream
			clients[i], server = asyncio.StreamPair(ctx)
			asyncio.CreateTask(ctx, asyncio.Do(func(ctx context.Context) error {
				_, err := server.Reader.ReadLine(ctx)
				return err
			}))
		}
		require.NoError(t, asyncio.Sleep(ctx, 0))
		before := heap()
		for _, c := range clients { // half a line each
			_, err := c.Writer.WriteString("half")
			require.NoError(t, err)
		}
		require.NoError(t, asyncio.Sleep(ctx, 0))
		require.NoError(t, asyncio.Sleep(ctx, 0))
		require.Less(t, (heap()-before)/n, 1000, "bytes for a stream that holds four")
		for _, c := range clients {
			require.NoError(t, c.Writer.Close())
		}
		return nil
	})
}

func TestAStreamThatIsNoLongerReadHoldsLittleMemory(t *testing.T) {
	const n = 200
	run(t, func(ctx context.Context) error {
		var never asyncio.Event
		clients := make([]asyncio.Stream, n)
		for i := range clients {
			var server asyncio.Stream
			clients[i], server = asyncio.StreamPair(ctx)
			spawn(ctx, func(ctx context.Context) error {
				if _, err := server.Reader.ReadLine(ctx); err != nil {
					return err
				}
				err := never.Wait(ctx)
				runtime.KeepAlive(server)
				return err
			})
		}
		giveWay(ctx, 1)
		before := heap()
		for _, c := range clients { // and half of the next line
			_, err := c.Writer.WriteString("line\nhalf")
			require.NoError(t, err)
		}
		giveWay(ctx, 2)
		require.Less(t, (heap()-before)/n, 2000, "bytes for a stream that holds four")
		return nil
	})
}

// heap returns the number of bytes in use.
func heap() int {
	runtime.GC()
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	return int(mem.HeapAlloc)
}

// A Goexit that ends the run unwinds the driving tasks, so it may end a task that reads.
func TestAReaderWhoseTaskHasExitedIsNotBusy(t *testing.T) {
	withoutDebug(t)
	r := asyncio.NewRunner(asyncio.WithVirtualTime())
	var client, server asyncio.Stream
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = asyncio.RunIn(t.Context(), r, asyncio.Do(func(ctx context.Context) error {
			client, server = asyncio.StreamPair(ctx)
			spawn(ctx, func(context.Context) error { runtime.Goexit(); return nil })
			_, err := client.Reader.Read(ctx, 1)
			return err
		}))
	}()
	<-done
	_, err := asyncio.RunIn(t.Context(), r, asyncio.Do(func(ctx context.Context) error {
		_, err := server.Writer.Write([]byte("x"))
		require.NoError(t, err)
		got, err := client.Reader.Read(ctx, 1)
		require.NoError(t, err)
		require.Equal(t, "x", string(got))
		return nil
	}))
	require.NoError(t, err)
	require.NoError(t, r.Close())
}
