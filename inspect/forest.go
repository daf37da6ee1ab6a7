package inspect

import (
	"slices"

	"github.com/go-asyncio/asyncio"
)

// A forest has the tasks of a snapshot as trees. A task stands below each of its parents. If tasks are
// each other's parents in a ring, the first of them is a root.
type forest struct {
	above [][]int32 // the parents of each task
	below [][]int32 // its children
	roots []int32
	rings [][]int32 // each from a task to that task, exclusive
}

// grow makes the forest. edges passes add the ID of a task that stands above another, and the other's,
// for each place of the task i. Tasks that are not in the snapshot do not count.
func (s *snapshot) grow(edges func(i *asyncio.TaskInfo, add func(above, below uint64))) *forest {
	n := len(s.tasks)
	f := &forest{above: make([][]int32, n), below: make([][]int32, n)}
	index := s.index()
	add := func(above, below uint64) {
		a, ok := index[above]
		b, too := index[below]
		if ok && too {
			f.above[b] = append(f.above[b], a)
			f.below[a] = append(f.below[a], b)
		}
	}
	for i := range s.tasks {
		edges(&s.tasks[i], add)
	}
	state := make([]visit, n)
	for i := range f.above {
		if len(f.above[i]) == 0 {
			f.roots = append(f.roots, int32(i))
			f.follow(int32(i), state)
		}
	}
	for i := range f.above {
		if state[i] == unseen {
			f.roots = append(f.roots, int32(i))
			f.follow(int32(i), state)
		}
	}
	return f
}

type visit uint8

const (
	unseen visit = iota
	open         // on the path from the root
	left
)

// follow visits the tasks below root that are unseen, and notes the rings that it finds.
func (f *forest) follow(root int32, state []visit) {
	type step struct {
		task int32
		next int // the child that is next
	}
	path := []step{{task: root}}
	state[root] = open
	for len(path) > 0 {
		top := &path[len(path)-1]
		if top.next == len(f.below[top.task]) {
			state[top.task] = left
			path = path[:len(path)-1]
			continue
		}
		child := f.below[top.task][top.next]
		top.next++
		switch state[child] {
		case unseen:
			state[child] = open
			path = append(path, step{task: child})
		case open:
			from := slices.IndexFunc(path, func(s step) bool { return s.task == child })
			ring := make([]int32, 0, len(path)-from)
			for _, s := range path[from:] {
				ring = append(ring, s.task)
			}
			f.rings = append(f.rings, ring)
		}
	}
}

// A place is a task's place in the text or the rows of a forest.
type place struct {
	task  int32
	depth int
	last  bool // it is the last child
	again bool // the task, with all below it, has another place before
}

// walk calls visit for the places of the tasks that are wanted, parents before their children, until
// visit returns false. A nil wanted means all tasks.
func (f *forest) walk(wanted []bool, visit func(place) bool) {
	seen := make([]bool, len(f.above))
	var stack []place
	push := func(tasks []int32, depth int) {
		first := len(stack)
		for _, t := range slices.Backward(tasks) {
			if wanted == nil || wanted[t] {
				stack = append(stack, place{task: t, depth: depth, last: len(stack) == first})
			}
		}
	}
	push(f.roots, 0)
	for len(stack) > 0 {
		p := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		p.again = seen[p.task]
		seen[p.task] = true
		if !visit(p) {
			return
		}
		if !p.again {
			push(f.below[p.task], p.depth+1)
		}
	}
}

// withAncestors returns the tasks that match, and those above them.
func (f *forest) withAncestors(matches []bool) []bool {
	wanted := slices.Clone(matches)
	var stack []int32
	for i, m := range matches {
		if m {
			stack = append(stack, int32(i))
		}
	}
	for len(stack) > 0 {
		t := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		for _, p := range f.above[t] {
			if !wanted[p] {
				wanted[p] = true
				stack = append(stack, p)
			}
		}
	}
	return wanted
}
