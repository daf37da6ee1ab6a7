//go:build 386 || amd64 || arm || arm64 || loong64 || mips || mipsle || mips64 || mips64le || ppc64 || ppc64le || riscv64 || s390x

package gid

// g is in assembly. The runtime keeps the address of the descriptor in a register or, on x86, in
// thread-local memory.
func g() uintptr
