package asyncio

import (
	"os"
	"syscall"
)

// deliverable reports whether the runtime delivers the signal to programs. It delivers two:
// os.Interrupt for Ctrl+C and Ctrl+Break, and SIGTERM for the end of the session.
func deliverable(sig os.Signal) bool { return sig == os.Interrupt || sig == syscall.SIGTERM }
