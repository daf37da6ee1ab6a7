//go:build !portable

package poll

import (
	"math"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// SeesUrgentData reports whether TCP's urgent data come with Hangup.
const SeesUrgentData = true

// A Poller is an epoll instance, and an eventfd that wakes it.
type Poller struct {
	epfd   int
	wakefd int
	noNano bool // the kernel lacks epoll_pwait2
	raw    [maxEvents]unix.EpollEvent
	events [maxEvents]Event
}

// New makes a poller.
func New() (*Poller, error) {
	wakefd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, err
	}
	epfd, err := newEpoll(wakefd)
	if err != nil {
		unix.Close(wakefd)
		return nil, err
	}
	return &Poller{epfd: epfd, wakefd: wakefd}, nil
}

func newEpoll(wakefd int) (int, error) {
	epfd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return -1, err
	}
	// Edge triggered, the eventfd never has to be read.
	ev := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLET, Fd: int32(wakefd)}
	if err := unix.EpollCtl(epfd, unix.EPOLL_CTL_ADD, wakefd, &ev); err != nil {
		unix.Close(epfd)
		return -1, err
	}
	return epfd, nil
}

// Renew takes all descriptors out, including those that were closed without Drop while a duplicate
// was open: there is no other way to remove these.
func (p *Poller) Renew() error {
	epfd, err := newEpoll(p.wakefd)
	if err != nil {
		return err
	}
	defer unix.Close(epfd)
	return unix.Dup3(epfd, p.epfd, unix.O_CLOEXEC)
}

// Add registers fd for both directions, edge triggered, until it is closed or removed. again means
// that fd is registered already, as far as the caller knows.
func (p *Poller) Add(fd int, gen uint32, again bool) error {
	return p.set(fd, gen, again, unix.EPOLLIN|unix.EPOLLPRI|unix.EPOLLOUT|unix.EPOLLRDHUP|unix.EPOLLET)
}

// Watch registers fd for want, level triggered, in place of any earlier registration. again is as
// for Add.
func (p *Poller) Watch(fd int, gen uint32, want Ready, again bool) error {
	return p.set(fd, gen, again, interest(want))
}

// Await is Watch for one event. No other event comes until fd is registered again.
func (p *Poller) Await(fd int, gen uint32, want Ready, again bool) error {
	return p.set(fd, gen, again, interest(want)|unix.EPOLLONESHOT)
}

func interest(want Ready) (events uint32) {
	if want&Read != 0 {
		events |= unix.EPOLLIN | unix.EPOLLRDHUP
	}
	if want&Write != 0 {
		events |= unix.EPOLLOUT
	}
	return events
}

// set registers fd, in place of any earlier registration. The owner may have closed a descriptor
// without notice, and the number may be in use again: only the kernel knows. So again only decides
// which call to try first.
func (p *Poller) set(fd int, gen uint32, again bool, events uint32) error {
	ev := unix.EpollEvent{Events: events, Fd: int32(fd), Pad: int32(gen)}
	first, second, refused := unix.EPOLL_CTL_ADD, unix.EPOLL_CTL_MOD, unix.EEXIST
	if again {
		first, second, refused = second, first, unix.ENOENT
	}
	err := unix.EpollCtl(p.epfd, first, fd, &ev)
	if err == refused {
		err = unix.EpollCtl(p.epfd, second, fd, &ev)
	}
	return err
}

// Remove takes fd out. It does nothing if fd is closed or not registered.
func (p *Poller) Remove(fd int) {
	_ = unix.EpollCtl(p.epfd, unix.EPOLL_CTL_DEL, fd, nil)
}

// Drop is Remove for a descriptor that its owner is about to close. Closing alone would not take it
// out while a duplicate is open.
func (p *Poller) Drop(fd int) { p.Remove(fd) }

// Poll returns the descriptors that are ready now. The events are valid until the next call.
func (p *Poller) Poll() ([]Event, error) {
	// A raw call, since it does not block.
	n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(p.epfd),
		uintptr(unsafe.Pointer(&p.raw[0])), maxEvents, 0, 0, 0)
	return p.convert(n, errno)
}

// Wait returns the descriptors that are ready. If none is, it waits for at most d, or forever if d
// is negative. After Wake or a signal it may return early, with no events.
func (p *Poller) Wait(d time.Duration) ([]Event, error) {
	if d == 0 {
		return p.Poll()
	}
	if p.noNano {
		return p.waitMillis(d)
	}
	var ts *timespec64
	if d > 0 {
		ts = &timespec64{int64(d / time.Second), int64(d % time.Second)}
	}
	n, _, errno := unix.Syscall6(unix.SYS_EPOLL_PWAIT2, uintptr(p.epfd),
		uintptr(unsafe.Pointer(&p.raw[0])), maxEvents, uintptr(unsafe.Pointer(ts)), 0, 0)
	if errno == unix.ENOSYS || errno == unix.EPERM { // EPERM: a sandbox that does not know the call
		p.noNano = true
		return p.waitMillis(d)
	}
	return p.convert(n, errno)
}

// timespec64 is the timeout of epoll_pwait2, on 32-bit systems too.
type timespec64 struct{ sec, nsec int64 }

// waitMillis waits by epoll_wait. It rounds d up to milliseconds, so that no wait is too short.
func (p *Poller) waitMillis(d time.Duration) ([]Event, error) {
	ms := -1
	if d > 0 {
		ms = int(min((d+time.Millisecond-1)/time.Millisecond, math.MaxInt32))
	}
	n, err := unix.EpollWait(p.epfd, p.raw[:], ms)
	errno, _ := err.(unix.Errno)
	return p.convert(uintptr(max(n, 0)), errno)
}

func (p *Poller) convert(n uintptr, errno unix.Errno) ([]Event, error) {
	switch errno {
	case 0:
	case unix.EINTR:
		return nil, nil
	default:
		return nil, errno
	}
	events := p.events[:0]
	for i := range p.raw[:n] {
		raw := &p.raw[i]
		if int(raw.Fd) == p.wakefd {
			continue
		}
		var ready Ready
		if raw.Events&(unix.EPOLLIN|unix.EPOLLPRI|unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0 {
			ready |= Read
		}
		if raw.Events&(unix.EPOLLOUT|unix.EPOLLHUP|unix.EPOLLERR) != 0 {
			ready |= Write
		}
		if raw.Events&(unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR|unix.EPOLLPRI) != 0 {
			ready |= Hangup
		}
		events = append(events, Event{int(raw.Fd), uint32(raw.Pad), ready})
	}
	return events, nil
}

// Wake ends the current Wait or, if there is none, the next one. Any goroutine may call it, but not
// after Close.
func (p *Poller) Wake() { p.wake(unix.Write) }

func (p *Poller) wake(write func(int, []byte) (int, error)) {
	one := uint64(1)
	for {
		if _, err := write(p.wakefd, (*[8]byte)(unsafe.Pointer(&one))[:]); err != unix.EINTR {
			return
		}
	}
}

// Close closes the poller. The registered descriptors stay open.
func (p *Poller) Close() error {
	unix.Close(p.wakefd)
	return unix.Close(p.epfd)
}
