package main

import (
	"bytes"
	"errors"
	"strconv"
	"strings"
)

// The largest command. A client that sends more than that is not a client of this server.
const (
	maxWords   = 1 << 10
	maxCommand = 1 << 20 // bytes
)

var (
	errProtocol = errors.New("protocol error")
	errTooLong  = errors.New("protocol error: too big a command")
)

// parse returns the words of the first command of p, and the number of its bytes: 0 if more has to
// come. A command is a line, or an array of strings: "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n".
func parse(p []byte) (command []string, size int, err error) {
	defer func() {
		if err == nil && size == 0 && len(p) > maxCommand {
			err = errTooLong
		}
	}()
	line, size := cutLine(p)
	if size == 0 {
		return nil, 0, nil
	}
	if !strings.HasPrefix(line, "*") {
		return strings.Fields(line), size, nil
	}
	words, err := number(line[1:], maxWords)
	if err != nil {
		return nil, 0, err
	}
	for range words {
		line, n := cutLine(p[size:])
		if n == 0 {
			return nil, 0, nil
		}
		if !strings.HasPrefix(line, "$") {
			return nil, 0, errProtocol
		}
		length, err := number(line[1:], maxCommand)
		if err != nil {
			return nil, 0, err
		}
		begin := size + n
		size = begin + length + len("\r\n")
		if len(p) < size {
			return nil, 0, nil
		}
		command = append(command, string(p[begin:begin+length]))
	}
	return command, size, nil
}

// cutLine returns the first line of p, and the number of its bytes: 0 if it is not whole.
func cutLine(p []byte) (line string, size int) {
	i := bytes.IndexByte(p, '\n')
	if i < 0 {
		return "", 0
	}
	return string(bytes.TrimSuffix(p[:i], []byte("\r"))), i + 1
}

// number reads a number from 0 to most.
func number(s string, most int) (int, error) {
	n, err := strconv.Atoi(s)
	switch {
	case err != nil || n < 0:
		return 0, errProtocol
	case n > most:
		return 0, errTooLong
	}
	return n, nil
}
