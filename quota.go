package asyncio

// A quota bounds how often something is done in one turn of the loop, so that one peer that
// keeps up does not keep the loop to itself.
type quota struct {
	turn uint64 // the turn that n counts in
	n    int
}

// spend reports whether something is left of the most that this turn may have, and takes one
// of it.
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
