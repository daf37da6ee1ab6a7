package asyncio

import "time"

// A bufferPool lends memory to receive into, and for what waits to be sent. Readers that still have bytes in it when the loop
// has nothing else to do move them to memory of their size.
type bufferPool struct {
	spare   [][]byte
	held    []*readBuffer // those that have been lent a buffer
	unused  int           // the fewest spare buffers since the last trim
	trimmed time.Time
}

const (
	lentSize = 64 << 10
	maxSpare = 64 // more are left to the garbage collector

	keepSpare   = 4
	sparePeriod = time.Second
)

// get returns a buffer that nobody uses.
func (p *bufferPool) get() []byte {
	n := len(p.spare) - 1
	if n < 0 {
		return make([]byte, lentSize)
	}
	b := p.spare[n]
	p.spare[n] = nil
	p.spare = p.spare[:n]
	p.unused = min(p.unused, n)
	return b
}

// put takes a buffer back.
func (p *bufferPool) put(b []byte) {
	if len(p.spare) < maxSpare {
		p.spare = append(p.spare, b)
	}
}

// lend gives b a buffer.
func (p *bufferPool) lend(b *readBuffer) {
	b.mem, b.lent, b.place = p.get(), true, len(p.held)
	p.held = append(p.held, b)
}

// takeBack takes the buffer of b back.
func (p *bufferPool) takeBack(b *readBuffer) {
	last := len(p.held) - 1
	p.held[last].place = b.place
	p.held[b.place] = p.held[last]
	p.held[last] = nil
	p.held = p.held[:last]
	p.put(b.mem)
	b.mem, b.lent = nil, false
}

// isLarge reports whether there is something to trim.
func (p *bufferPool) isLarge() bool { return len(p.held) > 0 || len(p.spare) > keepSpare }

// trim takes back what is lent, and gives up half of the buffers that nobody has needed for a
// period. It is for moments when the loop has nothing to run.
func (p *bufferPool) trim(now func() time.Time) {
	for len(p.held) > 0 {
		p.held[len(p.held)-1].park(p)
	}
	if len(p.spare) <= keepSpare {
		return
	}
	t := now()
	if t.Sub(p.trimmed) < sparePeriod {
		return
	}
	if !p.trimmed.IsZero() {
		n := len(p.spare) - min((p.unused+1)/2, len(p.spare)-keepSpare)
		clear(p.spare[n:])
		p.spare = p.spare[:n]
	}
	p.trimmed, p.unused = t, len(p.spare)
}
