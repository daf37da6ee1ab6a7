package asyncio

// A writeBuffer keeps bytes that wait to be sent, in pieces: memory is freed as they are
// sent, and keeping more never moves the bytes that are there.
type writeBuffer struct {
	pieces [][]byte // none is empty
	sent   int      // of the first piece
	size   int      // bytes that are not sent
}

const maxPiece = 256 << 10

// add appends a copy of p.
func (b *writeBuffer) add(p []byte) {
	if n := len(b.pieces) - 1; n >= 0 {
		last := b.pieces[n]
		m := min(len(p), cap(last)-len(last))
		b.pieces[n] = append(last, p[:m]...)
		b.size += m
		p = p[m:]
	}
	for len(p) > 0 {
		// Small writes share a piece, which is the larger the more is kept.
		m := min(len(p), maxPiece)
		var piece []byte
		if room := min(b.size, maxPiece); room > m {
			piece = make([]byte, 0, room)
		}
		b.pieces = append(b.pieces, append(piece, p[:m]...))
		b.size += m
		p = p[m:]
	}
}

// own appends p itself, which nobody changes any more, unless it is so short that a copy is
// cheaper than a piece.
func (b *writeBuffer) own(p []byte) {
	const short = 4 << 10
	if len(p) <= short {
		b.add(p)
		return
	}
	b.pieces = append(b.pieces, p[:len(p):len(p)]) // nothing is to be added behind it
	b.size += len(p)
}

// first returns bytes that are to be sent next.
func (b *writeBuffer) first() []byte { return b.pieces[0][b.sent:] }

// drop removes n bytes that first has returned.
func (b *writeBuffer) drop(n int) {
	b.sent += n
	if b.size -= n; b.size == 0 {
		*b = writeBuffer{}
	} else if b.sent == len(b.pieces[0]) {
		b.pieces[0] = nil
		b.pieces, b.sent = b.pieces[1:], 0
	}
}
