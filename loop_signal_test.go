//go:build unix

package asyncio_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
)

// raise sends a signal to the test process.
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
		return last.Wait(ctx) // signals still arrive
	})
}

func TestARemovedSignalHandlerIsNotCalled(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		l := asyncio.RunningLoop(ctx)
		var end asyncio.Event
		require.NoError(t, l.AddSignalHandler(syscall.SIGUSR2, end.Set))
		require.NoError(t, l.AddSignalHandler(syscall.SIGUSR1, func() { t.Error("called") }))
		raise(t, syscall.SIGUSR1)
		require.NoError(t, l.AddSignalHandler(syscall.SIGUSR1, func() {})) // without a handler the signal would end the test process
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

// oddSignal is a signal of no system.
type oddSignal struct{}

func (oddSignal) Signal()        {}
func (oddSignal) String() string { return "odd" }

func TestSignalsThatCannotBeHandledAreRefused(t *testing.T) {
	l := asyncio.NewLoop()
	for _, sig := range []os.Signal{
		syscall.SIGKILL, syscall.SIGSTOP, syscall.SIGSEGV, syscall.SIGBUS, syscall.SIGFPE, syscall.SIGILL, syscall.SIGTRAP, syscall.SIGSYS,
		syscall.Signal(-1), syscall.Signal(0), syscall.Signal(65), syscall.Signal(1000), oddSignal{},
	} {
		require.ErrorContains(t, l.AddSignalHandler(sig, func() {}), "cannot be handled", "%d", sig)
		require.False(t, l.RemoveSignalHandler(sig))
	}
	require.Panics(t, func() { _ = l.AddSignalHandler(nil, func() {}) })
	require.Panics(t, func() { _ = l.AddSignalHandler(syscall.SIGUSR1, nil) })
	require.NoError(t, l.AddSignalHandler(syscall.SIGUSR1, func() {}))
	require.NoError(t, l.Close())
	require.ErrorIs(t, l.AddSignalHandler(syscall.SIGUSR1, func() {}), asyncio.ErrLoopClosed)
}

// Every signal that AddSignalHandler accepts arrives.
func TestEachSignalIsRefusedOrDelivered(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		l := asyncio.RunningLoop(ctx)
		for n := syscall.Signal(1); n <= 64; n++ {
			if n == syscall.SIGURG || n == syscall.SIGPROF {
				continue // the runtime sends them
			}
			var heard asyncio.Event
			if l.AddSignalHandler(n, heard.Set) != nil {
				continue
			}
			raise(t, n)
			require.NoError(t, heard.Wait(ctx), "signal %d", n)
			require.True(t, l.RemoveSignalHandler(n))
		}
		return nil
	})
}

func init() {
	children["interrupt ignored"] = func() {
		_, err := asyncio.Run(context.Background(), asyncio.Do(func(ctx context.Context) error {
			interruptSelf()
			var heard asyncio.Event
			l := asyncio.RunningLoop(ctx)
			_ = l.AddSignalHandler(syscall.SIGUSR1, heard.Set)
			_ = syscall.Kill(os.Getpid(), syscall.SIGUSR1)
			err := heard.Wait(ctx)
			settled(ctx)
			fmt.Println("main goes on:", err)
			heard.Clear()
			_ = l.AddSignalHandler(os.Interrupt, heard.Set)
			interruptSelf()
			fmt.Println("a handler hears it:", heard.Wait(ctx))
			l.RemoveSignalHandler(os.Interrupt)
			return nil
		}), asyncio.WithInterrupt())
		fmt.Println("Run:", err)
		_, err = asyncio.Run(context.Background(), asyncio.Do(func(ctx context.Context) error {
			interruptSelf()
			return asyncio.Sleep(ctx, 10*time.Millisecond)
		}), asyncio.WithInterrupt())
		fmt.Println("the next Run:", err)
	}
}

// A shell starts background jobs of a script with SIGINT ignored.
func TestWithInterruptLeavesAnIgnoredSignalIgnored(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), "/bin/sh", "-c", `trap "" INT; exec "$0"`, os.Args[0])
	cmd.Env = append(os.Environ(), "ASYNCIO_TEST_CHILD=interrupt ignored")
	out, err := cmd.Output()
	require.NoError(t, err)
	require.Equal(t, "main goes on: <nil>\na handler hears it: <nil>\nRun: <nil>\nthe next Run: <nil>\n", string(out))
}

func TestASignalHandlerTakesPrecedenceOverWithInterrupt(t *testing.T) {
	needInterrupt(t)
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
