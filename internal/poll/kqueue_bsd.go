//go:build !portable && (darwin || dragonfly || freebsd || netbsd || openbsd)

package poll

import (
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// SeesUrgentData reports whether TCP's urgent data come with Hangup. kqueue does not report them.
const SeesUrgentData = false

// A Poller is a kqueue, and a pipe that wakes it.
type Poller struct{ kqueue }

// New makes a poller.
func New() (*Poller, error) {
	s := &system{}
	if err := s.open(); err != nil {
		return nil, err
	}
	p := &Poller{}
	return p, p.open(s)
}

// system is the real kernel.
type system struct {
	kq           int
	readEnd      int
	writeEnd     int
	changes, raw [maxEvents]unix.Kevent_t
}

// This compiles only if the flags have the values of the system.
var _ = [1]int{}[unix.EV_ADD^evAdd|unix.EV_DELETE^evDelete|unix.EV_ONESHOT^evOneshot|unix.EV_CLEAR^evClear|unix.EV_ERROR^evError|unix.EV_EOF^evEOF]

// open holds the fork lock, so that no child process starts before the descriptors are
// close-on-exec.
func (s *system) open() error {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	kq, err := unix.Kqueue()
	if err != nil {
		return err
	}
	unix.CloseOnExec(kq)
	var pipe [2]int
	if err := unix.Pipe(pipe[:]); err != nil {
		unix.Close(kq)
		return err
	}
	s.kq, s.readEnd, s.writeEnd = kq, pipe[0], pipe[1]
	for _, fd := range pipe {
		unix.CloseOnExec(fd)
		if err := unix.SetNonblock(fd, true); err != nil {
			s.close()
			return err
		}
	}
	return nil
}

func (s *system) kevent(changes, events []kevent, timeout time.Duration) (int, error) {
	for i, c := range changes {
		filter := unix.EVFILT_READ
		if c.way == Write {
			filter = unix.EVFILT_WRITE
		}
		unix.SetKevent(&s.changes[i], c.fd, filter, int(c.flags))
	}
	var ts *unix.Timespec
	if timeout >= 0 {
		t := unix.NsecToTimespec(int64(timeout))
		ts = &t
	}
	n, err := unix.Kevent(s.kq, s.changes[:len(changes)], s.raw[:len(events)], ts)
	for i := range s.raw[:max(n, 0)] {
		raw := &s.raw[i]
		events[i] = kevent{fd: int(raw.Ident), way: Read, flags: uint16(raw.Flags)}
		if raw.Filter == unix.EVFILT_WRITE {
			events[i].way = Write
		}
	}
	return n, err
}

func (s *system) isOpen(fd int) bool {
	if int(int32(fd)) != fd { // the kernel would look at its lower half only
		return false
	}
	_, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
	return err == nil
}

func (s *system) pipe() int                       { return s.readEnd }
func (s *system) readPipe(p []byte) (int, error)  { return unix.Read(s.readEnd, p) }
func (s *system) writePipe(p []byte) (int, error) { return unix.Write(s.writeEnd, p) }

func (s *system) close() error {
	unix.Close(s.readEnd)
	unix.Close(s.writeEnd)
	return unix.Close(s.kq)
}
