package asyncio

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/windows"
)

// shellCommand returns a command of cmd.exe, named by a path: a search would begin in the current
// directory.
func shellCommand(string) *exec.Cmd {
	shell := os.Getenv("ComSpec")
	if shell == "" {
		shell = filepath.Join(os.Getenv("SystemRoot"), "System32", "cmd.exe")
	}
	return exec.Command(shell)
}

// setShellCommand passes the command to cmd.exe unchanged. cmd.exe has quoting rules of its
// own, which differ from those by which os/exec makes a command line of arguments: with /s it
// removes the outer quotes and leaves the others alone. If cmd.exe needs a console of its own, its
// window is hidden.
func setShellCommand(cmd *exec.Cmd, command string) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = new(syscall.SysProcAttr)
	}
	cmd.SysProcAttr.HideWindow = true
	cmd.SysProcAttr.CmdLine = syscall.EscapeArg(cmd.Path) + ` /s /c "` + command + `"`
}

func sendSignal(cmd *exec.Cmd, sig os.Signal) error {
	switch sig {
	case os.Kill, syscall.SIGTERM:
		return kill(cmd.Process)
	case os.Interrupt:
		return sendBreak(cmd)
	default:
		return fmt.Errorf("asyncio: signal %v: %w", sig, errors.ErrUnsupported)
	}
}

// sendBreak sends Ctrl+Break to the process group of a process. Ctrl+C cannot be sent to one group.
func sendBreak(cmd *exec.Cmd) (err error) {
	// The number of a process that leads no group would stand for other processes of the console.
	if attr := cmd.SysProcAttr; attr == nil || attr.CreationFlags&windows.CREATE_NEW_PROCESS_GROUP == 0 {
		return errors.New("asyncio: os.Interrupt is for a process that was started with CREATE_NEW_PROCESS_GROUP")
	}
	released := cmd.Process.WithHandle(func(handle uintptr) { // the number stays the process's meanwhile
		if !hasEnded(handle) {
			err = os.NewSyscallError("GenerateConsoleCtrlEvent",
				windows.GenerateConsoleCtrlEvent(windows.CTRL_BREAK_EVENT, uint32(cmd.Process.Pid)))
		}
	})
	if released != nil {
		return os.ErrProcessDone
	}
	return err
}

func terminate(p *os.Process) error { return kill(p) }

// killProcess ends a process. Windows refuses to end one that has ended and is not reaped yet; as on
// other systems, that is no error.
func killProcess(p *os.Process) error {
	err := p.Kill()
	if errors.Is(err, windows.ERROR_ACCESS_DENIED) {
		_ = p.WithHandle(func(handle uintptr) {
			if hasEnded(handle) {
				err = nil
			}
		})
	}
	if err == syscall.EINVAL { // package os has released the process
		return os.ErrProcessDone
	}
	return err
}

// hasEnded reports whether the process of a handle has ended.
func hasEnded(handle uintptr) bool {
	event, err := windows.WaitForSingleObject(windows.Handle(handle), 0)
	return err == nil && event == windows.WAIT_OBJECT_0
}

func returnCode(state *os.ProcessState) int { return state.ExitCode() }
