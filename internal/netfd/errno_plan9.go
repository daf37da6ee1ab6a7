package netfd

import "syscall"

// ErrAgain says that a call has nothing to read or no room to write, for now.
const ErrAgain = syscall.ErrorString("resource temporarily unavailable")
