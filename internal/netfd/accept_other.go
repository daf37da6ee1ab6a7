//go:build !darwin && !dragonfly && !freebsd && !linux && !netbsd && !openbsd && !windows

package netfd

// OnlyOneConnection reports whether an error of a listener's Accept concerns only one connection. Here
// no error shows that it concerns more; a listener that goes on failing is left alone for a time.
func OnlyOneConnection(error) bool { return true }
