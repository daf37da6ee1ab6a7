package asyncio

import (
	"fmt"
	"os"
	"sync/atomic"

	"golang.org/x/sys/windows"
)

var pipesMade atomic.Uint64

// processPipe makes a pipe of which a process gets one end: the one to read from if it reads. This
// program's end is overlapped, which an end of os.Pipe is not. So a pending call on it ends with
// Close and keeps no thread.
func processPipe(reads bool) (r, w *os.File, err error) {
	const size = 64 << 10
	name := fmt.Sprintf(`\\.\pipe\go-asyncio-%d-%d`, os.Getpid(), pipesMade.Add(1))
	path, err := windows.UTF16PtrFromString(name)
	if err != nil {
		return nil, nil, err
	}
	ours, theirs := uint32(windows.PIPE_ACCESS_INBOUND), uint32(windows.GENERIC_WRITE)
	if reads {
		ours, theirs = windows.PIPE_ACCESS_OUTBOUND, windows.GENERIC_READ
	}
	own, err := windows.CreateNamedPipe(path, ours|windows.FILE_FLAG_OVERLAPPED|windows.FILE_FLAG_FIRST_PIPE_INSTANCE,
		windows.PIPE_TYPE_BYTE|windows.PIPE_REJECT_REMOTE_CLIENTS, 1, size, size, 0, nil)
	if err != nil {
		return nil, nil, os.NewSyscallError("CreateNamedPipe", err)
	}
	child, err := windows.CreateFile(path, theirs, 0, nil, windows.OPEN_EXISTING, windows.FILE_ATTRIBUTE_NORMAL, 0)
	if err != nil {
		_ = windows.CloseHandle(own)
		return nil, nil, os.NewSyscallError("CreateFile", err)
	}
	from, to := own, child
	if reads {
		from, to = child, own
	}
	return os.NewFile(uintptr(from), "|0"), os.NewFile(uintptr(to), "|1"), nil
}
