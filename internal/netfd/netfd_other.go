//go:build !darwin && !dragonfly && !freebsd && !linux && !netbsd && !openbsd

package netfd

import (
	"net"
	"os"
)

func Socket(net.Addr) (int, error)        { return -1, ErrUnsupported }
func Bind(int, net.Addr) error            { return ErrUnsupported }
func Listen(fd, backlog int) error        { return ErrUnsupported }
func Connect(int, net.Addr) error         { return ErrUnsupported }
func Connected(int) error                 { return ErrUnsupported }
func Error(int) error                     { return ErrUnsupported }
func IsNonblock(int) (bool, error)        { return false, ErrUnsupported }
func SetNonblock(int) error               { return ErrUnsupported }
func Accept(int) (int, net.Addr, error)   { return -1, nil, ErrUnsupported }
func LocalAddr(int, string) net.Addr      { return nil }
func RemoteAddr(int, string) net.Addr     { return nil }
func Network(int) (string, error)         { return "", ErrUnsupported }
func SetNoDelay(int) error                { return ErrUnsupported }
func SetKeepAlive(int) error              { return ErrUnsupported }
func SetReuseAddr(int) error              { return ErrUnsupported }
func SetReusePort(int) error              { return ErrUnsupported }
func SetV6Only(int) error                 { return ErrUnsupported }
func SetBroadcast(int, bool) error        { return ErrUnsupported }
func SetReset(int) error                  { return ErrUnsupported }
func CloseWrite(int) error                { return ErrUnsupported }
func Close(int) error                     { return ErrUnsupported }
func SendTo(int, []byte, net.Addr) error  { return ErrUnsupported }
func Read(fd int, p []byte) (int, error)  { return 0, ErrUnsupported }
func Write(fd int, p []byte) (int, error) { return 0, ErrUnsupported }

// PipeBroken reports true, since nobody can tell.
func PipeBroken(int) bool { return true }

func Open(*os.File, bool) (int, func(), error) {
	return -1, nil, ErrUnsupported
}
func RecvFrom(int, []byte, string) (int, net.Addr, error) {
	return 0, nil, ErrUnsupported
}
func Duplicate(int) (int, error) { return -1, ErrUnsupported }
func Listening(int) bool         { return false }
func SendFile(int, *os.File, int64, int) (int, error) {
	return 0, ErrUnsupported
}
func Recv(fd int, p []byte) (int, error)    { return 0, ErrUnsupported }
func Send(fd int, p []byte) (int, error)    { return 0, ErrUnsupported }
func RecvAny(fd int, p []byte) (int, error) { return 0, ErrUnsupported }
func SendAny(fd int, p []byte) (int, error) { return 0, ErrUnsupported }
