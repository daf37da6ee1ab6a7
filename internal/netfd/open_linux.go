package netfd

import (
	"fmt"

	"golang.org/x/sys/unix"
)

const socketsNeverBlock = hasSocketCalls

// pathOf returns a path by which a pipe or a terminal can be opened anew, or "". For other devices,
// such as the controlling end of a pseudoterminal, it returns "", since opening them again gives
// something else.
func pathOf(fd int, st *unix.Stat_t) string {
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFIFO:
	case unix.S_IFCHR:
		const legacyMasters, multiplexer = 2, 5<<8 | 2
		major, minor := unix.Major(st.Rdev), unix.Minor(st.Rdev)
		if major == legacyMasters || major<<8|minor == multiplexer {
			return ""
		}
		if _, err := unix.IoctlGetTermios(fd, unix.TCGETS); err != nil {
			return ""
		}
	default:
		return ""
	}
	return fmt.Sprintf("/proc/self/fd/%d", fd)
}
