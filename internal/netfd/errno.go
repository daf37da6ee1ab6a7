//go:build !plan9

package netfd

import "syscall"

const (
	// ErrAgain says that a call has nothing to read or no room to write, for now.
	ErrAgain = syscall.EAGAIN

	// ErrConnecting says that a socket is being connected.
	ErrConnecting = syscall.EINPROGRESS

	// ErrAborted says that connections were given up by their peers before they were accepted.
	ErrAborted = syscall.ECONNABORTED
)
