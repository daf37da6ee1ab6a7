package asyncio

// This file describes servers, for inspection. They are found by the sockets on which they listen, and
// by the connections that they have accepted.

import (
	"cmp"
	"net"
	"slices"
)

// A ServerInfo describes a server at one time.
type ServerInfo struct {
	Network        string     // tcp or unix
	Addrs          []net.Addr // on which it listens; empty once it is closed
	Serving        bool       // it accepts connections
	Closed         bool       // Close was called
	Full           bool       // it has as many connections as WithMaxConnections allows
	TLS            bool
	Connections    int // connections that are not closed
	Handlers       int // handlers that have not returned
	MaxConnections int // see WithMaxConnections; 0 means any number
}

// Servers describes the loop's servers, in the order of their addresses. A server that is closed is
// among them while it has connections. Servers does not suspend.
func (l *Loop) Servers() []ServerInfo {
	l.check()
	servers := make(map[*Server]bool)
	for h := range l.reactor.Handlers {
		if ln, ok := h.(*listener); ok {
			servers[ln.server] = true
		}
	}
	for b := range l.blockers.open {
		if ln, ok := b.(*listener); ok {
			servers[ln.server] = true
		}
	}
	for s := range l.streams {
		if c, ok := s.conn.(*connection); ok {
			servers[c.server] = true
		}
	}
	infos := make([]ServerInfo, 0, len(servers))
	for s := range servers {
		infos = append(infos, s.describe())
	}
	slices.SortFunc(infos, func(a, b ServerInfo) int { return cmp.Compare(a.order(), b.order()) })
	return infos
}

func (s *Server) describe() ServerInfo {
	i := ServerInfo{
		Network: s.network, Serving: s.serving, Closed: s.closed, TLS: s.options.tls != nil,
		Connections: s.open, MaxConnections: s.options.maxConnections,
	}
	for _, ln := range s.sockets {
		i.Addrs = append(i.Addrs, ln.addr)
		i.Full = i.Full || ln.full
	}
	for c := range s.connections {
		if c.task != nil && !c.task.Done() {
			i.Handlers++
		}
	}
	return i
}

// order returns a text by which servers are sorted: those that are closed come last.
func (i *ServerInfo) order() string {
	if len(i.Addrs) == 0 {
		return "~"
	}
	return i.Addrs[0].String()
}
