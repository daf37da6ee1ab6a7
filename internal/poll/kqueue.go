//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package poll

import (
	"time"

	"golang.org/x/sys/unix"
)

// A Poller is a kqueue, and a pipe that wakes it.
type Poller struct {
	kq           int
	wakeR, wakeW int
	gens         []uint32 // by descriptor, since the kernel's field for it differs between systems
	raw          [maxEvents]unix.Kevent_t
	events       [maxEvents]Event
}

// New makes a poller.
func New() (*Poller, error) {
	kq, err := unix.Kqueue()
	if err != nil {
		return nil, err
	}
	unix.CloseOnExec(kq)
	var pipe [2]int
	if err := unix.Pipe(pipe[:]); err != nil {
		unix.Close(kq)
		return nil, err
	}
	p := &Poller{kq: kq, wakeR: pipe[0], wakeW: pipe[1]}
	for _, fd := range pipe {
		unix.CloseOnExec(fd)
		if err := unix.SetNonblock(fd, true); err != nil {
			p.Close()
			return nil, err
		}
	}
	if err := p.change(p.wakeR, unix.EVFILT_READ, unix.EV_ADD|unix.EV_CLEAR); err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

// Add registers fd for both directions, edge triggered, until it is closed or removed. again
// says that it is registered already, as far as the caller knows.
func (p *Poller) Add(fd int, gen uint32, again bool) error {
	p.setGen(fd, gen)
	if err := p.change(fd, unix.EVFILT_READ, unix.EV_ADD|unix.EV_CLEAR); err != nil {
		return err
	}
	// The read end of a pipe has no other direction.
	if err := p.change(fd, unix.EVFILT_WRITE, unix.EV_ADD|unix.EV_CLEAR); err != nil && err != unix.EINVAL {
		p.Remove(fd)
		return err
	}
	return nil
}

// Watch registers fd for want, level triggered, instead of what it was registered for
// before. With an empty want it removes it. again is as for Add.
func (p *Poller) Watch(fd int, gen uint32, want Ready, again bool) error {
	p.setGen(fd, gen)
	for _, way := range [...]struct {
		ready  Ready
		filter int
	}{{Read, unix.EVFILT_READ}, {Write, unix.EVFILT_WRITE}} {
		// What is there may be edge triggered, or of another descriptor of this number.
		_ = p.change(fd, way.filter, unix.EV_DELETE)
		if want&way.ready != 0 {
			if err := p.change(fd, way.filter, unix.EV_ADD); err != nil {
				return err
			}
		}
	}
	return nil
}

// Await is Watch for one event, after which none comes until it is called again.
func (p *Poller) Await(fd int, gen uint32, want Ready, again bool) error {
	return p.Watch(fd, gen, want, again)
}

// Drop is Remove for a descriptor that its owner closes next, which is all that it takes.
func (p *Poller) Drop(int) {}

// Remove takes fd out. It does nothing if fd is not registered or closed.
func (p *Poller) Remove(fd int) {
	_ = p.change(fd, unix.EVFILT_READ, unix.EV_DELETE)
	_ = p.change(fd, unix.EVFILT_WRITE, unix.EV_DELETE)
}

func (p *Poller) setGen(fd int, gen uint32) {
	if fd >= len(p.gens) {
		p.gens = append(p.gens, make([]uint32, fd+1-len(p.gens))...)
	}
	if fd >= 0 {
		p.gens[fd] = gen
	}
}

func (p *Poller) change(fd, filter, flags int) error {
	var ev [1]unix.Kevent_t
	unix.SetKevent(&ev[0], fd, filter, flags)
	for {
		if _, err := unix.Kevent(p.kq, ev[:], nil, nil); err != unix.EINTR {
			return err
		}
	}
}

// Poll returns what is ready now. The events are valid until the next call.
func (p *Poller) Poll() ([]Event, error) { return p.Wait(0) }

// Wait returns what is ready, and waits for d at most if nothing is: forever if d is
// negative. It may return nothing earlier, after Wake or a signal.
func (p *Poller) Wait(d time.Duration) ([]Event, error) {
	var ts *unix.Timespec
	if d >= 0 {
		t := unix.NsecToTimespec(int64(min(d, 24*time.Hour))) // systems refuse a time that is too long
		ts = &t
	}
	n, err := unix.Kevent(p.kq, nil, p.raw[:], ts)
	if err != nil {
		if err == unix.EINTR {
			return nil, nil
		}
		return nil, err
	}
	events := p.events[:0]
	for i := range p.raw[:n] {
		raw := &p.raw[i]
		fd := int(raw.Ident)
		if fd == p.wakeR {
			p.drainWake()
			continue
		}
		ready := Write
		if raw.Filter == unix.EVFILT_READ {
			ready = Read
		}
		if raw.Flags&(unix.EV_EOF|unix.EV_ERROR) != 0 {
			ready |= Read | Hangup
		}
		events = append(events, Event{fd, p.gens[fd], ready})
	}
	return events, nil
}

func (p *Poller) drainWake() {
	var buf [64]byte
	for {
		if n, err := unix.Read(p.wakeR, buf[:]); n <= 0 && err != unix.EINTR {
			return
		}
	}
}

// Wake ends a Wait, or the next one if there is none. Any goroutine may call it, but not
// after Close.
func (p *Poller) Wake() {
	_, _ = unix.Write(p.wakeW, []byte{0}) // if the pipe is full, it wakes anyway
}

// Close closes the poller. The registered descriptors stay open.
func (p *Poller) Close() error {
	unix.Close(p.wakeR)
	unix.Close(p.wakeW)
	return unix.Close(p.kq)
}
