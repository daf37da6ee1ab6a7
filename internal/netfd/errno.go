//go:build !plan9

package netfd

import "syscall"

// ErrAgain says that a call has nothing to read or no room to write, for now.
const ErrAgain = syscall.EAGAIN
