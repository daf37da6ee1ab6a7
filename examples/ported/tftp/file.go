package main

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"
)

// openFile opens a file below the current directory, to read it or to make it. The original
// compares the beginning of the path alone; os.OpenInRoot also refuses a path that leaves the
// directory later.
func openFile(name string, flag int) (*os.File, error) {
	root, err := os.OpenRoot(".")
	if err != nil {
		return nil, err
	}
	defer root.Close()
	return root.OpenFile(strings.TrimLeft(name, "./"), flag, 0o666)
}

// A fileReader reads a file in chunks. It closes the file after a chunk that is not full.
type fileReader struct {
	file     *os.File
	chunk    int
	finished bool
}

func newFileReader(name string, chunk int) (*fileReader, error) {
	file, err := openFile(name, os.O_RDONLY)
	return &fileReader{file: file, chunk: chunk}, err
}

func (r *fileReader) size() (int64, error) {
	info, err := r.file.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

func (r *fileReader) readChunk() ([]byte, error) {
	if r.finished {
		return nil, nil
	}
	data := make([]byte, r.chunk)
	n, err := io.ReadFull(r.file, data)
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		r.finished = true
		err = r.file.Close()
	}
	return data[:n], err
}

// A fileWriter writes a new file in chunks. It closes the file after a chunk that is not full.
type fileWriter struct {
	file  *os.File
	chunk int
}

func newFileWriter(name string, chunk int) (*fileWriter, error) {
	file, err := openFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL)
	return &fileWriter{file: file, chunk: chunk}, err
}

func (w *fileWriter) writeChunk(data []byte) error {
	_, err := w.file.Write(data)
	if err == nil && len(data) < w.chunk {
		err = w.file.Close()
	}
	return err
}

// fileError returns the error packet for a file that cannot be opened, or nil for other errors.
func fileError(err error) (message string, packet []byte) {
	switch {
	case errors.Is(err, fs.ErrExist):
		return `"%s" already exists! Cannot overwrite`, errorPacket(6, "File already exists")
	case errors.Is(err, fs.ErrPermission):
		return `Insufficient permissions to operate on "%s"`, errorPacket(2, "Access violation")
	case errors.Is(err, fs.ErrNotExist):
		return `File "%s" does not exist!`, errorPacket(1, "File not found")
	}
	return "", nil
}
