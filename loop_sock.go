package asyncio

// This file holds asyncio's sock_… calls, on descriptors of the caller's. The descriptors must be
// non-blocking (see syscall.SetNonblock), which debug mode checks. The caller closes them, but
// not while a call waits for one. SockRecv, SockRecvInto and SockSendAll take pipes and
// terminals, too. A call that waits costs one system call for the poller; streams cost none.

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/go-asyncio/asyncio/internal/netfd"
	"github.com/go-asyncio/asyncio/internal/poll"
)

// sockShare is the number of system calls that the Sock methods make on one descriptor in one
// turn, each for at most maxTransfer bytes. Then the task gives way, so that a peer that keeps up
// does not keep the loop to itself.
const sockShare = 4

// maxTransfer is the number of bytes that one system call moves at most. Without a limit it would
// go on for as long as the peer keeps up.
const maxTransfer = 256 << 10

// admitSockCall returns the callbacks of fd, for one call. If the turn's calls are used up, it
// suspends for a turn.
func (l *Loop) admitSockCall(ctx context.Context, fd int) (*fdCallbacks, error) {
	running(ctx) // panics outside a task, before anything is changed
	for {
		c, err := l.callbacksOf(fd)
		if err != nil {
			return nil, err
		}
		if l.debug {
			if ok, err := netfd.IsNonblock(fd); err == nil && !ok {
				return nil, fmt.Errorf("asyncio: descriptor %d must not block: see syscall.SetNonblock", fd)
			}
		}
		if c.share.spend(l, sockShare) {
			return c, nil
		}
		if err := Sleep(ctx, 0); err != nil {
			return nil, err
		}
	}
}

// attempt makes a call on fd again and again, until it returns something other than
// netfd.ErrAgain. Between two calls it suspends until fd is ready.
func (l *Loop) attempt(ctx context.Context, fd int, way poll.Ready, op string, call func() error) error {
	for {
		c, err := l.admitSockCall(ctx, fd)
		if err != nil {
			return err
		}
		if err := call(); err != netfd.ErrAgain {
			return os.NewSyscallError(op, err)
		}
		if err := c.await(ctx, way); err != nil {
			return err
		}
	}
}

// SockRecv receives at most n bytes from a socket, and suspends until there are some. At the end
// it returns no bytes and no error, as in asyncio. fd must be non-blocking, and remains the
// caller's. A call that is cancelled loses nothing. It panics if n is negative. It is asyncio's
// sock_recv.
func (l *Loop) SockRecv(ctx context.Context, fd, n int) ([]byte, error) {
	if n < 0 {
		panic("asyncio: SockRecv of a negative number of bytes")
	}
	p := make([]byte, min(n, maxTransfer))
	n, err := l.SockRecvInto(ctx, fd, p)
	return p[:n], err
}

// SockRecvInto is SockRecv into p, and suspends like it. It returns the number of bytes received;
// 0 means the end, or that p is empty. It is asyncio's sock_recv_into.
func (l *Loop) SockRecvInto(ctx context.Context, fd int, p []byte) (n int, err error) {
	if len(p) == 0 {
		return 0, nil
	}
	err = l.attempt(ctx, fd, poll.Read, "recv", func() (err error) {
		n, err = netfd.RecvAny(fd, p[:min(len(p), maxTransfer)])
		return err
	})
	return n, err
}

// SockSendAll sends p to a socket, and suspends until the system has taken all of it. If it fails
// or is cancelled, some of the bytes may have been sent. It is asyncio's sock_sendall.
func (l *Loop) SockSendAll(ctx context.Context, fd int, p []byte) error {
	for len(p) > 0 {
		err := l.attempt(ctx, fd, poll.Write, "send", func() error {
			n, err := netfd.SendAny(fd, p[:min(len(p), maxTransfer)])
			p = p[n:]
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// insist is attempt for a call whose peer, on this machine, has no room. The poller does not
// report when there is room again, so insist tries again after a while.
func (l *Loop) insist(ctx context.Context, fd int, op string, call func() error) error {
	for delay := time.Millisecond; ; delay = min(2*delay, maxRetryDelay) {
		if _, err := l.admitSockCall(ctx, fd); err != nil {
			return err
		}
		if err := call(); err != netfd.ErrAgain {
			return os.NewSyscallError(op, err)
		}
		if err := Sleep(ctx, delay); err != nil {
			return err
		}
	}
}

const maxRetryDelay = 50 * time.Millisecond

// SockConnect connects a socket to addr, and suspends until the connection is made. While a unix
// server's backlog is full, it tries again. If it is cancelled, the system goes on connecting, so
// close the socket. It is asyncio's sock_connect.
func (l *Loop) SockConnect(ctx context.Context, fd int, addr net.Addr) error {
	err := l.insist(ctx, fd, "connect", func() error { return netfd.Connect(fd, addr) })
	if errors.Is(err, netfd.ErrConnecting) {
		return l.awaitConnection(ctx, fd)
	}
	return err
}

// awaitConnection suspends until the system has connected a socket or failed to.
func (l *Loop) awaitConnection(ctx context.Context, fd int) error {
	for {
		c, err := l.admitSockCall(ctx, fd)
		if err != nil {
			return err
		}
		if err := c.await(ctx, poll.Write); err != nil {
			return err
		}
		if err := netfd.Connected(fd); err != netfd.ErrConnecting {
			return os.NewSyscallError("connect", err)
		}
	}
}

// SockAccept accepts a connection on a listening socket, and suspends until there is one. It
// returns the descriptor of the connection, which is non-blocking and the caller's, and the
// address of the peer. It is asyncio's sock_accept.
func (l *Loop) SockAccept(ctx context.Context, fd int) (conn int, peer net.Addr, err error) {
	for {
		conn = -1
		err = l.attempt(ctx, fd, poll.Read, "accept", func() (err error) {
			conn, peer, err = netfd.Accept(fd)
			return err
		})
		if !errors.Is(err, netfd.ErrAborted) {
			return conn, peer, err
		}
	}
}

// SockRecvFrom receives a datagram, and suspends until there is one. It returns at most n bytes
// of the datagram, dropping the rest, and the address of the sender. It panics if n is negative.
// It is asyncio's sock_recvfrom.
func (l *Loop) SockRecvFrom(ctx context.Context, fd, n int) (p []byte, from net.Addr, err error) {
	if n < 0 {
		panic("asyncio: SockRecvFrom of a negative number of bytes")
	}
	p = make([]byte, min(n, maxDatagram))
	n, from, err = l.SockRecvFromInto(ctx, fd, p)
	return p[:n], from, err
}

// SockRecvFromInto is SockRecvFrom into p, and suspends like it. It returns the number of bytes
// received, which may be 0, and drops those for which p has no room. It is asyncio's
// sock_recvfrom_into.
func (l *Loop) SockRecvFromInto(ctx context.Context, fd int, p []byte) (n int, from net.Addr, err error) {
	err = l.attempt(ctx, fd, poll.Read, "recvfrom", func() (err error) {
		n, from, err = netfd.RecvFrom(fd, p, "udp") // TCP gives no address
		return err
	})
	if a, ok := from.(*net.UnixAddr); ok {
		a.Net, _ = netfd.Network(fd)
	}
	return n, from, err
}

// maxDatagram is more than any system sends in one datagram.
const maxDatagram = 16 << 20

// SockSendTo sends a datagram to addr, and suspends until the system has room for it. It returns
// the number of bytes sent, which is len(p) or, with an error, 0. It is asyncio's sock_sendto.
func (l *Loop) SockSendTo(ctx context.Context, fd int, p []byte, addr net.Addr) (int, error) {
	send := func() error { return netfd.SendTo(fd, p, addr) }
	var err error
	if _, unix := addr.(*net.UnixAddr); unix {
		err = l.insist(ctx, fd, "sendto", send)
	} else {
		err = l.attempt(ctx, fd, poll.Write, "sendto", send)
	}
	if err != nil {
		return 0, err
	}
	return len(p), nil
}
