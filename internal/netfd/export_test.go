//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package netfd

import "syscall"

// MaxAborted is how many aborted connections Accept passes over.
const MaxAborted = maxAborted

// InConnect has connecting end with an error, after it has begun if real is set. The function it
// returns takes that back.
func InConnect(err error, real bool) (restore func()) {
	connectCall = func(fd int, sa syscall.Sockaddr) error {
		if real {
			_ = syscall.Connect(fd, sa)
		}
		return err
	}
	return func() { connectCall = syscall.Connect }
}

// InAccept has accepting end with errors first.
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
