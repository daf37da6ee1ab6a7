package asyncio

// runnable is what the ready queue holds.
type runnable interface{ run(l *Loop) }

// A nodeList links nodes that stand in what they are for, so that adding to it allocates nothing and
// any node can leave it at once: the callbacks of a future, the tasks that wait for a primitive.
type nodeList struct{ head, tail *node }

// A node is a runnable that waits for its time.
type node struct {
	next, prev *node
	list       *nodeList // the list it stands in, or nil
	run        runnable  // what becomes ready
}

func (l *nodeList) push(n *node) {
	n.list, n.prev, n.next = l, l.tail, nil
	if l.tail == nil {
		l.head = n
	} else {
		l.tail.next = n
	}
	l.tail = n
}

// takeBack unlinks n and reports whether it stood in a list.
func (n *node) takeBack() bool {
	linked := n.list != nil
	n.unlink()
	return linked
}

// unlink takes n out of its list, if it stands in one.
func (n *node) unlink() {
	l := n.list
	if l == nil {
		return
	}
	if n.prev == nil {
		l.head = n.next
	} else {
		n.prev.next = n.next
	}
	if n.next == nil {
		l.tail = n.prev
	} else {
		n.next.prev = n.prev
	}
	n.list, n.prev, n.next = nil, nil, nil
}
