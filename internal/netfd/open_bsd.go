//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package netfd

import (
	"os"

	"golang.org/x/sys/unix"
)

const socketsNeverBlock = false

// pathOf returns the path of a terminal, or "". Pipes have no path, and opening /dev/fd only
// duplicates the descriptor.
func pathOf(fd int, st *unix.Stat_t) string {
	if _, err := unix.IoctlGetTermios(fd, unix.TIOCGETA); err != nil {
		return ""
	}
	for _, dir := range []string{"/dev/pts/", "/dev/"} {
		entries, _ := os.ReadDir(dir)
		for _, e := range entries {
			var of unix.Stat_t
			if e.Type()&os.ModeCharDevice != 0 && unix.Lstat(dir+e.Name(), &of) == nil && of.Dev == st.Dev && of.Ino == st.Ino {
				return dir + e.Name()
			}
		}
	}
	return ""
}
