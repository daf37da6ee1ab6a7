package buffer

// Spare returns the number of spare buffers.
func (p *Pool) Spare() int { return len(p.spare) }
