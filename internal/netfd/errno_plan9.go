package netfd

import "syscall"

// Plan 9 has strings where other systems have numbers, and none for these errors.
const (
	ErrAgain      = syscall.ErrorString("resource temporarily unavailable")
	ErrConnecting = syscall.ErrorString("operation now in progress")
	ErrAborted    = syscall.ErrorString("software caused connection abort")
)
