//go:build unix

package asyncio

import (
	"os"
	"runtime"
	"syscall"
)

// deliverable reports whether the runtime delivers the signal to programs.
func deliverable(sig os.Signal) bool {
	number, ok := sig.(syscall.Signal)
	switch number {
	case syscall.SIGKILL, syscall.SIGSTOP:
		return false
	case syscall.SIGILL, syscall.SIGTRAP, syscall.SIGBUS, syscall.SIGFPE, syscall.SIGSEGV, syscall.SIGSYS:
		return false
	}
	last := syscall.Signal(31)
	if runtime.GOOS == "linux" || runtime.GOOS == "android" {
		const stackFault = 16 // SIGSTKFLT; on MIPS, which has none, the number is that of SIGUSR1
		if mips := syscall.SIGUSR1 == stackFault; number == stackFault && !mips {
			return false
		}
		if number >= 32 && number <= 34 { // used by the C libraries themselves
			return false
		}
		last = 64
	}
	return ok && number > 0 && number <= last
}
