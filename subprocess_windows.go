package asyncio

import (
	"os"
	"os/exec"
	"syscall"
)

func shellCommand(string) *exec.Cmd { return exec.Command("cmd") }

// setShellCommand gives cmd.exe the command as it is. It has rules of its own for quotes, which
// are not those by which os/exec makes a command line of arguments: /s has it take off the
// outer ones and leave the others alone.
func setShellCommand(cmd *exec.Cmd, command string) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = new(syscall.SysProcAttr)
	}
	cmd.SysProcAttr.CmdLine = `cmd /s /c "` + command + `"`
}

func terminate(p *os.Process) error { return p.Kill() }

func returnCode(state *os.ProcessState) int { return state.ExitCode() }
