package netfd

import "golang.org/x/sys/windows"

// OnlyOneConnection reports whether an error of a listener's Accept concerns only one connection, so
// that the next may be in order. The other errors mean that the system has no socket or no memory
// left, or that the listener does not listen.
func OnlyOneConnection(err error) bool {
	switch err {
	case windows.WSAEMFILE, windows.WSAENOBUFS, windows.ERROR_NOT_ENOUGH_MEMORY,
		windows.WSAEINVAL, windows.WSAENOTSOCK, windows.WSAEFAULT, windows.ERROR_INVALID_HANDLE:
		return false
	}
	return true
}
