// Package buffer keeps the bytes that a stream has received and no task has read yet, and the bytes
// that it has still to send, in memory that the streams of a loop share.
package buffer

import "time"

// A Pool lends memory to receive into, and to keep bytes that wait to be sent. Each loop has one. A
// loop that has nothing to run calls Trim, which moves received bytes that no task has read to
// memory of their size.
type Pool struct {
	spare   [][]byte    // buffers that nobody uses
	held    []*Received // each has a lent buffer
	unused  int         // the fewest spare buffers since the last Trim
	trimmed time.Time   // the time of the last Trim of spare
}

const (
	Size     = 64 << 10 // of a buffer, in bytes
	maxSpare = 64       // the garbage collector gets any more

	keepSpare   = 4           // Trim leaves these
	sparePeriod = time.Second // the least time between two trims of spare
)

// Get returns a buffer that nobody uses.
func (p *Pool) Get() []byte {
	n := len(p.spare) - 1
	if n < 0 {
		return make([]byte, Size)
	}
	b := p.spare[n]
	p.spare[n] = nil
	p.spare = p.spare[:n]
	p.unused = min(p.unused, n)
	return b
}

// Put takes a buffer back.
func (p *Pool) Put(b []byte) {
	if len(p.spare) < maxSpare {
		p.spare = append(p.spare, b)
	}
}

// lend gives b a buffer.
func (p *Pool) lend(b *Received) {
	b.mem, b.lent, b.place = p.Get(), true, len(p.held)
	p.held = append(p.held, b)
}

// takeBack takes the buffer of b back.
func (p *Pool) takeBack(b *Received) {
	last := len(p.held) - 1
	p.held[last].place = b.place
	p.held[b.place] = p.held[last]
	p.held[last] = nil
	p.held = p.held[:last]
	p.Put(b.mem)
	b.mem, b.lent = nil, false
}

// IsLarge reports whether there is anything to trim.
func (p *Pool) IsLarge() bool { return len(p.held) > 0 || len(p.spare) > keepSpare }

// Trim takes back the lent buffers, and gives up half of the spare ones that were not needed in the
// last period. It calls now only if there are more than keepSpare.
func (p *Pool) Trim(now func() time.Time) {
	for len(p.held) > 0 {
		p.held[len(p.held)-1].Park(p)
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
