package buffer

// Received holds bytes that a stream has received and no task has read yet. It receives into memory
// that the pool lends it, and gives that back when it is empty, when its task waits for more (see
// Park) and when the pool is trimmed. So a stream that waits has no more memory than it has bytes.
type Received struct {
	bytes []byte // the bytes not read yet, a part of mem
	mem   []byte
	lent  bool // mem is lent by the pool
	place int  // in the pool's held, if mem is lent
}

// Len returns the number of bytes.
func (b *Received) Len() int { return len(b.bytes) }

// Bytes returns the bytes, which are valid until the next call of another method.
func (b *Received) Bytes() []byte { return b.bytes }

const enough = 4 << 10 // room to receive into, in bytes

// IsFull reports whether Space has to move the bytes to larger memory.
func (b *Received) IsFull() bool {
	return cap(b.bytes)-len(b.bytes) < enough && len(b.bytes) > cap(b.mem)/2
}

// Space returns memory to receive into. Grow adds the bytes received there.
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

// Grow adds the first n bytes of the memory that Space returned.
func (b *Received) Grow(n int) { b.bytes = b.bytes[:len(b.bytes)+n] }

// Take removes the first n bytes and returns a copy of them.
func (b *Received) Take(p *Pool, n int) []byte {
	if !b.lent && n == len(b.bytes) && n >= cap(b.mem)/2 { // all of our own memory: no copy needed
		all := b.bytes
		b.Own(p, nil)
		return all
	}
	c := make([]byte, n)
	copy(c, b.bytes)
	b.Drop(p, n)
	return c
}

// Drop removes the first n bytes. If little is left, Drop moves it to memory of its size, since the
// task may do something else for a long time before it reads on.
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

// Park gives lent memory back, and keeps the bytes in memory of their size.
func (b *Received) Park(p *Pool) {
	if b.lent {
		b.Own(p, append([]byte(nil), b.bytes...))
	}
}

// Own makes bytes the contents of the buffer, in memory that is not lent.
func (b *Received) Own(p *Pool, bytes []byte) {
	if b.lent {
		p.takeBack(b)
	}
	b.bytes, b.mem = bytes, bytes
}
