package asyncio

// A quota bounds how often a thing is done in one turn of the loop, so that a peer that keeps
// up does not keep the loop to itself.
type quota struct {
	turn uint64 // the turn that n belongs to
	n    int
}

// spend takes one of the most that there are in a turn, and reports whether one was left.
func (q *quota) spend(l *Loop, most int) bool {
	if q.turn != l.turns {
		q.turn, q.n = l.turns, 0
	}
	if q.n >= most {
		return false
	}
	q.n++
	return true
}
