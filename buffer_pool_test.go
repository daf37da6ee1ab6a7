package asyncio_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
)

func TestAPoolKeepsFewBuffersOfManyAndFewerWhenTheyAreNotNeeded(t *testing.T) {
	require.Equal(t, 64, asyncio.SpareBuffers(1000, 0))
	require.Equal(t, 64, asyncio.SpareBuffers(1000, 1)) // they may be needed again
	require.Equal(t, 16, asyncio.SpareBuffers(1000, 3))
	require.Equal(t, 4, asyncio.SpareBuffers(1000, 60))
	require.Equal(t, 3, asyncio.SpareBuffers(3, 60))
}
