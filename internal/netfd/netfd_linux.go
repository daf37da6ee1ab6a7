package netfd

import (
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	reusePort  = unix.SO_REUSEPORT
	pipeBroken = unix.POLLERR
)

func newSocket(family, kind int) (int, error) {
	return unix.Socket(family, kind|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
}

func accept(fd int) (int, syscall.Sockaddr, error) {
	return syscall.Accept4(fd, unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK)
}

// Recv is Read for a socket. It never blocks, even if another process has made the descriptor
// blocking.
func Recv(fd int, p []byte) (int, error) {
	if !hasSocketCalls {
		return Read(fd, p)
	}
	return raw(unix.SYS_RECVFROM, fd, p, unix.MSG_DONTWAIT)
}

// Send is Write for a socket. Like Recv, it never blocks.
func Send(fd int, p []byte) (int, error) {
	if !hasSocketCalls {
		return Write(fd, p)
	}
	return raw(unix.SYS_SENDTO, fd, p, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
}

// hasSocketCalls reports whether recvfrom and sendto are system calls of their own. On these two
// processors old kernels lack them, so Recv and Send are Read and Write.
const hasSocketCalls = runtime.GOARCH != "386" && runtime.GOARCH != "s390x"

// raw makes a system call that does not block. It does not notify the scheduler, which saves some
// bookkeeping.
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
