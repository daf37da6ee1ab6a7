package gid_test

import (
	"iter"
	"runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio/internal/gid"
)

func TestAGoroutineKeepsItsNumber(t *testing.T) {
	want := gid.G()
	require.NotZero(t, want)
	for range 1000 {
		runtime.Gosched() // possibly to another thread
		require.Equal(t, want, gid.G())
	}
	require.Equal(t, want, deep(1000), "on a stack that has moved")
	runtime.GC()
	require.Equal(t, want, gid.G())
}

//go:noinline
func deep(n int) uintptr {
	var room [256]byte
	if n == 0 {
		return gid.G()
	}
	got := deep(n - 1)
	runtime.KeepAlive(&room)
	return got
}

func TestGoroutinesThatLiveAtTheSameTimeHaveDifferentNumbers(t *testing.T) {
	const n = 1000
	numbers := make(chan uintptr, n)
	var all sync.WaitGroup
	end := make(chan struct{})
	for range n {
		all.Go(func() {
			numbers <- gid.G()
			<-end
		})
	}
	seen := map[uintptr]bool{gid.G(): true}
	for range n {
		seen[<-numbers] = true
	}
	close(end)
	all.Wait()
	require.Len(t, seen, n+1)
}

func TestACoroutineIsAGoroutine(t *testing.T) {
	next, stop := iter.Pull(func(yield func(uintptr) bool) {
		for yield(gid.G()) {
		}
	})
	defer stop()
	first, _ := next()
	require.NotEqual(t, gid.G(), first)
	done := make(chan uintptr)
	go func() { // it keeps its number, whichever goroutine resumes it
		again, _ := next()
		done <- again
	}()
	require.Equal(t, first, <-done)
}

func BenchmarkG(b *testing.B) {
	for b.Loop() {
		gid.G()
	}
}
