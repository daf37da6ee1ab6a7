//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package netfd

import (
	"io/fs"
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

// SendFile sends at most count bytes of f, from offset on, to a socket or a pipe. It does not move
// the position of f. At the end of the file it returns 0. ErrNoSendFile means that the kernel does
// not do that for this file or this descriptor.
func SendFile(fd int, f *os.File, offset int64, count int) (n int, err error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return 0, err
	}
	var sendErr error
	err = raw.Control(func(in uintptr) { n, sendErr = sendFile(fd, int(in), offset, count) })
	if err != nil { // package os returns an error of its own here
		return 0, &fs.PathError{Op: "sendfile", Path: f.Name(), Err: fs.ErrClosed}
	}
	return n, sendErr
}

func sendFile(fd, in int, offset int64, count int) (int, error) {
	for {
		n, err := unix.Sendfile(fd, in, &offset, count)
		switch {
		case n > 0: // BSD systems return an error, too, if there was no room for all
			return n, nil
		case err == unix.EINTR:
		case isNoSendFile(err):
			return 0, ErrNoSendFile
		default:
			return 0, err
		}
	}
}

// isNoSendFile reports whether an error of sendfile concerns the kind of a file or a descriptor.
func isNoSendFile(err error) bool {
	return slices.Contains([]error{unix.ENOSYS, unix.EINVAL, unix.EOPNOTSUPP, unix.ENOTSUP, unix.ENOTSOCK, unix.ESPIPE, unix.EPERM}, err)
}
