package asyncio

import (
	"os"
	"os/exec"
	"syscall"
)

func shellCommand(string) *exec.Cmd { return exec.Command("cmd") }

// setShellCommand passes the command to cmd.exe unchanged. cmd.exe has quoting rules of its
// own, which differ from those by which os/exec makes a command line of arguments: with /s it
// removes the outer quotes and leaves the others alone.
func setShellCommand(cmd *exec.Cmd, command string) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = new(syscall.SysProcAttr)
	}
	cmd.SysProcAttr.CmdLine = `cmd /s /c "` + command + `"`
}

func terminate(p *os.Process) error { return p.Kill() }

func returnCode(state *os.ProcessState) int { return state.ExitCode() }
