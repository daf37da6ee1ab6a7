//go:build unix

package asyncio_test

import (
	"context"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
)

func TestClosingAServerAfterItsLoopClosesNothingAgain(t *testing.T) {
	var s *asyncio.Server
	runReal(t, func(ctx context.Context) error {
		s = serve(t, ctx, echo)
		return nil
	})
	var fds []int // one of them has the number that the server's socket had
	for range 10 {
		a, b := socketpair(t)
		fds = append(fds, a, b)
	}
	s.Close()
	closeFD(t, fds...)
}

func TestServersShareAPort(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		served := [2]int{}
		count := func(i int) asyncio.ConnectionHandler {
			return func(context.Context, *asyncio.StreamReader, *asyncio.StreamWriter) error {
				served[i]++
				return nil
			}
		}
		first := serve(t, ctx, count(0), asyncio.WithReusePort())
		second, err := asyncio.StartServer(ctx, count(1), first.Addr().String(), asyncio.WithReusePort())
		require.NoError(t, err)
		for range 20 {
			r, w := connect(t, ctx, first)
			_, err := r.Read(ctx, 1)
			require.Equal(t, io.EOF, err)
			require.NoError(t, w.Close())
		}
		require.Equal(t, 20, served[0]+served[1])
		require.NoError(t, first.Shutdown(ctx, time.Minute))
		return second.Shutdown(ctx, time.Minute)
	})
}
