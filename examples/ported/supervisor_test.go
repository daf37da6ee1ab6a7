//go:build unix

package ported_test

import (
	"syscall"
	"testing"
)

func TestSupervisor(t *testing.T) {
	t.Parallel()
	p := start(t, t.TempDir(), "supervisor", ".")
	p.until("waiting for a signal")
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	compare(t, "supervisor", p.wait())
}
