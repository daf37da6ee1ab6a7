//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package netfd

import (
	"os"

	"golang.org/x/sys/unix"
)

// Duplicate returns another descriptor, greater than 2, of the socket fd, and makes the socket
// non-blocking.
func Duplicate(fd int) (int, error) {
	if int(int32(fd)) != fd { // the kernel would look at its lower half only
		return -1, os.NewSyscallError("fcntl", unix.EBADF)
	}
	again, err := duplicate(fd)
	if err != nil {
		return -1, os.NewSyscallError("fcntl", err)
	}
	if err := SetNonblock(again); err != nil {
		unix.Close(again)
		return -1, err
	}
	return again, nil
}

// Listening reports whether a socket accepts connections.
func Listening(fd int) bool {
	listening, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
	return err == nil && listening != 0
}
