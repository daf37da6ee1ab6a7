package gid

import (
	"bytes"
	"runtime"
	"strconv"
)

// number reads the number of the calling goroutine from its stack trace. It is for architectures
// for which g has no assembly, and takes a microsecond.
func number() uintptr {
	var buf [64]byte
	s := bytes.TrimPrefix(buf[:runtime.Stack(buf[:], false)], []byte("goroutine "))
	s, _, _ = bytes.Cut(s, []byte(" "))
	n, _ := strconv.ParseUint(string(s), 10, 64)
	return uintptr(n)
}
