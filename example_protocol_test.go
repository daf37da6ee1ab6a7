package asyncio_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"

	"github.com/go-asyncio/asyncio"
)

// shouter sends back in capitals the text that it receives.
type shouter struct {
	asyncio.BaseProtocol
	t *asyncio.Transport
}

func (s *shouter) ConnectionMade(t *asyncio.Transport) { s.t = t }

func (s *shouter) DataReceived(data []byte) { s.t.WriteString(strings.ToUpper(string(data))) }

// asker sends a line, and collects the answer until the connection is lost.
type asker struct {
	asyncio.BaseProtocol
	line, answer string
	done         asyncio.Event
}

func (a *asker) ConnectionMade(t *asyncio.Transport) {
	if a.line != "" {
		t.WriteString(a.line)
		t.WriteEOF()
	}
}

func (a *asker) DataReceived(data []byte) { a.answer += string(data) }

func (a *asker) ConnectionLost(error) { a.done.Set() }

func ExampleProtocol() {
	asyncio.Run(context.Background(), asyncio.Do(func(ctx context.Context) error {
		server, err := asyncio.CreateServer(ctx, func() *shouter { return new(shouter) }, "127.0.0.1:0")
		if err != nil {
			return err
		}
		defer server.Close()
		_, a, err := asyncio.CreateConnection(ctx, func() *asker { return &asker{line: "hello"} }, server.Addr().String())
		if err != nil {
			return err
		}
		a.done.Wait(ctx)
		fmt.Println(a.answer)
		return nil
	}))
	// Output: HELLO
}

// A protocol that embeds a BaseProtocol defines only the methods that it needs.
func ExampleBaseProtocol() {
	var p asyncio.Protocol = &struct{ asyncio.BaseProtocol }{}
	fmt.Println(p.EOFReceived())
	// Output: false
}

func ExampleTransport() {
	asyncio.Run(context.Background(), asyncio.Do(func(ctx context.Context) error {
		server, err := asyncio.CreateServer(ctx, func() *shouter { return new(shouter) }, "127.0.0.1:0")
		if err != nil {
			return err
		}
		defer server.Close()
		t, a, err := asyncio.CreateConnection(ctx, func() *asker { return new(asker) }, server.Addr().String())
		if err != nil {
			return err
		}
		fmt.Println(t.IsReading(), t.IsClosing(), t.Protocol() == a)
		t.PauseReading()
		fmt.Println(t.IsReading())
		t.Abort()
		a.done.Wait(ctx)
		_, err = t.WriteString("too late")
		fmt.Println(t.IsClosing(), err)
		return nil
	}))
	// Output:
	// true false true
	// false
	// true use of closed network connection
}

// sender writes as long as the peer keeps up.
type sender struct {
	asyncio.BaseProtocol
	t      *asyncio.Transport
	left   int
	paused bool
}

func (s *sender) ConnectionMade(t *asyncio.Transport) {
	s.t = t
	s.send()
}

func (s *sender) send() {
	for !s.paused && s.left > 0 {
		n, err := s.t.Write(make([]byte, min(s.left, 64<<10)))
		if err != nil {
			return
		}
		s.left -= n
	}
	if s.left == 0 {
		s.t.Close()
	}
}

func (s *sender) PauseWriting() { s.paused = true }

func (s *sender) ResumeWriting() {
	s.paused = false
	s.send()
}

func ExampleFlowControlProtocol() {
	asyncio.Run(context.Background(), asyncio.Do(func(ctx context.Context) error {
		server, err := asyncio.CreateServer(ctx, func() *sender { return &sender{left: 1 << 20} }, "127.0.0.1:0")
		if err != nil {
			return err
		}
		defer server.Close()
		_, a, err := asyncio.CreateConnection(ctx, func() *asker { return new(asker) }, server.Addr().String())
		if err != nil {
			return err
		}
		a.done.Wait(ctx)
		fmt.Println(len(a.answer))
		return nil
	}))
	// Output: 1048576
}

// record receives a record of 8 bytes into memory of its own.
type record struct {
	asyncio.BaseProtocol
	bytes [8]byte
	n     int
	done  asyncio.Event
}

func (r *record) GetBuffer(int) []byte { return r.bytes[r.n:] }

func (r *record) BufferUpdated(n int) {
	if r.n += n; r.n == len(r.bytes) {
		r.done.Set()
		r.n = 0
	}
}

func ExampleBufferedProtocol() {
	asyncio.Run(context.Background(), asyncio.Do(func(ctx context.Context) error {
		server, err := asyncio.CreateServer(ctx, func() *shouter { return new(shouter) }, "127.0.0.1:0")
		if err != nil {
			return err
		}
		defer server.Close()
		t, r, err := asyncio.CreateConnection(ctx, func() *record { return new(record) }, server.Addr().String())
		if err != nil {
			return err
		}
		defer t.Close()
		t.WriteString("rec")
		t.WriteString("ord 1")
		r.done.Wait(ctx)
		fmt.Printf("%s\n", r.bytes[:])
		return nil
	}))
	// Output: RECORD 1
}

func ExampleConnectionOption() {
	asyncio.Run(context.Background(), asyncio.Do(func(ctx context.Context) error {
		opts := []asyncio.ServerOption{asyncio.WithNetwork("tcp4"), asyncio.WithMaxConnections(1000)}
		server, err := asyncio.CreateServer(ctx, func() *shouter { return new(shouter) }, "localhost:0", opts...)
		if err != nil {
			return err
		}
		defer server.Close()
		options := []asyncio.ConnectionOption{asyncio.WithKeepAlive(), asyncio.WithLocalAddr("127.0.0.1:0")}
		_, a, err := asyncio.CreateConnection(ctx, func() *asker { return &asker{line: "options"} }, server.Addr().String(), options...)
		if err != nil {
			return err
		}
		a.done.Wait(ctx)
		fmt.Println(a.answer)
		return nil
	}))
	// Output: OPTIONS
}

func ExampleServerOption() {
	asyncio.Run(context.Background(), asyncio.Do(func(ctx context.Context) error {
		opts := []asyncio.ServerOption{asyncio.WithoutServing()} // until StartServing
		server, err := asyncio.CreateServer(ctx, func() *shouter { return new(shouter) }, "127.0.0.1:0", opts...)
		if err != nil {
			return err
		}
		defer server.Close()
		fmt.Println(server.IsServing())
		return nil
	}))
	// Output: false
}

func ExampleUnixServeOption() {
	asyncio.Run(context.Background(), asyncio.Do(func(ctx context.Context) error {
		dir, err := os.MkdirTemp("", "example")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		opts := []asyncio.UnixServeOption{asyncio.WithLimit(1 << 20), asyncio.WithBacklog(10)}
		server, err := asyncio.StartUnixServer(ctx, func(context.Context, *asyncio.StreamReader, *asyncio.StreamWriter) error {
			return nil
		}, filepath.Join(dir, "socket"), opts...)
		if err != nil {
			return err
		}
		defer server.Close()
		fmt.Println(server.IsServing())
		return nil
	}))
	// Output: true
}

// sounder sends back the datagrams that it receives.
type sounder struct {
	asyncio.BaseDatagramProtocol
	t *asyncio.DatagramTransport
}

func (s *sounder) ConnectionMade(t *asyncio.DatagramTransport) { s.t = t }

func (s *sounder) DatagramReceived(data []byte, addr net.Addr) { s.t.SendTo(data, addr) }

// hearer keeps the first datagram.
type hearer struct {
	asyncio.BaseDatagramProtocol
	heard string
	done  asyncio.Event
}

func (h *hearer) DatagramReceived(data []byte, _ net.Addr) {
	h.heard = string(data)
	h.done.Set()
}

func ExampleDatagramProtocol() {
	asyncio.Run(context.Background(), asyncio.Do(func(ctx context.Context) error {
		server, _, err := asyncio.CreateDatagramTransport(ctx, func() *sounder { return new(sounder) }, "127.0.0.1:0", "")
		if err != nil {
			return err
		}
		defer server.Close()
		client, h, err := asyncio.CreateDatagramTransport(ctx, func() *hearer { return new(hearer) }, "", server.LocalAddr().String())
		if err != nil {
			return err
		}
		defer client.Close()
		client.SendTo([]byte("echo"), nil)
		h.done.Wait(ctx)
		fmt.Println(h.heard)
		return nil
	}))
	// Output: echo
}

func ExampleDatagramTransport() {
	asyncio.Run(context.Background(), asyncio.Do(func(ctx context.Context) error {
		t, _, err := asyncio.CreateDatagramTransport(ctx, func() *sounder { return new(sounder) }, "127.0.0.1:0", "")
		if err != nil {
			return err
		}
		fmt.Println(t.IsClosing(), t.LocalAddr() != nil)
		t.Close()
		fmt.Println(t.IsClosing(), t.SendTo([]byte("too late"), t.LocalAddr()))
		return nil
	}))
	// Output:
	// false true
	// true use of closed network connection
}

func ExampleBaseDatagramProtocol() {
	asyncio.Run(context.Background(), asyncio.Do(func(ctx context.Context) error {
		type ignorant struct{ asyncio.BaseDatagramProtocol } // ignores all calls
		t, _, err := asyncio.CreateDatagramTransport(ctx, func() *ignorant { return new(ignorant) }, "127.0.0.1:0", "")
		if err != nil {
			return err
		}
		fmt.Println(t.Close())
		return nil
	}))
	// Output: <nil>
}
