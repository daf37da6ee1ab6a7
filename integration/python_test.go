//go:build integration

package integration

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
)

// python returns a CPython that has StreamWriter.start_tls: 3.13 if it is installed, and otherwise
// 3.11 or newer.
func python(t *testing.T) string {
	t.Helper()
	found, _ := filepath.Glob(filepath.Join(os.Getenv("HOME"), ".pyenv/versions/3.13*/bin/python3.13"))
	for _, path := range append([]string{os.Getenv("PYTHON313"), "python3.13"}, append(found, "python3")...) {
		if exec.Command(path, "-c", "import sys, ssl; sys.exit(sys.version_info < (3, 11))").Run() == nil {
			return path
		}
	}
	return need(t, "python3 of version 3.11")
}

// startPython starts the asyncio server on the loop, which ends it, and returns its address.
func startPython(t *testing.T, ctx context.Context, args ...string) string {
	t.Helper()
	p, err := asyncio.CreateSubprocessExec(ctx, python(t), append([]string{"testdata/server.py"}, args...), asyncio.WithStdout(asyncio.Pipe))
	require.NoError(t, err)
	line, err := p.Stdout.ReadLine(ctx)
	require.NoError(t, err)
	return net.JoinHostPort("127.0.0.1", strings.TrimSpace(string(line)))
}

func port(s *asyncio.Server) string { return strconv.Itoa(s.Addr().(*net.TCPAddr).Port) }

func TestAHundredClientsInPython(t *testing.T) {
	py := python(t)
	run(t, func(ctx context.Context) error {
		s, err := asyncio.StartServer(ctx, echo, "127.0.0.1:0")
		require.NoError(t, err)
		out, err := program(ctx, py, "testdata/client.py", port(s), "echo")
		require.NoError(t, err)
		require.Equal(t, "all is well\n", string(out))
		s.Close()
		return s.WaitClosed(ctx)
	})
}

func TestAClientInPythonUpgradesToTLS(t *testing.T) {
	py, certs := python(t), newCertificates(t)
	run(t, func(ctx context.Context) error {
		s, err := asyncio.StartServer(ctx, func(ctx context.Context, r *asyncio.StreamReader, w *asyncio.StreamWriter) error {
			if line, err := r.ReadLine(ctx); err != nil || string(line) != "STARTTLS\n" {
				return fmt.Errorf("%q: %w", line, err)
			}
			if _, err := w.WriteString("go ahead\n"); err != nil {
				return err
			}
			if err := w.StartTLS(ctx, certs.server); err != nil {
				return err
			}
			return echo(ctx, r, w)
		}, "127.0.0.1:0")
		require.NoError(t, err)
		out, err := program(ctx, py, "testdata/client.py", port(s), "starttls", certs.certFile)
		require.NoError(t, err)
		require.Equal(t, "all is well\n", string(out))
		s.Close()
		return s.WaitClosed(ctx)
	})
}

func TestAServerInPython(t *testing.T) {
	python(t)
	certs := newCertificates(t)
	run(t, func(ctx context.Context) error {
		addr := startPython(t, ctx, certs.certFile, certs.keyFile)
		open := func(what string) (*asyncio.StreamReader, *asyncio.StreamWriter) {
			r, w, err := asyncio.OpenConnection(ctx, addr)
			require.NoError(t, err)
			_, err = w.WriteString(what + "\n")
			require.NoError(t, err)
			return r, w
		}
		t.Run("lines", func(t *testing.T) {
			r, w := open("lines")
			var want []byte
			for i := range 1000 {
				want = append(want, strings.Repeat("x", i)...)
				want = append(want, '\n')
			}
			_, err := w.Write(want)
			require.NoError(t, err)
			require.NoError(t, w.WriteEOF())
			got, err := r.Read(ctx, -1)
			require.NoError(t, err)
			require.True(t, bytes.Equal(want, got))
			require.NoError(t, w.Close())
		})
		t.Run("frames", func(t *testing.T) {
			r, w := open("frames")
			dice := rand.New(rand.NewSource(1))
			for range 100 {
				frame := make([]byte, 4+dice.Intn(200_000))
				_, _ = dice.Read(frame)
				binary.BigEndian.PutUint32(frame, uint32(len(frame)-4))
				_, err := w.Write(frame)
				require.NoError(t, err)
				require.NoError(t, w.Drain(ctx))
				got, err := r.ReadExactly(ctx, len(frame))
				require.NoError(t, err)
				slices.Reverse(got[4:])
				require.True(t, bytes.Equal(frame, got))
			}
			require.NoError(t, w.WriteEOF())
			_, err := r.Read(ctx, 1)
			require.Equal(t, io.EOF, err)
			require.NoError(t, w.Close())
		})
		t.Run("an upgrade to TLS", func(t *testing.T) {
			r, w := open("tls")
			line, err := r.ReadLine(ctx)
			require.NoError(t, err)
			require.Equal(t, "go ahead\n", string(line))
			require.NoError(t, w.StartTLS(ctx, certs.client))
			_, err = w.WriteString("message\n")
			require.NoError(t, err)
			line, err = r.ReadLine(ctx)
			require.NoError(t, err)
			require.Equal(t, "secret message\n", string(line))
			require.NoError(t, w.Close())
		})
		t.Run("a reset in the middle", func(t *testing.T) {
			r, w := open("reset")
			line, err := r.ReadLine(ctx)
			require.NoError(t, err)
			require.Equal(t, "some\n", string(line))
			_, err = w.WriteString("now\n")
			require.NoError(t, err)
			_, err = r.ReadLine(ctx)
			require.ErrorIs(t, err, syscall.ECONNRESET)
			require.ErrorIs(t, w.Drain(ctx), syscall.ECONNRESET)
			require.True(t, w.IsClosing())
			require.NoError(t, w.Close())
			require.ErrorIs(t, w.WaitClosed(ctx), syscall.ECONNRESET)
		})
		return nil
	})
}
