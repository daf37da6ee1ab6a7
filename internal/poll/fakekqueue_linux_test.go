//go:build !portable

package poll

// This file implements a fake kernel for the kqueue poller. It follows kqueue's manuals, with the
// quirks of one system or another. It uses an epoll instance for each filter.

import (
	"time"

	"golang.org/x/sys/unix"
)

// quirks are differences between systems.
type quirks struct {
	refusal unix.Errno // error of watching a pipe for writing after its reader has gone: EPIPE on FreeBSD, EBADF on NetBSD
	allEnds bool       // watching such a pipe for reading fails too, as on old releases of macOS
	noWrite bool       // a pipe's read end cannot be watched for writing
	readEOF bool       // a pipe without a reader is reported as an end of reading
	eintr   int        // each n-th call is interrupted, except calls that wait
	fails   error      // error of each call that asks for events
}

func init() {
	for name, q := range map[string]quirks{
		"kqueue":             {},
		"kqueue of FreeBSD":  {refusal: unix.EPIPE},
		"kqueue of NetBSD":   {refusal: unix.EBADF, readEOF: true},
		"kqueue of macOS":    {refusal: unix.EPIPE, allEnds: true, noWrite: true},
		"kqueue interrupted": {eintr: 2},
	} {
		Pollers[name] = func() (AnyPoller, error) { return newOverFake(q) }
	}
}

func newOverFake(q quirks) (*kqueue, error) {
	k := &fakeKernel{quirks: q, knotes: make(map[knoteKey]uint16)}
	var err error
	for _, fd := range []*int{&k.outer, &k.inner[0], &k.inner[1]} {
		if *fd, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
			return nil, err
		}
	}
	for _, fd := range k.inner {
		if err := unix.EpollCtl(k.outer, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN}); err != nil {
			return nil, err
		}
	}
	if err := unix.Pipe2(k.ends[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		return nil, err
	}
	p := &kqueue{}
	return p, p.open(k)
}

type knoteKey struct {
	fd  int
	way Ready
}

type fakeKernel struct {
	quirks
	outer  int    // polls the two inner instances
	inner  [2]int // by filter
	ends   [2]int
	knotes map[knoteKey]uint16 // with their flags
	calls  int                 // of the loop's goroutine
	wakes  int
}

// interrupted counts a call and reports whether a signal interrupts it.
func (k *fakeKernel) interrupted(calls *int) bool {
	*calls++
	return k.eintr > 0 && *calls%k.eintr == 0
}

func (k *fakeKernel) kevent(changes, events []kevent, timeout time.Duration) (int, error) {
	n := 0
	for _, c := range changes {
		if err := k.change(c); err != nil && n == len(events) {
			return -1, err
		} else if err != nil {
			events[n] = kevent{c.fd, c.way, evError}
			n++
		}
	}
	if len(changes) > 0 && k.interrupted(&k.calls) {
		return -1, unix.EINTR // the changes are made
	}
	if k.fails != nil {
		return -1, k.fails
	}
	if timeout > 100_000_000*time.Second { // the limit of macOS and the BSDs
		return -1, unix.EINVAL
	}
	if n > 0 || len(events) == 0 {
		return n, nil
	}
	deadline := time.Now().Add(timeout)
	for {
		if n = k.collect(events); n > 0 {
			return n, nil
		}
		ms := -1
		if timeout >= 0 {
			left := time.Until(deadline)
			if left <= 0 {
				return 0, nil
			}
			ms = int((left + time.Millisecond - 1) / time.Millisecond)
		}
		if _, err := unix.EpollWait(k.outer, make([]unix.EpollEvent, 1), ms); err != nil {
			return -1, err
		}
	}
}

// change follows EV_ADD's rule: adding a knote that exists already does not make another one.
func (k *fakeKernel) change(c kevent) error {
	key, epfd := knoteKey{c.fd, c.way}, k.inner[c.way>>1]
	if !k.isOpen(c.fd) {
		delete(k.knotes, key) // the kernel deleted it when the descriptor was closed
		return unix.EBADF
	}
	old, found := k.knotes[key]
	if c.flags&evDelete != 0 {
		delete(k.knotes, key)
		if unix.EpollCtl(epfd, unix.EPOLL_CTL_DEL, c.fd, nil) != nil || !found {
			return unix.ENOENT
		}
		return nil
	}
	ev := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLRDHUP, Fd: int32(c.fd)}
	if c.way == Write {
		ev.Events = unix.EPOLLOUT
	}
	if found {
		ev.Events |= epollFlags(old)
		if unix.EpollCtl(epfd, unix.EPOLL_CTL_MOD, c.fd, &ev) == nil {
			return nil
		}
		ev.Events &^= epollFlags(old) // the number was closed and is in use again
	}
	if err := k.refuse(c); err != nil {
		return err
	}
	ev.Events |= epollFlags(c.flags)
	if err := unix.EpollCtl(epfd, unix.EPOLL_CTL_ADD, c.fd, &ev); err != nil {
		return err
	}
	k.knotes[key] = c.flags
	return nil
}

func epollFlags(flags uint16) (events uint32) {
	if flags&evClear != 0 {
		events |= unix.EPOLLET
	}
	if flags&evOneshot != 0 {
		events |= unix.EPOLLONESHOT
	}
	return events
}

// refuse returns the error of a change that the system refuses.
func (k *fakeKernel) refuse(c kevent) error {
	isPipe, isReadEnd, isGone := look(c.fd)
	switch {
	case !isPipe:
	case k.noWrite && isReadEnd && c.way == Write:
		return unix.EINVAL
	case k.refusal != 0 && isGone && (c.way == Write || k.allEnds):
		return k.refusal
	}
	return nil
}

// look reports whether fd is a pipe, which end of it, and whether the other end is closed.
func look(fd int) (isPipe, isReadEnd, isGone bool) {
	var st unix.Stat_t
	if unix.Fstat(fd, &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFIFO {
		return false, false, false
	}
	flags, _ := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	polled := []unix.PollFd{{Fd: int32(fd)}}
	_, _ = unix.Poll(polled, 0)
	return true, flags&unix.O_ACCMODE == unix.O_RDONLY, polled[0].Revents&(unix.POLLERR|unix.POLLHUP) != 0
}

// collect stores the events that are ready, and returns their number.
func (k *fakeKernel) collect(events []kevent) (n int) {
	raw := make([]unix.EpollEvent, len(events))
	for i, way := range [...]Ready{Read, Write} {
		m, _ := unix.EpollWait(k.inner[i], raw[:len(events)-n], 0)
		for _, e := range raw[:max(m, 0)] {
			key := knoteKey{int(e.Fd), way}
			if !k.isOpen(key.fd) { // epoll goes on for a duplicate
				continue
			}
			var flags uint16
			if e.Events&(unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0 {
				flags = evEOF
				if isPipe, _, isGone := look(key.fd); way == Write && k.readEOF && isPipe && isGone {
					continue
				}
			}
			if k.knotes[key]&evOneshot != 0 {
				delete(k.knotes, key)
				_ = unix.EpollCtl(k.inner[i], unix.EPOLL_CTL_DEL, key.fd, nil)
			}
			events[n] = kevent{key.fd, way, flags}
			n++
		}
	}
	return n
}

func (k *fakeKernel) isOpen(fd int) bool {
	if int(int32(fd)) != fd {
		return false
	}
	_, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
	return err == nil
}

func (k *fakeKernel) pipe() int { return k.ends[0] }

func (k *fakeKernel) readPipe(p []byte) (int, error) {
	if k.interrupted(&k.calls) {
		return -1, unix.EINTR
	}
	return unix.Read(k.ends[0], p)
}

func (k *fakeKernel) writePipe(p []byte) (int, error) {
	if k.interrupted(&k.wakes) {
		return -1, unix.EINTR
	}
	return unix.Write(k.ends[1], p)
}

func (k *fakeKernel) close() error {
	var first error
	for _, fd := range []int{k.outer, k.inner[0], k.inner[1], k.ends[0], k.ends[1]} {
		if err := unix.Close(fd); first == nil {
			first = err
		}
	}
	return first
}
