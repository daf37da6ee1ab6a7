//go:build integration

package integration

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
)

// The server is a process of its own. So its memory can be measured apart from the clients', and
// each process has its own limit of descriptors.
const serverVariable = "ASYNCIO_INTEGRATION_SERVER"

func TestMain(m *testing.M) {
	if os.Getenv(serverVariable) != "" {
		_, err := asyncio.Run(context.Background(), asyncio.Do(func(ctx context.Context) error {
			s, err := asyncio.StartServer(ctx, echo, "127.0.0.1:0", asyncio.WithBacklog(1000))
			if err != nil {
				return err
			}
			fmt.Println(s.Addr())
			return s.Serve(ctx)
		}))
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// TestTenThousandConnections holds 10,000 connections open, or the number in ASYNCIO_CONNECTIONS.
// Each of them sends a message once a second, for five seconds.
func TestTenThousandConnections(t *testing.T) {
	const seconds = 5
	n := 10_000
	if s := os.Getenv("ASYNCIO_CONNECTIONS"); s != "" {
		var err error
		n, err = strconv.Atoi(s)
		require.NoError(t, err)
	}
	var limit syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit))
	if most := int(limit.Cur) - 200; n > most {
		t.Logf("this system lets a process have %d descriptors: %d connections instead of %d", limit.Cur, most, n)
		n = most
	}
	run(t, func(ctx context.Context) error {
		p, err := asyncio.CreateSubprocessExec(ctx, os.Args[0], nil, asyncio.WithStdout(asyncio.Pipe),
			asyncio.WithCommand(func(cmd *exec.Cmd) { cmd.Env = append(os.Environ(), serverVariable+"=1", "GOMAXPROCS=1") }))
		require.NoError(t, err)
		line, err := p.Stdout.ReadLine(ctx)
		require.NoError(t, err)
		addr := strings.TrimSpace(string(line))
		before := memory(t, p.Pid())

		connecting := asyncio.NewSemaphore(100)
		connected, echoed, lost := 0, 0, 0
		var all asyncio.Event
		err = asyncio.WithTaskGroup(ctx, func(ctx context.Context, tg *asyncio.TaskGroup) error {
			for i := range n {
				tg.Go(func(ctx context.Context) error {
					if err := connecting.Acquire(ctx); err != nil {
						return err
					}
					r, w, err := asyncio.OpenConnection(ctx, addr)
					connecting.Release()
					if err != nil {
						return err
					}
					defer w.Close()
					if connected++; connected == n {
						all.Set()
					}
					if err := all.Wait(ctx); err != nil {
						return err
					}
					// Spread the connections over the second.
					if err := asyncio.Sleep(ctx, time.Duration(i)*time.Second/time.Duration(n)); err != nil {
						return err
					}
					for second := range seconds {
						message := fmt.Sprintf("connection %d, second %d", i, second)
						if _, err := w.WriteString(message); err != nil {
							lost++
							return err
						}
						got, err := r.ReadExactly(ctx, len(message))
						if err != nil || string(got) != message {
							lost++
							return errors.Join(err, fmt.Errorf("got %q, want %q", got, message))
						}
						echoed++
						if err := asyncio.Sleep(ctx, time.Second); err != nil {
							return err
						}
					}
					return nil
				})
			}
			if err := all.Wait(ctx); err != nil {
				return err
			}
			if err := asyncio.Sleep(ctx, 3*time.Second); err != nil {
				return err
			}
			t.Logf("%d connections: %d bytes of the server's memory each", n, (memory(t, p.Pid())-before)/n)
			return nil
		})
		require.NoError(t, err)
		require.Zero(t, lost)
		require.Equal(t, n*seconds, echoed)
		return nil
	})
}

// memory returns how many bytes of memory a process has.
func memory(t *testing.T, pid int) int {
	t.Helper()
	statm, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	require.NoError(t, err)
	var total, resident int
	_, err = fmt.Sscan(string(statm), &total, &resident)
	require.NoError(t, err)
	return resident * os.Getpagesize()
}
