//go:build !portable

package poll_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/go-asyncio/asyncio/internal/poll"
)

func TestAnErrorOfTheSystemIsReturned(t *testing.T) {
	pollers, err := poll.Failing(unix.EBADF)
	require.NoError(t, err)
	for name, p := range pollers {
		_, err := p.Poll()
		require.ErrorIs(t, err, unix.EBADF, name)
		for _, d := range []time.Duration{-1, 0, time.Hour} {
			_, err = p.Wait(d)
			require.ErrorIs(t, err, unix.EBADF, name)
		}
		_ = p.Close()
	}
}

func TestASignalEndsAWaitWithoutAnError(t *testing.T) {
	pollers, err := poll.Failing(unix.EINTR)
	require.NoError(t, err)
	p := pollers["kqueue"]
	for _, d := range []time.Duration{-1, 0, time.Hour} {
		events, err := p.Wait(d)
		require.NoError(t, err)
		require.Empty(t, events)
	}
	for _, p := range pollers {
		require.NoError(t, p.Close())
	}
}
