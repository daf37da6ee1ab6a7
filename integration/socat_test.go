//go:build integration

package integration

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
)

func TestSocatServesAUnixClient(t *testing.T) {
	socat := need(t, "socat")
	path := filepath.Join(t.TempDir(), "socket")
	start(t, socat, "UNIX-LISTEN:"+path+",fork", "EXEC:cat").ready(t, "unix", path)
	run(t, func(ctx context.Context) error {
		r, w, err := asyncio.OpenUnixConnection(ctx, path)
		require.NoError(t, err)
		want := strings.Repeat("0123456789abcdef", 1<<15)
		_, err = w.WriteString(want)
		require.NoError(t, err)
		require.NoError(t, w.WriteEOF())
		got, err := r.Read(ctx, -1)
		require.NoError(t, err)
		require.True(t, want == string(got), "%d bytes came back", len(got))
		require.NoError(t, w.Close())
		return w.WaitClosed(ctx)
	})
}

// socat -t waits for the answer after it has closed its half.
func TestSocatClosesOneHalf(t *testing.T) {
	socat := need(t, "socat")
	run(t, func(ctx context.Context) error {
		path := filepath.Join(t.TempDir(), "socket")
		handler := func(ctx context.Context, r *asyncio.StreamReader, w *asyncio.StreamWriter) error {
			all, err := r.Read(ctx, -1)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(w, "%d bytes\n", len(all))
			return err
		}
		s, err := asyncio.StartUnixServer(ctx, handler, path)
		require.NoError(t, err)
		p, err := asyncio.CreateSubprocessExec(ctx, socat, []string{"-t", "60", "-", "UNIX-CONNECT:" + path},
			asyncio.WithStdin(asyncio.Pipe), asyncio.WithStdout(asyncio.Pipe))
		require.NoError(t, err)
		out, _, err := p.Communicate(ctx, make([]byte, 1<<20))
		require.NoError(t, err)
		require.Equal(t, "1048576 bytes\n", string(out))
		s.Close()
		return s.WaitClosed(ctx)
	})
}

func TestSocatEchoesDatagrams(t *testing.T) {
	socat := need(t, "socat")
	_, port := freeAddr(t)
	start(t, socat, "UDP4-RECVFROM:"+port+",bind=127.0.0.1,fork", "EXEC:cat")
	run(t, func(ctx context.Context) error {
		e, err := asyncio.CreateDatagramEndpoint(ctx, "", "127.0.0.1:"+port)
		require.NoError(t, err)
		defer e.Close()
		// The server may not listen yet, so a datagram that is refused or lost is sent again.
		for i := 0; ; i++ {
			want := fmt.Sprint("datagram ", i)
			_ = e.SendTo([]byte(want), nil)
			got, err := asyncio.WaitFor(ctx, asyncio.Coro[string](func(ctx context.Context) (string, error) {
				p, _, err := e.RecvFrom(ctx)
				return string(p), err
			}), 100*time.Millisecond)
			if err == nil {
				require.Contains(t, got, "datagram")
				return nil
			}
		}
	})
}
