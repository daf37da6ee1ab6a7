package asyncio_test

import (
	"bytes"
	"context"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
)

func TestTheBuffersOfClosedStreamsAreReleased(t *testing.T) {
	run(t, func(ctx context.Context) error {
		before := heap()
		err := asyncio.WithTaskGroup(ctx, func(ctx context.Context, tg *asyncio.TaskGroup) error {
			for range 2000 {
				client, server := asyncio.StreamPair(ctx)
				tg.Go(func(ctx context.Context) error {
					defer client.Writer.Close()
					_, err := client.Reader.ReadExactly(ctx, 60*kib)
					return err
				})
				tg.Go(func(ctx context.Context) error {
					defer server.Writer.Close()
					if _, err := server.Writer.Write(make([]byte, 40*kib)); err != nil {
						return err
					}
					giveWay(ctx, 3) // until the others have sent theirs too
					_, err := server.Writer.Write(make([]byte, 20*kib))
					return err
				})
			}
			return nil
		})
		require.NoError(t, err)
		require.Less(t, heap()-before, 16<<20, "bytes after all have been closed")
		return nil
	})
}

// A handler may do something else for a long time before it reads on.
func TestUnreadBytesTakeLittleMoreMemoryThanTheirSize(t *testing.T) {
	const n = 200
	for _, size := range []int{100, 1100, 5000, 17_000, 40_000, 60_000} {
		run(t, func(ctx context.Context) error {
			readers := make([]*asyncio.StreamReader, n)
			for i := range readers {
				client, server := asyncio.StreamPair(ctx)
				readers[i] = client.Reader
				_, err := server.Writer.Write(make([]byte, 100+size))
				require.NoError(t, err)
			}
			for _, r := range readers {
				_, err := r.ReadExactly(ctx, 100)
				require.NoError(t, err)
			}
			require.NoError(t, asyncio.Sleep(ctx, time.Second))
			runtime.GC()
			before := heap()
			for _, r := range readers {
				_, err := r.ReadExactly(ctx, size)
				require.NoError(t, err)
			}
			require.NoError(t, asyncio.Sleep(ctx, time.Second))
			freed := (before - heap()) / n
			require.Less(t, freed, size+size/4+500, "bytes that a stream held for %d", size)
			require.Greater(t, freed, size/2)
			runtime.KeepAlive(readers)
			return nil
		})
	}
}

// A task waits for the end of a line that does not come.
func TestAnIncompleteMessageTakesLittleMoreMemoryThanItsSize(t *testing.T) {
	const n = 200
	for _, size := range []int{1100, 17_000, 40_000, 60_000} {
		run(t, func(ctx context.Context) error {
			var servers []asyncio.Stream
			before := heap()
			for range n {
				client, server := asyncio.StreamPair(ctx)
				servers = append(servers, server)
				spawn(ctx, func(ctx context.Context) error {
					_, err := client.Reader.ReadExactly(ctx, size+1)
					return err
				})
				_, err := server.Writer.Write(make([]byte, size))
				require.NoError(t, err)
			}
			giveWay(ctx, 10)
			require.Less(t, (heap()-before)/n, size+size/4+6000, "bytes of a stream and its task")
			for _, s := range servers {
				_, err := s.Writer.WriteString("x")
				require.NoError(t, err)
			}
			giveWay(ctx, 10)
			return nil
		})
	}
}

// The little that is left of a large receive does not keep the memory of all of it.
func TestTheRestOfALargeReceiveTakesLittleMemory(t *testing.T) {
	run(t, func(ctx context.Context) error {
		client, server := asyncio.StreamPair(ctx)
		before := heap()
		_, err := server.Writer.Write(make([]byte, 16<<20))
		require.NoError(t, err)
		err = asyncio.Timeout(ctx, time.Second, func(ctx context.Context, _ *asyncio.TimeoutScope) error {
			_, err := client.Reader.ReadExactly(ctx, 17<<20) // gathers the bytes in the reader
			return err
		})
		require.ErrorIs(t, err, asyncio.ErrTimeout)
		require.Greater(t, heap()-before, 16<<20)
		_, err = client.Reader.ReadExactly(ctx, 16<<20-100)
		require.NoError(t, err)
		require.Less(t, heap()-before, 2<<20+200_000) // spare buffers included
		got, err := client.Reader.Read(ctx, 1000)
		require.NoError(t, err)
		require.Len(t, got, 100)
		runtime.KeepAlive(server)
		return nil
	})
}

// fillReader makes r hold p, unread, in one buffer.
func fillReader(ctx context.Context, t *testing.T, from *asyncio.StreamWriter, r *asyncio.StreamReader, p []byte) {
	t.Helper()
	_, err := from.Write(p)
	require.NoError(t, err)
	all := asyncio.CreateTask(ctx, func(ctx context.Context) ([]byte, error) { return r.Read(ctx, -1) })
	for from.WriteBufferSize() > 0 {
		require.NoError(t, asyncio.Sleep(ctx, 0))
	}
	require.NoError(t, asyncio.Sleep(ctx, 1))
	all.Cancel()
	_, err = all.Await(ctx)
	require.ErrorIs(t, err, asyncio.ErrCancelled)
}

func TestCopyingALargeBufferTakesSeveralTurns(t *testing.T) {
	run(t, func(ctx context.Context) error {
		client, server := asyncio.StreamPair(ctx)
		want := make([]byte, 40<<20)
		for i := range want {
			want[i] = byte(i >> 12)
		}
		fillReader(ctx, t, client.Writer, server.Reader, want)
		const n = 36 << 20
		part := asyncio.CreateTask(ctx, func(ctx context.Context) ([]byte, error) { return server.Reader.ReadExactly(ctx, n) })
		require.NoError(t, asyncio.Sleep(ctx, 0))
		require.NoError(t, asyncio.Sleep(ctx, 0))
		require.False(t, part.Done())
		_, err := server.Reader.Read(ctx, 1)
		require.ErrorIs(t, err, asyncio.ErrReaderBusy)
		part.Cancel() // loses nothing
		_, err = part.Await(ctx)
		require.ErrorIs(t, err, asyncio.ErrCancelled)
		got, err := server.Reader.ReadExactly(ctx, n)
		require.NoError(t, err)
		require.True(t, bytes.Equal(want[:n], got))
		client.Writer.Close()
		got, err = server.Reader.Read(ctx, -1)
		require.NoError(t, err)
		require.True(t, bytes.Equal(want[n:], got))
		return nil
	})
}

func TestALargeBufferGrowsInSeveralTurns(t *testing.T) {
	run(t, func(ctx context.Context) error {
		client, server := asyncio.StreamPair(ctx)
		want := bytes.Repeat([]byte("0123456789abcdef"), 40<<20/16)
		_, err := client.Writer.Write(want)
		require.NoError(t, err)
		client.Writer.Close()
		all := asyncio.CreateTask(ctx, func(ctx context.Context) ([]byte, error) { return server.Reader.Read(ctx, -1) })
		longest, same, last := 0, 0, 0
		for !all.Done() {
			require.NoError(t, asyncio.Sleep(ctx, 0))
			if size := client.Writer.WriteBufferSize(); size == 0 {
				continue
			} else if size != last {
				same, last = 0, size
			}
			same++
			longest = max(longest, same)
		}
		require.GreaterOrEqual(t, longest, 3, "turns in which nothing was received, since the buffer grew")
		got, err := all.Result()
		require.NoError(t, err)
		require.True(t, bytes.Equal(want, got))
		return nil
	})
}
