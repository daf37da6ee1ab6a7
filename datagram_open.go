package asyncio

// This file makes the sockets of datagram endpoints.

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"

	"github.com/go-asyncio/asyncio/internal/netfd"
)

// CreateDatagramEndpoint makes a UDP socket that is bound to the address local and connected to
// the address remote, both "host:port". One of them may be empty; without remote, the endpoint
// sends to and receives from any address. An address without a host, ":port", means all addresses
// of this machine as local, and this machine as remote. It suspends while it looks a name up.
//
// With WithNetwork("unixgram") it makes a unix socket, and the addresses are paths; on Linux, a name
// that begins with "@" is an abstract one. Both may be empty: then the endpoint has no address, and
// no receiver can answer it. A socket that an earlier endpoint has left at the path local is
// replaced. Closing the endpoint leaves the path behind, as in asyncio. It is asyncio's
// create_datagram_endpoint.
func CreateDatagramEndpoint(ctx context.Context, local, remote string, opts ...DatagramOption) (*DatagramEndpoint, error) {
	o := newDatagramOptions(opts)
	e, err := createDatagramEndpoint(ctx, local, remote, o)
	if err == nil {
		o.closeOriginals()
	}
	return e, err
}

func newDatagramOptions(opts []DatagramOption) *streamOptions {
	o := newStreamOptions[DatagramOption](nil)
	o.network = "udp"
	applyAll(opts, o)
	return o
}

func createDatagramEndpoint(ctx context.Context, local, remote string, o *streamOptions) (*DatagramEndpoint, error) {
	l := running(ctx).loop
	if o.sockets != nil {
		return l.adoptDatagrams(local, remote, o)
	}
	if err := o.checkDatagram(); err != nil {
		return nil, err
	}
	if err := l.needIO(); err != nil {
		return nil, err
	}
	if o.network == "unixgram" {
		return l.openUnixDatagram(local, remote)
	}
	localAddr, remoteAddr, err := l.udpAddrs(ctx, local, remote, o.network)
	if err != nil {
		return nil, err
	}
	family := localAddr
	if family == nil {
		family = remoteAddr
	}
	return l.openDatagram(family, localAddr, remoteAddr, o)
}

// checkDatagram returns an error if the options do not fit a datagram endpoint.
func (o *streamOptions) checkDatagram() error {
	switch o.network {
	case "udp", "udp4", "udp6":
	case "unixgram":
		if o.ipOnly != "" {
			return fmt.Errorf("asyncio: %s for a unix socket", o.ipOnly)
		}
	default:
		return net.UnknownNetworkError(o.network)
	}
	return nil
}

// openUnixDatagram makes an endpoint of paths, which may be empty.
func (l *Loop) openUnixDatagram(local, remote string) (*DatagramEndpoint, error) {
	var localAddr, remoteAddr net.Addr
	if local != "" {
		removeSocket(local)
		localAddr = &net.UnixAddr{Name: local, Net: "unixgram"}
	}
	if remote != "" {
		remoteAddr = &net.UnixAddr{Name: remote, Net: "unixgram"}
	}
	e, err := l.openDatagram(&net.UnixAddr{Net: "unixgram"}, localAddr, remoteAddr, new(streamOptions))
	var failed *net.OpError
	if errors.As(err, &failed) && failed.Op == "dial" && local != "" {
		_ = os.Remove(local) // it was bound before it could not be connected
	}
	return e, err
}

// openDatagram makes an endpoint of the kind of family. local and remote may be nil.
func (l *Loop) openDatagram(family, local, remote net.Addr, o *streamOptions) (*DatagramEndpoint, error) {
	if !l.polls() {
		return l.openPackets(family, local, remote, o)
	}
	fd, err := netfd.Socket(family)
	if err != nil {
		return nil, &net.OpError{Op: "listen", Net: family.Network(), Addr: family, Err: err}
	}
	if err := prepareDatagram(fd, local, remote, o); err != nil {
		netfd.Close(fd)
		return nil, err
	}
	return l.newDatagramEndpoint(fd, family.Network(), remote)
}

// newDatagramEndpoint makes an endpoint of a socket, which it takes over or, if it fails, closes.
func (l *Loop) newDatagramEndpoint(fd int, network string, remote net.Addr) (*DatagramEndpoint, error) {
	e := &DatagramEndpoint{loop: l, network: network, remote: remote, local: netfd.LocalAddr(fd, network)}
	e.makeRoom()
	if err := e.fd.Open(&l.reactor, fd, (*datagramEvents)(e)); err != nil {
		return nil, &net.OpError{Op: "listen", Net: network, Addr: e.local, Err: err}
	}
	return e, nil
}

// makeRoom makes the memory of a unix socket, whose datagrams may be larger than the loop's buffers.
func (e *DatagramEndpoint) makeRoom() {
	if e.network == "unixgram" {
		e.memory = make([]byte, maxTransfer)
	}
}

// udpAddrs resolves the addresses of an endpoint, of which at most one is empty, and is then nil.
func (l *Loop) udpAddrs(ctx context.Context, local, remote, network string) (localAddr, remoteAddr net.Addr, err error) {
	if localAddr, err = l.udpAddr(ctx, network, local, l.localAddrs); err != nil {
		return nil, nil, err
	}
	if network == "udp" && localAddr != nil { // a name may have addresses of both families
		network = "udp6"
		if localAddr.(*net.UDPAddr).IP.To4() != nil {
			network = "udp4"
		}
	}
	if remoteAddr, err = l.udpAddr(ctx, network, remote, l.remoteAddrs); err != nil {
		return nil, nil, err
	}
	if localAddr == nil && remoteAddr == nil {
		return nil, nil, errors.New("asyncio: datagram endpoint without any address")
	}
	return localAddr, remoteAddr, nil
}

// udpAddr resolves an address. It returns nil for an empty one.
func (l *Loop) udpAddr(ctx context.Context, network, address string,
	resolve func(ctx context.Context, network, address string) ([]netip.AddrPort, error)) (net.Addr, error) {
	if address == "" {
		return nil, nil
	}
	addrs, err := resolve(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return net.UDPAddrFromAddrPort(addrs[0]), nil
}

func prepareDatagram(fd int, local, remote net.Addr, o *streamOptions) error {
	listenError := func(err error) error {
		e := &net.OpError{Op: "listen", Net: "udp", Addr: local, Err: err}
		if local != nil {
			e.Net = local.Network()
		}
		return e
	}
	if o.reusePort {
		if err := netfd.SetReusePort(fd); err != nil {
			return listenError(err)
		}
	}
	if o.broadcast {
		if err := netfd.SetBroadcast(fd, true); err != nil {
			return listenError(err)
		}
	}
	if local != nil {
		if err := netfd.Bind(fd, local); err != nil {
			return listenError(err)
		}
	}
	if remote != nil {
		if err := netfd.Connect(fd, remote); err != nil {
			return dialError(remote, os.NewSyscallError("connect", err))
		}
	}
	return nil
}
