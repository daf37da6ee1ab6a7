package buffer_test

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio/internal/buffer"
)

func TestUnsentBytesAreSentInOrder(t *testing.T) {
	for seed := range uint64(4) {
		s := source{rand.New(rand.NewPCG(seed, 0))}
		var p buffer.Pool
		var b buffer.Unsent
		var want []byte
		for range 300 {
			switch s.IntN(4) {
			case 0:
				bytes := s.bytes(s.IntN(100 << 10))
				want = append(want, bytes...)
				b.Add(&p, bytes)
				clear(bytes) // the bytes were copied
			case 1:
				bytes := s.bytes(s.IntN(10 << 10))
				want = append(want, bytes...)
				b.Own(&p, bytes)
			default:
				if b.Len() == 0 {
					break
				}
				first := b.First()
				require.NotEmpty(t, first)
				require.True(t, bytes.HasPrefix(want, first))
				n := s.IntN(len(first) + 1)
				b.Drop(&p, n)
				want = want[n:]
			}
			require.Equal(t, len(want), b.Len())
		}
		for b.Len() > 0 {
			first := b.First()
			require.True(t, bytes.HasPrefix(want, first))
			want = want[len(first):]
			b.Drop(&p, len(first))
		}
		require.Empty(t, want)
	}
}

func TestMemoryBehindOwnedBytesIsNotWrittenTo(t *testing.T) {
	var p buffer.Pool
	var b buffer.Unsent
	all := make([]byte, 10<<10)
	b.Own(&p, all[:5<<10])
	b.Add(&p, []byte("hello"))
	require.Zero(t, all[5<<10])
}

func TestLargePiecesAreReused(t *testing.T) {
	var p buffer.Pool
	var b buffer.Unsent
	send := func() {
		for b.Len() > 0 {
			b.Drop(&p, len(b.First()))
		}
	}
	b.Add(&p, make([]byte, 10*buffer.Size))
	send()
	require.Equal(t, 10, p.Spare())
	b.Add(&p, make([]byte, 10*buffer.Size))
	require.Zero(t, p.Spare())
	send()
	b.Add(&p, make([]byte, 100*buffer.Size))
	send()
	require.Equal(t, 32, p.Spare(), "and not all")
}
