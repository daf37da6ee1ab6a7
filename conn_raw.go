package asyncio

import (
	"context"
	"errors"
	"net"
	"os"
	"syscall"
)

// SyscallConn gives access to the socket. Libraries use it to find out whether an idle
// connection is still good. Any goroutine may use the result, in a task or elsewhere, as it may
// use Read and Write. The result calls the functions that it is given on the loop's goroutine;
// they must not block, and they do not see the bytes that the stream has already received or
// still keeps for sending. Without a poller, that is nearly all that arrives. The error is
// errors.ErrUnsupported if there is no socket, or if the stream runs over TLS. It implements
// syscall.Conn.
func (c *Conn) SyscallConn() (syscall.RawConn, error) {
	s, ok := c.writer.stream.below.(rawSocket)
	if !ok || s.info("socket") == nil {
		return nil, c.opError("raw", errors.ErrUnsupported)
	}
	return &rawConn{c, s}, nil
}

// A rawSocket is a transport that may have a descriptor.
type rawSocket interface {
	info(name string) any
	control(f func(fd uintptr)) error // calls f with the descriptor, or returns an error if it is closed
}

type rawConn struct {
	conn   *Conn
	socket rawSocket
}

// Control calls f with the descriptor.
func (r *rawConn) Control(f func(fd uintptr)) error {
	return r.do("raw-control", func(_ context.Context, call *foreignCall) error {
		r.try(call, func(fd uintptr) bool {
			f(fd)
			return true
		})
		return nil
	})
}

// Read calls f until f reports true. In between it waits until there may be something to read.
func (r *rawConn) Read(f func(fd uintptr) (done bool)) error {
	return r.do("raw-read", func(ctx context.Context, call *foreignCall) error {
		c := r.conn
		if err := c.beginRead(ctx); err != nil {
			return err
		}
		defer c.endRead()
		for !r.try(call, f) {
			if err := c.reader.await(ctx); err != nil {
				return err
			}
			if err := r.refuse(); err != nil {
				return err
			}
			if c.readDeadline.passed(c.loop) {
				return os.ErrDeadlineExceeded
			}
		}
		return nil
	})
}

// Write calls f until f reports true. In between it waits until there may be room to write.
func (r *rawConn) Write(f func(fd uintptr) (done bool)) error {
	return r.do("raw-write", func(ctx context.Context, call *foreignCall) error {
		c := r.conn
		for {
			c.obey()
			if c.writeDeadline.passed(c.loop) {
				return os.ErrDeadlineExceeded
			}
			if r.try(call, f) {
				return nil
			}
			c.writer.paused = true // until the socket has room
			c.writer.hold()
			if err := c.writer.drainers.wait(ctx, waitSocketRoom); err != nil {
				return err
			}
			if err := r.refuse(); err != nil {
				return err
			}
		}
	})
}

// try calls f, unless the caller has stopped waiting, and reports whether nothing is left to
// do.
func (r *rawConn) try(call *foreignCall, f func(fd uintptr) (done bool)) bool {
	if call == nil { // the caller is the running task
		return r.control(f)
	}
	if !call.commit() {
		return true
	}
	done := r.control(f)
	if !done {
		call.reopen()
	}
	return done
}

func (r *rawConn) control(f func(fd uintptr) (done bool)) (done bool) {
	_ = r.socket.control(func(fd uintptr) { done = f(fd) })
	return done
}

// do calls work in the running task, or in a task of the loop if the caller is another
// goroutine.
func (r *rawConn) do(op string, work func(ctx context.Context, call *foreignCall) error) error {
	c := r.conn
	if c.loop.here() {
		err := r.refuse()
		if err == nil {
			err = work(c.ctx, nil)
		}
		return c.opError(op, err)
	}
	return c.opError(op, c.do("Conn.SyscallConn", func(ctx context.Context, call *foreignCall) error {
		if err := r.refuse(); err != nil {
			return err
		}
		return work(ctx, call)
	}))
}

// refuse returns an error if the socket is closed.
func (r *rawConn) refuse() error {
	if r.conn.closed.Load() {
		return net.ErrClosed
	}
	return r.socket.control(func(uintptr) {})
}
