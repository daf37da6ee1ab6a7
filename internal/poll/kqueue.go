//go:build unix

package poll

// This file is the poller over kqueue, short of the system calls. It has no build constraint of
// its own, so that tests run it elsewhere, over a kernel that they make up.

import (
	"slices"
	"syscall"
	"time"
)

// A kernel makes the system calls of one kqueue and of the pipe that wakes it.
type kernel interface {
	// kevent makes changes and returns what has happened, which it waits for: forever if
	// timeout is negative. Without room for events it does not wait, and the first change that
	// fails is the last one made.
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

// A mode is the way in which one direction of a descriptor is registered.
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

// knotes is what the kernel has of a descriptor, as far as is known: it drops what the owner of
// the number closes.
type knotes struct {
	gen   uint32 // kept here because the kernel's field for it differs between systems
	modes [2]mode
	gone  Ready // directions that the kernel has refused since the other end is gone
}

func (k *knotes) mode(way Ready) *mode { return &k.modes[way>>1] }

// kqueue is a Poller over a kernel.
type kqueue struct {
	kernel kernel
	wakeFD int
	table  []knotes // by descriptor
	gone   []int    // descriptors that have an event which the kernel will not report
	adds   [2]kevent
	raw    [maxEvents]kevent
	events [maxEvents]Event
	wakes  [64]byte // read from the pipe
}

// open begins to use a kernel. If that fails it closes it.
func (q *kqueue) open(k kernel) error {
	q.kernel, q.wakeFD = k, k.pipe()
	if err := q.change(kevent{q.wakeFD, Read, edge.flags()}); err != nil {
		k.close()
		return err
	}
	return nil
}

// Add registers fd for both directions, edge triggered, until it is closed or removed. again
// says that it is registered already, as far as the caller knows.
func (q *kqueue) Add(fd int, gen uint32, _ bool) error {
	return q.set(fd, gen, [2]mode{edge, edge})
}

// Watch registers fd for want, level triggered, instead of what it was registered for
// before. again is as for Add.
func (q *kqueue) Watch(fd int, gen uint32, want Ready, _ bool) error {
	return q.set(fd, gen, modes(want, level))
}

// Await is Watch for one event, after which none comes until it is called again.
func (q *kqueue) Await(fd int, gen uint32, want Ready, _ bool) error {
	return q.set(fd, gen, modes(want, once))
}

// Remove takes fd out. It does nothing if fd is not registered or closed.
func (q *kqueue) Remove(fd int) {
	if q.has(fd) {
		_ = q.set(fd, q.table[fd].gen, [2]mode{})
	}
}

// Drop is Remove for a descriptor that its owner closes next, which is all that it takes.
func (q *kqueue) Drop(fd int) {
	if q.has(fd) {
		q.table[fd] = knotes{}
	}
}

// Renew does nothing: nothing is left of what is closed.
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

// set registers fd, whatever it was registered for before.
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
		// To add what is there already does not change its mode.
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

// addEach makes changes one by one, after they have failed together. Systems refuse to watch a
// pipe whose other end is gone, though it can be read, or written to for the sake of the error:
// some with EPIPE and some with EBADF. Some refuse to watch its read end for writing, with EINVAL.
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

// Poll returns what is ready now. The events are valid until the next call.
func (q *kqueue) Poll() ([]Event, error) { return q.Wait(0) }

// Wait returns what is ready, and waits for d at most if nothing is: forever if d is
// negative. It may return nothing earlier, after Wake or a signal.
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

// readiness returns what an event of the kernel means.
func (q *kqueue) readiness(raw kevent) Ready {
	k := &q.table[raw.fd]
	m := k.mode(raw.way)
	ready := raw.way
	if raw.flags&(evEOF|evError) != 0 {
		// Some systems tell the writer of a pipe that its reader is gone as an end of reading
		// alone.
		ready = k.watched() | Hangup
	}
	switch *m {
	case unwatched: // by now
		return 0
	case once:
		*m = unwatched
	}
	return ready
}

// watched returns the directions that are registered. To the owner of an edge triggered
// descriptor that is both, even if the system knows of one only.
func (k *knotes) watched() (ready Ready) {
	for i, way := range [...]Ready{Read, Write} {
		if k.modes[i] != unwatched || k.modes[0] == edge {
			ready |= way
		}
	}
	return ready
}

// reportGone returns the events that the kernel will not report: once, or each time for what is
// level triggered.
func (q *kqueue) reportGone() []Event {
	events, still := q.events[:0], q.gone[:0]
	for i, fd := range q.gone {
		k := &q.table[fd]
		if len(events) == maxEvents/2 { // the others have their share
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

// Wake ends a Wait, or the next one if there is none. Any goroutine may call it, but not
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
