package netfd

import (
	"runtime"
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
func Read(fd int, p []byte) (int, error) { return raw(unix.SYS_READ, fd, p, 0) }

// Write writes what there is room for.
func Write(fd int, p []byte) (int, error) { return raw(unix.SYS_WRITE, fd, p, 0) }

// Recv is Read of a socket, for which the kernel takes a shorter way.
func Recv(fd int, p []byte) (int, error) {
	if !hasSocketCalls {
		return Read(fd, p)
	}
	return raw(unix.SYS_RECVFROM, fd, p, 0)
}

// Send is Write to a socket.
func Send(fd int, p []byte) (int, error) {
	if !hasSocketCalls {
		return Write(fd, p)
	}
	return raw(unix.SYS_SENDTO, fd, p, unix.MSG_NOSIGNAL)
}

// hasSocketCalls tells whether these are system calls of their own, as they are not in old
// kernels for some processors.
const hasSocketCalls = runtime.GOARCH != "386" && runtime.GOARCH != "s390x"

// raw makes a system call and tells the scheduler nothing of it, which saves some
// bookkeeping: a call on a non-blocking descriptor is over soon.
func raw(call uintptr, fd int, p []byte, flags uintptr) (int, error) {
	for {
		n, _, errno := syscall.RawSyscall6(call, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), flags, 0, 0)
		switch errno {
		case 0:
			return int(n), nil
		case syscall.EINTR:
		default:
			return 0, errno
		}
	}
}
