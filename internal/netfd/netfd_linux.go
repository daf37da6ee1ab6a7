package netfd

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

const reusePort = unix.SO_REUSEPORT

func newSocket(family, kind int) (int, error) {
	return unix.Socket(family, kind|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
}

func accept(fd int) (int, unix.Sockaddr, error) {
	return unix.Accept4(fd, unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK)
}

// Read reads what there is into p, which must not be empty.
//
// Read and Write tell the scheduler nothing of the system call, which saves it some
// bookkeeping: a call on a non-blocking descriptor is over soon.
func Read(fd int, p []byte) (int, error) { return raw(unix.SYS_READ, fd, p) }

// Write writes what there is room for.
func Write(fd int, p []byte) (int, error) { return raw(unix.SYS_WRITE, fd, p) }

func raw(call uintptr, fd int, p []byte) (int, error) {
	for {
		n, _, errno := syscall.RawSyscall(call, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)))
		switch errno {
		case 0:
			return int(n), nil
		case syscall.EINTR:
		default:
			return 0, errno
		}
	}
}
