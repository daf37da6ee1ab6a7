package asyncio

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/go-asyncio/asyncio/internal/netfd"
)

// OpenConnection connects to a TCP address, "host:port". It suspends until the connection is made
// and, with WithTLS, until the handshake is done. An empty host, or an unspecified address such
// as 0.0.0.0, means this machine, as in package net. If a host has several addresses, they are
// tried by Happy Eyeballs (RFC 8305): IPv4 and IPv6 alternate, each address is tried after a
// delay or once another has failed, and the first to answer wins. If no address answers, it
// returns a *net.OpError, or several joined; see [Timeout] to bound the wait. It is
// asyncio.open_connection.
func OpenConnection(ctx context.Context, address string, opts ...ConnectOption) (*StreamReader, *StreamWriter, error) {
	return openConnection(ctx, address, newStreamOptions(opts))
}

func openConnection(ctx context.Context, address string, o *streamOptions) (*StreamReader, *StreamWriter, error) {
	s, host, err := dialTCP(ctx, address, o)
	if err != nil {
		return nil, nil, err
	}
	return s.openClient(ctx, host, o)
}

// dialTCP connects to "host:port", and also returns the host.
func dialTCP(ctx context.Context, address string, o *streamOptions) (_ *stream, host string, _ error) {
	l := running(ctx).loop
	if o.sockets != nil {
		s, err := l.adoptClient(address, "", o)
		return s, "", err
	}
	if err := o.check("tcp", false); err != nil {
		return nil, "", err
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, "", fmt.Errorf("asyncio: %w", err)
	}
	if err := l.needIO(); err != nil {
		return nil, "", err
	}
	addrs, err := l.remoteAddrs(ctx, o.network, address)
	if err != nil {
		return nil, "", err
	}
	var locals []netip.AddrPort
	if o.localAddr != "" {
		if locals, err = l.localAddrs(ctx, o.network, o.localAddr); err != nil {
			return nil, "", err
		}
	}
	s, err := l.dialAny(ctx, addrs, locals, o)
	return s, host, err
}

// OpenUnixConnection is OpenConnection for the path of a unix socket, and suspends like it. While
// the server's backlog is full, it tries again, until it is cancelled. It is
// asyncio.open_unix_connection.
func OpenUnixConnection(ctx context.Context, path string, opts ...UnixConnectOption) (*StreamReader, *StreamWriter, error) {
	return openUnixConnection(ctx, path, newStreamOptions(opts))
}

func openUnixConnection(ctx context.Context, path string, o *streamOptions) (*StreamReader, *StreamWriter, error) {
	s, err := dialUnix(ctx, path, o)
	if err != nil {
		return nil, nil, err
	}
	return s.openClient(ctx, "", o)
}

func dialUnix(ctx context.Context, path string, o *streamOptions) (*stream, error) {
	l := running(ctx).loop
	if o.sockets != nil {
		return l.adoptClient(path, "unix", o)
	}
	if err := o.check("unix", false); err != nil {
		return nil, err
	}
	if err := l.needIO(); err != nil {
		return nil, err
	}
	return l.dial(ctx, &net.UnixAddr{Name: path, Net: "unix"}, nil, o)
}

// openClient makes the halves of a connected stream ready for use. If that fails, it closes the
// stream.
func (s *stream) openClient(ctx context.Context, host string, o *streamOptions) (*StreamReader, *StreamWriter, error) {
	s.watchDrop()
	if err := s.encryptClient(ctx, host, o); err != nil {
		return nil, nil, err
	}
	o.closeOriginals()
	return &s.reader, &s.writer, nil
}

// encryptClient performs the handshake, if the options ask for TLS. If that fails, it closes the
// stream.
func (s *stream) encryptClient(ctx context.Context, host string, o *streamOptions) error {
	if o.tls == nil {
		return nil
	}
	config := o.tls
	if config.ServerName == "" && host != "" {
		config = config.Clone()
		config.ServerName = host
	}
	err := s.startTLS(ctx, config, false, o)
	if err != nil {
		s.writer.Close()
	}
	return err
}

// localAddrs is GetAddrInfo for an address to listen on or to connect from. An empty host means
// all addresses of this machine.
func (l *Loop) localAddrs(ctx context.Context, network, address string) ([]netip.AddrPort, error) {
	return l.resolve(ctx, network, address, netip.IPv4Unspecified(), netip.IPv6Unspecified())
}

// remoteAddrs is GetAddrInfo for an address to connect to. An empty host, or an unspecified
// address, means this machine.
func (l *Loop) remoteAddrs(ctx context.Context, network, address string) ([]netip.AddrPort, error) {
	addrs, err := l.resolve(ctx, network, address, loopback4, netip.IPv6Loopback())
	for i, a := range addrs {
		switch a.Addr() {
		case netip.IPv4Unspecified():
			addrs[i] = netip.AddrPortFrom(loopback4, a.Port())
		case netip.IPv6Unspecified():
			addrs[i] = netip.AddrPortFrom(netip.IPv6Loopback(), a.Port())
		}
	}
	return addrs, err
}

var loopback4 = netip.AddrFrom4([4]byte{127, 0, 0, 1})

// resolve is GetAddrInfo, but replaces an empty host by the addresses in empty that are of the
// family of network.
func (l *Loop) resolve(ctx context.Context, network, address string, empty ...netip.Addr) ([]netip.AddrPort, error) {
	if !strings.HasPrefix(address, ":") {
		return l.GetAddrInfo(ctx, network, address)
	}
	var addrs []netip.AddrPort
	for _, ip := range empty {
		if ip.Is4() && strings.HasSuffix(network, "6") || ip.Is6() && strings.HasSuffix(network, "4") {
			continue
		}
		found, err := l.GetAddrInfo(ctx, network, net.JoinHostPort(ip.String(), address[1:]))
		if err != nil {
			return nil, err
		}
		addrs = append(addrs, found...)
	}
	return addrs, nil
}

// GetAddrInfo resolves "host:port" to addresses, in the order in which to try them. network is
// "tcp" or "udp", or one of these followed by 4 or 6, for a single family. If the host is a name,
// GetAddrInfo suspends while another goroutine looks it up; at most 64 lookups run at a time,
// apart from the functions of ToThread. If GetAddrInfo is cancelled, it returns at once. If the
// host is an IP address, it does not suspend. For another network it returns a
// net.UnknownNetworkError. It is asyncio's getaddrinfo.
func (l *Loop) GetAddrInfo(ctx context.Context, network, address string) ([]netip.AddrPort, error) {
	var family string
	switch network {
	case "tcp", "udp":
		family = "ip"
	case "tcp4", "udp4":
		family = "ip4"
	case "tcp6", "udp6":
		family = "ip6"
	default:
		return nil, net.UnknownNetworkError(network)
	}
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
	} else if ips, err = onThread(ctx, running(ctx).loop, &l.threads.lookups, nil, func(ctx context.Context) ([]netip.Addr, error) {
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

// GetNameInfo returns the name of an address and its port. It suspends while another goroutine looks
// the name up, as GetAddrInfo does; if it is cancelled, it returns at once. An address that has no
// name is returned as it is. The port is a number, since package net does not know the names of
// ports. It is asyncio's getnameinfo.
func (l *Loop) GetNameInfo(ctx context.Context, addr netip.AddrPort) (host, port string, err error) {
	if !addr.IsValid() {
		return "", "", &net.AddrError{Err: "invalid address", Addr: addr.String()}
	}
	ip, port := addr.Addr().Unmap(), strconv.Itoa(int(addr.Port()))
	names, err := onThread(ctx, running(ctx).loop, &l.threads.lookups, nil, func(ctx context.Context) ([]string, error) {
		return net.DefaultResolver.LookupAddr(ctx, ip.WithZone("").String())
	})
	var dns *net.DNSError
	switch {
	case errors.As(err, &dns) && dns.IsNotFound, err == nil && len(names) == 0:
		return ip.String(), port, nil
	case err != nil:
		return "", "", err
	}
	return strings.TrimSuffix(names[0], "."), port, nil
}

// localFor returns the local address to bind to in order to connect to addr: one of the same
// family, or nil if locals is empty.
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

// interleave takes addresses of the two families in turn, beginning with the family of the first
// address.
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

// dialAny connects to the first of addrs that answers. It connects from one of locals, unless
// there are none.
func (l *Loop) dialAny(ctx context.Context, addrs, locals []netip.AddrPort, o *streamOptions) (*stream, error) {
	return raceToConnect(ctx, interleave(addrs), o.eyeballsDelay,
		func(ctx context.Context, addr netip.AddrPort) (*stream, error) {
			remote := net.TCPAddrFromAddrPort(addr)
			local, err := localFor(addr, locals)
			if err != nil {
				return nil, dialError(remote, err)
			}
			return l.dial(ctx, remote, local, o)
		},
		func(s *stream) { s.writer.Abort() })
}

// raceToConnect connects to the first address that answers. It tries the next address after
// delay, or as soon as an attempt fails. When one attempt has won, or the caller is cancelled, it
// cancels the others and discards the connections that they have made nevertheless.
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

// dial connects to addr, from local unless that is nil. The loop owns the stream from the start,
// so nothing leaks if the task ends before it takes the stream.
func (l *Loop) dial(ctx context.Context, addr, local net.Addr, o *streamOptions) (*stream, error) {
	if !l.polls() {
		return l.dialNet(ctx, addr, local, o)
	}
	fd, err := netfd.Socket(addr)
	if err != nil {
		return nil, dialError(addr, err)
	}
	connected := false
	defer func() { // deferred, since the task may be unwound
		if !connected {
			l.reactor.Remove(fd)
			netfd.Close(fd)
		}
	}()
	if local != nil {
		if err := system.bind(fd, local); err != nil {
			return nil, dialError(local, err)
		}
	}
	if err := l.SockConnect(ctx, fd, addr); err != nil {
		if isCancelled(err) || errors.Is(err, ErrTimeout) {
			return nil, err
		}
		return nil, dialError(addr, err)
	}
	if isSelf(system.localAddr(fd, addr.Network()), addr) {
		return nil, dialError(addr, os.NewSyscallError("connect", errConnRefused))
	}
	connected = true
	s, err := openSocket(l, fd, addr.Network(), addr, o)
	if err != nil {
		return nil, dialError(addr, err)
	}
	return s, nil
}

// isSelf reports whether the two ends of a connection are the same socket. This happens when a
// socket connects to a port of this machine on which nobody listens, and the system chooses the
// same port for the socket.
func isSelf(local, remote net.Addr) bool {
	from, ok := local.(*net.TCPAddr)
	to, also := remote.(*net.TCPAddr)
	return ok && also && to.IP.IsLoopback() && from.Port == to.Port && from.IP.Equal(to.IP)
}

func dialError(addr net.Addr, err error) error {
	return &net.OpError{Op: "dial", Net: addr.Network(), Addr: addr, Err: err}
}
