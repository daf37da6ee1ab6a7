package asyncio

// This file sends parts of files: with sendfile(2), by which the kernel moves the bytes itself, or
// else by reading and writing.

import (
	"context"
	"errors"
	"io"
	"math"
	"os"

	"github.com/go-asyncio/asyncio/internal/buffer"
	"github.com/go-asyncio/asyncio/internal/netfd"
	"github.com/go-asyncio/asyncio/internal/poll"
)

// SockSendFile sends a part of a file to a connected socket, and suspends until the system has taken
// all of it. The part, the position of the file afterwards and the result are those of
// [StreamWriter.SendFile]. If it fails or is cancelled, the bytes that it counts have been sent, and
// no others. fd must be non-blocking, and remains the caller's. It panics if file is nil or offset is
// negative. It is asyncio's sock_sendfile.
func (l *Loop) SockSendFile(ctx context.Context, fd int, file io.ReadSeeker, offset, count int64) (int64, error) {
	p := newFilePart(file, offset, count)
	native := func(f *os.File) (n int, err error) {
		err = l.attempt(ctx, fd, poll.Write, "sendfile", func() (err error) {
			n, err = netfd.SendFile(fd, f, p.offset, p.atMost(maxTransfer))
			return err
		})
		return n, err
	}
	write := func(b []byte) (n int, err error) {
		err = l.attempt(ctx, fd, poll.Write, "send", func() (err error) {
			n, err = netfd.SendAny(fd, b)
			return err
		})
		return n, err
	}
	return p.send(&l.buffers, native, write)
}

// A filePart is a part of a file that is being sent.
type filePart struct {
	file   io.ReadSeeker
	start  int64
	offset int64 // of the next byte to send
	left   int64 // bytes to send, unless the file ends before
}

func newFilePart(file io.ReadSeeker, offset, count int64) *filePart {
	switch {
	case file == nil:
		panic("asyncio: nil file")
	case offset < 0:
		panic("asyncio: negative offset in a file")
	case count < 0:
		count = math.MaxInt64
	}
	return &filePart{file: file, start: offset, offset: offset, left: count}
}

func (p *filePart) atMost(n int64) int { return int(min(n, p.left)) }

func (p *filePart) advance(n int) {
	p.offset += int64(n)
	p.left -= int64(n)
}

// send sends the part by native, if the file has a descriptor, and otherwise by write. Both send
// some bytes, suspend until they have, and return the number. native returns 0 at the end of the
// file; if it is nil, or returns netfd.ErrNoSendFile, write sends the rest. send returns the number
// of bytes sent, and moves the position of the file behind them if there are any.
func (p *filePart) send(buffers *buffer.Pool, native func(*os.File) (int, error), write func([]byte) (int, error)) (int64, error) {
	err := netfd.ErrNoSendFile
	if f, ok := p.file.(*os.File); ok && native != nil {
		err = p.sendNatively(f, native)
	}
	if errors.Is(err, netfd.ErrNoSendFile) {
		err = p.copy(buffers, write)
	}
	sent := p.offset - p.start
	if sent > 0 {
		if _, seekErr := p.file.Seek(p.offset, io.SeekStart); err == nil {
			err = seekErr
		}
	}
	return sent, err
}

func (p *filePart) sendNatively(f *os.File, native func(*os.File) (int, error)) error {
	for p.left > 0 {
		n, err := native(f)
		p.advance(n)
		if n == 0 || err != nil {
			return err
		}
	}
	return nil
}

// copy reads and writes the rest of the part.
func (p *filePart) copy(buffers *buffer.Pool, write func([]byte) (int, error)) error {
	if _, err := p.file.Seek(p.offset, io.SeekStart); err != nil {
		return err
	}
	buf := buffers.Get()
	defer buffers.Put(buf)
	for empty := 0; p.left > 0 && empty < maxEmptyReads; {
		n, readErr := p.file.Read(buf[:p.atMost(int64(len(buf)))])
		empty++
		for b := buf[:n]; len(b) > 0; empty = 0 {
			n, err := write(b)
			p.advance(n)
			if err != nil {
				return err
			}
			b = b[n:]
		}
		if readErr == io.EOF {
			return nil
		} else if readErr != nil {
			return readErr
		}
	}
	if p.left > 0 {
		return io.ErrNoProgress
	}
	return nil
}

// maxEmptyReads is the number of reads in a row that may return neither bytes nor an error.
const maxEmptyReads = 100
