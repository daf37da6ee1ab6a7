//go:build unix

package inspect_test

import (
	"context"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
	"github.com/go-asyncio/asyncio/inspect"
)

// A notedWriter notes what is written, and when a text is complete.
type notedWriter struct {
	mu   sync.Mutex
	text strings.Builder
	end  string
	once sync.Once
	seen chan struct{}
}

func (w *notedWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.text.Write(p)
	if strings.Contains(w.text.String(), w.end) {
		w.once.Do(func() { close(w.seen) })
	}
	return len(p), nil
}

func TestASignalDumpsAllLoops(t *testing.T) {
	_, err := asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
		closed := asyncio.NewLoop()
		require.NoError(t, closed.Close())
		out := &notedWriter{end: "Loop 2 of 2: event loop is closed\n", seen: make(chan struct{})}
		stop := inspect.DumpOnSignal(syscall.SIGUSR1, out, asyncio.RunningLoop(ctx), closed)
		require.NoError(t, syscall.Kill(syscall.Getpid(), syscall.SIGUSR1))
		_, err := asyncio.ToThread(ctx, func(context.Context) (int, error) { <-out.seen; return 0, nil })
		stop()
		stop() // again
		assert.Contains(t, out.text.String(), "Loop 1 of 2: 1 tasks, 1 waiting\n")
		return err
	}))
	require.NoError(t, err)
}
