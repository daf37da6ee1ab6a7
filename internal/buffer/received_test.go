package buffer_test

import (
	"bytes"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio/internal/buffer"
)

// A source makes random bytes, so that no two pieces are alike.
type source struct{ *rand.Rand }

func (s source) bytes(n int) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(s.Uint32())
	}
	return p
}

func TestReceivedBytesDoNotChange(t *testing.T) {
	for seed := range uint64(4) {
		s := source{rand.New(rand.NewPCG(seed, 0))}
		var p buffer.Pool
		streams := make([]struct {
			buf  buffer.Received
			want []byte
		}, 5)
		for range 500 {
			st := &streams[s.IntN(len(streams))]
			b, n := &st.buf, s.IntN(len(st.want)+1)
			switch s.IntN(6) {
			case 0, 1:
				room := b.Space(&p)
				require.GreaterOrEqual(t, len(room), 4<<10, "room to receive into")
				n := copy(room, s.bytes(1+s.IntN(20<<10)))
				st.want = append(st.want, room[:n]...)
				b.Grow(n)
			case 2:
				got := b.Take(&p, n)
				require.True(t, bytes.Equal(st.want[:n], got))
				st.want = st.want[n:]
			case 3:
				b.Drop(&p, n)
				st.want = st.want[n:]
			case 4:
				b.Park(&p)
			case 5:
				if s.IntN(20) == 0 {
					p.Trim(time.Now)
				}
			}
			require.Equal(t, len(st.want), b.Len())
			for i := range streams {
				require.True(t, bytes.Equal(streams[i].want, streams[i].buf.Bytes()))
			}
		}
	}
}

func TestTakenBytesAreNotOverwritten(t *testing.T) {
	var p buffer.Pool
	var a, b buffer.Received
	a.Grow(copy(a.Space(&p), "hello"))
	taken := a.Take(&p, 5)
	require.Equal(t, 1, p.Spare(), "it is empty")
	b.Grow(copy(b.Space(&p), "other"))
	require.Equal(t, "hello", string(taken))
}

func TestATrimmedPoolGetsAllItsBuffersBack(t *testing.T) {
	var p buffer.Pool
	bufs := make([]buffer.Received, 3)
	for i := range bufs {
		bufs[i].Grow(copy(bufs[i].Space(&p), "hello"))
	}
	require.True(t, p.IsLarge())
	p.Trim(time.Now)
	require.Equal(t, 3, p.Spare())
	require.False(t, p.IsLarge())
	for i := range bufs {
		require.Equal(t, "hello", string(bufs[i].Bytes()))
	}
}
