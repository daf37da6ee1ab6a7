//go:build unix

package asyncio_test

import (
	"context"
	"testing"

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
