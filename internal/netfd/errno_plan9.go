package netfd

import "syscall"

// Errors are strings on Plan 9, not numbers, and it has none of these.
const (
	ErrAgain      = syscall.ErrorString("resource temporarily unavailable")
	ErrConnecting = syscall.ErrorString("operation now in progress")
	ErrAborted    = syscall.ErrorString("software caused connection abort")
)
