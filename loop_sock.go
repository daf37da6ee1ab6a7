package asyncio

// This file is asyncio's sock_… calls, on descriptors that are the caller's. These must not
// block (see syscall.SetNonblock), which debug mode checks, and the caller closes them, but not
// while a call waits for one. SockRecv, SockRecvInto and SockSendAll take pipes and terminals,
// too. A call that waits costs the poller one system call; streams cost none.

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

// sockShare is how many system calls the Sock calls make on one descriptor in one turn, each for
// maxTransfer bytes at most. Then the task gives way, so that a peer that keeps up does not keep
// the loop to itself.
const sockShare = 4

// maxTransfer is how many bytes one system call moves at most. Without a limit it would go on for
// as long as the peer keeps up.
const maxTransfer = 256 << 10

// admitSockCall returns the callbacks of fd, for one call. It suspends for a turn if this one has
// had its share of calls.
func (l *Loop) admitSockCall(ctx context.Context, fd int) (*fdCallbacks, error) {
	running(ctx) // panics outside of any task, before anything is changed
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

// attempt makes a call on fd again and again, and suspends until fd is ready in between, until
// it gives something other than netfd.ErrAgain.
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

// SockRecv receives at most n bytes from a socket, and suspends until there are some. No
// bytes and no error are the end, as in asyncio. If it is cancelled nothing is lost. It panics
// if n is negative. It is asyncio's sock_recv.
func (l *Loop) SockRecv(ctx context.Context, fd, n int) ([]byte, error) {
	if n < 0 {
		panic("asyncio: SockRecv of a negative number of bytes")
	}
	p := make([]byte, min(n, maxTransfer))
	n, err := l.SockRecvInto(ctx, fd, p)
	return p[:n], err
}

// SockRecvInto is SockRecv into p, and suspends like it. It returns how many bytes it has
// received: 0 is the end, or that p has no room. It is asyncio's sock_recv_into.
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

// SockSendAll sends p to a socket, and suspends until the system has taken all of it. If it
// fails or is cancelled, nobody knows how much it has taken. It is asyncio's sock_sendall.
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

// insist is attempt for a call whose peer on this machine has no room, of which the poller knows
// nothing: it tries again after a while.
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

// SockConnect connects a socket to addr, and suspends until that is done. A unix server whose
// backlog is full is tried again and again. If it is cancelled the system goes on connecting:
// close the socket. It is asyncio's sock_connect.
func (l *Loop) SockConnect(ctx context.Context, fd int, addr net.Addr) error {
	err := l.insist(ctx, fd, "connect", func() error { return netfd.Connect(fd, addr) })
	if errors.Is(err, netfd.ErrConnecting) {
		return l.awaitConnection(ctx, fd)
	}
	return err
}

// awaitConnection suspends until the system has connected a socket, or has failed to.
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
// returns its descriptor, which does not block and is the caller's, and the address of the
// peer. It is asyncio's sock_accept.
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

// SockRecvFrom receives a datagram, of which it keeps n bytes at most, and suspends until there is
// one. It returns the sender's address, too. It panics if n is negative. It is asyncio's
// sock_recvfrom.
func (l *Loop) SockRecvFrom(ctx context.Context, fd, n int) (p []byte, from net.Addr, err error) {
	if n < 0 {
		panic("asyncio: SockRecvFrom of a negative number of bytes")
	}
	p, n = make([]byte, min(n, maxDatagram)), 0
	err = l.attempt(ctx, fd, poll.Read, "recvfrom", func() (err error) {
		n, from, err = netfd.RecvFrom(fd, p, "udp") // TCP gives no address
		return err
	})
	if a, ok := from.(*net.UnixAddr); ok {
		a.Net, _ = netfd.Network(fd)
	}
	return p[:n], from, err
}

// maxDatagram is more than any system sends in one.
const maxDatagram = 16 << 20

// SockSendTo sends a datagram to addr, and suspends until the system has room for it. It returns
// how many bytes it has sent: all of p, or none. It is asyncio's sock_sendto.
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
