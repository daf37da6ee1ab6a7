package buffer

// Received holds bytes that a stream has received and nobody has read yet. It receives into memory
// that the pool lends it, and gives that back when it is empty, by Park when its task waits for
// more, and when the pool is trimmed. So a stream that waits has no more memory than it has bytes.
type Received struct {
	bytes []byte // not read yet; a part of mem
	mem   []byte
	lent  bool // mem is the pool's
	place int  // among the pool's held, if it is
}

// Len returns the number of bytes.
func (b *Received) Len() int { return len(b.bytes) }

// Bytes returns the bytes, which are valid until the next call of another method.
func (b *Received) Bytes() []byte { return b.bytes }

const enough = 4 << 10 // to receive into

// IsFull reports whether Space has to move what there is to larger memory.
func (b *Received) IsFull() bool {
	return cap(b.bytes)-len(b.bytes) < enough && len(b.bytes) > cap(b.mem)/2
}

// Space returns memory to receive into. What is received there is added by Grow.
func (b *Received) Space(p *Pool) []byte {
	switch n := len(b.bytes); {
	case !b.lent && n <= Size/2:
		p.lend(b)
		b.bytes = append(b.mem[:0], b.bytes...)
	case cap(b.bytes)-n >= enough:
	case n <= cap(b.mem)/2:
		b.bytes = append(b.mem[:0], b.bytes...)
	default:
		b.Own(p, append(make([]byte, 0, 2*n), b.bytes...))
	}
	return b.bytes[len(b.bytes):cap(b.bytes)]
}

// Grow adds the first n bytes of Space.
func (b *Received) Grow(n int) { b.bytes = b.bytes[:len(b.bytes)+n] }

// Take removes the first n bytes and returns a copy of them.
func (b *Received) Take(p *Pool, n int) []byte {
	if !b.lent && n == len(b.bytes) && n >= cap(b.mem)/2 { // no need to copy all of our own
		all := b.bytes
		b.Own(p, nil)
		return all
	}
	c := make([]byte, n)
	copy(c, b.bytes)
	b.Drop(p, n)
	return c
}

// Drop removes the first n bytes. If little is left that moves to memory of its size: the task
// may do something else for long before it reads on.
func (b *Received) Drop(p *Pool, n int) {
	const little = Size / 8
	b.bytes = b.bytes[n:]
	switch n := len(b.bytes); {
	case n == 0:
		b.Own(p, nil)
	case n <= little && b.lent, !b.lent && cap(b.mem) > 4*n+1<<10:
		b.Own(p, append([]byte(nil), b.bytes...))
	}
}

// Park gives back what is lent, and keeps the bytes in memory of their size.
func (b *Received) Park(p *Pool) {
	if b.lent {
		b.Own(p, append([]byte(nil), b.bytes...))
	}
}

// Own has the buffer hold bytes, in memory that is not lent.
func (b *Received) Own(p *Pool, bytes []byte) {
	if b.lent {
		p.takeBack(b)
	}
	b.bytes, b.mem = bytes, bytes
}
