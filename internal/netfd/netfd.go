// Package netfd makes the system calls on non-blocking descriptors that sockets and pipes need.
// Addresses are those of package net: *net.TCPAddr, *net.UDPAddr and *net.UnixAddr. No call blocks:
// a call that cannot be done at once returns ErrAgain. Where the system has no such descriptors,
// every call returns ErrUnsupported.
package netfd

import "errors"

// ErrUnsupported is returned by all calls where there is no implementation.
var ErrUnsupported = errors.New("no non-blocking descriptors on this system")
