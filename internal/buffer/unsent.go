package buffer

// Unsent holds bytes that wait to be sent, in pieces. So memory is freed as the bytes are sent,
// and adding bytes never moves others. Large pieces are buffers of the pool. Drop gives some of
// these back, since a task that writes much soon needs them again.
type Unsent struct {
	pieces []piece // none is empty
	sent   int     // bytes of the first piece that are sent
	size   int     // bytes that are not sent
}

type piece struct {
	bytes []byte
	lent  bool // bytes is a buffer of the pool
}

// maxReused is the number of spare buffers up to which Drop gives buffers back: about as many as a
// stream sends in one turn of its loop.
const maxReused = 32

// Len returns the number of bytes.
func (b *Unsent) Len() int { return b.size }

// Add appends a copy of p.
func (b *Unsent) Add(pool *Pool, p []byte) {
	if n := len(b.pieces) - 1; n >= 0 {
		last := &b.pieces[n]
		m := min(len(p), cap(last.bytes)-len(last.bytes))
		last.bytes = append(last.bytes, p[:m]...)
		b.size += m
		p = p[m:]
	}
	for len(p) > 0 {
		// Small writes share a piece. The more bytes are kept, the larger the piece.
		m := min(len(p), Size)
		var next piece
		if room := max(m, min(b.size, Size)); room > Size*3/4 {
			next = piece{pool.Get()[:0], true}
		} else if room > m {
			next.bytes = make([]byte, 0, room)
		}
		next.bytes = append(next.bytes, p[:m]...)
		b.pieces = append(b.pieces, next)
		b.size += m
		p = p[m:]
	}
}

// Own appends p itself, which nobody may change any more, or a copy if p is so short that copying
// is cheaper than a piece.
func (b *Unsent) Own(pool *Pool, p []byte) {
	const short = 4 << 10
	if len(p) <= short {
		b.Add(pool, p)
		return
	}
	b.pieces = append(b.pieces, piece{bytes: p[:len(p):len(p)]}) // no capacity, since Add must not write behind p
	b.size += len(p)
}

// First returns the bytes to send next.
func (b *Unsent) First() []byte { return b.pieces[0].bytes[b.sent:] }

// Drop removes n bytes that First has returned.
func (b *Unsent) Drop(pool *Pool, n int) {
	b.sent += n
	b.size -= n
	first := b.pieces[0]
	if b.sent < len(first.bytes) {
		return
	}
	b.pieces[0] = piece{}
	b.pieces, b.sent = b.pieces[1:], 0
	if first.lent && len(pool.spare) < maxReused {
		pool.Put(first.bytes[:Size])
	}
	if b.size == 0 {
		b.pieces = nil
	}
}
