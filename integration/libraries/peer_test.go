//go:build integration

package libraries

import (
	"bytes"
	"context"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
)

// need returns the path of a program. If it is missing the test is skipped, or fails in CI.
func need(t *testing.T, name string) string {
	t.Helper()
	places := []string{name, "/usr/sbin/" + name}
	debian, _ := filepath.Glob("/usr/lib/postgresql/*/bin/" + name)
	for _, path := range append(debian, places...) {
		if found, err := exec.LookPath(path); err == nil {
			return found
		}
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is missing", name)
	}
	t.Skipf("%s is missing here", name)
	return ""
}

// A host is a directory and a user for servers that refuse to run as root.
type host struct {
	dir  string
	attr *syscall.SysProcAttr
}

func newHost(t *testing.T, userNames ...string) *host {
	t.Helper()
	dir, err := os.MkdirTemp("", "libraries") // short enough for the path of a socket
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	h := &host{dir: dir, attr: &syscall.SysProcAttr{Setpgid: true}}
	if os.Getuid() != 0 {
		return h
	}
	for _, name := range userNames {
		if u, err := user.Lookup(name); err == nil {
			uid, _ := strconv.Atoi(u.Uid)
			gid, _ := strconv.Atoi(u.Gid)
			require.NoError(t, os.Chown(dir, uid, gid))
			h.attr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
			return h
		}
	}
	t.Skipf("none of the users %v is here", userNames)
	return nil
}

func (h *host) command(path string, args ...string) (*exec.Cmd, *bytes.Buffer) {
	cmd := exec.Command(path, args...)
	output := new(bytes.Buffer)
	cmd.Dir, cmd.SysProcAttr, cmd.Stdout, cmd.Stderr = h.dir, h.attr, output, output
	return cmd, output
}

// run runs a program to its end.
func (h *host) run(t *testing.T, path string, args ...string) {
	t.Helper()
	cmd, output := h.command(path, args...)
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v: %s", path, err, output)
	}
}

// start starts a server, which runs until the test ends, and waits until it listens.
func (h *host) start(t *testing.T, network, addr, path string, args ...string) {
	t.Helper()
	cmd, output := h.command(path, args...)
	require.NoError(t, cmd.Start())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait()
	}()
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		<-ended
		if t.Failed() {
			t.Logf("%s: %s", filepath.Base(path), output)
		}
	})
	for deadline := time.Now().Add(time.Minute); ; {
		conn, err := net.Dial(network, addr)
		if err == nil {
			conn.Close()
			return
		}
		select {
		case <-ended:
			t.Fatalf("%s has ended: %s", path, output)
		case <-time.After(10 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

// freePort returns a port of the loopback address on which no process listens.
func freePort(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer ln.Close()
	_, port, err := net.SplitHostPort(ln.Addr().String())
	require.NoError(t, err)
	return port
}

// inTask runs main in a task, for two minutes at most. Any report fails the test.
func inTask(t *testing.T, main func(ctx context.Context)) {
	t.Helper()
	_, err := asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
		return asyncio.Timeout(ctx, 2*time.Minute, func(ctx context.Context, _ *asyncio.TimeoutScope) error {
			main(ctx)
			return nil
		})
	}), asyncio.WithExceptionHandler(func(_ *asyncio.Loop, c asyncio.ExceptionContext) {
		t.Errorf("reported: %s: %v", c.Message, c.Err)
	}))
	require.NoError(t, err)
}

// eventually checks every 20 ms until happened reports true.
func eventually(ctx context.Context, t *testing.T, happened func() bool) {
	t.Helper()
	for range 3000 {
		if happened() {
			return
		}
		require.NoError(t, asyncio.Sleep(ctx, 20*time.Millisecond))
	}
	t.Fatal("it does not happen")
}
