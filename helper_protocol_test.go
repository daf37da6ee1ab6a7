package asyncio_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/go-asyncio/asyncio"
)

// A recorder is the protocol of testdata/protocol_traces.py, which records its calls.
type recorder struct {
	loop     *asyncio.Loop
	t        *asyncio.Transport
	trace    *trace
	keepOpen bool
	size     int               // of the memory to receive into
	on       map[string]func() // what to do in a callback
	lost     bool
	received []byte
	err      error
}

func newRecorder(ctx context.Context) *recorder {
	return &recorder{loop: asyncio.RunningLoop(ctx), trace: new(trace), size: 4, on: make(map[string]func())}
}

func (r *recorder) add(what string) {
	*r.trace = append(*r.trace, what)
	name, _, _ := strings.Cut(what, " ")
	if act := r.on[name]; act != nil {
		act()
	}
}

func (r *recorder) later(what string) { r.loop.CallSoon(func() { r.trace.add("%s", what) }) }

// fail is a callback that fails.
func fail() { panic("ZeroDivisionError") }

func (r *recorder) has(what string) bool { return slices.Contains(*r.trace, what) }

func (r *recorder) ConnectionMade(t *asyncio.Transport) {
	r.t = t
	r.later("after made")
	r.add("made")
}

func (r *recorder) DataReceived(p []byte) {
	r.received = append(r.received, p...)
	r.later("after data")
	r.add("data " + string(p))
}

func (r *recorder) EOFReceived() bool {
	r.later("after eof")
	r.add("eof")
	return r.keepOpen
}

func (r *recorder) ConnectionLost(err error) {
	r.lost, r.err = true, err
	r.add("lost " + pythonError(err))
}

func (r *recorder) PauseWriting()  { r.add("pause") }
func (r *recorder) ResumeWriting() { r.add("resume") }

// pythonError returns the name of the exception that asyncio raises for an error.
func pythonError(err error) string {
	var panicked *asyncio.PanicError
	switch {
	case err == nil:
		return "None"
	case strings.Contains(err.Error(), "GetBuffer returned an empty buffer"):
		return "RuntimeError"
	case errors.As(err, &panicked):
		return fmt.Sprint(panicked.Value)
	case errors.Is(err, syscall.ECONNRESET):
		return "ConnectionResetError"
	case errors.Is(err, syscall.EPIPE):
		return "BrokenPipeError"
	}
	return err.Error()
}

type bufferedRecorder struct {
	*recorder
	buffer []byte
}

func (r *bufferedRecorder) GetBuffer(int) []byte {
	r.buffer = make([]byte, r.size)
	r.add("get_buffer")
	return r.buffer
}

func (r *bufferedRecorder) BufferUpdated(n int) { r.add("updated " + string(r.buffer[:n])) }

// until lets the loop run until a condition is true.
func until(ctx context.Context, condition func() bool) {
	for !condition() {
		must(asyncio.Sleep(ctx, time.Millisecond))
	}
}

func sendAll(peer net.Conn, s string) {
	_, err := peer.Write([]byte(s))
	must(err)
}

func readAll(peer net.Conn) string {
	p, err := io.ReadAll(peer)
	must(err)
	return string(p)
}

// readAllMeanwhile is readAll while the loop goes on.
func readAllMeanwhile(ctx context.Context, peer net.Conn) string {
	s, err := asyncio.ToThread(ctx, func(context.Context) (string, error) { return readAll(peer), nil })
	must(err)
	return s
}

// readAllInThread starts to read to the end of the connection. The function that it returns waits
// for that, and returns the number of bytes.
func readAllInThread(ctx context.Context, peer net.Conn) (wait func() int) {
	reading := asyncio.CreateTask(ctx, func(ctx context.Context) (int, error) {
		return asyncio.ToThread(ctx, func(context.Context) (int, error) { return len(readAll(peer)), nil })
	})
	return func() int {
		n, err := reading.Await(ctx)
		must(err)
		return n
	}
}

// title writes a bool as Python does.
func title(b bool) string {
	if b {
		return "True"
	}
	return "False"
}

func isLost(r *recorder) func() bool { return func() bool { return r.lost } }

var muchToSend = make([]byte, 20_000_000)
