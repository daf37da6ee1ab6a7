package asyncio_test

import (
	"context"
	"fmt"
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
)

// recorder is a protocol that records its calls.
type recorder struct {
	trace
	t        *asyncio.Transport
	keepOpen bool
	onData   func(p []byte)
	gone     asyncio.Event
	err      error
	received int
}

func (r *recorder) ConnectionMade(t *asyncio.Transport) {
	r.t = t
	r.add("made")
}

func (r *recorder) DataReceived(p []byte) {
	r.received += len(p)
	if r.onData != nil {
		r.onData(p)
	} else {
		r.add("data %s", p)
	}
}

func (r *recorder) EOFReceived() bool {
	r.add("eof")
	return r.keepOpen
}

func (r *recorder) ConnectionLost(err error) {
	r.err = err
	r.add("lost %v", err != nil)
	r.gone.Set()
}

func (r *recorder) PauseWriting()  { r.add("pause") }
func (r *recorder) ResumeWriting() { r.add("resume") }

func TestProto(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		srv := &recorder{}
		srv.onData = func(p []byte) { srv.t.Write(p) }
		s, err := asyncio.CreateServer(ctx, func() *recorder { return srv }, "127.0.0.1:0")
		if err != nil {
			return err
		}
		tr, p, err := asyncio.CreateConnection(ctx, func() *recorder { return &recorder{} }, s.Addr().String())
		require.NoError(t, err)
		p.expect(t, "made")
		tr.Write([]byte("hello"))
		for p.received < 5 {
			asyncio.Sleep(ctx, 1)
		}
		tr.Close()
		p.gone.Wait(ctx)
		srv.gone.Wait(ctx)
		fmt.Println(p.trace, srv.trace)
		s.Close()
		return s.WaitClosed(ctx)
	})
	_ = net.Dial
}
