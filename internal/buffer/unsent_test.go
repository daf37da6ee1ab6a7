package buffer_test

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio/internal/buffer"
)

func TestUnsentBytesAreSentInTheirOrder(t *testing.T) {
	for seed := range uint64(4) {
		s := source{rand.New(rand.NewPCG(seed, 0))}
		var p buffer.Pool
		var b buffer.Unsent
		var want []byte
		for range 500 {
			switch s.IntN(4) {
			case 0:
				bytes := s.bytes(s.IntN(100 << 10))
				want = append(want, bytes...)
				b.Add(bytes, &p)
				clear(bytes) // it was copied
			case 1:
				bytes := s.bytes(s.IntN(10 << 10))
				want = append(want, bytes...)
				b.Own(bytes, &p)
			default:
				if b.Len() == 0 {
					break
				}
				first := b.First()
				require.NotEmpty(t, first)
				require.True(t, bytes.HasPrefix(want, first))
				n := s.IntN(len(first) + 1)
				b.Drop(n, &p)
				want = want[n:]
			}
			require.Equal(t, len(want), b.Len())
		}
		for b.Len() > 0 {
			first := b.First()
			require.True(t, bytes.HasPrefix(want, first))
			want = want[len(first):]
			b.Drop(len(first), &p)
		}
		require.Empty(t, want)
	}
}

func TestMemoryBehindOwnedBytesIsNotWrittenTo(t *testing.T) {
	var p buffer.Pool
	var b buffer.Unsent
	all := make([]byte, 10<<10)
	b.Own(all[:5<<10], &p)
	b.Add([]byte("hello"), &p)
	require.Zero(t, all[5<<10])
}

func TestLargePiecesAreUsedAgain(t *testing.T) {
	var p buffer.Pool
	var b buffer.Unsent
	send := func() {
		for b.Len() > 0 {
			b.Drop(len(b.First()), &p)
		}
	}
	b.Add(make([]byte, 10*buffer.Size), &p)
	send()
	require.Equal(t, 10, p.Spare())
	b.Add(make([]byte, 10*buffer.Size), &p)
	require.Zero(t, p.Spare())
	send()
	b.Add(make([]byte, 100*buffer.Size), &p)
	send()
	require.Equal(t, 32, p.Spare(), "and not all")
}
