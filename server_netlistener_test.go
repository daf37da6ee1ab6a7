package asyncio_test

import (
	"context"
	"errors"
	"net"
	"runtime"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
)

// oddListener accepts as accept says, and closes as closing says. Both may be nil.
type oddListener struct {
	net.Listener
	accept  func() (net.Conn, error)
	closing func()
}

func (l *oddListener) Accept() (net.Conn, error) {
	if l.accept != nil {
		return l.accept()
	}
	return l.Listener.Accept()
}

func (l *oddListener) Close() error {
	err := l.Listener.Close()
	if l.closing != nil {
		l.closing()
	}
	return err
}

// oddAddrConn has no address.
type oddAddrConn struct{ net.Conn }

func (oddAddrConn) LocalAddr() net.Addr { panic("odd") }

// oddAddr is a listener or a socket without an address.
type oddAddr struct {
	net.Listener
	net.PacketConn
}

func (oddAddr) Addr() net.Addr      { return nil }
func (oddAddr) LocalAddr() net.Addr { return nil }
func (oddAddr) Close() error        { return nil }

func listening(t *testing.T) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	return ln
}

func TestAnOddAcceptCostsItsConnectionAtMost(t *testing.T) {
	withoutDebug(t) // which reports the connections that fail
	for name, accept := range map[string]func(ln net.Listener) (net.Conn, error){
		"panics":          func(net.Listener) (net.Conn, error) { panic("odd") },
		"exits":           func(net.Listener) (net.Conn, error) { runtime.Goexit(); return nil, nil },
		"returns nothing": func(net.Listener) (net.Conn, error) { return nil, nil },
		"would block":     func(net.Listener) (net.Conn, error) { return nil, syscall.EAGAIN },
		"has a connection whose method panics": func(ln net.Listener) (net.Conn, error) {
			conn, err := ln.Accept()
			return oddAddrConn{conn}, err
		},
	} {
		t.Run(name, func(t *testing.T) {
			runReal(t, func(ctx context.Context) error {
				ln := listening(t)
				first := true
				odd := &oddListener{Listener: ln, accept: func() (net.Conn, error) {
					if first {
						first = false
						return accept(ln)
					}
					return ln.Accept()
				}}
				s, err := asyncio.StartServer(ctx, echo, "", asyncio.WithSocket(odd))
				require.NoError(t, err)
				for range 2 {
					r, w, err := asyncio.OpenConnection(ctx, ln.Addr().String())
					require.NoError(t, err)
					defer w.Close()
					_, _ = w.Write([]byte("hello\n"))
					if line, err := r.ReadLine(ctx); err == nil {
						require.Equal(t, "hello\n", string(line))
						s.Close()
						return nil
					}
				}
				return errors.New("no connection was served")
			})
		})
	}
}

func TestClosingAnOddListenerDoesNotHoldTheLoop(t *testing.T) {
	release := make(chan struct{})
	for name, closing := range map[string]func(){
		"panics": func() { panic("odd") },
		"exits":  runtime.Goexit,
		"blocks": func() { <-release },
	} {
		t.Run(name, func(t *testing.T) {
			runReal(t, func(ctx context.Context) error {
				s, err := asyncio.StartServer(ctx, echo, "", asyncio.WithSocket(&oddListener{Listener: listening(t), closing: closing}))
				require.NoError(t, err)
				s.Close()
				if name == "blocks" {
					close(release)
				}
				return s.WaitClosed(ctx)
			})
		})
	}
}

func TestASocketWithoutAnAddressIsRefused(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		_, err := asyncio.StartServer(ctx, echo, "", asyncio.WithSocket(oddAddr{}))
		assert.ErrorContains(t, err, "address")
		_, err = asyncio.CreateDatagramEndpoint(ctx, "", "", asyncio.WithSocket(oddAddr{}))
		assert.ErrorContains(t, err, "address")
		return nil
	})
}
