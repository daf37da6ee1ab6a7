// Package netfd makes the system calls on non-blocking descriptors that sockets and pipes need.
// Addresses have the types of package net: *net.TCPAddr, *net.UDPAddr and *net.UnixAddr. No call
// blocks: if it cannot be done at once, it returns ErrAgain. Where the system has no non-blocking
// descriptors, every call returns ErrUnsupported.
package netfd

import "errors"

// ErrUnsupported is returned by all calls where there is no implementation.
var ErrUnsupported = errors.New("no non-blocking descriptors on this system")

// ErrNoSendFile is returned by SendFile if the bytes have to be read and written instead.
var ErrNoSendFile = errors.New("the kernel cannot send this file to this descriptor")
