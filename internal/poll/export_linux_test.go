//go:build !portable

package poll

import "golang.org/x/sys/unix"

func init() {
	Pollers["epoll without nanoseconds"] = func() (AnyPoller, error) {
		p, err := New()
		if err == nil {
			p.noNano = true
		}
		return p, err
	}
	Pollers["epoll interrupted"] = func() (AnyPoller, error) {
		p, err := New()
		return interrupted{p}, err
	}
}

// interrupted is a poller whose wake-ups are interrupted by signals.
type interrupted struct{ *Poller }

func (p interrupted) Wake() {
	calls := 0
	p.wake(func(fd int, b []byte) (int, error) {
		if calls++; calls < 3 {
			return -1, unix.EINTR
		}
		return unix.Write(fd, b)
	})
}

// Failing makes pollers whose waits fail with an error of the system.
func Failing(err unix.Errno) (map[string]AnyPoller, error) {
	all := make(map[string]AnyPoller)
	q, newErr := newOverFake(quirks{})
	if newErr != nil {
		return nil, newErr
	}
	q.kernel.(*fakeKernel).fails = err
	all["kqueue"] = q
	for name, noNano := range map[string]bool{"epoll": false, "epoll without nanoseconds": true} {
		p, newErr := New()
		if newErr != nil {
			return nil, newErr
		}
		p.noNano = noNano
		if err == unix.EBADF {
			unix.Close(p.epfd)
			p.epfd = -1
		}
		all[name] = p
	}
	return all, nil
}
