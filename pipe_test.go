//go:build unix

package asyncio_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/go-asyncio/asyncio"
)

// sharedPipe returns the ends of a blocking pipe, such as a program inherits.
func sharedPipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	var fds [2]int
	require.NoError(t, unix.Pipe(fds[:]))
	unix.CloseOnExec(fds[0])
	unix.CloseOnExec(fds[1])
	r, w = os.NewFile(uintptr(fds[0]), "read end"), os.NewFile(uintptr(fds[1]), "write end")
	t.Cleanup(func() { r.Close(); w.Close() })
	return r, w
}

// shareOf returns a copy of the descriptor of f, as another process might have it.
func shareOf(t *testing.T, f *os.File) *os.File {
	t.Helper()
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	require.NoError(t, err)
	share := os.NewFile(uintptr(fd), f.Name())
	t.Cleanup(func() { share.Close() })
	return share
}

func blocks(t *testing.T, f *os.File) bool {
	t.Helper()
	flags, err := unix.FcntlInt(f.Fd(), unix.F_GETFL, 0)
	require.NoError(t, err)
	return flags&unix.O_NONBLOCK == 0
}

func TestAPipeSharedWithOthersStillBlocksForThem(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		r, w := sharedPipe(t)
		in, out := shareOf(t, r), shareOf(t, w)
		defer in.Close()
		defer out.Close()
		reader, err := asyncio.ConnectReadPipe(ctx, r)
		require.NoError(t, err)
		writer, err := asyncio.ConnectWritePipe(ctx, w)
		require.NoError(t, err)
		if hasReopening {
			require.True(t, blocks(t, in))
			require.True(t, blocks(t, out))
		}
		_, err = writer.WriteString("hello\n")
		require.NoError(t, err)
		line, err := reader.ReadLine(ctx)
		require.NoError(t, err)
		require.Equal(t, "hello\n", string(line))
		_, err = out.WriteString("from another\n")
		require.NoError(t, err)
		line, err = reader.ReadLine(ctx)
		require.NoError(t, err)
		require.Equal(t, "from another\n", string(line))
		require.NoError(t, writer.Close())
		require.NoError(t, reader.Close())
		require.True(t, blocks(t, in))
		require.True(t, blocks(t, out))
		return nil
	})
}

func TestAPipeWhoseWritersHaveGoneIsReadToItsEnd(t *testing.T) {
	for _, text := range []string{"", "left\n"} {
		runReal(t, func(ctx context.Context) error {
			r, w := sharedPipe(t)
			_, err := w.WriteString(text)
			require.NoError(t, err)
			require.NoError(t, w.Close())
			reader, err := asyncio.ConnectReadPipe(ctx, r)
			require.NoError(t, err)
			got, err := reader.Read(ctx, -1)
			require.NoError(t, err)
			require.Equal(t, text, string(got))
			return nil
		})
	}
}

func TestAFIFOWhoseWritersHaveGoneIsReadToItsEnd(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		path := filepath.Join(t.TempDir(), "fifo")
		require.NoError(t, unix.Mkfifo(path, 0o600))
		both, err := unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC, 0)
		require.NoError(t, err)
		r, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		require.NoError(t, err)
		require.NoError(t, unix.Close(both))
		reader, err := asyncio.ConnectReadPipe(ctx, os.NewFile(uintptr(r), path))
		require.NoError(t, err)
		got, err := reader.Read(ctx, -1)
		require.NoError(t, err)
		require.Empty(t, got)
		return nil
	})
}

func TestAFileStaysTheCallersAfterAFailure(t *testing.T) {
	needPoller(t, "the test makes the poller fail")
	dir := t.TempDir()
	usable := func(t *testing.T, f *os.File) {
		t.Helper()
		_, err := f.Stat()
		require.NoError(t, err)
		require.NoError(t, f.Close())
	}
	connect := map[string]func(context.Context, *os.File) error{
		"read":  func(ctx context.Context, f *os.File) error { _, err := asyncio.ConnectReadPipe(ctx, f); return err },
		"write": func(ctx context.Context, f *os.File) error { _, err := asyncio.ConnectWritePipe(ctx, f); return err },
	}
	for name, connect := range connect {
		t.Run(name, func(t *testing.T) {
			runReal(t, func(ctx context.Context) error {
				regular, err := os.Create(filepath.Join(dir, name))
				require.NoError(t, err)
				require.Error(t, connect(ctx, regular))
				_, err = regular.WriteString("still open")
				require.NoError(t, err)
				usable(t, regular)

				folder, err := os.Open(dir)
				require.NoError(t, err)
				require.Error(t, connect(ctx, folder))
				usable(t, folder)

				r, w := sharedPipe(t)
				wrong, other := w, r
				if name == "write" {
					wrong, other = r, w
				}
				require.Error(t, connect(ctx, wrong), "the wrong end")
				require.True(t, blocks(t, wrong))
				usable(t, wrong)
				usable(t, other)

				require.ErrorIs(t, connect(ctx, nil), os.ErrInvalid)
				require.ErrorIs(t, connect(ctx, wrong), os.ErrClosed)
				return nil
			})
			r, w := sharedPipe(t)
			files := map[string]*os.File{"read": r, "write": w}
			run(t, func(ctx context.Context) error {
				require.ErrorIs(t, connect(ctx, files[name]), asyncio.ErrVirtualIO)
				return nil
			})
			l := asyncio.NewLoop()
			require.NoError(t, l.Close())
			require.ErrorIs(t, connect(l.Context(t.Context()), files[name]), asyncio.ErrLoopClosed)
			require.True(t, blocks(t, files[name]))
			usable(t, r)
			usable(t, w)
		})
	}
}

func TestADeviceThatCannotBePolledStaysTheCallers(t *testing.T) {
	needPoller(t, "the test makes the poller fail")
	if !hasReopening {
		t.Skip("kqueue can poll it")
	}
	runReal(t, func(ctx context.Context) error {
		fd, err := unix.Open(os.DevNull, unix.O_RDWR|unix.O_CLOEXEC, 0)
		require.NoError(t, err)
		f := os.NewFile(uintptr(fd), os.DevNull)
		_, err = asyncio.ConnectReadPipe(ctx, f)
		require.Error(t, err)
		require.True(t, blocks(t, f))
		return f.Close()
	})
}

func TestASocketSharedWithOthersStillBlocksForThem(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
		require.NoError(t, err)
		near, far := os.NewFile(uintptr(fds[0]), "near"), os.NewFile(uintptr(fds[1]), "far")
		defer far.Close()
		share := shareOf(t, near)
		defer share.Close()
		again := shareOf(t, near)
		reader, err := asyncio.ConnectReadPipe(ctx, near)
		require.NoError(t, err)
		writer, err := asyncio.ConnectWritePipe(ctx, again)
		require.NoError(t, err)
		if hasReopening {
			require.True(t, blocks(t, share))
		}
		_, err = far.WriteString("hello\n")
		require.NoError(t, err)
		line, err := reader.ReadLine(ctx)
		require.NoError(t, err)
		require.Equal(t, "hello\n", string(line))
		require.NoError(t, reader.Close())
		_, err = writer.Write(make([]byte, 1<<20)) // more than fits
		require.NoError(t, err)
		sent := spawn(ctx, func(ctx context.Context) error { return writer.Drain(ctx) })
		_, err = asyncio.ToThread(ctx, func(context.Context) (int64, error) { return io.CopyN(io.Discard, far, 1<<20) })
		require.NoError(t, err)
		require.NoError(t, errOf(ctx, sent))
		require.NoError(t, writer.Close())
		require.True(t, blocks(t, share))
		return nil
	})
}

func TestBytesThatArriveOnASharedSocketAfterCloseAreLeftForTheOthers(t *testing.T) {
	needPoller(t, "a stream takes a file over without duplicating its descriptor")
	runReal(t, func(ctx context.Context) error {
		fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
		require.NoError(t, err)
		near, far := os.NewFile(uintptr(fds[0]), "near"), os.NewFile(uintptr(fds[1]), "far")
		defer far.Close()
		share := shareOf(t, near)
		defer share.Close()
		reader, err := asyncio.ConnectReadPipe(ctx, near)
		require.NoError(t, err)
		require.NoError(t, reader.Close())
		_, err = far.WriteString("hello")
		require.NoError(t, err)
		p := make([]byte, 5)
		_, err = io.ReadFull(share, p)
		require.NoError(t, err)
		require.Equal(t, "hello", string(p))
		return nil
	})
}

func TestAPipeOfTheProgramItselfIsTakenOver(t *testing.T) {
	needPoller(t, "a stream takes a file over without duplicating its descriptor")
	runReal(t, func(ctx context.Context) error {
		r, w, err := os.Pipe()
		require.NoError(t, err)
		reader, err := asyncio.ConnectReadPipe(ctx, r)
		require.NoError(t, err)
		require.ErrorIs(t, r.Close(), os.ErrClosed)
		require.NoError(t, w.Close())
		_, err = reader.ReadLine(ctx)
		require.Equal(t, io.EOF, err)
		return nil
	})
}

// hasReopening reports whether the system can reopen pipes and has socket calls that do not block.
const hasReopening = runtime.GOOS == "linux" && runtime.GOARCH != "386" && runtime.GOARCH != "s390x"

// A program that uses its standard streams on a loop, and afterwards without it.
func init() {
	children["standard streams"] = func() {
		_, err := asyncio.Run(context.Background(), asyncio.Do(func(ctx context.Context) error {
			in, err1 := asyncio.ConnectReadPipe(ctx, os.Stdin)
			out, err2 := asyncio.ConnectWritePipe(ctx, os.Stdout)
			errOut, err3 := asyncio.ConnectWritePipe(ctx, os.Stderr)
			r, w, err4 := os.Pipe() // takes the free numbers
			if err := errors.Join(err1, err2, err3, err4); err != nil {
				return err
			}
			line, err := in.ReadLine(ctx)
			fmt.Printf("%q %v, standard numbers are free: %t\n", line, err, min(r.Fd(), w.Fd()) <= 2)
			line, err = in.ReadLine(ctx)
			_, _ = out.WriteString(fmt.Sprintf("%q %v, by the stream\n", line, err))
			_, _ = errOut.WriteString("an error, by the stream\n")
			_ = in.Close()
			_ = out.Close()
			_ = errOut.Close()
			fmt.Println("after Close")
			cat, err := asyncio.CreateSubprocessExec(ctx, "cat", nil)
			if err != nil {
				return err
			}
			_, err = cat.Wait(ctx)
			return err
		}))
		fmt.Println("Run:", err)
	}
}

// talk runs that program. in and out are the test's ends of its standard streams.
func talk(t *testing.T, stdin, stdout *os.File, in io.Writer, out io.Reader, end string, while func()) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), "ASYNCIO_TEST_CHILD=standard streams")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, stdout, stdout
	require.NoError(t, cmd.Start())
	const over = "the program has ended"
	ended := make(chan error, 1)
	go func() {
		ended <- cmd.Wait()
		fmt.Fprintln(stdout, over) // otherwise the test, which has the other end, would read on
	}()
	lines := bufio.NewScanner(out)
	expect := func(want string) {
		t.Helper()
		for lines.Scan() {
			switch line := strings.TrimSuffix(lines.Text(), "\r"); line {
			case want:
				return
			case over:
				t.Fatalf("the program ended without %q", want)
			default:
				t.Log(line)
			}
		}
		t.Fatalf("the output ended before %q", want)
	}
	send := func(text string) {
		t.Helper()
		_, err := io.WriteString(in, text)
		require.NoError(t, err)
	}
	send("first\n")
	expect(`"first\n" <nil>, standard numbers are free: false`)
	while()
	send("second\n")
	expect(`"second\n" <nil>, by the stream`)
	expect("an error, by the stream")
	expect("after Close")
	send("for cat\n" + end)
	expect("for cat")
	if c, ok := in.(io.Closer); ok && end == "" {
		require.NoError(t, c.Close())
	}
	expect("Run: <nil>")
	expect(over)
	require.NoError(t, <-ended)
}

func TestStandardStreamsStayOpen(t *testing.T) {
	needPoller(t, "nothing ends the pending read of a standard stream")
	stdin, in := sharedPipe(t)
	out, stdout := sharedPipe(t)
	talk(t, stdin, stdout, in, out, "", func() {
		if hasReopening {
			require.True(t, blocks(t, stdin))
			require.True(t, blocks(t, stdout))
		}
	})
	require.True(t, blocks(t, stdin))
	require.True(t, blocks(t, stdout))
}

func TestAStandardStreamCanBeReadAfterClose(t *testing.T) {
	for _, closed := range []bool{true, false} { // otherwise by the end of the run
		in, out, err := os.Pipe()
		require.NoError(t, err)
		defer func(stdin *os.File) { os.Stdin = stdin }(os.Stdin)
		os.Stdin = in
		runReal(t, func(ctx context.Context) error {
			r, err := asyncio.ConnectReadPipe(ctx, os.Stdin)
			require.NoError(t, err)
			task := spawn(ctx, func(ctx context.Context) error {
				_, err := r.Read(ctx, 1)
				return err
			})
			settled(ctx)
			task.Cancel()
			require.Error(t, errOf(ctx, task))
			if closed {
				r.Close()
			}
			return nil
		})
		_, err = out.WriteString("x")
		require.NoError(t, err)
		n, err := in.Read(make([]byte, 1))
		require.NoError(t, err)
		require.Equal(t, 1, n)
		require.NoError(t, in.Close())
		require.NoError(t, out.Close())
	}
}

func TestPipesAreStreams(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		in, out, err := os.Pipe()
		require.NoError(t, err)
		r, err := asyncio.ConnectReadPipe(ctx, in)
		require.NoError(t, err)
		w, err := asyncio.ConnectWritePipe(ctx, out)
		require.NoError(t, err)
		require.True(t, w.CanWriteEOF())
		require.Positive(t, w.GetExtraInfo("pipe"))
		send := asyncio.CreateTask(ctx, asyncio.Do(func(ctx context.Context) error {
			for range 100 {
				if _, err := w.Write(make([]byte, 10_000)); err != nil {
					return err
				}
				if err := w.Drain(ctx); err != nil {
					return err
				}
			}
			return w.Close()
		}))
		got, err := r.Read(ctx, -1)
		require.NoError(t, err)
		require.Len(t, got, 1_000_000)
		_, err = send.Await(ctx)
		require.NoError(t, err)

		in, out, err = os.Pipe()
		require.NoError(t, err)
		r, err = asyncio.ConnectReadPipe(ctx, in)
		require.NoError(t, err)
		w, err = asyncio.ConnectWritePipe(ctx, out)
		require.NoError(t, err)
		_, err = w.Write(make([]byte, 1_000_000)) // more than fits into the pipe
		require.NoError(t, err)
		require.NoError(t, w.WriteEOF())
		require.NoError(t, w.WriteEOF())
		_, err = w.WriteString("x")
		require.ErrorContains(t, err, "write after WriteEOF")
		got, err = r.Read(ctx, -1)
		require.NoError(t, err)
		require.Len(t, got, 1_000_000)
		require.NoError(t, w.WaitClosed(ctx))

		in, out, err = os.Pipe()
		require.NoError(t, err)
		r, err = asyncio.ConnectReadPipe(ctx, in)
		require.NoError(t, err)
		w, err = asyncio.ConnectWritePipe(ctx, out)
		require.NoError(t, err)
		require.NoError(t, r.Close())
		for err == nil { // without a poller, the second write fails
			_, err = w.Write([]byte{1})
			giveWay(ctx, 1)
		}
		require.ErrorIs(t, err, syscall.EPIPE)
		require.NoError(t, w.Close())

		file, err := os.Open("go.mod")
		require.NoError(t, err)
		_, err = asyncio.ConnectReadPipe(ctx, file)
		require.ErrorContains(t, err, "is not a pipe")
		return file.Close()
	})
}

// A read of such a file blocks a thread, and nothing ends it but the writer.
func TestAFileWhoseReadsBlockDoesNotHoldTheLoop(t *testing.T) {
	var fds [2]int
	require.NoError(t, syscall.Pipe(fds[:]))
	in, out := os.NewFile(uintptr(fds[0]), "blocking"), os.NewFile(uintptr(fds[1]), "writer")
	defer out.Close()
	_, err := asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
		r, err := asyncio.ConnectReadPipe(ctx, in)
		if err != nil {
			return err
		}
		_, err = out.WriteString("hello\n")
		require.NoError(t, err)
		line, err := r.ReadLine(ctx)
		require.NoError(t, err)
		require.Equal(t, "hello\n", string(line))
		err = asyncio.Timeout(ctx, time.Millisecond, func(ctx context.Context, _ *asyncio.TimeoutScope) error {
			_, err := r.Read(ctx, 1)
			return err
		})
		require.ErrorIs(t, err, asyncio.ErrTimeout)
		return r.Close()
	}))
	require.NoError(t, err)
}
