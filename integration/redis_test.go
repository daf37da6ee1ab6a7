//go:build integration

package integration

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
)

func startRedis(t *testing.T) (addr string) {
	path := need(t, "redis-server")
	addr, port := freeAddr(t)
	start(t, path, "--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", t.TempDir()).ready(t, "tcp", addr)
	return addr
}

// send writes a command.
func send(w *asyncio.StreamWriter, words ...string) {
	fmt.Fprintf(w, "*%d\r\n", len(words))
	for _, word := range words {
		fmt.Fprintf(w, "$%d\r\n%s\r\n", len(word), word)
	}
}

// bulk reads a reply that is a string.
func bulk(ctx context.Context, r *asyncio.StreamReader) (string, error) {
	head, err := r.ReadUntil(ctx, "\r\n")
	if err != nil {
		return "", err
	}
	var n int
	if _, err := fmt.Sscanf(string(head), "$%d\r\n", &n); err != nil {
		return "", fmt.Errorf("%q: %w", head, err)
	}
	p, err := r.ReadExactly(ctx, n+2)
	return strings.TrimSuffix(string(p), "\r\n"), err
}

func TestRedisAnswersTenThousandPipelinedCommandsInOrder(t *testing.T) {
	addr := startRedis(t)
	run(t, func(ctx context.Context) error {
		r, w, err := asyncio.OpenConnection(ctx, addr)
		require.NoError(t, err)
		const n = 10_000
		sender := asyncio.CreateTask(ctx, asyncio.Do(func(ctx context.Context) error {
			for i := range n {
				send(w, "SET", fmt.Sprint("key", i), fmt.Sprint("value", i))
				send(w, "GET", fmt.Sprint("key", i))
				if err := w.Drain(ctx); err != nil {
					return err
				}
			}
			return w.WriteEOF() // redis nevertheless answers the commands that it has received
		}))
		for i := range n {
			ok, err := r.ReadLine(ctx)
			require.NoError(t, err)
			require.Equal(t, "+OK\r\n", string(ok))
			value, err := bulk(ctx, r)
			require.NoError(t, err)
			require.Equal(t, fmt.Sprint("value", i), value)
		}
		_, err = sender.Await(ctx)
		require.NoError(t, err)
		require.NoError(t, w.Close())
		return w.WaitClosed(ctx)
	})
}

func TestRedisStoresAMegabyte(t *testing.T) {
	addr := startRedis(t)
	run(t, func(ctx context.Context) error {
		r, w, err := asyncio.OpenConnection(ctx, addr)
		require.NoError(t, err)
		defer w.Close()
		value := strings.Repeat("0123456789abcdef", 1<<16)
		send(w, "SET", "big", value)
		require.NoError(t, w.Drain(ctx))
		_, err = r.ReadLine(ctx)
		require.NoError(t, err)
		send(w, "GET", "big")
		got, err := bulk(ctx, r)
		require.NoError(t, err)
		require.True(t, got == value, "%d bytes came back", len(got))
		return nil
	})
}

func TestRedisPublishesToASubscriber(t *testing.T) {
	addr := startRedis(t)
	run(t, func(ctx context.Context) error {
		sr, sw, err := asyncio.OpenConnection(ctx, addr)
		require.NoError(t, err)
		defer sw.Close()
		pr, pw, err := asyncio.OpenConnection(ctx, addr)
		require.NoError(t, err)
		defer pw.Close()
		send(sw, "SUBSCRIBE", "news")
		for range 6 { // *3, subscribe, news, :1
			_, err := sr.ReadLine(ctx)
			require.NoError(t, err)
		}
		for i := range 100 {
			send(pw, "PUBLISH", "news", fmt.Sprint("item ", i))
			line, err := pr.ReadLine(ctx)
			require.NoError(t, err)
			require.Equal(t, ":1\r\n", string(line))
			head, err := sr.ReadLine(ctx)
			require.NoError(t, err)
			require.Equal(t, "*3\r\n", string(head))
			for _, want := range []string{"message", "news", fmt.Sprint("item ", i)} {
				got, err := bulk(ctx, sr)
				require.NoError(t, err)
				require.Equal(t, want, got)
			}
		}
		return nil
	})
}
