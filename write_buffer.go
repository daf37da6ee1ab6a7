package asyncio

// A writeBuffer keeps bytes that wait to be sent, in pieces: memory is freed as they are
// sent, and keeping more never moves the bytes that are there. Large pieces are the loop's spare
// buffers, and a turn's worth of them is given back: a task that writes much needs as many again.
type writeBuffer struct {
	pieces []piece // none is empty
	sent   int     // bytes of the first piece that are sent
	size   int     // bytes that are not sent
}

type piece struct {
	bytes []byte
	spare bool // it is one of the loop's spare buffers
}

// add appends a copy of p.
func (b *writeBuffer) add(p []byte, pool *bufferPool) {
	if n := len(b.pieces) - 1; n >= 0 {
		last := &b.pieces[n]
		m := min(len(p), cap(last.bytes)-len(last.bytes))
		last.bytes = append(last.bytes, p[:m]...)
		b.size += m
		p = p[m:]
	}
	for len(p) > 0 {
		// Small writes share a piece, which is the larger the more is kept.
		m := min(len(p), lentSize)
		var next piece
		if room := max(m, min(b.size, lentSize)); room > lentSize*3/4 {
			next = piece{pool.get()[:0], true}
		} else if room > m {
			next.bytes = make([]byte, 0, room)
		}
		next.bytes = append(next.bytes, p[:m]...)
		b.pieces = append(b.pieces, next)
		b.size += m
		p = p[m:]
	}
}

// own appends p itself, which nobody changes any more, unless it is so short that a copy is
// cheaper than a piece.
func (b *writeBuffer) own(p []byte, pool *bufferPool) {
	const short = 4 << 10
	if len(p) <= short {
		b.add(p, pool)
		return
	}
	b.pieces = append(b.pieces, piece{bytes: p[:len(p):len(p)]}) // nothing is to be added behind it
	b.size += len(p)
}

// first returns bytes that are to be sent next.
func (b *writeBuffer) first() []byte { return b.pieces[0].bytes[b.sent:] }

// drop removes n bytes that first has returned.
func (b *writeBuffer) drop(n int, pool *bufferPool) {
	b.sent += n
	b.size -= n
	first := b.pieces[0]
	if b.sent < len(first.bytes) {
		return
	}
	b.pieces[0] = piece{}
	b.pieces, b.sent = b.pieces[1:], 0
	if first.spare && len(pool.spare) < maxSends {
		pool.put(first.bytes[:lentSize])
	}
	if b.size == 0 {
		b.pieces = nil
	}
}
