package buffer_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio/internal/buffer"
)

// spareAfter returns how many spare buffers a pool still holds after n buffers were in use at once
// and none was needed for the given number of seconds.
func spareAfter(n, seconds int) int {
	var p buffer.Pool
	used := make([][]byte, n)
	for i := range used {
		used[i] = p.Get()
	}
	for _, b := range used {
		p.Put(b)
	}
	start := time.Now()
	for i := range 10 * seconds {
		p.Trim(func() time.Time { return start.Add(time.Duration(i) * time.Second / 10) })
	}
	return p.Spare()
}

func TestAPoolKeepsFewOfManyBuffersAndFewerWhileNoneIsNeeded(t *testing.T) {
	require.Equal(t, 64, spareAfter(1000, 0))
	require.Equal(t, 64, spareAfter(1000, 1)) // they may be needed again
	require.Equal(t, 16, spareAfter(1000, 3))
	require.Equal(t, 4, spareAfter(1000, 60))
	require.Equal(t, 3, spareAfter(3, 60))
}
