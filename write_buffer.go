package asyncio

// A writeBuffer keeps bytes that wait to be sent, in pieces: memory is freed as they are
// sent, and keeping more never moves the bytes that are there. Large pieces are the loop's spare
// buffers, and a turn's worth of them is given back: a task that writes much needs as many again.
type writeBuffer struct {
	pieces [][]byte // none is empty
	sent   int      // of the first piece
	size   int      // bytes that are not sent
}

// add appends a copy of p.
func (b *writeBuffer) add(p []byte, pool *bufferPool) {
	if n := len(b.pieces) - 1; n >= 0 {
		last := b.pieces[n]
		m := min(len(p), cap(last)-len(last))
		b.pieces[n] = append(last, p[:m]...)
		b.size += m
		p = p[m:]
	}
	for len(p) > 0 {
		// Small writes share a piece, which is the larger the more is kept.
		m := min(len(p), lentSize)
		var piece []byte
		if room := max(m, min(b.size, lentSize)); room > lentSize*3/4 {
			piece = pool.get()[:0]
		} else if room > m {
			piece = make([]byte, 0, room)
		}
		b.pieces = append(b.pieces, append(piece, p[:m]...))
		b.size += m
		p = p[m:]
	}
}

// first returns bytes that are to be sent next.
func (b *writeBuffer) first() []byte { return b.pieces[0][b.sent:] }

// drop removes n bytes that first has returned.
func (b *writeBuffer) drop(n int, pool *bufferPool) {
	b.sent += n
	b.size -= n
	first := b.pieces[0]
	if b.sent < len(first) {
		return
	}
	b.pieces[0] = nil
	b.pieces, b.sent = b.pieces[1:], 0
	if cap(first) == lentSize && len(pool.spare) < maxSends {
		pool.put(first[:lentSize])
	}
	if b.size == 0 {
		b.pieces = nil
	}
}
