package asyncio_test

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
)

// protocolTrace is a scenario of testdata/protocol_traces.py.
type protocolTrace struct {
	name string
	run  func(ctx context.Context, r *recorder, peer *net.TCPConn)
}

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
		r.trace.add("closing %s", title(r.t.IsClosing()))
		r.t.Close()
		until(ctx, isLost(r))
		r.trace.add("peer %s", readAllMeanwhile(ctx, peer))
	}},
	{"close_with_much_to_send", func(ctx context.Context, r *recorder, peer *net.TCPConn) {
		r.t.Write(muchToSend)
		r.t.Close()
		settled(ctx)
		got := readAllInThread(ctx, peer)()
		until(ctx, isLost(r))
		r.trace.add("peer %d", got)
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
		settled(ctx)
		r.t.Abort()
		until(ctx, isLost(r))
	}},
	{"half_close", func(ctx context.Context, r *recorder, peer *net.TCPConn) {
		r.keepOpen = true
		sendAll(peer, "a")
		must(peer.CloseWrite())
		until(ctx, func() bool { return r.has("after eof") })
		r.t.WriteString("answer")
		r.trace.add("reading %s", title(r.t.IsReading()))
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
		reading := readAllInThread(ctx, peer)
		until(ctx, func() bool { return r.has("resume") })
		r.trace.add("left %d", r.t.WriteBufferSize())
		r.t.Close()
		reading()
		until(ctx, isLost(r))
	}},
	{"pause_reading", func(ctx context.Context, r *recorder, peer *net.TCPConn) {
		r.t.PauseReading()
		sendAll(peer, "a")
		settled(ctx)
		r.trace.add("reading %s", title(r.t.IsReading()))
		r.t.ResumeReading()
		until(ctx, func() bool { return r.has("after data") })
		r.t.Close()
		until(ctx, isLost(r))
	}},
	{"pause_reading_when_data_came", func(ctx context.Context, r *recorder, peer *net.TCPConn) {
		r.on["data"] = func() { r.t.PauseReading() }
		sendAll(peer, "a")
		until(ctx, func() bool { return string(r.received) == "a" })
		peer.Close()
		settled(ctx)
		r.trace.add("resume")
		r.t.ResumeReading()
		until(ctx, isLost(r))
	}},
	{"close_when_data_came", func(ctx context.Context, r *recorder, peer *net.TCPConn) {
		r.on["data"] = func() { r.t.Close() }
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
		settled(ctx)
		r.trace.add("closing %s", title(r.t.IsClosing()))
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
		settled(ctx)
		r.t.WriteString("x")
		until(ctx, isLost(r))
	}},
	{"fail_in_data", func(ctx context.Context, r *recorder, peer *net.TCPConn) {
		r.on["data"] = fail
		sendAll(peer, "a")
		until(ctx, isLost(r))
	}},
	{"fail_in_eof", func(ctx context.Context, r *recorder, peer *net.TCPConn) {
		r.on["eof"] = fail
		must(peer.CloseWrite())
		until(ctx, isLost(r))
	}},
	{"fail_in_lost", func(ctx context.Context, r *recorder, peer *net.TCPConn) {
		r.on["lost"] = fail
		must(peer.CloseWrite())
		until(ctx, isLost(r))
	}},
	{"fail_in_pause", func(ctx context.Context, r *recorder, peer *net.TCPConn) {
		r.on["pause"] = fail
		r.t.Write(muchToSend)
		r.trace.add("written")
		r.t.Abort()
		until(ctx, isLost(r))
	}},
	{"set_protocol", func(ctx context.Context, r *recorder, peer *net.TCPConn) {
		other := &recorder{loop: r.loop, t: r.t, trace: r.trace}
		r.on["data"] = func() { r.t.SetProtocol(other) }
		sendAll(peer, "a")
		until(ctx, func() bool { return string(r.received) == "a" })
		sendAll(peer, "b")
		until(ctx, func() bool { return string(other.received) == "b" })
		giveWay(ctx, 1)
		r.trace.add("changed %s", title(r.t.Protocol() == other))
		peer.Close()
		until(ctx, isLost(other))
	}},
	{"abort_in_made", func(ctx context.Context, r *recorder, peer *net.TCPConn) { until(ctx, isLost(r)) }},
	{"write_and_close_in_made", func(ctx context.Context, r *recorder, peer *net.TCPConn) {
		until(ctx, isLost(r))
		r.trace.add("peer %s", readAllMeanwhile(ctx, peer))
	}},
	{"pause_and_resume_in_made", func(ctx context.Context, r *recorder, peer *net.TCPConn) {
		sendAll(peer, "a")
		until(ctx, func() bool { return r.has("after data") })
		peer.Close()
		until(ctx, isLost(r))
	}},
	{"abort_in_data", func(ctx context.Context, r *recorder, peer *net.TCPConn) {
		r.on["data"] = func() { r.t.Abort() }
		sendAll(peer, "a")
		until(ctx, isLost(r))
	}},
	{"abort_in_eof", func(ctx context.Context, r *recorder, peer *net.TCPConn) {
		r.on["eof"] = func() { r.t.Abort() }
		peer.Close()
		until(ctx, isLost(r))
	}},
	{"close_in_eof_that_keeps_open", func(ctx context.Context, r *recorder, peer *net.TCPConn) {
		r.keepOpen = true
		r.on["eof"] = func() { r.t.Close() }
		peer.Close()
		until(ctx, isLost(r))
	}},
	{"write_in_pause", func(ctx context.Context, r *recorder, peer *net.TCPConn) {
		r.on["pause"] = func() { r.t.WriteString("x") }
		r.t.Write(muchToSend)
		r.t.Close()
		reading := readAllInThread(ctx, peer)
		until(ctx, isLost(r))
		r.trace.add("peer %d", reading())
	}},
	{"abort_in_pause", func(ctx context.Context, r *recorder, peer *net.TCPConn) {
		r.on["pause"] = func() { r.t.Abort() }
		r.t.Write(muchToSend)
		r.trace.add("written")
		until(ctx, isLost(r))
	}},
	{"write_much_in_resume", func(ctx context.Context, r *recorder, peer *net.TCPConn) {
		r.on["resume"] = func() {
			delete(r.on, "resume")
			r.t.Write(muchToSend)
		}
		r.t.Write(muchToSend)
		reading := readAllInThread(ctx, peer)
		until(ctx, func() bool { return strings.Count(strings.Join(*r.trace, " "), "resume") == 2 })
		r.t.Close()
		until(ctx, isLost(r))
		r.trace.add("peer %d", reading())
	}},
	{"fail_in_resume", func(ctx context.Context, r *recorder, peer *net.TCPConn) {
		r.on["resume"] = fail
		r.t.Write(muchToSend)
		reading := readAllInThread(ctx, peer)
		until(ctx, func() bool { return r.has("resume") })
		r.t.Close()
		until(ctx, isLost(r))
		r.trace.add("peer %d", reading())
	}},
	{"write_eof_with_much_to_send", func(ctx context.Context, r *recorder, peer *net.TCPConn) {
		r.t.Write(muchToSend)
		must(r.t.WriteEOF())
		must(r.t.WriteEOF())
		r.trace.add("closing %s", title(r.t.IsClosing()))
		r.trace.add("peer %d", readAllInThread(ctx, peer)())
		peer.Close()
		until(ctx, isLost(r))
	}},
	{"write_eof_and_close_with_much_to_send", func(ctx context.Context, r *recorder, peer *net.TCPConn) {
		r.t.Write(muchToSend)
		must(r.t.WriteEOF())
		r.t.Close()
		reading := readAllInThread(ctx, peer)
		until(ctx, isLost(r))
		r.trace.add("peer %d", reading())
	}},
	{"empty_writes", func(ctx context.Context, r *recorder, peer *net.TCPConn) {
		r.t.Write(nil)
		must(r.t.Writelines(nil))
		must(r.t.Writelines([][]byte{nil, []byte("a"), {}, []byte("b")}))
		r.t.Close()
		r.t.Write(nil)
		r.t.PauseReading()
		r.t.ResumeReading()
		r.trace.add("reading %s", title(r.t.IsReading()))
		until(ctx, isLost(r))
		r.trace.add("peer %s", readAllMeanwhile(ctx, peer))
	}},
	{"close_while_paused", func(ctx context.Context, r *recorder, peer *net.TCPConn) {
		r.t.PauseReading()
		sendAll(peer, "a")
		peer.Close()
		r.t.Close()
		r.t.ResumeReading()
		until(ctx, isLost(r))
	}},
	{"write_after_reset", func(ctx context.Context, r *recorder, peer *net.TCPConn) {
		r.t.PauseReading()
		must(peer.SetLinger(0))
		peer.Close()
		r.t.WriteString("x")
		r.loop.CallSoon(func() { r.trace.add("after write") })
		r.trace.add("closing %s", title(r.t.IsClosing()))
		until(ctx, isLost(r))
	}},
	{"fail_in_get_buffer", func(ctx context.Context, r *recorder, peer *net.TCPConn) {
		r.on["get_buffer"] = fail
		sendAll(peer, "a")
		until(ctx, isLost(r))
	}},
	{"empty_buffer", func(ctx context.Context, r *recorder, peer *net.TCPConn) {
		r.size = 0
		sendAll(peer, "a")
		until(ctx, isLost(r))
	}},
	{"fail_in_updated", func(ctx context.Context, r *recorder, peer *net.TCPConn) {
		r.on["updated"] = fail
		sendAll(peer, "abcdef")
		until(ctx, isLost(r))
	}},
	{"close_in_updated", func(ctx context.Context, r *recorder, peer *net.TCPConn) {
		r.on["updated"] = func() { r.t.Close() }
		sendAll(peer, "abcdef")
		until(ctx, isLost(r))
	}},
	{"pause_in_updated", func(ctx context.Context, r *recorder, peer *net.TCPConn) {
		r.on["updated"] = func() { r.t.PauseReading() }
		sendAll(peer, "abcdef")
		until(ctx, func() bool { return r.has("updated abcd") })
		r.trace.add("resume")
		r.t.ResumeReading()
		until(ctx, func() bool { return r.has("updated ef") })
		r.t.Abort()
		until(ctx, isLost(r))
	}},
	{"buffered", func(ctx context.Context, r *recorder, peer *net.TCPConn) {
		sendAll(peer, "abcdef")
		until(ctx, func() bool { return r.has("updated ef") })
		peer.Close()
		until(ctx, isLost(r))
	}},
}

// inMade is what the protocol of a scenario does in ConnectionMade.
var inMade = map[string]func(*asyncio.Transport){
	"abort_in_made": (*asyncio.Transport).Abort,
	"write_and_close_in_made": func(t *asyncio.Transport) {
		t.WriteString("hello")
		t.Close()
	},
	"pause_and_resume_in_made": func(t *asyncio.Transport) {
		t.PauseReading()
		t.PauseReading()
		t.ResumeReading()
	},
}

// bufferedTraces are the scenarios of a BufferedProtocol.
var bufferedTraces = []string{"buffered", "fail_in_get_buffer", "empty_buffer", "fail_in_updated", "close_in_updated", "pause_in_updated"}

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
			switch scenario.name {
			case "pause_and_resume", "write_and_close_in_made", "write_after_reset":
				needPoller(t, "a write is pending for a turn at least, and ends or fails only then")
			}
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			require.NoError(t, err)
			defer ln.Close()
			var r *recorder
			_, err = asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
				r = newRecorder(ctx)
				if act := inMade[scenario.name]; act != nil {
					r.on["made"] = func() { act(r.t) }
				}
				_, _, err := asyncio.CreateConnection(ctx, func() asyncio.Protocol {
					if slices.Contains(bufferedTraces, scenario.name) {
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
					settled(ctx)
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

// asyncio receives once more in this case.
func TestNothingIsReceivedAfterGetBufferHasClosedOrPausedTheTransport(t *testing.T) {
	onTCP := func(act func(*asyncio.Transport)) *recorder {
		var r *recorder
		runReal(t, func(ctx context.Context) error {
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			require.NoError(t, err)
			defer ln.Close()
			r = newRecorder(ctx)
			r.on["get_buffer"] = func() { act(r.t) }
			_, _, err = asyncio.CreateConnection(ctx, func() *bufferedRecorder { return &bufferedRecorder{recorder: r} }, ln.Addr().String())
			require.NoError(t, err)
			peer, err := ln.Accept()
			require.NoError(t, err)
			sendAll(peer, "a")
			until(ctx, func() bool { return r.has("get_buffer") })
			settled(ctx)
			r.t.Abort()
			until(ctx, isLost(r))
			return peer.Close()
		})
		return r
	}
	for _, act := range []func(*asyncio.Transport){
		(*asyncio.Transport).PauseReading, (*asyncio.Transport).Abort, func(t *asyncio.Transport) { t.Close() },
	} {
		onTCP(act).trace.expect(t, "made", "after made", "get_buffer", "lost None")
	}
}
