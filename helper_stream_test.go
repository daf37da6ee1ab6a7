package asyncio_test

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"runtime/pprof"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
)

// Package os/signal starts a goroutine when it is first used, and keeps it. The runtime opens the
// descriptors of its poller when the first pollable file is opened, and keeps them.
func init() {
	if r, w, err := os.Pipe(); err == nil {
		_, _ = r.Close(), w.Close()
	}
	c := make(chan os.Signal, 1)
	signal.Notify(c, os.Interrupt)
	signal.Stop(c)
}

// runReal runs main in real time, for at most a minute. It fails the test if main returns an error,
// if anything is reported, or if a goroutine or a descriptor is left.
func runReal(t *testing.T, main func(ctx context.Context) error) {
	t.Helper()
	before, descriptors := goroutines(), openDescriptors(t)
	var reports []string
	_, err := asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
		return asyncio.Timeout(ctx, time.Minute, func(ctx context.Context, _ *asyncio.TimeoutScope) error { return main(ctx) })
	}), asyncio.WithExceptionHandler(func(_ *asyncio.Loop, c asyncio.ExceptionContext) {
		reports = append(reports, fmt.Sprintf("%s: %s: %v", c.Task, c.Message, c.Err))
	}))
	require.NoError(t, err)
	assert.Empty(t, reports, "reports to the exception handler")
	// Peers on goroutines of the test may still be ending.
	if !assert.Eventually(t, func() bool { return goroutines() <= before+1 }, 10*time.Second, time.Millisecond,
		"goroutines left over") { // Eventually has a goroutine of its own
		var stacks strings.Builder
		_ = pprof.Lookup("goroutine").WriteTo(&stacks, 1)
		t.Log(stacks.String())
	}
	assert.Eventually(t, func() bool { return openDescriptors(t) <= descriptors }, 10*time.Second, time.Millisecond,
		"descriptors left over")
}

// openDescriptors counts the descriptors of the process, on systems that list them.
func openDescriptors(t *testing.T) int {
	t.Helper()
	if runtime.GOOS != "linux" {
		return 0
	}
	entries, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	return len(entries)
}

// echo is a handler that sends back what it reads, until the end.
func echo(ctx context.Context, r *asyncio.StreamReader, w *asyncio.StreamWriter) error {
	for {
		p, err := r.Read(ctx, 64<<10)
		if err != nil {
			return nil // the stream has ended, or the client has gone
		}
		if _, err := w.Write(p); err != nil {
			return nil
		}
		if err := w.Drain(ctx); err != nil {
			return nil
		}
	}
}

// eventually lets the loop go on until cond holds, which something outside the loop brings about.
func eventually(t *testing.T, ctx context.Context, cond func() bool, what string) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !cond(); {
		require.True(t, time.Now().Before(end), what)
		require.NoError(t, asyncio.Sleep(ctx, time.Millisecond))
	}
}
