package asyncio_test

import (
	"context"
	"fmt"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
)

func TestAServerRecoversFromALackOfDescriptors(t *testing.T) {
	var limit syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit))
	defer func() { require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)) }()
	reports := 0
	_, err := asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
		s := serve(t, ctx, echo)
		// The clients' ends take descriptors as well: none is left for the last server's end.
		tight := limit
		tight.Cur = uint64(highestDescriptor(t) + 1 + 5)
		require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &tight))
		var writers []*asyncio.StreamWriter
		for reports == 0 {
			_, w, err := asyncio.OpenConnection(ctx, s.Addr().String())
			if err != nil {
				require.ErrorIs(t, err, syscall.EMFILE)
			} else {
				writers = append(writers, w)
			}
			require.NoError(t, asyncio.Sleep(ctx, time.Millisecond))
		}
		for _, w := range writers {
			require.NoError(t, w.Close())
		}
		var r *asyncio.StreamReader
		var w *asyncio.StreamWriter
		eventually(t, ctx, func() bool {
			var err error
			r, w, err = asyncio.OpenConnection(ctx, s.Addr().String())
			return err == nil
		}, "the descriptors are free again")
		require.Equal(t, "again\n", say(t, ctx, r, w, "again"))
		require.NoError(t, w.Close())
		return s.Shutdown(ctx, time.Minute)
	}), asyncio.WithExceptionHandler(func(_ *asyncio.Loop, c asyncio.ExceptionContext) {
		reports++
		require.ErrorIs(t, c.Err, syscall.EMFILE)
	}))
	require.NoError(t, err)
	require.Positive(t, reports)
}

// highestDescriptor returns the highest number of an open descriptor.
func highestDescriptor(t *testing.T) int {
	entries, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	highest := 0
	for _, e := range entries {
		var fd int
		if _, err := fmt.Sscan(e.Name(), &fd); err == nil {
			highest = max(highest, fd)
		}
	}
	return highest
}

// A lack of descriptors leaves nothing behind, whichever call meets it.
func TestALackOfDescriptorsLeavesNothingBehind(t *testing.T) {
	var limit syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit))
	defer func() { require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)) }()
	runReal(t, func(ctx context.Context) error {
		s := serve(t, ctx, echo, asyncio.WithoutServing())
		for free := range 10 {
			before := openDescriptors(t)
			tight := limit
			tight.Cur = uint64(highestDescriptor(t) + 1)
			require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &tight))
			var holes []*os.File // use up the numbers below the limit
			for {
				f, err := os.Open(os.DevNull)
				if err != nil {
					break
				}
				holes = append(holes, f)
			}
			tight.Cur += uint64(free)
			require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &tight))
			p, processErr := asyncio.CreateSubprocessExec(ctx, "true", nil,
				asyncio.WithStdin(asyncio.Pipe), asyncio.WithStdout(asyncio.Pipe), asyncio.WithStderr(asyncio.Pipe))
			_, w, connectErr := asyncio.OpenConnection(ctx, s.Addr().String())
			require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit))
			if processErr == nil {
				_, _, err := p.Communicate(ctx, nil)
				require.NoError(t, err)
			} else {
				require.ErrorIs(t, processErr, syscall.EMFILE)
			}
			if connectErr == nil {
				w.Abort()
			} else {
				require.ErrorIs(t, connectErr, syscall.EMFILE)
			}
			for _, f := range holes {
				require.NoError(t, f.Close())
			}
			eventually(t, ctx, func() bool { return before == openDescriptors(t) }, fmt.Sprintf("the end; %d were free", free))
		}
		s.Close()
		return nil
	})
}
