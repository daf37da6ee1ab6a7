package asyncio

import "net"

func (l *Loop) polls() bool                             { return l.reactor.Poller() != nil }
func (l *Loop) needIO() error                           { return l.needPoller() }
func (s *Server) listenOn(below net.Listener) *listener { panic("later") }
func (l *Loop) newPacketEndpoint(net.PacketConn, string) *DatagramEndpoint {
	panic("later")
}
