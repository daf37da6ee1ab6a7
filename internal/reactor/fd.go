package reactor

import (
	"io"

	"github.com/go-asyncio/asyncio/internal/netfd"
	"github.com/go-asyncio/asyncio/internal/poll"
)

// An FD is a descriptor that its handler owns. Reading and writing cost no system calls besides the
// read and the write: the FD counts as ready until a call has found that it is not.
type FD struct {
	Num            int  // -1 once closed
	Socket         bool // Read and Write use netfd.Recv and netfd.Send
	ShortReadIsAll bool // a short read empties the kernel's buffer: true of TCP, not of sockets that keep records

	// The state, as far as is known.
	Readable bool
	Writable bool
	Hangup   bool // the peer has ended its side, or the descriptor has failed: read on even after a short read

	reactor *Reactor
}

// Open takes over fd, which is non-blocking and new to the program, and owns it for h. If it fails,
// it closes fd.
func (f *FD) Open(r *Reactor, fd int, h Handler) error {
	f.reactor, f.Num = r, fd
	if err := r.Own(fd, h); err != nil {
		f.Num = -1
		netfd.Close(fd)
		return err
	}
	return nil
}

// Close closes the descriptor. A second call does nothing.
func (f *FD) Close() {
	if f.Num >= 0 {
		f.reactor.Remove(f.Num)
		netfd.Close(f.Num)
		f.Num = -1
	}
}

// Note records that the descriptor is ready. The handler calls it first in OnReady.
func (f *FD) Note(ready poll.Ready) {
	if ready&poll.Hangup != 0 {
		f.Hangup = true
	}
	if ready&poll.Write != 0 {
		f.Writable = true
	}
	if ready&poll.Read != 0 {
		f.Readable = true
	}
}

// Read reads once into p, which must not be empty. It returns netfd.ErrAgain if there are no bytes
// yet, and io.EOF at the end.
func (f *FD) Read(p []byte) (n int, err error) {
	if !f.Readable {
		return 0, netfd.ErrAgain
	}
	if f.Socket {
		n, err = netfd.Recv(f.Num, p)
	} else {
		n, err = netfd.Read(f.Num, p)
	}
	switch {
	case n > 0:
		if n < len(p) && f.ShortReadIsAll && poll.SeesUrgentData && !f.Hangup {
			f.Readable = false
		}
		return n, nil
	case err == nil:
		return 0, io.EOF
	case err == netfd.ErrAgain:
		f.Readable = false
	}
	return 0, err
}

// Write writes once, as much of p as there is room for. It returns netfd.ErrAgain if there is no
// room.
func (f *FD) Write(p []byte) (n int, err error) {
	if !f.Writable {
		return 0, netfd.ErrAgain
	}
	if f.Socket {
		n, err = netfd.Send(f.Num, p)
	} else {
		n, err = netfd.Write(f.Num, p)
	}
	if err == netfd.ErrAgain {
		f.Writable = false
	}
	return n, err
}
