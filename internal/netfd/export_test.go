//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package netfd

import "syscall"

// MaxAborted is the number of aborted connections that Accept skips.
const MaxAborted = maxAborted

// InConnect makes connecting end with err, after it has begun if real is set, until restore is
// called.
func InConnect(err error, real bool) (restore func()) {
	connectCall = func(fd int, sa syscall.Sockaddr) error {
		if real {
			_ = syscall.Connect(fd, sa)
		}
		return err
	}
	return func() { connectCall = syscall.Connect }
}

// InAccept makes the next calls of accept fail with errs, until restore is called.
func InAccept(errs ...error) (restore func()) {
	acceptCall = func(fd int) (int, syscall.Sockaddr, error) {
		if len(errs) > 0 {
			err := errs[0]
			errs = errs[1:]
			return -1, nil, err
		}
		return accept(fd)
	}
	return func() { acceptCall = accept }
}
