package asyncio

// A readBuffer holds bytes that a stream has received and nobody has read yet. It receives into
// memory that the loop lends it, and gives that back when it is empty, when its task waits for
// more, or when the loop has nothing to run. So a stream that waits has no more memory than
// it has bytes.
type readBuffer struct {
	bytes []byte // not read yet; a part of mem
	mem   []byte
	lent  bool // mem is the loop's
	place int  // among the pool's held, if it is
}

func (b *readBuffer) len() int { return len(b.bytes) }

const enough = 4 << 10 // to receive into

// isFull reports whether space has to move what there is to larger memory.
func (b *readBuffer) isFull() bool {
	return cap(b.bytes)-len(b.bytes) < enough && len(b.bytes) > cap(b.mem)/2
}

// space returns memory to receive into. What is received there is added by grow.
func (b *readBuffer) space(p *bufferPool) []byte {
	switch n := len(b.bytes); {
	case !b.lent && n <= lentSize/2:
		p.lend(b)
		b.bytes = append(b.mem[:0], b.bytes...)
	case cap(b.bytes)-n >= enough:
	case n <= cap(b.mem)/2:
		b.bytes = append(b.mem[:0], b.bytes...)
	default:
		b.own(p, append(make([]byte, 0, 2*n), b.bytes...))
	}
	return b.bytes[len(b.bytes):cap(b.bytes)]
}

// grow adds the first n bytes of space.
func (b *readBuffer) grow(n int) { b.bytes = b.bytes[:len(b.bytes)+n] }

// take removes the first n bytes and returns a copy of them.
func (b *readBuffer) take(p *bufferPool, n int) []byte {
	if !b.lent && n == len(b.bytes) && n >= cap(b.mem)/2 { // no need to copy all of our own
		all := b.bytes
		b.own(p, nil)
		return all
	}
	c := make([]byte, n)
	copy(c, b.bytes)
	b.drop(p, n)
	return c
}

// drop removes the first n bytes. If little is left that moves to memory of its size: the task
// may do something else for long before it reads on.
func (b *readBuffer) drop(p *bufferPool, n int) {
	const little = lentSize / 8
	b.bytes = b.bytes[n:]
	switch n := len(b.bytes); {
	case n == 0:
		b.own(p, nil)
	case n <= little && b.lent, !b.lent && cap(b.mem) > 4*n+1<<10:
		b.own(p, append([]byte(nil), b.bytes...))
	}
}

// park gives back what is lent, and keeps the bytes in memory of their size.
func (b *readBuffer) park(p *bufferPool) {
	if b.lent {
		b.own(p, append([]byte(nil), b.bytes...))
	}
}

// own has the buffer hold bytes, in memory that is not lent.
func (b *readBuffer) own(p *bufferPool, bytes []byte) {
	if b.lent {
		p.takeBack(b)
	}
	b.bytes, b.mem = bytes, bytes
}
