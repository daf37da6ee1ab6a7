package asyncio

// This file is asyncio's sock_… calls, on descriptors that are the caller's. These must not
// block (see syscall.SetNonblock), and the caller closes them, not while a call waits for
// one. A call that waits costs the poller one system call; streams cost none.

import (
	"context"
	"net"
	"os"

	"github.com/go-asyncio/asyncio/internal/netfd"
	"github.com/go-asyncio/asyncio/internal/poll"
)

// attempt makes a call on fd again and again, and suspends until fd is ready in between, until
// it gives something other than netfd.ErrAgain.
func (l *Loop) attempt(ctx context.Context, fd int, way poll.Ready, op string, call func() error) error {
	for {
		err := call()
		if err != netfd.ErrAgain {
			return os.NewSyscallError(op, err)
		}
		if err := l.awaitFD(ctx, fd, way); err != nil {
			return err
		}
	}
}

// SockRecv receives at most n bytes from a socket, and suspends until there are some. No
// bytes and no error are the end, as in asyncio. If it is cancelled nothing is lost. It is
// asyncio's sock_recv.
func (l *Loop) SockRecv(ctx context.Context, fd, n int) ([]byte, error) {
	p := make([]byte, n)
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
		n, err = netfd.Read(fd, p)
		return err
	})
	return n, err
}

// SockSendAll sends p to a socket, and suspends until the system has taken all of it. If it
// fails or is cancelled, nobody knows how much it has taken. It is asyncio's sock_sendall.
func (l *Loop) SockSendAll(ctx context.Context, fd int, p []byte) error {
	for len(p) > 0 {
		err := l.attempt(ctx, fd, poll.Write, "send", func() error {
			n, err := netfd.Write(fd, p)
			p = p[n:]
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// SockConnect connects a socket to addr, and suspends until that is done. If it is cancelled the
// system goes on connecting: close the socket. It is asyncio's sock_connect.
func (l *Loop) SockConnect(ctx context.Context, fd int, addr net.Addr) error {
	err := netfd.Connect(fd, addr)
	if err != netfd.ErrAgain {
		return err
	}
	if err := l.awaitFD(ctx, fd, poll.Write); err != nil {
		return err
	}
	return os.NewSyscallError("connect", netfd.Error(fd))
}

// SockAccept accepts a connection on a listening socket, and suspends until there is one. It
// returns its descriptor, which does not block and is the caller's, and the address of the
// peer. It is asyncio's sock_accept.
func (l *Loop) SockAccept(ctx context.Context, fd int) (conn int, peer net.Addr, err error) {
	err = l.attempt(ctx, fd, poll.Read, "accept", func() (err error) {
		conn, peer, err = netfd.Accept(fd)
		return err
	})
	return conn, peer, err
}

// SockRecvFrom receives a datagram, of which it keeps n bytes at most, and suspends until there is
// one. It returns the sender's address, too. It is asyncio's sock_recvfrom.
func (l *Loop) SockRecvFrom(ctx context.Context, fd, n int) (p []byte, from net.Addr, err error) {
	network, err := netfd.Network(fd)
	if err != nil {
		return nil, nil, err
	}
	p = make([]byte, n)
	err = l.attempt(ctx, fd, poll.Read, "recvfrom", func() (err error) {
		n, from, err = netfd.RecvFrom(fd, p, network)
		return err
	})
	return p[:n], from, err
}

// SockSendTo sends a datagram to addr, and suspends until the system has room for it. It returns
// how many bytes it has sent: all of p, or none. It is asyncio's sock_sendto.
func (l *Loop) SockSendTo(ctx context.Context, fd int, p []byte, addr net.Addr) (int, error) {
	err := l.attempt(ctx, fd, poll.Write, "sendto", func() error { return netfd.SendTo(fd, p, addr) })
	if err != nil {
		return 0, err
	}
	return len(p), nil
}
