package buffer

// Spare returns the number of buffers that nobody uses.
func (p *Pool) Spare() int { return len(p.spare) }
