package asyncio

// A readBuffer holds what a stream has received and nobody has read yet. It receives into
// memory that the loop lends it, and gives that back when it is empty or its task goes to
// sleep, so that a stream which waits has no more memory than it has bytes.
type readBuffer struct {
	bytes []byte // not read yet
	lent  []byte // the loop's; bytes is a part of it, unless it is nil
}

const lentSize = 64 << 10

// A buffer that is full to this part or less is kept in memory of its own while its
// stream waits.
const parkSize = lentSize / 4

func (b *readBuffer) len() int { return len(b.bytes) }

// space returns where to receive to. What is received there is added by grow.
func (b *readBuffer) space(l *Loop) []byte {
	const enough = 4 << 10
	switch n := len(b.bytes); {
	case n == 0 && b.lent != nil:
		b.bytes = b.lent[:0]
	case b.lent == nil && n <= lentSize/2:
		b.lent = l.lend()
		b.bytes = append(b.lent[:0], b.bytes...)
	case cap(b.bytes)-n < enough:
		grown := append(make([]byte, 0, 2*n+lentSize), b.bytes...)
		b.giveBack(l)
		b.bytes = grown
	}
	return b.bytes[len(b.bytes):cap(b.bytes)]
}

// grow adds the first n bytes of space.
func (b *readBuffer) grow(n int) { b.bytes = b.bytes[:len(b.bytes)+n] }

// take removes the first n bytes and returns a copy of them.
func (b *readBuffer) take(l *Loop, n int) []byte {
	if b.lent == nil && n == len(b.bytes) && n > cap(b.bytes)/2 { // they are our own
		p := b.bytes
		b.bytes = nil
		return p
	}
	p := make([]byte, n)
	copy(p, b.bytes)
	b.drop(l, n)
	return p
}

// drop removes the first n bytes. If little is left it gives back what the loop has lent: the
// task may do something else for long before it reads on.
func (b *readBuffer) drop(l *Loop, n int) {
	const little = 1 << 10
	b.bytes = b.bytes[n:]
	switch n := len(b.bytes); {
	case n == 0:
		b.giveBack(l)
		b.bytes = nil
	case n <= little && b.lent != nil:
		b.park(l)
	}
}

// park gives what the loop has lent back before a wait, if that costs little.
func (b *readBuffer) park(l *Loop) {
	if b.lent == nil || len(b.bytes) > parkSize {
		return
	}
	var own []byte
	if len(b.bytes) > 0 {
		own = append(own, b.bytes...)
	}
	b.giveBack(l)
	b.bytes = own
}

func (b *readBuffer) giveBack(l *Loop) {
	if b.lent != nil {
		l.spare = append(l.spare, b.lent)
		b.lent = nil
	}
}

// lend returns a buffer that no stream uses.
func (l *Loop) lend() []byte {
	n := len(l.spare)
	if n == 0 {
		return make([]byte, lentSize)
	}
	p := l.spare[n-1]
	l.spare[n-1] = nil
	l.spare = l.spare[:n-1]
	return p
}
