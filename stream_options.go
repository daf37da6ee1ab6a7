package asyncio

// This file is the options of streams, servers and datagram endpoints.

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"
)

// A StreamOption is an option of OpenConnection, StartServer and their like. The calls return an
// error, before they do anything, for an option that is not for them.
type StreamOption func(*streamOptions)

// An optionUse is a set of calls that take options.
type optionUse uint8

const (
	forClient    optionUse = 1 << iota // OpenConnection and OpenUnixConnection
	forServer                          // StartServer and StartUnixServer
	forPipe                            // ConnectReadPipe, ConnectWritePipe, and StreamPair
	forStartTLS                        // StreamWriter.StartTLS
	forDatagrams                       // CreateDatagramEndpoint
)

type streamOptions struct {
	use              optionUse // the call
	misplaced        string    // an option that was given and the call does not have
	limit            int
	network          string
	localAddr        string
	eyeballsDelay    time.Duration
	tls              *tls.Config
	encrypted        bool // WithTLS was given
	handshakeTimeout time.Duration
	backlog          int
	maxConnections   int
	reusePort        bool
	keepAlive        bool
	broadcast        bool
	notServing       bool
}

func newStreamOptions(use optionUse, opts []StreamOption) *streamOptions {
	o := &streamOptions{
		use:           use,
		limit:         defaultLimit,
		network:       "tcp",
		eyeballsDelay: 250 * time.Millisecond, // of RFC 8305
		backlog:       100,
	}
	for _, opt := range opts {
		if opt == nil {
			panic("asyncio: nil StreamOption")
		}
		opt(o)
	}
	return o
}

// option makes an option, of the name and for the calls that are given.
func option(name string, use optionUse, set func(*streamOptions)) StreamOption {
	return func(o *streamOptions) {
		if o.use&use == 0 {
			o.misplaced = name
		}
		set(o)
	}
}

// checkPlaces returns an error if an option was given to a call that would ignore it.
func (o *streamOptions) checkPlaces() error {
	if o.misplaced != "" {
		return fmt.Errorf("asyncio: this call has no option %s", o.misplaced)
	}
	return nil
}

// check returns what is wrong with the options of a stream socket.
func (o *streamOptions) check() error {
	if err := o.checkPlaces(); err != nil {
		return err
	}
	switch o.network {
	case "tcp", "tcp4", "tcp6":
	default:
		return net.UnknownNetworkError(o.network)
	}
	switch {
	case o.encrypted:
		return checkTLS(o.tls, o.use == forServer)
	case o.handshakeTimeout != 0:
		return errors.New("asyncio: WithTLSHandshakeTimeout without WithTLS")
	}
	return nil
}

// WithLimit sets how long a line, or what ReadUntil reads, may be: 64 KiB if it is not
// given. It panics if n is not positive. It is asyncio's limit.
func WithLimit(n int) StreamOption {
	if n <= 0 {
		panic("asyncio: WithLimit needs a positive number")
	}
	return option("WithLimit", forClient|forServer|forPipe, func(o *streamOptions) { o.limit = n })
}

// WithTLS encrypts the connection. A client verifies the server, under the config's
// ServerName or else the name that it connects to, which a unix socket has not; a server needs a
// certificate. The call that it is given to, or a Dialer's Dial, returns an error, before it does anything, if config is nil (it may be
// one that could not be loaded), if it is a server's and has no certificate, or if it is a client's
// and allows renegotiation, which streams do not support. It is asyncio's ssl.
func WithTLS(config *tls.Config) StreamOption {
	return option("WithTLS", forClient|forServer, func(o *streamOptions) { o.tls, o.encrypted = config, true })
}

// WithTLSHandshakeTimeout bounds the handshake: a minute if it is not given. It panics if d is
// not positive. It is asyncio's ssl_handshake_timeout.
func WithTLSHandshakeTimeout(d time.Duration) StreamOption {
	if d <= 0 {
		panic("asyncio: WithTLSHandshakeTimeout needs a positive duration")
	}
	return option("WithTLSHandshakeTimeout", forClient|forServer|forStartTLS, func(o *streamOptions) { o.handshakeTimeout = d })
}

// WithNetwork restricts addresses: "tcp4" and "tcp6", or "udp4" and "udp6", to one family. The
// call that it is given to returns a net.UnknownNetworkError for a network that it does not have.
func WithNetwork(network string) StreamOption {
	return option("WithNetwork", forClient|forServer|forDatagrams, func(o *streamOptions) { o.network = network })
}

// WithLocalAddr binds the client's end to an address, "host:port", before it connects.
// It is asyncio's local_addr.
func WithLocalAddr(address string) StreamOption {
	return option("WithLocalAddr", forClient, func(o *streamOptions) { o.localAddr = address })
}

// WithHappyEyeballsDelay sets how long OpenConnection waits for one address of a name
// before it tries the next at the same time: 250 ms if it is not given. With Never it tries
// them one after the other. It panics if d is negative. It is asyncio's happy_eyeballs_delay.
func WithHappyEyeballsDelay(d time.Duration) StreamOption {
	if d < 0 {
		panic("asyncio: WithHappyEyeballsDelay needs a duration that is not negative")
	}
	return option("WithHappyEyeballsDelay", forClient, func(o *streamOptions) { o.eyeballsDelay = d })
}

// WithKeepAlive has the system probe whether an idle peer is still there. It is asyncio's
// keep_alive.
func WithKeepAlive() StreamOption {
	return option("WithKeepAlive", forClient|forServer, func(o *streamOptions) { o.keepAlive = true })
}

// WithBacklog sets how many connections wait to be accepted by a server: 100 if it is not
// given. It panics if n is negative. It is asyncio's backlog.
func WithBacklog(n int) StreamOption {
	if n < 0 {
		panic("asyncio: WithBacklog needs a number that is not negative")
	}
	return option("WithBacklog", forServer, func(o *streamOptions) { o.backlog = n })
}

// WithReusePort lets several servers, in this program or others, take the same port; the
// system spreads connections among them. It is asyncio's reuse_port.
func WithReusePort() StreamOption {
	return option("WithReusePort", forServer|forDatagrams, func(o *streamOptions) { o.reusePort = true })
}

// WithMaxConnections bounds the connections that a server has at a time. Further ones
// wait in the backlog. It panics if n is not positive.
func WithMaxConnections(n int) StreamOption {
	if n <= 0 {
		panic("asyncio: WithMaxConnections needs a positive number")
	}
	return option("WithMaxConnections", forServer, func(o *streamOptions) { o.maxConnections = n })
}

// WithoutServing has StartServer listen, but not accept before StartServing or Serve. It is
// asyncio's start_serving=False.
func WithoutServing() StreamOption {
	return option("WithoutServing", forServer, func(o *streamOptions) { o.notServing = true })
}

// WithBroadcast lets a datagram endpoint send to broadcast addresses. It is asyncio's
// allow_broadcast.
func WithBroadcast() StreamOption {
	return option("WithBroadcast", forDatagrams, func(o *streamOptions) { o.broadcast = true })
}
