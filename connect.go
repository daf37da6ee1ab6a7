package asyncio

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/go-asyncio/asyncio/internal/netfd"
)

// OpenConnection connects to a TCP address, "host:port", and suspends until that is done. A
// host with several addresses is tried by Happy Eyeballs (RFC 8305): the families in turn,
// each after a delay, and the first to answer is taken. With WithTLS it suspends until the
// handshake is done, too. What refuses or cannot be reached comes back as a *net.OpError;
// see [Timeout] to bound it. It is asyncio.open_connection.
func OpenConnection(ctx context.Context, address string, opts ...StreamOption) (*StreamReader, *StreamWriter, error) {
	l := running(ctx).loop
	o := newStreamOptions(opts)
	if err := o.check(false); err != nil {
		return nil, nil, err
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, nil, fmt.Errorf("asyncio: %w", err)
	}
	if err := l.openPoller(); err != nil {
		return nil, nil, err
	}
	addrs, err := l.GetAddrInfo(ctx, o.network, address)
	if err != nil {
		return nil, nil, err
	}
	var locals []netip.AddrPort
	if o.localAddr != "" {
		if locals, err = l.GetAddrInfo(ctx, o.network, o.localAddr); err != nil {
			return nil, nil, err
		}
	}
	c, err := raceToConnect(ctx, interleave(addrs), o.eyeballsDelay,
		func(ctx context.Context, addr netip.AddrPort) (*dialled, error) {
			remote := net.TCPAddrFromAddrPort(addr)
			local, err := localFor(addr, locals)
			if err != nil {
				return nil, dialError(remote, err)
			}
			return l.dial(ctx, remote, local)
		},
		func(c *dialled) {
			l.forget(c.fd)
			netfd.Close(c.fd)
		})
	if err != nil {
		return nil, nil, err
	}
	return l.openClient(ctx, c, "tcp", host, o)
}

// OpenUnixConnection is OpenConnection for the path of a unix socket, and suspends like it. It
// is asyncio.open_unix_connection.
func OpenUnixConnection(ctx context.Context, path string, opts ...StreamOption) (*StreamReader, *StreamWriter, error) {
	l := running(ctx).loop
	o := newStreamOptions(opts)
	if err := o.check(false); err != nil {
		return nil, nil, err
	}
	if err := l.openPoller(); err != nil {
		return nil, nil, err
	}
	c, err := l.dial(ctx, &net.UnixAddr{Name: path, Net: "unix"}, nil)
	if err != nil {
		return nil, nil, err
	}
	return l.openClient(ctx, c, "unix", "", o)
}

// openClient makes the streams of a connected socket.
func (l *Loop) openClient(ctx context.Context, c *dialled, network, host string, o *streamOptions) (*StreamReader, *StreamWriter, error) {
	s, err := openSocket(l, c.fd, network, c.addr, o)
	if err != nil {
		return nil, nil, err
	}
	s.watchDrop()
	if o.tls != nil {
		config := o.tls
		if config.ServerName == "" && host != "" {
			config = config.Clone()
			config.ServerName = host
		}
		if err := s.startTLS(ctx, config, false, o.handshakeTimeout); err != nil {
			_ = s.writer.Close() // unless the handshake has
			return nil, nil, err
		}
	}
	return &s.reader, &s.writer, nil
}

// GetAddrInfo resolves "host:port" to addresses, in the order in which they are best tried.
// network is "tcp" or "udp", with a 4 or 6 for one family alone. A name is looked up on
// another goroutine, as by ToThread; an address does not suspend. It is asyncio's getaddrinfo.
func (l *Loop) GetAddrInfo(ctx context.Context, network, address string) ([]netip.AddrPort, error) {
	family := "ip" + strings.TrimLeft(network, "tcpud")
	host, service, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("asyncio: %w", err)
	}
	port, err := net.DefaultResolver.LookupPort(context.Background(), network, service)
	if err != nil {
		return nil, err
	}
	ips := []netip.Addr{}
	if ip, err := netip.ParseAddr(host); err == nil {
		if family == "ip4" && !ip.Unmap().Is4() || family == "ip6" && ip.Unmap().Is4() {
			return nil, &net.AddrError{Err: "no suitable address found", Addr: host}
		}
		ips = append(ips, ip)
	} else if ips, err = ToThread(ctx, func(ctx context.Context) ([]netip.Addr, error) {
		return net.DefaultResolver.LookupNetIP(ctx, family, host)
	}); err != nil {
		return nil, err
	}
	addrs := make([]netip.AddrPort, len(ips))
	for i, ip := range ips {
		addrs[i] = netip.AddrPortFrom(ip.Unmap(), uint16(port))
	}
	return addrs, nil
}

// localFor returns which of the local addresses to bind to in order to connect to addr: one of
// its family, or nil if there are none at all.
func localFor(addr netip.AddrPort, locals []netip.AddrPort) (net.Addr, error) {
	for _, local := range locals {
		if local.Addr().Is4() == addr.Addr().Is4() {
			return net.TCPAddrFromAddrPort(local), nil
		}
	}
	if len(locals) > 0 {
		return nil, &net.AddrError{Err: "no local address of the same family", Addr: addr.String()}
	}
	return nil, nil
}

// interleave takes an address of the first one's family and one of the other in turn.
func interleave(addrs []netip.AddrPort) []netip.AddrPort {
	var first, other []netip.AddrPort
	for _, a := range addrs {
		if a.Addr().Is4() == addrs[0].Addr().Is4() {
			first = append(first, a)
		} else {
			other = append(other, a)
		}
	}
	mixed := make([]netip.AddrPort, 0, len(addrs))
	for i := range max(len(first), len(other)) {
		if i < len(first) {
			mixed = append(mixed, first[i])
		}
		if i < len(other) {
			mixed = append(mixed, other[i])
		}
	}
	return mixed
}

// dialled is a connected socket that has no owner yet.
type dialled struct {
	fd   int
	addr net.Addr
}

// raceToConnect dials the first address that answers. It tries the next one when the last has
// failed or delay is over, and when one has won it cancels the others, or discards what they
// have made.
func raceToConnect[T any](ctx context.Context, addrs []netip.AddrPort, delay time.Duration,
	dial func(context.Context, netip.AddrPort) (T, error), discard func(T)) (winner T, err error) {
	if len(addrs) == 1 {
		return dial(ctx, addrs[0])
	}
	var left []*Task[T]
	defer func() { // also when the caller is cancelled
		for _, t := range left {
			t.Cancel()
			t.AddDoneCallback(func(t *Task[T]) {
				if c, err := t.Result(); err == nil {
					discard(c)
				}
			})
		}
	}()
	var errs []error
	for next := 0; next < len(addrs) || len(left) > 0; {
		patience := Never
		if next < len(addrs) {
			left = append(left, CreateTask(ctx, Bind(dial, addrs[next])))
			if next++; next < len(addrs) {
				patience = delay
			}
		}
		done, pending, err := Wait(ctx, left, ReturnWhen(FirstCompleted), WithTimeout(patience))
		if err != nil {
			return winner, err
		}
		left = pending
		for i, t := range done {
			if c, err := t.Result(); err == nil {
				left = append(left, done[i+1:]...)
				return c, nil
			} else {
				errs = append(errs, err)
			}
		}
	}
	return winner, errors.Join(errs...)
}

// dial connects to addr, from local unless that is nil.
func (l *Loop) dial(ctx context.Context, addr, local net.Addr) (_ *dialled, err error) {
	fd, err := netfd.Socket(addr)
	if err != nil {
		return nil, dialError(addr, err)
	}
	connected := false
	defer func() { // the task may be unwound
		if !connected {
			l.forget(fd)
			netfd.Close(fd)
		}
	}()
	if local != nil {
		if err := netfd.Bind(fd, local); err != nil {
			return nil, dialError(local, err)
		}
	}
	if err := l.SockConnect(ctx, fd, addr); err != nil {
		if isCancelled(err) || errors.Is(err, ErrTimeout) {
			return nil, err
		}
		return nil, dialError(addr, err)
	}
	if isToItself(fd, addr) {
		return nil, dialError(addr, os.NewSyscallError("connect", syscall.ECONNREFUSED))
	}
	connected = true
	return &dialled{fd, addr}, nil
}

// isToItself reports whether a socket is connected to itself: that comes of connecting to a port
// of this machine on which nobody listens, if the system happens to choose that port for it.
func isToItself(fd int, addr net.Addr) bool {
	remote, ok := addr.(*net.TCPAddr)
	if !ok || !remote.IP.IsLoopback() {
		return false
	}
	local, ok := netfd.LocalAddr(fd, "tcp").(*net.TCPAddr)
	return ok && local.Port == remote.Port && local.IP.Equal(remote.IP)
}

func dialError(addr net.Addr, err error) error {
	return &net.OpError{Op: "dial", Net: addr.Network(), Addr: addr, Err: err}
}
