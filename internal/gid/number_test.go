package gid

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheNumberInAStackTraceDistinguishesGoroutines(t *testing.T) {
	own := number()
	require.NotZero(t, own)
	require.Equal(t, own, number())
	other := make(chan uintptr)
	go func() { other <- number() }()
	require.NotEqual(t, own, <-other)
}
