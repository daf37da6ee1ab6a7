package asyncio

import (
	"net"

	"github.com/go-asyncio/asyncio/internal/netfd"
)

// system holds the system calls that tests replace, to make them fail.
var system = struct {
	accept    func(fd int) (conn int, peer net.Addr, err error)
	bind      func(fd int, addr net.Addr) error
	listen    func(fd, backlog int) error
	localAddr func(fd int, network string) net.Addr
	sendTo    func(fd int, p []byte, addr net.Addr) error
}{netfd.Accept, netfd.Bind, netfd.Listen, netfd.LocalAddr, netfd.SendTo}
