//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package netfd

import "golang.org/x/sys/unix"

// OnlyOneConnection reports whether an error of Accept concerns only a connection that failed
// before it was accepted. The kernel passes such errors on, whatever they are, and the next
// connection may be in order. The other errors mean that the system has no descriptor or no memory
// left, or that fd does not listen.
func OnlyOneConnection(err error) bool {
	switch err {
	case unix.EMFILE, unix.ENFILE, unix.ENOBUFS, unix.ENOMEM, unix.EBADF, unix.EINVAL, unix.ENOTSOCK, unix.EFAULT:
		return false
	}
	return true
}
