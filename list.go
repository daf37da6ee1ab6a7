package asyncio

// A runnable is an entry of the ready queue.
type runnable interface{ run(l *Loop) }

// A nodeList is a doubly linked list of nodes that are part of larger structs. Adding a node
// allocates nothing, and any node can leave at once. The callbacks of a future are such a list, and
// so are the tasks that wait for a primitive.
type nodeList struct{ head, tail *node }

// A node is an entry of a nodeList. It holds the runnable that waits there.
type node struct {
	next, prev *node
	list       *nodeList // the list that contains it, or nil
	run        runnable  // made ready when its time comes
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

// takeBack unlinks n and reports whether it was in a list.
func (n *node) takeBack() bool {
	linked := n.list != nil
	n.unlink()
	return linked
}

// unlink takes n out of its list, if it is in one.
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
