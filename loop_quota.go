package asyncio

// A quota limits how often something is done in one turn of the loop, so that a peer that keeps up
// with the loop does not have it to itself.
type quota struct {
	turn uint64 // the turn that n belongs to
	n    int
}

// spend reports whether the quota, of the given size, allows another use in this turn, and counts
// that use.
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
