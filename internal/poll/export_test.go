//go:build !portable && (darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package poll

import "time"

// An AnyPoller is a Poller over the system, or over a fake kernel.
type AnyPoller interface {
	Add(fd int, gen uint32, again bool) error
	Watch(fd int, gen uint32, want Ready, again bool) error
	Await(fd int, gen uint32, want Ready, again bool) error
	Remove(fd int)
	Drop(fd int)
	Poll() ([]Event, error)
	Wait(d time.Duration) ([]Event, error)
	Wake()
	Close() error
}

// Pollers holds the functions that make a poller of each kind.
var Pollers = map[string]func() (AnyPoller, error){
	"system": func() (AnyPoller, error) { return New() },
}
