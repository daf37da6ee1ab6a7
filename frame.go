package asyncio

// This file is about the frames of stacks.

import (
	"fmt"
	"path"
	"runtime"
	"strings"
)

// A Frame is a function call on the stack of a task, and the line in which it stands. It is asyncio's
// FrameCallGraphEntry.
type Frame struct {
	Function string // with its package
	File     string
	Line     int
}

func frameOf(f runtime.Frame) Frame { return Frame{f.Function, f.File, f.Line} }

// String returns the frame as a line of a Python traceback.
func (f Frame) String() string {
	return fmt.Sprintf("File %q, line %d, in %s()", f.File, f.Line, f.Function)
}

// ofCoroutine returns the frames of a coroutine: from the function of the library that it has
// called to the coroutine itself. Between them it leaves out the library's unexported functions.
func ofCoroutine(frames *runtime.Frames) (of []Frame) {
	var call Frame // the exported function of the library that was called last
	for f, more := frames.Next(); ; f, more = frames.Next() {
		own, exported := ofLibrary(f)
		if call.Function != "" && (!own || !more || endsStack(f)) {
			of = append(of, call)
			call = Frame{}
		}
		switch {
		case endsStack(f):
			return of
		case !own:
			of = append(of, frameOf(f))
		case exported:
			call = frameOf(f)
		}
		if !more {
			return of
		}
	}
}

// endsStack reports whether f is below the frames of a coroutine: where its fiber, or another coroutine
// of package iter in which it waits, begins.
func endsStack(f runtime.Frame) bool { return strings.HasPrefix(f.Function, "iter.Pull[") }

// libraryPrefix begins the names of the functions of this package.
const libraryPrefix = "github.com/go-asyncio/asyncio."

// isOwn reports whether the code of a frame belongs to this library. It goes by the file, since the
// compiler names a closure after the function into which it has inlined the closure's maker.
func isOwn(f runtime.Frame) bool {
	dir, name := path.Split(f.File)
	if strings.HasSuffix(name, "_test.go") {
		return false
	}
	return dir == libraryDir || strings.HasPrefix(dir, libraryDir+"internal/")
}

// libraryDir is the directory of this package in the files of frames, with a slash at the end.
var libraryDir = func() string {
	_, file, _, _ := runtime.Caller(0)
	dir, _ := path.Split(file)
	return dir
}()

// ofLibrary reports whether the function with this full name belongs to this package, and if so,
// whether it is exported.
func ofLibrary(f runtime.Frame) (own, exported bool) {
	if !isOwn(f) {
		return false, false
	}
	name, ok := strings.CutPrefix(f.Function, libraryPrefix)
	if !ok {
		return true, false
	}
	if receiver, method, ok := strings.Cut(name, ")."); ok { // (*Lock).Acquire
		return true, isExported(strings.TrimLeft(receiver, "(*")) && isExported(method)
	}
	return true, isExported(name)
}

// isExported reports whether a name is exported and not that of a closure within a function.
func isExported(name string) bool {
	return name[0] >= 'A' && name[0] <= 'Z' && !strings.Contains(name, ".func")
}
