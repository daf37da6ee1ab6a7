//go:build !windows

package asyncio

// portableError returns a system's error so that errors.Is finds package syscall's number.
func portableError(err error) error { return err }
