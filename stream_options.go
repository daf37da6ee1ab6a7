package asyncio

// This file holds the options of streams, servers and datagram endpoints.

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"
)

// A call takes the options of one type, such as ConnectOption. An option for several calls has
// a type that implements the types of all of them, such as KeepAliveOption. So an option that a
// call would ignore does not compile.

// A ConnectOption is an option of OpenConnection: WithLimit, WithTLS, WithTLSHandshakeTimeout,
// WithTLSShutdownTimeout, WithNetwork, WithLocalAddr, WithHappyEyeballsDelay, WithKeepAlive or
// WithSocket.
type ConnectOption interface {
	streamOption
	forOpenConnection()
}

// A ConnectionOption is an option of CreateConnection: WithTLS, WithTLSHandshakeTimeout,
// WithTLSShutdownTimeout, WithNetwork, WithLocalAddr, WithHappyEyeballsDelay, WithKeepAlive or
// WithSocket.
type ConnectionOption interface {
	ConnectOption
	forCreateConnection()
}

// A UnixConnectOption is an option of OpenUnixConnection: WithLimit, WithTLS,
// WithTLSHandshakeTimeout, WithTLSShutdownTimeout or WithSocket.
type UnixConnectOption interface {
	ConnectOption
	forOpenUnixConnection()
}

// A UnixConnectionOption is an option of CreateUnixConnection: WithTLS, WithTLSHandshakeTimeout,
// WithTLSShutdownTimeout or WithSocket.
type UnixConnectionOption interface {
	UnixConnectOption
	forCreateUnixConnection()
}

// A DialOption is an option of NewDialer: WithTLS, WithTLSHandshakeTimeout,
// WithTLSShutdownTimeout, WithLocalAddr, WithHappyEyeballsDelay or WithKeepAlive.
type DialOption interface {
	ConnectionOption
	forNewDialer()
}

// A ServeOption is an option of StartServer: WithLimit, WithTLS, WithTLSHandshakeTimeout,
// WithTLSShutdownTimeout, WithNetwork, WithHosts, WithKeepAlive, WithBacklog, WithMaxConnections,
// WithReusePort, WithoutServing or WithSocket.
type ServeOption interface {
	streamOption
	forStartServer()
}

// A ServerOption is an option of CreateServer: WithTLS, WithTLSHandshakeTimeout,
// WithTLSShutdownTimeout, WithNetwork, WithHosts, WithKeepAlive, WithBacklog, WithMaxConnections,
// WithReusePort, WithoutServing or WithSocket.
type ServerOption interface {
	ServeOption
	forCreateServer()
}

// A UnixServeOption is an option of StartUnixServer: WithLimit, WithTLS,
// WithTLSHandshakeTimeout, WithTLSShutdownTimeout, WithBacklog, WithMaxConnections,
// WithoutServing, WithoutCleanupSocket or WithSocket.
type UnixServeOption interface {
	streamOption
	forStartUnixServer()
}

// A UnixServerOption is an option of CreateUnixServer: WithTLS, WithTLSHandshakeTimeout,
// WithTLSShutdownTimeout, WithBacklog, WithMaxConnections, WithoutServing, WithoutCleanupSocket or
// WithSocket.
type UnixServerOption interface {
	UnixServeOption
	forCreateUnixServer()
}

// A ListenOption is an option of Listen: WithTLS, WithTLSHandshakeTimeout,
// WithTLSShutdownTimeout, WithKeepAlive, WithBacklog, WithMaxConnections or WithReusePort.
type ListenOption interface {
	ServerOption
	forListen()
}

// A DatagramOption is an option of CreateDatagramEndpoint and CreateDatagramTransport: WithNetwork,
// WithReusePort, WithBroadcast or WithSocket.
type DatagramOption interface {
	streamOption
	forCreateDatagramEndpoint()
}

// A LimitOption is WithLimit: an option of OpenConnection, OpenUnixConnection, StartServer and
// StartUnixServer, and the only one of ConnectReadPipe, StreamPair and NewStreamReader.
type LimitOption interface {
	UnixConnectOption
	ServeOption
	UnixServeOption
	forConnectReadPipe()
}

// A TLSOption is WithTLS, WithTLSHandshakeTimeout or WithTLSShutdownTimeout: an option of
// OpenConnection, OpenUnixConnection, NewDialer, StartServer, StartUnixServer, Listen,
// CreateConnection, CreateUnixConnection, CreateServer, CreateUnixServer and
// ConnectAcceptedSocket.
type TLSOption interface {
	UnixConnectionOption
	DialOption
	UnixServerOption
	ListenOption
	forConnectAcceptedSocket()
}

// A StartTLSOption is WithTLSHandshakeTimeout or WithTLSShutdownTimeout: an option of StartTLS and
// of the calls that take a TLSOption.
type StartTLSOption interface {
	TLSOption
	forStartTLS()
}

// A NetworkOption is WithNetwork: an option of OpenConnection, StartServer, CreateConnection,
// CreateServer, CreateDatagramEndpoint and CreateDatagramTransport.
type NetworkOption interface {
	ConnectionOption
	ServerOption
	DatagramOption
}

// A KeepAliveOption is WithKeepAlive: an option of OpenConnection, NewDialer, StartServer, Listen,
// CreateConnection and CreateServer.
type KeepAliveOption interface {
	DialOption
	ListenOption
}

// An AcceptOption is WithBacklog or WithMaxConnections: an option of StartServer,
// StartUnixServer, Listen, CreateServer and CreateUnixServer.
type AcceptOption interface {
	UnixServerOption
	ListenOption
}

// A ReusePortOption is WithReusePort: an option of StartServer, Listen, CreateServer,
// CreateDatagramEndpoint and CreateDatagramTransport.
type ReusePortOption interface {
	ListenOption
	DatagramOption
}

// A ServingOption is WithoutServing: an option of StartServer, StartUnixServer, CreateServer and
// CreateUnixServer.
type ServingOption interface {
	ServerOption
	UnixServerOption
}

// A SocketOption is WithSocket: an option of OpenConnection, OpenUnixConnection, StartServer,
// StartUnixServer, CreateConnection, CreateUnixConnection, CreateServer, CreateUnixServer,
// CreateDatagramEndpoint and CreateDatagramTransport.
type SocketOption interface {
	ConnectionOption
	UnixConnectionOption
	ServerOption
	UnixServerOption
	DatagramOption
}

// A streamOption is an option of any of these types.
type streamOption interface{ apply(*streamOptions) }

// A setting implements every one of these options. The result type of a constructor says which
// calls the option is for.
type setting func(*streamOptions)

func (s setting) apply(o *streamOptions) { s(o) }

func (setting) forOpenConnection()         {}
func (setting) forOpenUnixConnection()     {}
func (setting) forCreateConnection()       {}
func (setting) forCreateUnixConnection()   {}
func (setting) forCreateServer()           {}
func (setting) forCreateUnixServer()       {}
func (setting) forNewDialer()              {}
func (setting) forStartServer()            {}
func (setting) forStartUnixServer()        {}
func (setting) forListen()                 {}
func (setting) forCreateDatagramEndpoint() {}
func (setting) forConnectReadPipe()        {}
func (setting) forConnectAcceptedSocket()  {}
func (setting) forStartTLS()               {}

type streamOptions struct {
	limit            int
	network          string
	ipOnly           string   // name of a given option that unix sockets do not have
	newOnly          string   // name of a given option that existing sockets do not have
	sockets          []any    // existing sockets, to use in place of new ones
	originals        []func() // close the originals of sockets once the call has succeeded
	localAddr        string
	eyeballsDelay    time.Duration
	tls              *tls.Config
	encrypted        bool // WithTLS was given
	handshakeTimeout time.Duration
	shutdownTimeout  time.Duration
	hosts            []string // besides the one of the address
	backlog          int      // -1 if it was not given
	maxConnections   int
	reusePort        bool
	keepAlive        bool
	broadcast        bool
	notServing       bool
	keepSocket       bool // a unix server leaves its path behind
}

func newStreamOptions[O streamOption](opts []O) *streamOptions {
	o := &streamOptions{
		limit:         defaultLimit,
		network:       "tcp",
		eyeballsDelay: 250 * time.Millisecond, // as RFC 8305 recommends
		backlog:       -1,
	}
	applyAll(opts, o)
	return o
}

// check returns an error if the options do not fit a server or client on network, which is
// "tcp" or "unix".
func (o *streamOptions) check(network string, serverSide bool) error {
	if network == "unix" {
		if o.ipOnly != "" { // a Dialer and Listen support both networks
			return fmt.Errorf("asyncio: %s for a unix socket", o.ipOnly)
		}
	} else if o.network != "tcp" && o.network != "tcp4" && o.network != "tcp6" {
		return net.UnknownNetworkError(o.network)
	}
	switch {
	case o.encrypted:
		return checkTLS(o.tls, serverSide)
	case o.handshakeTimeout != 0:
		return errors.New("asyncio: WithTLSHandshakeTimeout without WithTLS")
	case o.shutdownTimeout != 0:
		return errors.New("asyncio: WithTLSShutdownTimeout without WithTLS")
	}
	return nil
}

// WithLimit limits a line, or the bytes before a separator of ReadUntil, to n bytes. The
// default is 64 KiB. It panics if n is not positive. It is asyncio's limit.
func WithLimit(n int) LimitOption {
	if n <= 0 {
		panic("asyncio: WithLimit needs a positive number")
	}
	return setting(func(o *streamOptions) { o.limit = n })
}

// WithTLS encrypts the connection. A client verifies the server under the ServerName of config
// or, without one, under the name that it connects to; a unix socket has no such name. A server
// needs a certificate.
//
// The call that takes the option, or a Dialer's Dial, returns an error before it does anything
// else if config is nil, which may mean that it could not be loaded; if a server's config has
// no certificate; and if a client's config allows renegotiation, which streams do not support.
// It is asyncio's ssl.
func WithTLS(config *tls.Config) TLSOption {
	return setting(func(o *streamOptions) { o.tls, o.encrypted = config, true })
}

// WithTLSHandshakeTimeout limits the time of the TLS handshake. The default is a minute. It
// panics if d is not positive. It is asyncio's ssl_handshake_timeout.
func WithTLSHandshakeTimeout(d time.Duration) StartTLSOption {
	if d <= 0 {
		panic("asyncio: WithTLSHandshakeTimeout needs a positive duration")
	}
	return setting(func(o *streamOptions) { o.handshakeTimeout = d })
}

// WithNetwork restricts addresses to one family: "tcp4" or "tcp6", and for datagrams "udp4",
// "udp6" or "unixgram". The call that takes the option returns a net.UnknownNetworkError for a network
// that it does not support.
func WithNetwork(network string) NetworkOption {
	return setting(func(o *streamOptions) { o.network, o.newOnly = network, "WithNetwork" })
}

// WithLocalAddr binds the client's end to address, a "host:port", before connecting. It is
// asyncio's local_addr.
func WithLocalAddr(address string) DialOption {
	return setting(func(o *streamOptions) {
		o.localAddr, o.ipOnly, o.newOnly = address, "WithLocalAddr", "WithLocalAddr"
	})
}

// WithHappyEyeballsDelay sets how long OpenConnection waits for one address of a name before it
// also tries the next. The default is 250 ms. With Never it tries the addresses one after the
// other. It panics if d is negative. It is asyncio's happy_eyeballs_delay.
func WithHappyEyeballsDelay(d time.Duration) DialOption {
	if d < 0 {
		panic("asyncio: WithHappyEyeballsDelay needs a duration that is not negative")
	}
	return setting(func(o *streamOptions) {
		o.eyeballsDelay, o.ipOnly, o.newOnly = d, "WithHappyEyeballsDelay", "WithHappyEyeballsDelay"
	})
}

// WithKeepAlive makes the system probe whether an idle peer is still there. It is asyncio's
// keep_alive.
func WithKeepAlive() KeepAliveOption {
	return setting(func(o *streamOptions) { o.keepAlive, o.ipOnly = true, "WithKeepAlive" })
}

// WithBacklog sets the number of connections that may wait for a server to accept them. The
// default is 100. On a system with neither epoll nor kqueue, it has no effect. It panics if n is
// negative. It is asyncio's backlog.
func WithBacklog(n int) AcceptOption {
	if n < 0 {
		panic("asyncio: WithBacklog needs a number that is not negative")
	}
	return setting(func(o *streamOptions) { o.backlog = n })
}

// WithReusePort lets several servers, in this program or others, use the same port; the system
// spreads connections among them. On Windows, which cannot do that, the server is not started and
// the call returns an error. It is asyncio's reuse_port.
func WithReusePort() ReusePortOption {
	return setting(func(o *streamOptions) {
		o.reusePort, o.ipOnly, o.newOnly = true, "WithReusePort", "WithReusePort"
	})
}

// WithMaxConnections limits the number of connections that a server has at a time. Further
// connections wait in the backlog. It panics if n is not positive.
func WithMaxConnections(n int) AcceptOption {
	if n <= 0 {
		panic("asyncio: WithMaxConnections needs a positive number")
	}
	return setting(func(o *streamOptions) { o.maxConnections = n })
}

// WithoutServing makes StartServer, StartUnixServer, CreateServer and CreateUnixServer listen
// without accepting, until StartServing or Serve is called. It is asyncio's start_serving=False.
func WithoutServing() ServingOption {
	return setting(func(o *streamOptions) { o.notServing = true })
}

// WithHosts makes a server listen on the addresses of hosts, too, at the port of its address. With
// port 0 they all get the port that the system chooses. An address that several hosts have counts
// once. If the server cannot listen on one of the addresses, it listens on none, except that it
// skips an address that this machine does not have as long as another is left. It is asyncio's
// host, given as a sequence.
func WithHosts(hosts ...string) ServerOption {
	return setting(func(o *streamOptions) {
		o.hosts, o.newOnly = append(o.hosts, hosts...), "WithHosts"
	})
}

// WithoutCleanupSocket makes a unix server leave its socket's path behind when it is closed. It is
// asyncio's cleanup_socket=False.
func WithoutCleanupSocket() UnixServerOption {
	return setting(func(o *streamOptions) { o.keepSocket = true })
}

// WithSocket makes the call use a socket that exists already: for a connection one that is
// connected, for a server one that is bound, whether or not it listens, and for datagrams any. A
// server may be given several, by an option each. The address of the call, or both addresses, must
// be empty. sock is
//
//   - a descriptor, as an int or a uintptr,
//   - an *os.File,
//   - of package net, or of one's own, a net.Conn for a connection, a net.Listener for a server, or a
//     net.PacketConn for datagrams.
//
// If the call succeeds, the socket belongs to the loop, and sock is closed: its descriptor has moved
// to another number, which GetExtraInfo("socket") returns. If the call fails, sock remains the
// caller's, who closes it. Descriptors 0, 1 and 2 always stay open. The socket becomes non-blocking,
// for all who share it, and stays so even if the call fails.
//
// On Windows sock must not be a descriptor or a file, which package net does not take there either.
//
// Sockets that are polled cost nothing extra: descriptors, files, and the connections of package net
// itself. Of any other type, such as a *tls.Conn or one end of a net.Pipe, the methods are called on
// goroutines. Closing such a sock must end its pending calls.
//
// It is asyncio's sock.
func WithSocket(sock any) SocketOption {
	return setting(func(o *streamOptions) { o.sockets = append(o.sockets, sock) })
}

// WithBroadcast lets a datagram endpoint send to broadcast addresses. It is asyncio's
// allow_broadcast.
func WithBroadcast() DatagramOption {
	return setting(func(o *streamOptions) { o.broadcast, o.ipOnly = true, "WithBroadcast" })
}
