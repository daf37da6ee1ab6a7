//go:build unix && !portable

package poll

// This file is the poller over kqueue, without the system calls. It is built on all Unix systems,
// so that tests can run it elsewhere, over a fake kernel.

import (
	"slices"
	"syscall"
	"time"
)

// A kernel makes the system calls of one kqueue, and of the pipe that wakes it.
type kernel interface {
	// kevent makes changes, waits for events and returns their number. If timeout is negative it
	// waits forever. Without room for events it does not wait, and it stops at the first change
	// that fails.
	kevent(changes, events []kevent, timeout time.Duration) (int, error)
	isOpen(fd int) bool
	pipe() (readEnd int)
	readPipe(p []byte) (int, error)
	writePipe(p []byte) (int, error)
	close() error
}

// A kevent is a change or an event.
type kevent struct {
	fd    int
	way   Ready // Read or Write: the filter
	flags uint16
}

// The flags of a kevent have the same values on all systems.
const (
	evAdd     = 0x0001
	evDelete  = 0x0002
	evOneshot = 0x0010
	evClear   = 0x0020
	evError   = 0x4000
	evEOF     = 0x8000
)

// A mode is how one direction of a descriptor is registered.
type mode uint8

const (
	unwatched mode = iota
	edge
	level
	once
)

func (m mode) flags() uint16 {
	switch m {
	case edge:
		return evAdd | evClear
	case once:
		return evAdd | evOneshot
	default:
		return evAdd
	}
}

// knotes is the registration that the kernel has for a descriptor, as far as is known: the kernel
// drops it when the owner closes the descriptor.
type knotes struct {
	gen   uint32 // kept here because the kernel's field for it differs between systems
	modes [2]mode
	gone  Ready // directions that the kernel has refused because the other end is gone
}

func (k *knotes) mode(way Ready) *mode { return &k.modes[way>>1] }

// kqueue is a Poller over a kernel.
type kqueue struct {
	kernel kernel
	wakeFD int
	table  []knotes // by descriptor
	gone   []int    // descriptors with an event that the kernel will not report
	adds   [2]kevent
	raw    [maxEvents]kevent
	events [maxEvents]Event
	wakes  [64]byte // bytes read from the pipe
}

// open starts to use a kernel. If it fails, it closes the kernel.
func (q *kqueue) open(k kernel) error {
	q.kernel, q.wakeFD = k, k.pipe()
	if err := q.change(kevent{q.wakeFD, Read, edge.flags()}); err != nil {
		k.close()
		return err
	}
	return nil
}

// Add registers fd for both directions, edge triggered, until it is closed or removed. Only epoll
// needs to know whether fd is registered already.
func (q *kqueue) Add(fd int, gen uint32, _ bool) error {
	return q.set(fd, gen, [2]mode{edge, edge})
}

// Watch registers fd for want, level triggered, in place of any earlier registration.
func (q *kqueue) Watch(fd int, gen uint32, want Ready, _ bool) error {
	return q.set(fd, gen, modes(want, level))
}

// Await is Watch for one event. No other event comes until fd is registered again.
func (q *kqueue) Await(fd int, gen uint32, want Ready, _ bool) error {
	return q.set(fd, gen, modes(want, once))
}

// Remove takes fd out. It does nothing if fd is closed or not registered.
func (q *kqueue) Remove(fd int) {
	if q.has(fd) {
		_ = q.set(fd, q.table[fd].gen, [2]mode{})
	}
}

// Drop is Remove for a descriptor that its owner is about to close. Closing it takes it out of the
// kqueue.
func (q *kqueue) Drop(fd int) {
	if q.has(fd) {
		q.table[fd] = knotes{}
	}
}

// Renew does nothing: a kqueue keeps nothing of a closed descriptor.
func (q *kqueue) Renew() error { return nil }

func (q *kqueue) has(fd int) bool { return fd >= 0 && fd < len(q.table) }

func modes(want Ready, m mode) (ms [2]mode) {
	for _, way := range [...]Ready{Read, Write} {
		if want&way != 0 {
			ms[way>>1] = m
		}
	}
	return ms
}

// set registers fd, in place of any earlier registration.
func (q *kqueue) set(fd int, gen uint32, want [2]mode) error {
	if !q.has(fd) {
		if !q.kernel.isOpen(fd) { // before the table grows
			return syscall.EBADF
		}
		q.table = append(q.table, make([]knotes, fd+1-len(q.table))...)
	}
	k := &q.table[fd]
	k.gen, k.gone = gen, 0
	adds := q.adds[:0]
	for i, way := range [...]Ready{Read, Write} {
		// Adding a direction that is registered already does not change its mode.
		if k.modes[i] != unwatched && k.modes[i] != want[i] {
			_ = q.change(kevent{fd, way, evDelete})
		}
		k.modes[i] = want[i]
		if want[i] != unwatched {
			adds = append(adds, kevent{fd, way, want[i].flags()})
		}
	}
	err := q.change(adds...)
	if err != nil {
		err = q.addEach(adds, k)
	}
	if err != nil {
		k.modes, k.gone = [2]mode{}, 0
	}
	return err
}

// addEach makes changes one by one, after they have failed together. Systems refuse to watch a pipe
// whose other end is gone, some with EPIPE and some with EBADF, although it can still be read, or
// be written to for the error. Some refuse to watch the read end of a pipe for writing, with
// EINVAL.
func (q *kqueue) addEach(adds []kevent, k *knotes) error {
	for _, add := range adds {
		switch err := q.change(add); {
		case err == nil:
		case err == syscall.EPIPE, err == syscall.EBADF && q.kernel.isOpen(add.fd):
			k.gone |= add.way
		case err == syscall.EINVAL && add.way == Write && *k.mode(Write) == edge:
			*k.mode(Write) = unwatched
		default:
			for _, add := range adds {
				_ = q.change(kevent{add.fd, add.way, evDelete})
			}
			return err
		}
	}
	if k.gone != 0 && !slices.Contains(q.gone, adds[0].fd) {
		q.gone = append(q.gone, adds[0].fd)
	}
	return nil
}

// change makes changes in one call.
func (q *kqueue) change(changes ...kevent) error {
	if len(changes) == 0 {
		return nil
	}
	for {
		if _, err := q.kernel.kevent(changes, nil, 0); err != syscall.EINTR {
			return err
		}
	}
}

// Poll returns the descriptors that are ready now. The events are valid until the next call.
func (q *kqueue) Poll() ([]Event, error) { return q.Wait(0) }

// Wait returns the descriptors that are ready. If none is, it waits for at most d, or forever if d
// is negative. After Wake or a signal it may return early, with no events.
func (q *kqueue) Wait(d time.Duration) ([]Event, error) {
	events := q.reportGone()
	if len(events) > 0 {
		d = 0
	}
	n, err := q.kernel.kevent(nil, q.raw[:maxEvents-len(events)], min(d, 24*time.Hour)) // systems refuse a time that is too long
	if err != nil && err != syscall.EINTR {
		return nil, err
	}
	for _, raw := range q.raw[:max(n, 0)] {
		if raw.fd == q.wakeFD {
			q.drainPipe()
			continue
		}
		if ready := q.readiness(raw); ready != 0 {
			events = append(events, Event{raw.fd, q.table[raw.fd].gen, ready})
		}
	}
	return events, nil
}

// readiness returns the directions that an event of the kernel reports. At the end, or after a
// failure, these are all that are registered, and Hangup.
func (q *kqueue) readiness(raw kevent) Ready {
	k := &q.table[raw.fd]
	m := k.mode(raw.way)
	ready := raw.way
	if raw.flags&(evEOF|evError) != 0 {
		// When the reader of a pipe is gone, some systems report only an end of reading to the
		// writer.
		ready = k.watched() | Hangup
	}
	switch *m {
	case unwatched: // taken out meanwhile
		return 0
	case once:
		*m = unwatched
	}
	return ready
}

// watched returns the registered directions. The owner of an edge triggered descriptor expects
// both, even if the system knows of one only.
func (k *knotes) watched() (ready Ready) {
	for i, way := range [...]Ready{Read, Write} {
		if k.modes[i] != unwatched || k.modes[0] == edge {
			ready |= way
		}
	}
	return ready
}

// reportGone returns the events that the kernel will not report. It returns each event once, or on
// every call if the descriptor is level triggered.
func (q *kqueue) reportGone() []Event {
	events, still := q.events[:0], q.gone[:0]
	for i, fd := range q.gone {
		k := &q.table[fd]
		if len(events) == maxEvents/2 { // leave room for the events of the kernel
			still = append(still, q.gone[i:]...)
			break
		}
		if k.gone == 0 {
			continue
		}
		ready := k.gone | Hangup
		if k.modes[0] == edge {
			ready |= Read | Write
		}
		events = append(events, Event{fd, k.gen, ready})
		if *k.mode(k.gone & -k.gone) == level {
			still = append(still, fd)
		} else {
			k.gone = 0
		}
	}
	q.gone = still
	return events
}

func (q *kqueue) drainPipe() {
	for {
		if n, err := q.kernel.readPipe(q.wakes[:]); n <= 0 && err != syscall.EINTR {
			return
		}
	}
}

var wake = []byte{0}

// Wake ends the current Wait or, if there is none, the next one. Any goroutine may call it, but not
// after Close.
func (q *kqueue) Wake() {
	for {
		if _, err := q.kernel.writePipe(wake); err != syscall.EINTR {
			return // if the pipe is full, it wakes anyway
		}
	}
}

// Close closes the poller. The registered descriptors stay open.
func (q *kqueue) Close() error { return q.kernel.close() }
