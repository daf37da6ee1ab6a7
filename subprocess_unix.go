//go:build unix

package asyncio

import (
	"os"
	"os/exec"
	"syscall"
)

func shellCommand(command string) *exec.Cmd { return exec.Command("/bin/sh", "-c", command) }

func setShellCommand(*exec.Cmd, string) {}

func terminate(p *os.Process) error { return p.Signal(syscall.SIGTERM) }

func returnCode(state *os.ProcessState) int {
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return -int(status.Signal())
	}
	return state.ExitCode()
}
