package asyncio

import (
	"context"
	"fmt"
	"io/fs"
	"os"

	"github.com/go-asyncio/asyncio/internal/netfd"
)

// ConnectReadPipe makes a stream of f: a pipe, a FIFO, a socket or a terminal. It takes f over
// and closes it; the stream is closed by its reader's Close. The descriptor becomes
// non-blocking, also for others who share it, such as the shell its terminal. A regular file
// cannot be polled and is an error; read it in ToThread. It does not suspend. It is
// asyncio's connect_read_pipe.
func ConnectReadPipe(ctx context.Context, f *os.File, opts ...StreamOption) (*StreamReader, error) {
	s, err := openPipe(RunningLoop(ctx), f, newStreamOptions(opts))
	if err != nil {
		return nil, err
	}
	return &s.reader, nil
}

// ConnectWritePipe is ConnectReadPipe for writing. The stream is closed by its writer's
// Close or WriteEOF. It does not suspend. It is asyncio's connect_write_pipe.
func ConnectWritePipe(ctx context.Context, f *os.File, opts ...StreamOption) (*StreamWriter, error) {
	s, err := openPipe(RunningLoop(ctx), f, newStreamOptions(opts))
	if err != nil {
		return nil, err
	}
	return &s.writer, nil
}

// openPipe makes a stream of f, which it closes.
func openPipe(l *Loop, f *os.File, o *streamOptions) (*stream, error) {
	l.check()
	if err := o.checkPlain(); err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	const pollable = fs.ModeNamedPipe | fs.ModeSocket | fs.ModeCharDevice
	if info.Mode()&pollable == 0 {
		return nil, fmt.Errorf("asyncio: %s is not a pipe, a socket or a terminal", f.Name())
	}
	if err := l.openPoller(); err != nil {
		return nil, err
	}
	fd, err := netfd.Dup(f)
	if err != nil {
		return nil, err
	}
	stream, err := (&socket{network: "pipe"}).begin(l, fd, o)
	if err != nil {
		return nil, fmt.Errorf("asyncio: cannot poll %s: %w", f.Name(), err)
	}
	stream.watchDrop()
	return stream, nil
}
