package asyncio_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
)

func TestTheShellGetsItsCommandUnchanged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out")
	file, err := os.Create(path)
	require.NoError(t, err)
	defer file.Close()
	for _, opt := range []asyncio.ProcessOption{
		asyncio.WithStdin(asyncio.DevNull),
		asyncio.WithCommand(func(cmd *exec.Cmd) { cmd.SysProcAttr = new(syscall.SysProcAttr) }),
	} {
		_, err = asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
			p, err := asyncio.CreateSubprocessShell(ctx, `echo "quoted  text" & echo more`, asyncio.WithStdout(asyncio.File(file)), opt)
			require.NoError(t, err)
			_, err = p.Wait(ctx)
			return err
		}))
		require.NoError(t, err)
	}
	got, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, "\"quoted  text\" \r\nmore\r\n\"quoted  text\" \r\nmore\r\n", string(got))
}

func TestTerminateKills(t *testing.T) {
	_, err := asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
		p, err := asyncio.CreateSubprocessExec(ctx, "ping", []string{"-n", "1000", "127.0.0.1"}, asyncio.WithStdout(asyncio.DevNull))
		require.NoError(t, err)
		require.NoError(t, p.Terminate())
		code, err := p.Wait(ctx)
		require.Equal(t, 1, code)
		return err
	}))
	require.NoError(t, err)
}
