//go:build !windows

package asyncio

import "os"

// processPipe makes a pipe of which a process gets one end.
func processPipe(bool) (r, w *os.File, err error) { return os.Pipe() }
