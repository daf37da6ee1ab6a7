//go:build portable || (!linux && !darwin && !dragonfly && !freebsd && !netbsd && !openbsd)

package poll

import "time"

// SeesUrgentData reports whether TCP's urgent data come with Hangup.
const SeesUrgentData = false

// A Poller cannot be made here.
type Poller struct{}

// New returns ErrUnsupported.
func New() (*Poller, error) { return nil, ErrUnsupported }

func (*Poller) Add(fd int, gen uint32, again bool) error               { return ErrUnsupported }
func (*Poller) Watch(fd int, gen uint32, want Ready, again bool) error { return ErrUnsupported }
func (*Poller) Await(fd int, gen uint32, want Ready, again bool) error { return ErrUnsupported }
func (*Poller) Renew() error                                           { return ErrUnsupported }
func (*Poller) Drop(fd int)                                            {}
func (*Poller) Remove(fd int)                                          {}
func (*Poller) Poll() ([]Event, error)                                 { return nil, ErrUnsupported }
func (*Poller) Wait(d time.Duration) ([]Event, error)                  { return nil, ErrUnsupported }
func (*Poller) Wake()                                                  {}
func (*Poller) Close() error                                           { return nil }
