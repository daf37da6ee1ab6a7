//go:build !unix && !windows

package asyncio

import (
	"os"
	"os/exec"
)

func shellCommand(command string) *exec.Cmd { return exec.Command("/bin/rc", "-c", command) }

func setShellCommand(*exec.Cmd, string) {}

func sendSignal(cmd *exec.Cmd, sig os.Signal) error { return cmd.Process.Signal(sig) }

func terminate(p *os.Process) error { return p.Kill() }

func killProcess(p *os.Process) error { return p.Kill() }

func returnCode(state *os.ProcessState) int { return state.ExitCode() }
