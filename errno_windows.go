package asyncio

import (
	"os"
	"syscall"

	"golang.org/x/sys/windows"
)

// posixNumbers are the error numbers of package syscall that Windows' own stand for. Windows returns
// none of package syscall's, but a program for several systems asks for them.
var posixNumbers = map[syscall.Errno]syscall.Errno{
	windows.ERROR_BROKEN_PIPE:         syscall.EPIPE,
	windows.ERROR_NO_DATA:             syscall.EPIPE,
	windows.ERROR_NETNAME_DELETED:     syscall.ECONNRESET,
	windows.ERROR_CONNECTION_REFUSED:  syscall.ECONNREFUSED,
	windows.ERROR_PORT_UNREACHABLE:    syscall.ECONNREFUSED,
	windows.ERROR_CONNECTION_ABORTED:  syscall.ECONNABORTED,
	windows.ERROR_HOST_UNREACHABLE:    syscall.EHOSTUNREACH,
	windows.ERROR_NETWORK_UNREACHABLE: syscall.ENETUNREACH,
	windows.WSAEADDRINUSE:             syscall.EADDRINUSE,
	windows.WSAEADDRNOTAVAIL:          syscall.EADDRNOTAVAIL,
	windows.WSAEAFNOSUPPORT:           syscall.EAFNOSUPPORT,
	windows.WSAECONNABORTED:           syscall.ECONNABORTED,
	windows.WSAECONNREFUSED:           syscall.ECONNREFUSED,
	windows.WSAECONNRESET:             syscall.ECONNRESET,
	windows.WSAEHOSTUNREACH:           syscall.EHOSTUNREACH,
	windows.WSAEMSGSIZE:               syscall.EMSGSIZE,
	windows.WSAENETUNREACH:            syscall.ENETUNREACH,
	windows.WSAETIMEDOUT:              syscall.ETIMEDOUT,
}

// A windowsError is an error number of Windows that is also one of package syscall's.
type windowsError struct {
	syscall.Errno
	posix syscall.Errno
}

func (e windowsError) Is(target error) bool { return target == e.posix || e.Errno.Is(target) }
func (e windowsError) Unwrap() error        { return e.Errno }

// portableError returns a system's error so that errors.Is also finds package syscall's number.
func portableError(err error) error {
	switch e := err.(type) {
	case *os.SyscallError:
		return os.NewSyscallError(e.Syscall, portableError(e.Err))
	case syscall.Errno:
		if posix, ok := posixNumbers[e]; ok {
			return windowsError{e, posix}
		}
	}
	return err
}
