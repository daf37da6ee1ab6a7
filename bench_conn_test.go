package asyncio_test

import (
	"context"
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
)

// One operation: a byte goes to a peer and comes back. The ways are a Conn used by tasks, a Conn
// whose client is a goroutine, and connections of package net.
func BenchmarkConn(b *testing.B) {
	echo := func(c net.Conn) error {
		p := make([]byte, 1)
		for {
			if _, err := c.Read(p); err != nil {
				return nil
			}
			if _, err := c.Write(p); err != nil {
				return nil
			}
		}
	}
	roundTrips := func(b *testing.B, c net.Conn) {
		p := make([]byte, 1)
		for b.Loop() {
			_, _ = c.Write(p)
			_, _ = c.Read(p)
		}
		_ = c.Close()
	}
	onLoop := func(b *testing.B, use func(ctx context.Context, c *asyncio.Conn)) {
		_, err := asyncio.Run(b.Context(), asyncio.Do(func(ctx context.Context) error {
			client, server := connPair(ctx)
			spawn(ctx, func(context.Context) error { return echo(server) })
			use(ctx, client)
			return nil
		}))
		require.NoError(b, err)
	}
	b.Run("asyncio", func(b *testing.B) {
		onLoop(b, func(_ context.Context, c *asyncio.Conn) { roundTrips(b, c) })
	})
	b.Run("asyncio-elsewhere", func(b *testing.B) {
		onLoop(b, func(ctx context.Context, c *asyncio.Conn) { elsewhere(ctx, func() { roundTrips(b, c) }) })
	})
	b.Run("net.Pipe", func(b *testing.B) {
		client, server := net.Pipe()
		go func() { _ = echo(server) }()
		roundTrips(b, client)
	})
}
