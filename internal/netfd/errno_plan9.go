package netfd

import "syscall"

// Plan 9 has words where other systems have numbers, and none for these.
const (
	ErrAgain      = syscall.ErrorString("resource temporarily unavailable")
	ErrConnecting = syscall.ErrorString("operation now in progress")
	ErrAborted    = syscall.ErrorString("software caused connection abort")
)
