package asyncio

import (
	"os"
	"syscall"
)

// deliverable reports whether the runtime hands the signal to programs. There are two: for
// Ctrl+C and Ctrl+Break, and for the end of the session.
func deliverable(sig os.Signal) bool { return sig == os.Interrupt || sig == syscall.SIGTERM }
