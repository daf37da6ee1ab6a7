//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package netfd

import (
	"io/fs"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// Open returns a new descriptor for the open file of f, to read or to write, on which calls do not
// block. f stays as it is.
//
// O_NONBLOCK belongs to the open file, which other processes may share: a standard stream is shared
// with the shell and all its other children. So, where the system can, Open opens the file anew if
// it is blocking or a standard stream. For sockets, netfd uses calls that do not block. Any other
// file becomes non-blocking for all its users until restore is called. Call restore once the
// descriptor is closed.
func Open(f *os.File, write bool) (fd int, restore func(), err error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return -1, nil, err
	}
	var openErr error
	err = raw.Control(func(old uintptr) { fd, restore, openErr = open(int(old), write) })
	if err != nil {
		return -1, nil, err
	}
	if openErr != nil {
		return -1, nil, &fs.PathError{Op: "open", Path: f.Name(), Err: openErr}
	}
	return fd, restore, nil
}

func open(old int, write bool) (fd int, restore func(), err error) {
	flags, err := unix.FcntlInt(uintptr(old), unix.F_GETFL, 0)
	if err != nil {
		return -1, nil, err
	}
	mode, other := unix.O_RDONLY, unix.O_WRONLY
	if write {
		mode, other = other, mode
	}
	if flags&unix.O_ACCMODE == other {
		return -1, nil, unix.EBADF
	}
	var st unix.Stat_t
	if err := unix.Fstat(old, &st); err != nil {
		return -1, nil, err
	}
	if standard := old <= 2; standard || flags&unix.O_NONBLOCK == 0 {
		if fd, ok := reopen(old, &st, mode|unix.O_NONBLOCK|unix.O_CLOEXEC|unix.O_NOCTTY); ok {
			return fd, func() {}, nil
		}
	}
	fd, err = duplicate(old)
	if err != nil || socketsNeverBlock && st.Mode&unix.S_IFMT == unix.S_IFSOCK {
		return fd, func() {}, err
	}
	restore, err = lend(fd, file{uint64(st.Dev), uint64(st.Ino)}, flags&unix.O_NONBLOCK != 0)
	if err != nil {
		unix.Close(fd)
		return -1, nil, err
	}
	return fd, restore, nil
}

// reopen opens the file of fd anew, and reports whether it could.
func reopen(fd int, st *unix.Stat_t, flags int) (int, bool) {
	path := pathOf(fd, st)
	if path == "" {
		return -1, false
	}
	again, err := unix.Open(path, flags, 0)
	if err != nil {
		return -1, false
	}
	var now unix.Stat_t
	if err := unix.Fstat(again, &now); err != nil || now.Dev != st.Dev || now.Ino != st.Ino {
		unix.Close(again)
		return -1, false
	}
	return again, true
}

func duplicate(fd int) (int, error) {
	return unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3)
}

// A file identifies a file by its device and its inode. Several open files may be of the same file.
type file struct{ dev, ino uint64 }

// loans holds the files whose open files were made non-blocking.
var loans struct {
	sync.Mutex
	of map[file]*loan
}

// A loan ends when its last user calls restore. A user may have found the file non-blocking only
// because an earlier user had made it so.
type loan struct {
	parts int   // users that have not called restore
	lent  []int // duplicates of the descriptors that were blocking
}

// lend makes the open file of fd non-blocking, until restore is called.
func lend(fd int, of file, nonblocking bool) (restore func(), err error) {
	loans.Lock()
	defer loans.Unlock()
	l := loans.of[of]
	if l == nil {
		if nonblocking {
			return func() {}, nil // somebody else has made it so
		}
		l = new(loan)
	}
	if !nonblocking {
		spare, err := duplicate(fd)
		if err != nil {
			return nil, err
		}
		if err := syscall.SetNonblock(fd, true); err != nil {
			unix.Close(spare)
			return nil, err
		}
		l.lent = append(l.lent, spare)
	}
	if loans.of == nil {
		loans.of = make(map[file]*loan)
	}
	loans.of[of] = l
	l.parts++
	return func() { l.restore(of) }, nil
}

func (l *loan) restore(of file) {
	loans.Lock()
	defer loans.Unlock()
	if l.parts--; l.parts > 0 {
		return
	}
	for _, fd := range l.lent {
		_ = syscall.SetNonblock(fd, false)
		unix.Close(fd)
	}
	delete(loans.of, of)
}
