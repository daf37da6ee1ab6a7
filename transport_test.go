package asyncio_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
)

// A recorder is the protocol of testdata/protocol_traces.py, which records its calls.
type recorder struct {
	loop     *asyncio.Loop
	t        *asyncio.Transport
	trace    *trace
	keepOpen bool
	failIn   string
	onData   func()
	lost     bool
	received []byte
	err      error
}

func newRecorder(ctx context.Context) *recorder {
	return &recorder{loop: asyncio.RunningLoop(ctx), trace: new(trace)}
}

func (r *recorder) add(what string) {
	*r.trace = append(*r.trace, what)
	if name, _, _ := strings.Cut(what, " "); name == r.failIn {
		panic("ZeroDivisionError")
	}
}

func (r *recorder) later(what string) { r.loop.CallSoon(func() { r.trace.add("%s", what) }) }

func (r *recorder) has(what string) bool { return slices.Contains(*r.trace, what) }

func (r *recorder) ConnectionMade(t *asyncio.Transport) {
	r.t = t
	r.later("after made")
	r.add("made")
}

func (r *recorder) DataReceived(p []byte) {
	r.received = append(r.received, p...)
	r.later("after data")
	if r.onData != nil {
		r.onData()
	}
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
	buffer [4]byte
}

func (r *bufferedRecorder) GetBuffer(int) []byte {
	r.add("get_buffer")
	return r.buffer[:]
}

func (r *bufferedRecorder) BufferUpdated(n int) { r.add("updated " + string(r.buffer[:n])) }

// until lets the loop run until a condition is true.
func until(ctx context.Context, condition func() bool) {
	for !condition() {
		must(asyncio.Sleep(ctx, time.Millisecond))
	}
}

// pause gives the bytes that are on their way time to arrive.
func pause(ctx context.Context) { must(asyncio.Sleep(ctx, 20*time.Millisecond)) }

// protocolTrace is a scenario of testdata/protocol_traces.py.
type protocolTrace struct {
	name string
	run  func(ctx context.Context, r *recorder, peer *net.TCPConn)
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

func isLost(r *recorder) func() bool { return func() bool { return r.lost } }

var muchToSend = make([]byte, 20_000_000)

var protocolTraces = []protocolTrace{
	{"order", func(ctx context.Context, r *recorder, peer *net.TCPConn) {
		sendAll(peer, "a")
		until(ctx, func() bool { return r.has("after data") })
		peer.Close()
		until(ctx, isLost(r))
	}},
	{"data_and_end_at_once", func(ctx context.Context, r *recorder, peer *net.TCPConn) {
		sendAll(peer, "a")
		must(peer.CloseWrite())
		until(ctx, isLost(r))
	}},
	{"close", func(ctx context.Context, r *recorder, peer *net.TCPConn) {
		r.t.WriteString("hello")
		r.t.Close()
		r.trace.add("closing True")
		r.t.Close()
		until(ctx, isLost(r))
		r.trace.add("peer %s", readAll(peer))
	}},
	{"close_with_much_to_send", func(ctx context.Context, r *recorder, peer *net.TCPConn) {
		r.t.Write(muchToSend)
		r.t.Close()
		pause(ctx)
		got, err := asyncio.ToThread(ctx, func(context.Context) (string, error) { return readAll(peer), nil })
		must(err)
		until(ctx, isLost(r))
		r.trace.add("peer %d", len(got))
	}},
	{"abort_with_much_to_send", func(ctx context.Context, r *recorder, peer *net.TCPConn) {
		r.t.Write(muchToSend)
		r.t.Abort()
		r.t.Abort()
		until(ctx, isLost(r))
	}},
	{"abort_after_close", func(ctx context.Context, r *recorder, peer *net.TCPConn) {
		r.t.Write(muchToSend)
		r.t.Close()
		pause(ctx)
		r.t.Abort()
		until(ctx, isLost(r))
	}},
	{"half_close", func(ctx context.Context, r *recorder, peer *net.TCPConn) {
		r.keepOpen = true
		sendAll(peer, "a")
		must(peer.CloseWrite())
		until(ctx, func() bool { return r.has("after eof") })
		r.t.WriteString("answer")
		if r.t.IsReading() {
			r.trace.add("reading True")
		}
		must(r.t.WriteEOF())
		r.trace.add("peer %s", readAllMeanwhile(ctx, peer))
		r.t.Close()
		until(ctx, isLost(r))
	}},
	{"pause_and_resume", func(ctx context.Context, r *recorder, peer *net.TCPConn) {
		r.t.SetWriteBufferLimits(0, 0)
		r.t.WriteString("a")
		r.trace.add("written")
		r.t.Write(muchToSend)
		r.trace.add("written much")
		reading := asyncio.CreateTask(ctx, func(ctx context.Context) (string, error) {
			return readAllMeanwhile(ctx, peer), nil
		})
		until(ctx, func() bool { return r.has("resume") })
		r.trace.add("left %d", r.t.WriteBufferSize())
		r.t.Close()
		must(errOf(ctx, reading))
		until(ctx, isLost(r))
	}},
	{"pause_reading", func(ctx context.Context, r *recorder, peer *net.TCPConn) {
		r.t.PauseReading()
		sendAll(peer, "a")
		pause(ctx)
		if !r.t.IsReading() {
			r.trace.add("reading False")
		}
		sendAll(peer, "b")
		pause(ctx)
		r.t.ResumeReading()
		until(ctx, func() bool { return string(r.received) == "ab" })
		r.t.Close()
		until(ctx, isLost(r))
	}},
	{"pause_reading_when_data_came", func(ctx context.Context, r *recorder, peer *net.TCPConn) {
		r.onData = func() { r.t.PauseReading() }
		sendAll(peer, "a")
		until(ctx, func() bool { return string(r.received) == "a" })
		peer.Close()
		pause(ctx)
		r.trace.add("resume")
		r.t.ResumeReading()
		until(ctx, isLost(r))
	}},
	{"close_when_data_came", func(ctx context.Context, r *recorder, peer *net.TCPConn) {
		r.onData = func() { r.t.Close() }
		sendAll(peer, "a")
		until(ctx, isLost(r))
	}},
	{"reset", func(ctx context.Context, r *recorder, peer *net.TCPConn) {
		must(peer.SetLinger(0))
		peer.Close()
		until(ctx, isLost(r))
	}},
	{"reset_while_paused", func(ctx context.Context, r *recorder, peer *net.TCPConn) {
		r.t.PauseReading()
		must(peer.SetLinger(0))
		peer.Close()
		pause(ctx)
		if !r.t.IsClosing() {
			r.trace.add("closing False")
		}
		r.t.ResumeReading()
		until(ctx, isLost(r))
	}},
	{"reset_while_paused_with_much_to_send", func(ctx context.Context, r *recorder, peer *net.TCPConn) {
		r.t.PauseReading()
		r.t.Write(muchToSend)
		must(peer.SetLinger(0))
		peer.Close()
		until(ctx, isLost(r))
	}},
	{"reset_after_half_close", func(ctx context.Context, r *recorder, peer *net.TCPConn) {
		r.keepOpen = true
		must(peer.CloseWrite())
		until(ctx, func() bool { return r.has("after eof") })
		r.t.WriteString("x")
		must(peer.SetLinger(0))
		peer.Close()
		pause(ctx)
		r.t.WriteString("x")
		until(ctx, isLost(r))
	}},
	{"fail_in_data", func(ctx context.Context, r *recorder, peer *net.TCPConn) {
		r.failIn = "data"
		sendAll(peer, "a")
		until(ctx, isLost(r))
	}},
	{"fail_in_eof", func(ctx context.Context, r *recorder, peer *net.TCPConn) {
		r.failIn = "eof"
		must(peer.CloseWrite())
		until(ctx, isLost(r))
	}},
	{"fail_in_lost", func(ctx context.Context, r *recorder, peer *net.TCPConn) {
		r.failIn = "lost"
		must(peer.CloseWrite())
		until(ctx, isLost(r))
	}},
	{"fail_in_pause", func(ctx context.Context, r *recorder, peer *net.TCPConn) {
		r.failIn = "pause"
		r.t.Write(muchToSend)
		r.trace.add("written")
		r.t.Abort()
		until(ctx, isLost(r))
	}},
	{"set_protocol", func(ctx context.Context, r *recorder, peer *net.TCPConn) {
		other := &recorder{loop: r.loop, t: r.t, trace: r.trace}
		r.onData = func() { r.t.SetProtocol(other) }
		sendAll(peer, "a")
		until(ctx, func() bool { return string(r.received) == "a" })
		sendAll(peer, "b")
		until(ctx, func() bool { return string(other.received) == "b" })
		giveWay(ctx, 1)
		if r.t.Protocol() == other {
			r.trace.add("changed True")
		}
		peer.Close()
		until(ctx, isLost(other))
	}},
	{"buffered", func(ctx context.Context, r *recorder, peer *net.TCPConn) {
		sendAll(peer, "abcdef")
		until(ctx, func() bool { return r.has("updated ef") })
		peer.Close()
		until(ctx, isLost(r))
	}},
}

// The callbacks come in the order of CPython 3.13.
func TestAProtocolIsCalledAsInPython(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("testdata", "protocol_traces.txt"))
	require.NoError(t, err)
	want := make(map[string]string)
	for line := range strings.Lines(string(text)) {
		name, events, _ := strings.Cut(strings.TrimSpace(line), ": ")
		want[name] = events
	}
	require.Len(t, want, len(protocolTraces))
	for _, scenario := range protocolTraces {
		t.Run(scenario.name, func(t *testing.T) {
			if scenario.name == "pause_and_resume" {
				needPoller(t, "the first write is pending for a turn, so PauseWriting comes earlier")
			}
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			require.NoError(t, err)
			defer ln.Close()
			var r *recorder
			_, err = asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
				r = newRecorder(ctx)
				_, _, err := asyncio.CreateConnection(ctx, func() asyncio.Protocol {
					if scenario.name == "buffered" {
						return &bufferedRecorder{recorder: r}
					}
					return r
				}, ln.Addr().String())
				if err != nil {
					return err
				}
				r.trace.add("returned")
				peer, err := ln.Accept()
				if err != nil {
					return err
				}
				defer peer.Close()
				return asyncio.Timeout(ctx, time.Minute, func(ctx context.Context, _ *asyncio.TimeoutScope) error {
					scenario.run(ctx, r, peer.(*net.TCPConn))
					pause(ctx)
					return nil
				})
			}), asyncio.WithExceptionHandler(func(_ *asyncio.Loop, c asyncio.ExceptionContext) {
				r.trace.add("report %s", pythonError(c.Err))
			}))
			require.NoError(t, err)
			if runtime.GOOS == "windows" { // it has this error only for pipes
				want[scenario.name] = strings.ReplaceAll(want[scenario.name], "BrokenPipeError", "ConnectionResetError")
			}
			assert.Equal(t, want[scenario.name], strings.Join(*r.trace, ", "))
		})
	}
}
