package asyncio

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net"
	"os"

	"github.com/go-asyncio/asyncio/internal/netfd"
)

// SendFile sends a part of file: count bytes, which begin offset bytes after its start, or fewer if
// the file ends before. A negative count stands for the rest of the file. SendFile suspends until
// the system has taken the bytes written before and those of the file, and for a turn now and then,
// so that other tasks get their share. It returns the number of bytes sent, and moves the file's
// position behind them. If it fails or is cancelled, it has sent the bytes that it counts.
//
// From an *os.File to a socket or a pipe the kernel moves the bytes, by sendfile(2) where the system
// has it. Any other file, and any other stream, as with TLS, takes a copy in memory of at most 64
// KiB at a time; then the last bytes may still be kept when SendFile returns, as by Write. Either way
// the file is read on the loop's goroutine, so a slow disk holds the loop up.
//
// Meanwhile Write, WriteEOF, StartTLS and a second SendFile return an error. Close ends SendFile
// with net.ErrClosed. It panics if file is nil or offset is negative. It is asyncio's sendfile.
func (w *StreamWriter) SendFile(ctx context.Context, file io.ReadSeeker, offset, count int64) (int64, error) {
	p := newFilePart(file, offset, count)
	w.stream.loop.check()
	if err := w.refuse(); err != nil {
		return 0, err
	}
	w.barred = errSendFile
	defer func() { w.barred = nil }() // deferred, since the file may panic and the task may be unwound
	var native func(*os.File) (int, error)
	if s, ok := w.stream.below.(*socket); ok {
		native = func(f *os.File) (int, error) { return w.sendNatively(ctx, s, f, p) }
	}
	return p.send(&w.stream.loop.buffers, native, func(b []byte) (int, error) { return w.sendCopy(ctx, b) })
}

var errSendFile = errors.New("asyncio: write during SendFile")

// sendNatively sends some bytes of a file by netfd.SendFile, and suspends until there is room for
// them. Bytes that Write has kept come first.
func (w *StreamWriter) sendNatively(ctx context.Context, s *socket, f *os.File, p *filePart) (int, error) {
	for {
		if w.err != nil {
			return 0, w.err
		} else if w.closing {
			return 0, net.ErrClosed
		}
		if w.kept.Len() == 0 {
			n, err := s.sendFile(f, p)
			if err != netfd.ErrAgain {
				return n, err
			}
		}
		if err := w.awaitRoom(ctx); err != nil {
			return 0, err
		}
	}
}

// awaitRoom suspends until the transport has had room for more bytes, or is closed.
func (w *StreamWriter) awaitRoom(ctx context.Context) error {
	w.paused = true
	w.hold()
	for w.paused && w.err == nil && !w.gone {
		if err := w.drainers.wait(ctx, waitPeer); err != nil {
			return err
		}
	}
	return nil
}

// sendCopy writes b and drains.
func (w *StreamWriter) sendCopy(ctx context.Context, b []byte) (int, error) {
	w.barred = nil
	n, err := w.Write(b)
	if err == nil {
		w.barred = errSendFile
		err = w.Drain(ctx)
	}
	return n, err
}

// sendFile sends some bytes of a file, if there is room and the turn allows. If it returns
// netfd.ErrAgain, onWritable will be called. If it returns 0 and no error, the file has ended.
func (s *socket) sendFile(f *os.File, p *filePart) (int, error) {
	switch {
	case !s.fd.Writable:
		return 0, netfd.ErrAgain
	case !s.sends.spend(s.loop, maxSends):
		s.goOnLater()
		return 0, netfd.ErrAgain
	}
	n, err := netfd.SendFile(s.fd.Num, f, p.offset, p.atMost(sendSize))
	s.sent += int64(n)
	_, ofFile := err.(*fs.PathError)
	switch {
	case err == nil, err == netfd.ErrNoSendFile, ofFile:
	case err == netfd.ErrAgain:
		s.fd.Writable = false
	default:
		broken := err == errPipe || err == errConnReset
		if err = s.opError("sendfile", err); broken { // other errors may be the file's
			s.above.onBroken(err)
		}
	}
	return n, err
}

// SendFile is StreamWriter.SendFile, and suspends like it. It does not call PauseWriting meanwhile. An error that breaks the connection closes the transport. It is asyncio's
// sendfile.
func (t *Transport) SendFile(ctx context.Context, file io.ReadSeeker, offset, count int64) (int64, error) {
	n, err := t.stream.writer.SendFile(ctx, file, offset, count)
	_, _ = t.wrote(0, err)
	return n, err
}
