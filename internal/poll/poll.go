// Package poll reports which descriptors are ready for reading or writing: by epoll on
// Linux, by kqueue on darwin and the BSDs. Elsewhere New returns ErrUnsupported.
//
// A descriptor is registered in one of three ways. Add is for descriptors that their owner
// reads until nothing is left: both directions, edge triggered, with no further system
// call until the descriptor is closed. Watch is for callers who ask for a direction and
// may leave bytes behind: level triggered. Await is Watch for one event.
//
// A descriptor is taken out before it is closed, by Drop. What was registered by Await need not
// be: once its event has come nothing is left.
//
// A Poller belongs to one goroutine; only Wake may be called from any.
package poll

import "errors"

// Ready is a set of directions.
type Ready uint8

const (
	Read   Ready = 1 << iota // there is something to read, or the end
	Write                    // there is room to write
	Hangup                   // a read that gives little may have left something: the peer writes no more, the descriptor has failed, or TCP's urgent data are in the way; after Add it comes with Read
)

// An Event says that a descriptor is ready.
type Event struct {
	FD    int
	Gen   uint32 // what Add or Watch was given, so that news of an earlier descriptor of this number can be told apart
	Ready Ready
}

// ErrUnsupported is returned by New where there is neither epoll nor kqueue.
var ErrUnsupported = errors.New("no epoll and no kqueue on this system")

// maxEvents is how many events one call returns at most. What is left comes next time.
const maxEvents = 256
