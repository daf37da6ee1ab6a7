package asyncio

import "syscall"

// Errors are strings on Plan 9, and package syscall has no constants for these.
const (
	errPipe         = syscall.ErrorString("broken pipe")
	errConnReset    = syscall.ErrorString("connection reset by peer")
	errConnRefused  = syscall.ErrorString("connection refused")
	errAddrNotAvail = syscall.ErrorString("cannot assign requested address")
	errAddrInUse    = syscall.ErrorString("address already in use")
	errIO           = syscall.ErrorString("input/output error")
	errBadFD        = syscall.ErrorString("bad file descriptor")
)
