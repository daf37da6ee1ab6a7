//go:build !plan9

package asyncio

import "syscall"

const (
	errPipe         = syscall.EPIPE
	errConnReset    = syscall.ECONNRESET
	errConnRefused  = syscall.ECONNREFUSED
	errAddrNotAvail = syscall.EADDRNOTAVAIL
	errAddrInUse    = syscall.EADDRINUSE
	errIO           = syscall.EIO
	errBadFD        = syscall.EBADF
)
