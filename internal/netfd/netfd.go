// Package netfd makes the system calls on non-blocking descriptors that sockets and
// pipes need. Addresses are those of package net: *net.TCPAddr, *net.UDPAddr and
// *net.UnixAddr. No call blocks; what cannot be done at once fails with ErrAgain. Where
// the system has no such descriptors every call returns ErrUnsupported.
package netfd

import (
	"errors"
	"syscall"
)

// ErrAgain says that a call has nothing to read or no room to write, for now.
const ErrAgain = syscall.EAGAIN

// ErrConnecting says that a socket is being connected.
const ErrConnecting = syscall.EINPROGRESS

// ErrAborted says that connections were given up by their peers before they were accepted.
const ErrAborted = syscall.ECONNABORTED

// ErrUnsupported is returned by all calls where there is no implementation.
var ErrUnsupported = errors.New("no non-blocking descriptors on this system")
