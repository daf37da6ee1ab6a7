package asyncio

import (
	"io"

	"github.com/go-asyncio/asyncio/internal/netfd"
	"github.com/go-asyncio/asyncio/internal/poll"
)

// A descriptor is one that the loop owns, registered once with the poller and edge
// triggered, so that reading and writing cost no call but the read and the write: it
// remembers whether it is ready until a call has found out that it is not.
type descriptor struct {
	loop     *Loop
	fd       int // -1 once closed
	user     descriptorUser
	socket   bool
	whole    bool // a read that gives less than was asked for has left nothing, as TCP does and records do not
	readable bool // as far as is known
	writable bool // as far as is known
	hangup   bool // there may be more to read after a read that gave less than it might: the end
	sends    quota
	goingOn  bool // it is in the ready queue, to write on
}

// A descriptorUser is told when it may go on.
type descriptorUser interface {
	onReadable()
	onWritable()
	onLoopClosed()
}

// open takes fd over, which is non-blocking and new to the program. If that fails it
// closes it.
func (d *descriptor) open(l *Loop, fd int, user descriptorUser) error {
	d.loop, d.fd, d.user = l, fd, user
	if err := l.own(fd, d); err != nil {
		d.fd = -1
		netfd.Close(fd)
		return err
	}
	return nil
}

func (d *descriptor) notify(ready poll.Ready) {
	if ready&poll.Hangup != 0 {
		d.hangup = true
	}
	if ready&poll.Write != 0 {
		d.writable = true
	}
	if ready&poll.Read != 0 {
		d.readable = true
		d.user.onReadable()
	}
	if ready&poll.Write != 0 && d.fd >= 0 {
		d.user.onWritable()
	}
}

func (d *descriptor) abandon() {
	d.close()
	d.user.onLoopClosed()
}

// close closes the descriptor. A second call does nothing.
func (d *descriptor) close() {
	if d.fd >= 0 {
		d.loop.disown(d.fd)
		netfd.Close(d.fd)
		d.fd = -1
	}
}

// read reads what there is into p, or maxTransfer bytes of it, or returns errAgain; io.EOF at the end.
func (d *descriptor) read(p []byte) (int, error) {
	if !d.readable {
		return 0, errAgain
	}
	p = p[:min(len(p), maxTransfer)]
	var n int
	var err error
	if d.socket {
		n, err = netfd.Recv(d.fd, p)
	} else {
		n, err = netfd.Read(d.fd, p)
	}
	switch {
	case n > 0:
		if n < len(p) && d.whole && poll.SeesUrgentData && !d.hangup {
			d.readable = false
		}
		return n, nil
	case err == nil:
		return 0, io.EOF
	case err == netfd.ErrAgain:
		d.readable = false
		return 0, errAgain
	default:
		return 0, err
	}
}

// maxSends is how often a descriptor is written to in one turn, and sendSize how much at a time,
// so that a peer which takes all that it is sent does not keep the loop to itself.
const (
	maxSends = 32
	sendSize = 64 << 10
)

// write writes what there is room for and the turn allows; less than all of p means that
// onWritable will be called.
func (d *descriptor) write(p []byte) (n int, err error) {
	for d.writable && n < len(p) {
		if !d.sends.spend(d.loop, maxSends) {
			if !d.goingOn {
				d.goingOn = true
				d.loop.push(d)
			}
			break
		}
		piece := p[n:min(len(p), n+sendSize)]
		var m int
		if d.socket {
			m, err = netfd.Send(d.fd, piece)
		} else {
			m, err = netfd.Write(d.fd, piece)
		}
		if err == netfd.ErrAgain {
			d.writable = false
			break
		} else if err != nil {
			return n, err
		}
		n += m
	}
	return n, nil
}

// run is the turn after one that has had all the writes it may have.
func (d *descriptor) run(*Loop) {
	d.goingOn = false
	if d.fd >= 0 {
		d.user.onWritable()
	}
}

// errAgain says that there is nothing to read for now.
const errAgain = netfd.ErrAgain
