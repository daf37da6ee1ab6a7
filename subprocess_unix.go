//go:build unix

package asyncio

import (
	"os"
	"os/exec"
	"syscall"
)

func shellCommand(command string) *exec.Cmd { return exec.Command("/bin/sh", "-c", command) }

func setShellCommand(*exec.Cmd, string) {}

func sendSignal(cmd *exec.Cmd, sig os.Signal) error { return cmd.Process.Signal(sig) }

func terminate(p *os.Process) error { return p.Signal(syscall.SIGTERM) }

func killProcess(p *os.Process) error { return p.Kill() }

func returnCode(state *os.ProcessState) int {
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return -int(status.Signal())
	}
	return state.ExitCode()
}
