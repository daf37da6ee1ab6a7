package asyncio

import (
	"context"
	"fmt"
	"io/fs"
	"os"

	"github.com/go-asyncio/asyncio/internal/netfd"
)

// ConnectReadPipe makes a stream of f: a pipe, a FIFO, a socket or a terminal, which is closed
// by its reader's Close. It moves f's descriptor to the stream and closes f itself, unless that is
// a standard stream; a reader that AddReader has set for it is removed. Descriptors 0, 1 and 2
// stay open, and after Close they are the program's and its children's as before. If it returns
// an error, f is as it was and remains the caller's: ErrVirtualIO in virtual time, ErrNoPoller
// where there is neither epoll nor kqueue, ErrLoopClosed, or that f cannot be polled, as a regular
// file cannot: read that in ToThread.
//
// A pipe or a terminal that others share, such as the shell, does not become non-blocking
// for them: it is opened anew. Where the system cannot do that, it is non-blocking for all
// until the stream is closed: on Linux if /proc or the permission is missing, elsewhere for
// pipes and sockets. Nothing else should read f meanwhile.
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

// ConnectWritePipe is ConnectReadPipe for writing. The stream is closed by its writer's
// Close or WriteEOF. It does not suspend. It is asyncio's connect_write_pipe.
func ConnectWritePipe(ctx context.Context, f *os.File) (*StreamWriter, error) {
	s, err := openPipe(RunningLoop(ctx), f, true, new(streamOptions))
	if err != nil {
		return nil, err
	}
	s.watchDrop()
	return &s.writer, nil
}

// ConnectReadPipeTransport has the protocol that factory makes served by a transport that reads
// from f, which it takes over as ConnectReadPipe does. It suspends until the protocol's
// ConnectionMade was called. It is asyncio's connect_read_pipe.
func ConnectReadPipeTransport[P Protocol](ctx context.Context, factory func() P, f *os.File) (*Transport, P, error) {
	checkFactory(factory == nil)
	s, err := openPipe(running(ctx).loop, f, false, new(streamOptions))
	return connect(ctx, s, err, factory, func() error { return nil })
}

// ConnectWritePipeTransport is ConnectReadPipeTransport for writing, and suspends like it. The
// transport closes when nobody can read from the pipe any more. It is asyncio's
// connect_write_pipe.
func ConnectWritePipeTransport[P Protocol](ctx context.Context, factory func() P, f *os.File) (*Transport, P, error) {
	checkFactory(factory == nil)
	s, err := openPipe(running(ctx).loop, f, true, new(streamOptions))
	return connect(ctx, s, err, factory, func() error { return nil })
}

// openPipe makes a stream of f, which it takes over.
func openPipe(l *Loop, f *os.File, write bool, o *streamOptions) (*stream, error) {
	l.check()
	if err := l.needPoller(); err != nil {
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
	fd, restore, err := netfd.Open(f, write)
	if err != nil {
		return nil, err
	}
	s := &socket{network: "pipe", writeOnly: write, standard: isStandard(f)}
	s.fd.Socket = info.Mode()&fs.ModeSocket != 0
	s.fd.Readable = !write // an end that was there before the poller is none of its news
	stream, err := s.begin(l, fd, o)
	if err != nil {
		restore()
		return nil, fmt.Errorf("asyncio: cannot poll %s: %w", f.Name(), err)
	}
	s.ended = restore
	if !s.standard {
		if raw, err := f.SyscallConn(); err == nil {
			_ = raw.Control(func(fd uintptr) { l.dropCallbacks(int(fd)) })
		}
		f.Close()
	}
	return stream, nil
}

// isStandard reports whether f is descriptor 0, 1 or 2. If these were closed, the next socket
// would get the number, and with it all that the program and the runtime print.
func isStandard(f *os.File) (standard bool) {
	if raw, err := f.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { standard = fd <= 2 })
	}
	return standard
}
