// Package gid identifies goroutines, fast enough for every call of a network connection.
package gid

// G returns a number that no other living goroutine has. On most architectures it is the address of
// the runtime's descriptor of the calling goroutine, which takes one instruction to read. The
// runtime reuses the descriptor of a goroutine that has ended. So the number is for comparison
// alone, and a holder of the number must drop it before that goroutine ends.
func G() uintptr { return g() }
