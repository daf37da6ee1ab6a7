package asyncio_test

import (
	"context"
	"net"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
)

func TestADeadlineSetElsewhereEndsAWaitingRead(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		c, _ := socketPair(t, ctx)
		dialCtx, cancel := context.WithCancel(context.Background())
		stop := context.AfterFunc(dialCtx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })
		defer stop()
		asyncio.RunningLoop(ctx).CallLater(time.Millisecond, cancel)
		_, err := c.Read(make([]byte, 1))
		opError(t, err, "read", os.ErrDeadlineExceeded)
		require.True(t, err.(net.Error).Timeout())
		_, err = c.Write([]byte{1})
		opError(t, err, "write", os.ErrDeadlineExceeded)
		return c.Close()
	})
}

func TestADeadlineSetElsewhereHoldsForTheNextCallOnAnyGoroutine(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		c, peer := socketPair(t, ctx)
		_, err := peer.Write([]byte("there is something to read"))
		require.NoError(t, err)
		done := make(chan error)
		go func() { done <- c.SetReadDeadline(time.Unix(1, 0)) }()
		require.NoError(t, <-done) // the loop has had no turn since
		_, err = c.Read(make([]byte, 1))
		opError(t, err, "read", os.ErrDeadlineExceeded)
		elsewhere(ctx, func() {
			for range 100 {
				assert.NoError(t, c.SetReadDeadline(time.Time{}))
				_, err := c.Read(make([]byte, 0))
				assert.NoError(t, err)
				assert.NoError(t, c.SetReadDeadline(time.Unix(1, 0)))
				_, err = c.Read(make([]byte, 1))
				opError(t, err, "read", os.ErrDeadlineExceeded)
			}
		})
		return c.Close()
	})
}

func TestNothingIsReadAfterTheDeadlineEvenIfBytesHaveArrived(t *testing.T) {
	run(t, func(ctx context.Context) error {
		client, server := connPair(ctx)
		_, err := server.Write([]byte("hello"))
		require.NoError(t, err)
		p := make([]byte, 2)
		_, err = client.Read(p)
		require.NoError(t, err)
		require.NoError(t, client.SetReadDeadline(time.Unix(1, 0)))
		_, err = client.Read(p)
		opError(t, err, "read", os.ErrDeadlineExceeded)
		require.NoError(t, client.SetReadDeadline(time.Now().Add(time.Second)))
		n, err := client.Read(p)
		require.NoError(t, err)
		require.Equal(t, "ll", string(p[:n]))
		return nil
	})
}

func TestADeadlinePassesEvenIfTheLoopHasHadNoTurn(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		c, peer := socketPair(t, ctx)
		_, err := peer.Write([]byte("hello"))
		require.NoError(t, err)
		when := time.Now().Add(time.Millisecond)
		require.NoError(t, c.SetReadDeadline(when))
		for time.Now().Before(when.Add(time.Millisecond)) { // the task computes
		}
		_, err = c.Read(make([]byte, 5))
		opError(t, err, "read", os.ErrDeadlineExceeded)
		return c.Close()
	})
}

func TestCloseDoesNotFinishAWriteThatTheDeadlineHasEnded(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		c, _ := socketPair(t, ctx) // its peer does not read
		require.NoError(t, c.SetWriteDeadline(time.Now().Add(10*time.Millisecond)))
		_, err := c.Write(make([]byte, 64<<20))
		opError(t, err, "write", os.ErrDeadlineExceeded)
		raw, err := c.SyscallConn()
		require.NoError(t, err)
		require.NoError(t, c.Close())
		require.ErrorIs(t, raw.Control(func(uintptr) {}), net.ErrClosed) // runReal checks that the descriptor is closed
		return nil
	})
}

func TestCloseCancelsTheDeadlines(t *testing.T) {
	var loop *asyncio.Loop
	_, err := asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
		loop = asyncio.RunningLoop(ctx)
		client, _ := connPair(ctx)
		require.NoError(t, client.SetDeadline(time.Now().Add(time.Hour)))
		require.NoError(t, client.Close())
		_, err := asyncio.NewFuture[asyncio.None](loop).Await(ctx)
		return err
	}), asyncio.WithVirtualTime())
	var deadlock *asyncio.DeadlockError
	require.ErrorAs(t, err, &deadlock)
	require.Less(t, loop.Time(), time.Minute, "the clock has not gone on to a timer that was left")
}
