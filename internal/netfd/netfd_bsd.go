//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package netfd

import (
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	reusePort  = unix.SO_REUSEPORT
	pipeBroken = unix.POLLERR | unix.POLLHUP
)

// newSocket and accept hold the fork lock, so that no child process starts before the new
// descriptor is close-on-exec.
func newSocket(family, kind int) (int, error) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	fd, err := unix.Socket(family, kind, 0)
	return prepare(fd, err)
}

func accept(fd int) (int, syscall.Sockaddr, error) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	conn, sa, err := syscall.Accept(fd)
	conn, err = prepare(conn, err)
	return conn, sa, err
}

func prepare(fd int, err error) (int, error) {
	if err != nil {
		return -1, err
	}
	unix.CloseOnExec(fd)
	if err := unix.SetNonblock(fd, true); err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// Recv and Send are Read and Write for a socket.
func Recv(fd int, p []byte) (int, error) { return Read(fd, p) }
func Send(fd int, p []byte) (int, error) { return Write(fd, p) }
