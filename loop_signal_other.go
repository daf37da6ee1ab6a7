//go:build !unix && !windows

package asyncio

import "os"

// deliverable reports whether the runtime delivers the signal to programs.
func deliverable(sig os.Signal) bool { return sig != os.Kill }
