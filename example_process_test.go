//go:build unix

package asyncio_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/go-asyncio/asyncio"
)

// The shell and its children make up a process group, which a signal reaches as a whole. This is
// process_group=0 of asyncio; Pgid puts a process into another group.
func ExampleWithCommand_processGroup() {
	runNetworkExample(func(ctx context.Context) error {
		p, err := asyncio.CreateSubprocessExec(ctx, "sh", []string{"-c", "sleep 3600 & echo started; wait"},
			asyncio.WithStdout(asyncio.Pipe),
			asyncio.WithCommand(func(cmd *exec.Cmd) {
				cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
			}))
		if err != nil {
			return err
		}
		if _, err := p.Stdout.ReadLine(ctx); err != nil {
			return err
		}
		if err := syscall.Kill(-p.Pid(), syscall.SIGKILL); err != nil {
			return err
		}
		rest, err := p.Stdout.Read(ctx, -1) // the end comes once sleep has ended, too
		if err != nil {
			return err
		}
		code, err := p.Wait(ctx)
		fmt.Println(len(rest), code)
		return err
	})
	// Output: 0 -9
}

// A daemon has a session of its own, so that the terminal's signals do not reach it. This is
// start_new_session=True of asyncio.
func ExampleWithCommand_session() {
	runNetworkExample(func(ctx context.Context) error {
		p, err := asyncio.CreateSubprocessExec(ctx, "cat", nil,
			asyncio.WithStdin(asyncio.Pipe),
			asyncio.WithCommand(func(cmd *exec.Cmd) {
				cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
			}))
		if err != nil {
			return err
		}
		session, err := unix.Getsid(p.Pid())
		if err != nil {
			return err
		}
		fmt.Println("leads a session:", session == p.Pid())
		_, _, err = p.Communicate(ctx, nil)
		return err
	})
	// Output: leads a session: true
}

// The process runs as the given user and group; only root may choose others than its own. These are
// user, group and extra_groups of asyncio.
func ExampleWithCommand_user() {
	runNetworkExample(func(ctx context.Context) error {
		p, err := asyncio.CreateSubprocessExec(ctx, "id", []string{"-u"},
			asyncio.WithStdout(asyncio.Pipe),
			asyncio.WithCommand(func(cmd *exec.Cmd) {
				cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{
					Uid:         uint32(os.Getuid()),
					Gid:         uint32(os.Getgid()),
					NoSetGroups: true, // otherwise Groups
				}}
			}))
		if err != nil {
			return err
		}
		out, _, err := p.Communicate(ctx, nil)
		fmt.Println("as asked:", strings.TrimSpace(string(out)) == fmt.Sprint(os.Getuid()))
		return err
	})
	// Output: as asked: true
}

// The mask belongs to the whole of a Go program, so the shell sets that of the process. This is
// umask of asyncio.
func ExampleWithCommand_umask() {
	runNetworkExample(func(ctx context.Context) error {
		dir, err := os.MkdirTemp("", "example")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		path := filepath.Join(dir, "secret")
		p, err := asyncio.CreateSubprocessExec(ctx, "sh", []string{"-c", `umask 077 && exec "$0" "$@"`, "touch", path})
		if err != nil {
			return err
		}
		if _, err := p.Wait(ctx); err != nil {
			return err
		}
		info, err := os.Stat(path)
		if err != nil {
			return err
		}
		fmt.Println(info.Mode())
		return nil
	})
	// Output: -rw-------
}

// The first of the ExtraFiles is descriptor 3 of the process, the second is 4, and so on, whatever
// their numbers are here. With pass_fds of asyncio they keep their numbers.
func ExampleWithCommand_passedDescriptors() {
	runNetworkExample(func(ctx context.Context) error {
		reader, writer, err := os.Pipe()
		if err != nil {
			return err
		}
		r, err := asyncio.ConnectReadPipe(ctx, reader)
		if err != nil {
			return err
		}
		defer r.Close()
		p, err := asyncio.CreateSubprocessExec(ctx, "sh", []string{"-c", "echo hello >&3"},
			asyncio.WithCommand(func(cmd *exec.Cmd) {
				cmd.ExtraFiles = []*os.File{writer}
			}))
		writer.Close() // the process has a duplicate
		if err != nil {
			return err
		}
		line, err := r.ReadLine(ctx)
		fmt.Printf("%s", line)
		if err != nil {
			return err
		}
		_, err = p.Wait(ctx)
		return err
	})
	// Output: hello
}

// The directory and the environment are those of an exec.Cmd. These are cwd and env of asyncio.
func ExampleWithCommand() {
	runNetworkExample(func(ctx context.Context) error {
		p, err := asyncio.CreateSubprocessShell(ctx, `echo "$GREETING from $PWD"`,
			asyncio.WithStdout(asyncio.Pipe),
			asyncio.WithCommand(func(cmd *exec.Cmd) {
				cmd.Dir = "/"
				cmd.Env = append(os.Environ(), "GREETING=hello", "PWD=/")
			}))
		if err != nil {
			return err
		}
		out, _, err := p.Communicate(ctx, nil)
		fmt.Printf("%s", out)
		return err
	})
	// Output: hello from /
}
