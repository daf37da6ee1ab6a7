//go:build !plan9

package netfd

import "syscall"

const (
	// ErrAgain means that there is nothing to read, or no room to write, for now.
	ErrAgain = syscall.EAGAIN

	// ErrConnecting means that a socket is still being connected.
	ErrConnecting = syscall.EINPROGRESS

	// ErrAborted means that the peers of some connections gave them up before they were accepted.
	ErrAborted = syscall.ECONNABORTED
)
