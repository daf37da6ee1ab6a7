//go:build unix

package asyncio_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
)

// pattern returns n bytes that do not repeat soon.
func pattern(n int) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(i ^ i>>8 ^ i>>16)
	}
	return p
}

// fileOf makes a file with the given contents. The caller closes it.
func fileOf(t *testing.T, data []byte) *os.File {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(path, data, 0o600))
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	require.NoError(t, err)
	return f
}

// position returns the position of a file.
func position(t *testing.T, f io.Seeker) int64 {
	t.Helper()
	n, err := f.Seek(0, io.SeekCurrent)
	require.NoError(t, err)
	return n
}

// carriers lists the kinds of streams that files are sent over. Each function makes a stream of the
// kind and returns the writer of one end and the reader of the other.
var carriers = map[string]func(t *testing.T, ctx context.Context) (*asyncio.StreamWriter, *asyncio.StreamReader){
	"TCP": func(t *testing.T, ctx context.Context) (*asyncio.StreamWriter, *asyncio.StreamReader) {
		client, server := tcpPair(t, ctx)
		return client.Writer, server.Reader
	},
	"unix": func(t *testing.T, ctx context.Context) (*asyncio.StreamWriter, *asyncio.StreamReader) {
		accepted := asyncio.NewFuture[asyncio.Stream](asyncio.RunningLoop(ctx))
		path := filepath.Join(t.TempDir(), "socket")
		s, err := asyncio.StartUnixServer(ctx, keep(accepted), path)
		require.NoError(t, err)
		_, w, err := asyncio.OpenUnixConnection(ctx, path)
		require.NoError(t, err)
		server, err := accepted.Await(ctx)
		require.NoError(t, err)
		s.Close()
		return w, server.Reader
	},
	"pipe": func(t *testing.T, ctx context.Context) (*asyncio.StreamWriter, *asyncio.StreamReader) {
		reader, writer, err := os.Pipe()
		require.NoError(t, err)
		r, err := asyncio.ConnectReadPipe(ctx, reader)
		require.NoError(t, err)
		w, err := asyncio.ConnectWritePipe(ctx, writer)
		require.NoError(t, err)
		return w, r
	},
	"TLS": func(t *testing.T, ctx context.Context) (*asyncio.StreamWriter, *asyncio.StreamReader) {
		client, server := tlsPair(t, ctx)
		return client.Writer, server.Reader
	},
	"memory": func(t *testing.T, ctx context.Context) (*asyncio.StreamWriter, *asyncio.StreamReader) {
		client, server := asyncio.StreamPair(ctx)
		return client.Writer, server.Reader
	},
}

// keep returns a handler that hands its connection out and leaves it open until its reader ends.
func keep(accepted *asyncio.Future[asyncio.Stream]) asyncio.ConnectionHandler {
	return func(ctx context.Context, r *asyncio.StreamReader, w *asyncio.StreamWriter) error {
		_ = accepted.SetResult(asyncio.Stream{Reader: r, Writer: w})
		return w.WaitClosed(ctx)
	}
}

// tcpPair makes two streams that are connected by TCP.
func tcpPair(t *testing.T, ctx context.Context) (client, server asyncio.Stream) {
	t.Helper()
	accepted := asyncio.NewFuture[asyncio.Stream](asyncio.RunningLoop(ctx))
	s, err := asyncio.StartServer(ctx, keep(accepted), "127.0.0.1:0")
	require.NoError(t, err)
	defer s.Close()
	r, w, err := asyncio.OpenConnection(ctx, s.Addr().String())
	require.NoError(t, err)
	server, err = accepted.Await(ctx)
	require.NoError(t, err)
	return asyncio.Stream{Reader: r, Writer: w}, server
}

// eachCarrier runs body as a subtest for each kind of stream.
func eachCarrier(t *testing.T, body func(ctx context.Context, t *testing.T, w *asyncio.StreamWriter, r *asyncio.StreamReader)) {
	for name, open := range carriers {
		t.Run(name, func(t *testing.T) {
			runReal(t, func(ctx context.Context) error {
				w, r := open(t, ctx)
				body(ctx, t, w, r)
				runtime.KeepAlive(r) // a reader that is dropped closes its end
				w.Abort()
				return nil
			})
		})
	}
}

func TestSendFileSendsAPartOfAFile(t *testing.T) {
	data := pattern(3_000_000)
	eachCarrier(t, func(ctx context.Context, t *testing.T, w *asyncio.StreamWriter, r *asyncio.StreamReader) {
		f := fileOf(t, data)
		defer f.Close()
		for _, part := range []struct{ offset, count, sent int64 }{
			{0, -1, 3_000_000}, {1, 2_500_000, 2_500_000}, {2_999_990, -1, 10}, {2_999_990, 100, 10},
			{0, 0, 0}, {3_000_000, -1, 0}, {5_000_000, 10, 0}, {7, 1, 1},
		} {
			for _, file := range []io.ReadSeeker{f, bytes.NewReader(data)} {
				_, err := file.Seek(1234, io.SeekStart)
				require.NoError(t, err)
				send := asyncio.CreateTask(ctx, func(ctx context.Context) (int64, error) {
					return w.SendFile(ctx, file, part.offset, part.count)
				})
				got, err := r.ReadExactly(ctx, int(part.sent))
				require.NoError(t, err)
				sent, err := send.Await(ctx)
				require.NoError(t, err)
				assert.Equal(t, part.sent, sent, "%v", part)
				assert.True(t, bytes.Equal(data[min(part.offset, 3_000_000):][:part.sent], got), "%v", part)
				if part.sent > 0 {
					assert.Equal(t, part.offset+part.sent, position(t, file))
				}
			}
		}
	})
}

func TestSendFileKeepsTheOrderOfWrites(t *testing.T) {
	eachCarrier(t, func(ctx context.Context, t *testing.T, w *asyncio.StreamWriter, r *asyncio.StreamReader) {
		before, data := pattern(5_000_000), pattern(1_000_000) // more than the system takes at once
		f := fileOf(t, data)
		defer f.Close()
		send := spawn(ctx, func(ctx context.Context) error {
			_, err := w.Write(before)
			require.NoError(t, err)
			_, err = w.SendFile(ctx, f, 0, -1)
			require.NoError(t, err)
			_, err = io.WriteString(w, "after")
			return err
		})
		want := append(append(before, data...), "after"...)
		got, err := r.ReadExactly(ctx, len(want))
		require.NoError(t, err)
		assert.True(t, bytes.Equal(want, got))
		require.NoError(t, errOf(ctx, send))
		assert.NoError(t, w.Drain(ctx))
	})
}

func TestNothingElseIsWrittenDuringSendFile(t *testing.T) {
	eachCarrier(t, func(ctx context.Context, t *testing.T, w *asyncio.StreamWriter, r *asyncio.StreamReader) {
		data := pattern(10_000_000)
		f := fileOf(t, data)
		defer f.Close()
		send := spawn(ctx, func(ctx context.Context) error {
			_, err := w.SendFile(ctx, f, 0, -1)
			return err
		})
		settled(ctx)
		require.False(t, send.Done())
		_, err := w.Write([]byte("intruder"))
		assert.EqualError(t, err, "asyncio: write during SendFile")
		_, err = w.SendFile(ctx, f, 0, -1)
		assert.EqualError(t, err, "asyncio: write during SendFile")
		if w.CanWriteEOF() {
			assert.EqualError(t, w.WriteEOF(), "asyncio: write during SendFile")
		}
		got, err := r.ReadExactly(ctx, len(data))
		require.NoError(t, err)
		assert.True(t, bytes.Equal(data, got))
		require.NoError(t, errOf(ctx, send))
		_, err = w.Write([]byte("x"))
		assert.NoError(t, err)
	})
}

func TestACancelledSendFileSaysWhatItHasSent(t *testing.T) {
	eachCarrier(t, func(ctx context.Context, t *testing.T, w *asyncio.StreamWriter, r *asyncio.StreamReader) {
		data := pattern(10_000_000)
		f := fileOf(t, data)
		defer f.Close()
		var sent int64
		send := spawn(ctx, func(ctx context.Context) (err error) {
			sent, err = w.SendFile(ctx, f, 0, -1)
			return err
		})
		settled(ctx)
		send.Cancel()
		require.ErrorIs(t, errOf(ctx, send), asyncio.ErrCancelled)
		require.Positive(t, sent)
		require.Less(t, sent, int64(len(data)))
		assert.Equal(t, sent, position(t, f))
		again := spawn(ctx, func(ctx context.Context) error {
			_, err := w.SendFile(ctx, f, sent, -1)
			return err
		})
		got, err := r.ReadExactly(ctx, len(data))
		require.NoError(t, err)
		assert.True(t, bytes.Equal(data, got))
		require.NoError(t, errOf(ctx, again))
		require.NoError(t, w.Drain(ctx))
	})
}

func TestCloseEndsSendFile(t *testing.T) {
	eachCarrier(t, func(ctx context.Context, t *testing.T, w *asyncio.StreamWriter, r *asyncio.StreamReader) {
		f := fileOf(t, pattern(10_000_000))
		defer f.Close()
		for _, end := range []func(){w.Abort, func() { _ = w.Close() }} {
			send := spawn(ctx, func(ctx context.Context) error {
				_, err := w.SendFile(ctx, f, 0, -1)
				return err
			})
			settled(ctx)
			end()
			require.ErrorIs(t, errOf(ctx, send), net.ErrClosed)
		}
	})
}

func TestCloseEndsSendFileOnceTheWrittenBytesAreSent(t *testing.T) {
	for _, name := range []string{"TCP", "memory"} {
		runReal(t, func(ctx context.Context) error {
			w, r := carriers[name](t, ctx)
			_, err := w.Write(pattern(10_000_000))
			require.NoError(t, err)
			send := spawn(ctx, func(ctx context.Context) error {
				_, err := w.SendFile(ctx, strings.NewReader("file"), 0, -1)
				return err
			})
			settled(ctx)
			require.NoError(t, w.Close())
			got, err := r.Read(ctx, -1)
			require.NoError(t, err)
			require.GreaterOrEqual(t, len(got), 10_000_000)
			join(ctx, send)
			return nil
		})
	}
}

func TestSendFileToAPeerThatHasGoneIsAnError(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		client, server := tcpPair(t, ctx)
		f := fileOf(t, pattern(50_000_000))
		defer f.Close()
		send := spawn(ctx, func(ctx context.Context) error {
			_, err := client.Writer.SendFile(ctx, f, 0, -1)
			return err
		})
		settled(ctx)
		server.Writer.Reset()
		err := errOf(ctx, send)
		require.True(t, errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE), "%v", err)
		_, err = client.Writer.SendFile(ctx, f, 0, -1)
		require.Error(t, err)
		return nil
	})
}

func TestSendFileToAPeerThatHasGoneClosesATransport(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		fds := unixSockets(t)
		tr, _, err := asyncio.CreateConnection(ctx, newEchoer, "", asyncio.WithSocket(fds[0]))
		require.NoError(t, err)
		tr.PauseReading()
		f := fileOf(t, pattern(100))
		defer f.Close()
		discard(t, fds[1])
		for err == nil { // without a poller, the bytes are sent later
			_, err = tr.SendFile(ctx, f, 0, -1)
			require.NoError(t, asyncio.Sleep(ctx, 0))
		}
		require.ErrorIs(t, err, syscall.EPIPE)
		require.True(t, tr.IsClosing())
		return nil
	})
}

// The file has no end, for as long as the test lasts.
func TestSendFileLetsOtherTasksRun(t *testing.T) {
	eachCarrier(t, func(ctx context.Context, t *testing.T, w *asyncio.StreamWriter, r *asyncio.StreamReader) {
		f := fileOf(t, nil)
		defer f.Close()
		require.NoError(t, f.Truncate(1<<40)) // sparse
		send := spawn(ctx, func(ctx context.Context) error {
			_, err := w.SendFile(ctx, f, 0, -1)
			return err
		})
		drain := spawn(ctx, func(ctx context.Context) error {
			p := make([]byte, 1<<20)
			for {
				if _, err := r.ReadInto(ctx, p); err != nil {
					return err
				}
			}
		})
		giveWay(ctx, 100)
		require.False(t, send.Done())
		require.False(t, drain.Done())
		send.Cancel()
		drain.Cancel()
		join(ctx, send, drain)
	})
}

func TestAFileThatShrinksEndsSendFile(t *testing.T) {
	eachCarrier(t, func(ctx context.Context, t *testing.T, w *asyncio.StreamWriter, r *asyncio.StreamReader) {
		const size = 10_000_000
		f := fileOf(t, make([]byte, size))
		defer f.Close()
		var sent int64
		send := spawn(ctx, func(ctx context.Context) (err error) {
			sent, err = w.SendFile(ctx, f, 0, size)
			return err
		})
		settled(ctx)
		require.NoError(t, f.Truncate(10))
		received := 0
		for !send.Done() {
			_ = asyncio.Timeout(ctx, 10*time.Millisecond, func(ctx context.Context, _ *asyncio.TimeoutScope) error {
				p, err := r.Read(ctx, 1<<20)
				received += len(p)
				return err
			})
		}
		require.NoError(t, errOf(ctx, send))
		require.Less(t, sent, int64(size))
		rest, err := r.ReadExactly(ctx, int(sent)-received)
		require.NoError(t, err)
		assert.Len(t, rest, int(sent)-received)
	})
}

// stingy is a file whose reads return few bytes, or none, or fail.
type stingy struct {
	io.ReadSeeker
	read func(p []byte) (int, error)
}

func (s stingy) Read(p []byte) (int, error) { return s.read(p) }

func TestSendFileOfABadFile(t *testing.T) {
	eachCarrier(t, func(ctx context.Context, t *testing.T, w *asyncio.StreamWriter, r *asyncio.StreamReader) {
		text := strings.NewReader("text")
		for want, read := range map[error]func([]byte) (int, error){
			io.ErrNoProgress: func([]byte) (int, error) { return 0, nil },
			errBoom:          func(p []byte) (int, error) { return copy(p, "abc"), errBoom },
		} {
			n, err := w.SendFile(ctx, stingy{text, read}, 0, -1)
			assert.Equal(t, want, err)
			got, err := r.ReadExactly(ctx, int(n))
			require.NoError(t, err)
			assert.Equal(t, "abc"[:n], string(got))
		}
		closed := fileOf(t, []byte("x"))
		require.NoError(t, closed.Close())
		_, err := w.SendFile(ctx, closed, 0, -1)
		assert.ErrorIs(t, err, os.ErrClosed)
		_, err = w.SendFile(ctx, (*os.File)(nil), 0, -1)
		assert.ErrorIs(t, err, os.ErrInvalid)
		directory, err := os.Open(t.TempDir())
		require.NoError(t, err)
		defer directory.Close()
		_, err = w.SendFile(ctx, directory, 0, -1)
		assert.ErrorIs(t, err, syscall.EISDIR)

		assert.PanicsWithValue(t, "asyncio: nil file", func() { _, _ = w.SendFile(ctx, nil, 0, -1) })
		assert.PanicsWithValue(t, "asyncio: negative offset in a file", func() { _, _ = w.SendFile(ctx, text, -1, -1) })
		assert.Panics(t, func() {
			_, _ = w.SendFile(ctx, stingy{text, func([]byte) (int, error) { panic("boom") }}, 0, -1)
		})
		_, err = w.Write([]byte("still open"))
		require.NoError(t, err)
	})
}

func TestATransportSendsAFile(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		data := pattern(1_000_000)
		var got []byte
		s, err := asyncio.StartServer(ctx, func(ctx context.Context, r *asyncio.StreamReader, w *asyncio.StreamWriter) (err error) {
			got, err = r.Read(ctx, -1)
			return err
		}, "127.0.0.1:0")
		require.NoError(t, err)
		tr, _, err := asyncio.CreateConnection(ctx, func() *asyncio.BaseProtocol { return new(asyncio.BaseProtocol) }, s.Addr().String())
		require.NoError(t, err)
		f := fileOf(t, data)
		defer f.Close()
		n, err := tr.SendFile(ctx, f, 1, -1)
		require.NoError(t, err)
		require.EqualValues(t, len(data)-1, n)
		require.NoError(t, tr.Close())
		_, err = tr.SendFile(ctx, f, 0, -1)
		require.ErrorIs(t, err, net.ErrClosed)
		require.NoError(t, s.Shutdown(ctx, time.Minute))
		require.True(t, bytes.Equal(data[1:], got))
		return nil
	})
}

func TestSockSendFileSendsAPartOfAFile(t *testing.T) {
	needPoller(t, "the Sock calls need one")
	data := pattern(3_000_000)
	runReal(t, func(ctx context.Context) error {
		l := asyncio.RunningLoop(ctx)
		f := fileOf(t, data)
		defer f.Close()
		fds := unixSockets(t)
		for _, file := range []io.ReadSeeker{f, bytes.NewReader(data)} {
			for _, part := range []struct{ offset, count, sent int64 }{
				{0, -1, 3_000_000}, {5, 2_000_000, 2_000_000}, {2_999_990, 100, 10}, {0, 0, 0}, {4_000_000, -1, 0},
			} {
				send := asyncio.CreateTask(ctx, func(ctx context.Context) (int64, error) {
					return l.SockSendFile(ctx, fds[0], file, part.offset, part.count)
				})
				var got []byte
				for int64(len(got)) < part.sent {
					p, err := l.SockRecv(ctx, fds[1], 1<<20)
					require.NoError(t, err)
					got = append(got, p...)
				}
				sent, err := send.Await(ctx)
				require.NoError(t, err)
				require.Equal(t, part.sent, sent)
				require.True(t, bytes.Equal(data[min(part.offset, 3_000_000):][:sent], got))
				if sent > 0 {
					require.Equal(t, part.offset+sent, position(t, file))
				}
			}
			var sent int64
			send := spawn(ctx, func(ctx context.Context) (err error) {
				sent, err = l.SockSendFile(ctx, fds[0], file, 0, -1)
				return err
			})
			settled(ctx)
			send.Cancel()
			require.ErrorIs(t, errOf(ctx, send), asyncio.ErrCancelled)
			require.Equal(t, sent, position(t, file))
			for received := int64(0); received < sent; {
				p, err := l.SockRecv(ctx, fds[1], 1<<20)
				require.NoError(t, err)
				received += int64(len(p))
			}
		}
		require.NoError(t, syscall.Close(fds[1]))
		_, err := l.SockSendFile(ctx, fds[0], f, 0, -1)
		require.ErrorIs(t, err, syscall.EPIPE)
		require.NoError(t, syscall.Close(fds[0]))
		_, err = l.SockSendFile(ctx, fds[0], f, 0, -1)
		require.ErrorIs(t, err, syscall.EBADF)
		require.PanicsWithValue(t, "asyncio: nil file", func() { _, _ = l.SockSendFile(ctx, fds[0], nil, 0, -1) })
		return nil
	})
}

// unixSockets makes two non-blocking unix sockets that are connected to each other.
func unixSockets(t *testing.T) [2]int {
	t.Helper()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	require.NoError(t, err)
	for _, fd := range fds {
		require.NoError(t, syscall.SetNonblock(fd, true))
	}
	return fds
}
