// Package poll reports which descriptors are ready for reading or writing: by epoll on Linux, by
// kqueue on darwin and the BSDs. Elsewhere New returns ErrUnsupported.
//
// A descriptor is registered in one of three ways. Add is for descriptors that their owner reads
// until nothing is left: both directions, edge triggered, with no further system call until the
// descriptor is closed. Watch is for callers that ask for a direction and may leave bytes unread:
// level triggered. Await is Watch for one event.
//
// A descriptor is taken out by Drop before it is closed. After Await that is not necessary: once
// the event has come, nothing is left.
//
// A Poller belongs to one goroutine; only Wake may be called from any goroutine.
package poll

import "errors"

// Ready is a set of directions.
type Ready uint8

const (
	Read  Ready = 1 << iota // there are bytes to read, or the end
	Write                   // there is room to write

	// Hangup means that a short read may have left bytes: the peer has ended its side, the
	// descriptor has failed, or TCP's urgent data are in the way. After Add it comes with Read.
	Hangup
)

// An Event reports that a descriptor is ready.
type Event struct {
	FD    int
	Gen   uint32 // as passed to Add, Watch or Await, to recognise events of an earlier descriptor of this number
	Ready Ready
}

// ErrUnsupported is returned by New where there is neither epoll nor kqueue.
var ErrUnsupported = errors.New("no epoll and no kqueue on this system")

// maxEvents is the number of events that one call returns at most. The next call returns the
// others.
const maxEvents = 256
