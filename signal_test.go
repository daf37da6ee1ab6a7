//go:build unix

package asyncio_test

import (
	"context"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
)

// raise sends a signal to the test's own process.
func raise(t *testing.T, sig syscall.Signal) {
	t.Helper()
	require.NoError(t, syscall.Kill(os.Getpid(), sig))
}

func TestASignalHandlerIsCalledOnTheLoop(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		l := asyncio.RunningLoop(ctx)
		var heard asyncio.Event
		require.NoError(t, l.AddSignalHandler(syscall.SIGUSR1, func() {
			require.Nil(t, asyncio.CurrentTask(ctx))
			heard.Set()
		}))
		raise(t, syscall.SIGUSR1)
		require.NoError(t, heard.Wait(ctx))
		require.True(t, l.RemoveSignalHandler(syscall.SIGUSR1))
		require.False(t, l.RemoveSignalHandler(syscall.SIGUSR1))
		return nil
	})
}

func TestASecondSignalHandlerReplacesTheFirst(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		l := asyncio.RunningLoop(ctx)
		var heard asyncio.Event
		require.NoError(t, l.AddSignalHandler(syscall.SIGUSR1, func() { t.Error("the first handler was called") }))
		require.NoError(t, l.AddSignalHandler(syscall.SIGUSR2, func() { t.Error("SIGUSR2 was not sent") }))
		require.NoError(t, l.AddSignalHandler(syscall.SIGUSR1, heard.Set))
		raise(t, syscall.SIGUSR1)
		return heard.Wait(ctx)
	})
}

func TestAStormOfSignalsIsNotQueued(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		l := asyncio.RunningLoop(ctx)
		calls := 0
		var last, end asyncio.Event
		require.NoError(t, l.AddSignalHandler(syscall.SIGUSR1, func() { calls++; last.Set() }))
		require.NoError(t, l.AddSignalHandler(syscall.SIGUSR2, end.Set))
		for range 10_000 { // the loop stands still meanwhile
			raise(t, syscall.SIGUSR1)
		}
		require.NoError(t, last.Wait(ctx))
		raise(t, syscall.SIGUSR2)
		require.NoError(t, end.Wait(ctx))
		require.Less(t, calls, 10, "calls for signals that came while the loop stood still")
		last.Clear()
		raise(t, syscall.SIGUSR1)
		return last.Wait(ctx) // it still hears
	})
}

func TestASignalHandlerThatWasRemovedIsNotCalled(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		l := asyncio.RunningLoop(ctx)
		var end asyncio.Event
		require.NoError(t, l.AddSignalHandler(syscall.SIGUSR2, end.Set))
		require.NoError(t, l.AddSignalHandler(syscall.SIGUSR1, func() { t.Error("called") }))
		raise(t, syscall.SIGUSR1)
		require.NoError(t, l.AddSignalHandler(syscall.SIGUSR1, func() {})) // or it would end the test
		raise(t, syscall.SIGUSR2)
		return end.Wait(ctx)
	})
}

func TestAPanicInASignalHandlerIsReported(t *testing.T) {
	var reports []string
	var heard asyncio.Event
	_, err := asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
		l := asyncio.RunningLoop(ctx)
		require.NoError(t, l.AddSignalHandler(syscall.SIGUSR1, func() { panic("boom") }))
		raise(t, syscall.SIGUSR1)
		return heard.Wait(ctx)
	}), asyncio.WithExceptionHandler(func(_ *asyncio.Loop, c asyncio.ExceptionContext) {
		reports = append(reports, c.Message)
		heard.Set()
	}))
	require.NoError(t, err)
	require.Equal(t, []string{"panic in callback"}, reports)
}

func TestSignalsThatCannotBeHandledAreRefused(t *testing.T) {
	l := asyncio.NewLoop()
	require.Error(t, l.AddSignalHandler(syscall.SIGKILL, func() {}))
	require.Error(t, l.AddSignalHandler(syscall.SIGSTOP, func() {}))
	require.NoError(t, l.AddSignalHandler(syscall.SIGUSR1, func() {}))
	require.NoError(t, l.Close())
	require.ErrorIs(t, l.AddSignalHandler(syscall.SIGUSR1, func() {}), asyncio.ErrLoopClosed)
}

func TestASignalHandlerGoesBeforeWithInterrupt(t *testing.T) {
	_, err := asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
		l := asyncio.RunningLoop(ctx)
		var heard asyncio.Event
		require.NoError(t, l.AddSignalHandler(os.Interrupt, heard.Set))
		for range 3 {
			raise(t, syscall.SIGINT)
			require.NoError(t, heard.Wait(ctx))
			heard.Clear()
		}
		require.True(t, l.RemoveSignalHandler(os.Interrupt))
		raise(t, syscall.SIGINT)
		return asyncio.Sleep(ctx, time.Hour)
	}), asyncio.WithInterrupt())
	require.ErrorIs(t, err, asyncio.ErrInterrupted)
}
