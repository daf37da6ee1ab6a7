package asyncio

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/go-asyncio/asyncio/internal/netfd"
)

// ConnectReadPipe makes a stream of f: a pipe, a FIFO, a socket or a terminal. The reader's Close
// closes the stream. ConnectReadPipe moves f's descriptor to the stream: it closes f itself, and
// removes a callback that AddReader has set for it. A standard stream is different: descriptors
// 0, 1 and 2 stay open, and after Close the program and its children can use them as before. If
// ConnectReadPipe returns an error, f is unchanged and remains the caller's. The error is
// ErrVirtualIO in virtual time, and ErrLoopClosed if the loop is closed. Otherwise f cannot be
// polled. A regular file never can: read it in ToThread.
//
// Where there is neither epoll nor kqueue, the stream goes on with f itself, which nothing else may
// use or close. If f is a console or does not support deadlines, closing the stream does not end a
// pending read, which takes the next bytes.
//
// A pipe or a terminal that is shared with other processes, such as the shell, does not become
// non-blocking for them: ConnectReadPipe opens it anew. Where the system cannot do that, it is
// non-blocking for all of them until the stream is closed: on Linux if /proc or the permission is
// missing, elsewhere for pipes and sockets. Nothing else should read f meanwhile.
//
// It does not suspend. It is asyncio's connect_read_pipe.
func ConnectReadPipe(ctx context.Context, f *os.File, opts ...LimitOption) (*StreamReader, error) {
	s, err := openPipe(RunningLoop(ctx), f, false, newStreamOptions(opts))
	if err != nil {
		return nil, err
	}
	s.watchDrop()
	return &s.reader, nil
}

// ConnectWritePipe is ConnectReadPipe for writing. The writer's Close or WriteEOF closes the
// stream. It does not suspend. It is asyncio's connect_write_pipe.
func ConnectWritePipe(ctx context.Context, f *os.File) (*StreamWriter, error) {
	s, err := openPipe(RunningLoop(ctx), f, true, new(streamOptions))
	if err != nil {
		return nil, err
	}
	s.watchDrop()
	return &s.writer, nil
}

// ConnectReadPipeTransport makes a protocol with factory, and a transport that reads from f and
// calls the protocol. It moves f's descriptor to the transport, as ConnectReadPipe does to a
// stream. It suspends until the protocol's ConnectionMade has returned. It panics if factory is nil
// or returns nil. It is asyncio's connect_read_pipe.
func ConnectReadPipeTransport[P Protocol](ctx context.Context, factory func() P, f *os.File) (*Transport, P, error) {
	checkFactory(factory == nil)
	o := new(streamOptions)
	s, err := openPipe(running(ctx).loop, f, false, o)
	return connect(ctx, s, err, o, factory, func() error { return nil })
}

// ConnectWritePipeTransport is ConnectReadPipeTransport for writing, and suspends like it. The
// transport closes when no process can read from the pipe any more. It is asyncio's
// connect_write_pipe.
func ConnectWritePipeTransport[P Protocol](ctx context.Context, factory func() P, f *os.File) (*Transport, P, error) {
	checkFactory(factory == nil)
	o := new(streamOptions)
	s, err := openPipe(running(ctx).loop, f, true, o)
	return connect(ctx, s, err, o, factory, func() error { return nil })
}

// openPipe makes a stream of f, which it takes over unless it fails.
func openPipe(l *Loop, f *os.File, write bool, o *streamOptions) (*stream, error) {
	l.check()
	if err := l.needIO(); err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	const pollable = fs.ModeNamedPipe | fs.ModeSocket | fs.ModeCharDevice
	if info.Mode()&pollable == 0 {
		return nil, fmt.Errorf("asyncio: %s is not a pipe, a socket or a terminal", f.Name())
	}
	if !l.polls() {
		return openFile(l, f, write, o), nil
	}
	fd, restore, err := netfd.Open(f, write)
	if err != nil {
		return nil, err
	}
	s := &socket{network: "pipe", writeOnly: write, standard: isStandard(f)}
	s.fd.Socket = info.Mode()&fs.ModeSocket != 0
	s.fd.Readable = !write // the poller may not report an end that was there before
	stream, err := s.begin(l, fd, o)
	if err != nil {
		restore()
		return nil, fmt.Errorf("asyncio: cannot poll %s: %w", f.Name(), err)
	}
	s.restore = restore
	if !s.standard {
		if raw, err := f.SyscallConn(); err == nil {
			_ = raw.Control(func(fd uintptr) { l.dropCallbacks(int(fd)) })
		}
		f.Close()
	}
	return stream, nil
}

// openFile is openPipe without a poller. The stream goes on with f itself.
func openFile(l *Loop, f *os.File, write bool, o *streamOptions) *stream {
	c := &netConn{conn: f, file: f, network: "pipe", writeOnly: write, standard: isStandard(f)}
	c.prompt = f.SetDeadline(time.Time{}) == nil
	c.detached = !c.prompt
	return c.begin(l, o)
}

// isStandard reports whether f is descriptor 0, 1 or 2. If one of these were closed, the next
// socket would get its number, and with it whatever the program and the runtime print there.
func isStandard(f *os.File) (standard bool) {
	if f == os.Stdin || f == os.Stdout || f == os.Stderr { // on some systems a descriptor is no number
		return true
	}
	if raw, err := f.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { standard = fd <= 2 })
	}
	return standard
}
