//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package netfd

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// Socket makes a non-blocking socket of the family and the type of addr. A child process does not
// inherit it.
func Socket(addr net.Addr) (int, error) {
	family, kind := unix.AF_UNIX, unix.SOCK_STREAM
	switch a := addr.(type) {
	case *net.TCPAddr:
		family = ipFamily(a.IP)
	case *net.UDPAddr:
		family, kind = ipFamily(a.IP), unix.SOCK_DGRAM
	case *net.UnixAddr:
		if a.Net == "unixgram" {
			kind = unix.SOCK_DGRAM
		}
	default:
		return -1, &net.AddrError{Err: "unexpected address type", Addr: fmt.Sprint(addr)}
	}
	fd, err := newSocket(family, kind)
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	return fd, nil
}

func ipFamily(ip net.IP) int {
	if ip.To4() != nil {
		return unix.AF_INET
	}
	return unix.AF_INET6
}

// Bind binds fd to addr.
func Bind(fd int, addr net.Addr) error {
	sa, err := sockaddr(addr)
	if err != nil {
		return err
	}
	return os.NewSyscallError("bind", syscall.Bind(fd, sa))
}

// Listen makes fd accept connections.
func Listen(fd, backlog int) error { return os.NewSyscallError("listen", unix.Listen(fd, backlog)) }

// System calls that tests replace, to make them fail.
var (
	connectCall = syscall.Connect
	acceptCall  = accept
)

// Connect starts to connect fd. It returns nil if fd is connected already, and ErrConnecting if
// connecting takes longer: once fd is ready for writing, Connected returns the outcome. ErrAgain
// means that the backlog of a unix server is full; the poller does not report when it has room
// again.
func Connect(fd int, addr net.Addr) error {
	sa, err := sockaddr(addr)
	if err != nil {
		return err
	}
	switch err := connectCall(fd, sa); err {
	case nil, unix.EISCONN:
		return nil
	case unix.EINPROGRESS, unix.EALREADY, unix.EINTR: // EINTR does not end the attempt
		return ErrConnecting
	case unix.EAGAIN:
		if _, ok := sa.(*syscall.SockaddrUnix); ok {
			return ErrAgain
		}
		return unix.EADDRNOTAVAIL // no local port is free
	default:
		return err
	}
}

// Connected returns nil if fd is connected, ErrConnecting if it is still being connected, and
// otherwise the error with which that failed. It clears the pending error of the socket.
func Connected(fd int) error {
	switch err := Error(fd); err {
	case nil:
		// The socket may be ready without being connected: see golang.org/issue/14548.
		if _, err := syscall.Getpeername(fd); err == unix.ENOTCONN {
			return ErrConnecting
		}
		return nil
	case unix.EISCONN:
		return nil
	case unix.EINPROGRESS, unix.EALREADY, unix.EINTR:
		return ErrConnecting
	default:
		return err
	}
}

// Error returns and clears the pending error of a socket.
func Error(fd int) error {
	errno, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err != nil {
		return err
	}
	if errno != 0 {
		return unix.Errno(errno)
	}
	return nil
}

// maxAborted is the number of connections in a row that Accept passes over because their peers gave
// them up.
const maxAborted = 16

// Accept accepts a connection and returns its descriptor, which is non-blocking. ErrAborted means
// that there may be others behind the connections that were given up.
func Accept(fd int) (conn int, peer net.Addr, err error) {
	for aborted := 0; ; {
		conn, sa, err := acceptCall(fd)
		switch err {
		case nil:
			return conn, netAddr(sa, "tcp"), nil
		case unix.EINTR:
			continue
		case unix.ECONNABORTED:
			if aborted++; aborted < maxAborted {
				continue
			}
		}
		return -1, nil, err
	}
}

// Read reads available bytes into p, which must not be empty.
func Read(fd int, p []byte) (int, error) {
	for {
		if n, err := unix.Read(fd, p); err != unix.EINTR {
			return max(n, 0), err
		}
	}
}

// Write writes as much of p as there is room for.
func Write(fd int, p []byte) (int, error) {
	for {
		if n, err := unix.Write(fd, p); err != unix.EINTR {
			return max(n, 0), err
		}
	}
}

// RecvAny and SendAny are Recv and Send for a socket, and Read and Write for a pipe or a terminal.
// For any other file they return an error.
func RecvAny(fd int, p []byte) (int, error) {
	n, err := Recv(fd, p)
	if err == unix.ENOTSOCK && waits(fd) {
		return Read(fd, p)
	}
	return n, err
}

func SendAny(fd int, p []byte) (int, error) {
	n, err := Send(fd, p)
	if err == unix.ENOTSOCK && waits(fd) {
		return Write(fd, p)
	}
	return n, err
}

// waits reports whether fd is a pipe or a character device, on which a call may have to wait.
func waits(fd int) bool {
	var st unix.Stat_t
	err := unix.Fstat(fd, &st)
	kind := uint32(st.Mode) & unix.S_IFMT
	return err == nil && (kind == unix.S_IFIFO || kind == unix.S_IFCHR)
}

// IsNonblock reports whether fd is non-blocking. It returns an error if fd is not open.
func IsNonblock(fd int) (bool, error) {
	if int(int32(fd)) != fd { // the kernel would look at its lower half only
		return false, unix.EBADF
	}
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	return flags&unix.O_NONBLOCK != 0, err
}

// SetNonblock makes fd non-blocking.
func SetNonblock(fd int) error { return os.NewSyscallError("fcntl", unix.SetNonblock(fd, true)) }

// LocalAddr and RemoteAddr return nil if there is no such address. network is a name of package
// net: tcp, udp, unix or unixgram.
func LocalAddr(fd int, network string) net.Addr {
	sa, err := syscall.Getsockname(fd)
	if err != nil {
		return nil
	}
	return netAddr(sa, network)
}

func RemoteAddr(fd int, network string) net.Addr {
	sa, err := syscall.Getpeername(fd)
	if err != nil {
		return nil
	}
	return netAddr(sa, network)
}

// Network returns the kind of a socket, by its name in package net. It returns an error if package
// net has no name for it.
func Network(fd int) (string, error) {
	kind, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE)
	if err != nil {
		return "", os.NewSyscallError("getsockopt", err)
	}
	sa, err := syscall.Getsockname(fd)
	if err != nil {
		return "", os.NewSyscallError("getsockname", err)
	}
	if kind != unix.SOCK_STREAM && kind != unix.SOCK_DGRAM {
		return "", os.NewSyscallError("getsockopt", unix.EPROTOTYPE)
	}
	_, local := sa.(*syscall.SockaddrUnix)
	switch datagram := kind == unix.SOCK_DGRAM; {
	case local && datagram:
		return "unixgram", nil
	case local:
		return "unix", nil
	case datagram:
		return "udp", nil
	default:
		return "tcp", nil
	}
}

// SetNoDelay turns Nagle's algorithm off.
func SetNoDelay(fd int) error { return setInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1) }

// SetKeepAlive makes the system probe whether an idle peer is still there.
func SetKeepAlive(fd int) error { return setInt(fd, unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1) }

// SetReuseAddr lets a server bind to an address that old connections still use.
func SetReuseAddr(fd int) error { return setInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1) }

// SetReusePort lets several sockets bind to one address; the system spreads the incoming traffic
// over them.
func SetReusePort(fd int) error { return setInt(fd, unix.SOL_SOCKET, reusePort, 1) }

// SetV6Only keeps an IPv6 socket from accepting IPv4 as well.
func SetV6Only(fd int) error { return setInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1) }

// SetBroadcast sets whether datagrams to broadcast addresses are allowed.
func SetBroadcast(fd int, on bool) error {
	value := 0
	if on {
		value = 1
	}
	return setInt(fd, unix.SOL_SOCKET, unix.SO_BROADCAST, value)
}

func setInt(fd, level, option, value int) error {
	return os.NewSyscallError("setsockopt", unix.SetsockoptInt(fd, level, option, value))
}

// SetReset makes Close of a TCP socket drop unsent bytes and reset the connection.
func SetReset(fd int) error {
	return os.NewSyscallError("setsockopt", unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}))
}

// CloseWrite ends the sending side of a socket.
func CloseWrite(fd int) error {
	return os.NewSyscallError("shutdown", unix.Shutdown(fd, unix.SHUT_WR))
}

// PipeBroken reports whether fd, the write end of a pipe or a socket that serves as one, has no
// reader any more. It changes nothing.
func PipeBroken(fd int) bool {
	fds := []unix.PollFd{{Fd: int32(fd)}}
	if _, err := unix.Poll(fds, 0); err != nil {
		return false
	}
	if fds[0].Revents&pipeBroken != 0 {
		return true
	}
	_, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE)
	return err == nil && fds[0].Revents&unix.POLLHUP != 0 // a terminal that hangs up may come back
}

// Close closes fd.
func Close(fd int) error { return os.NewSyscallError("close", unix.Close(fd)) }

// RecvFrom receives a datagram. It drops the bytes for which p has no room.
func RecvFrom(fd int, p []byte, network string) (int, net.Addr, error) {
	for {
		n, sa, err := syscall.Recvfrom(fd, p, unix.MSG_DONTWAIT)
		if err != unix.EINTR {
			return max(n, 0), netAddr(sa, network), err
		}
	}
}

// SendTo sends a datagram to addr, or to the peer of a connected socket if addr is nil.
func SendTo(fd int, p []byte, addr net.Addr) error {
	if addr == nil {
		_, err := Send(fd, p)
		return err
	}
	sa, err := sockaddr(addr)
	if err != nil {
		return err
	}
	for {
		if err := syscall.Sendto(fd, p, unix.MSG_DONTWAIT, sa); err != unix.EINTR {
			return err
		}
	}
}

func sockaddr(addr net.Addr) (syscall.Sockaddr, error) {
	switch a := addr.(type) {
	case *net.TCPAddr:
		if a != nil {
			return ipSockaddr(a.IP, a.Port, a.Zone)
		}
	case *net.UDPAddr:
		if a != nil {
			return ipSockaddr(a.IP, a.Port, a.Zone)
		}
	case *net.UnixAddr:
		if a != nil {
			return &syscall.SockaddrUnix{Name: a.Name}, nil
		}
	}
	return nil, &net.AddrError{Err: "unexpected address", Addr: fmt.Sprintf("%T %v", addr, addr)}
}

func ipSockaddr(ip net.IP, port int, zone string) (syscall.Sockaddr, error) {
	if ip4 := ip.To4(); ip4 != nil {
		return &syscall.SockaddrInet4{Port: port, Addr: [4]byte(ip4)}, nil
	}
	sa := &syscall.SockaddrInet6{Port: port}
	if ip != nil {
		ip16 := ip.To16()
		if ip16 == nil {
			return nil, &net.AddrError{Err: "bad IP address", Addr: ip.String()}
		}
		sa.Addr = [16]byte(ip16)
	}
	if zone != "" {
		ifi, err := net.InterfaceByName(zone)
		if err == nil {
			sa.ZoneId = uint32(ifi.Index)
		} else if n, convErr := strconv.Atoi(zone); convErr == nil {
			sa.ZoneId = uint32(n)
		} else {
			return nil, err
		}
	}
	return sa, nil
}

// netAddr converts an address of package syscall, which is used because golang.org/x/sys makes an
// extra system call for each address.
func netAddr(sa syscall.Sockaddr, network string) net.Addr {
	switch sa := sa.(type) {
	case *syscall.SockaddrInet4:
		return ipAddr(netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port)), network)
	case *syscall.SockaddrInet6:
		ip := netip.AddrFrom16(sa.Addr)
		if sa.ZoneId != 0 {
			zone := strconv.Itoa(int(sa.ZoneId))
			if ifi, err := net.InterfaceByIndex(int(sa.ZoneId)); err == nil {
				zone = ifi.Name
			}
			ip = ip.WithZone(zone)
		}
		return ipAddr(netip.AddrPortFrom(ip, uint16(sa.Port)), network)
	case *syscall.SockaddrUnix:
		if network != "unixgram" {
			network = "unix"
		}
		return &net.UnixAddr{Name: sa.Name, Net: network}
	default:
		return nil
	}
}

func ipAddr(addr netip.AddrPort, network string) net.Addr {
	if network == "udp" {
		return net.UDPAddrFromAddrPort(addr)
	}
	return net.TCPAddrFromAddrPort(addr)
}
