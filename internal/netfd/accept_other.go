//go:build !darwin && !dragonfly && !freebsd && !linux && !netbsd && !openbsd

package netfd

// OnlyOneConnection is false: Accept returns ErrUnsupported.
func OnlyOneConnection(error) bool { return false }
