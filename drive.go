package asyncio

import "github.com/go-asyncio/asyncio/internal/coro"

// This file is about making steps without switches. To switch to a task and back costs more
// than all else that a step costs the loop. So there are two short cuts, which leave the
// steps and their order as they are:
//
//   - A task that comes to wait does not give control back at once. It drives the loop from
//     where it stands: it makes the steps that are next, until the next one is its own. To
//     await a task that does not wait itself, or to hand something over and wait for the
//     answer, then takes one switch there and back, and not two.
//   - A coroutine whose task has ended goes on with the next one if that has not begun.
//
// The tasks that drive form a chain: each stands where it resumed the next. One of them can
// go on only when all after it have given up driving, which they do when its turn comes.

// maxDrivers is how long the chain may be. The stacks of those who drive grow, and those who
// wait for long are in the way of others.
const maxDrivers = 4

// drive makes steps of other tasks until that of t is due. It reports false, and t has to be
// suspended, when something is due that is the loop's own, or a driver before t.
func (t *task) drive() (due bool) {
	l := t.loop
	if t.abandoned {
		t.unwind()
	}
	if l.ready.Len() == 0 || l.undriven > 0 {
		return false
	}
	for l.left > 0 || l.nextTurn() {
		next, ok := l.ready.Front().(*task)
		due = next == t
		if !ok || !due && (next.drives || !t.drives && !l.pushDriver(t)) {
			break
		}
		l.ready.PopFront()
		l.left--
		if due {
			break
		}
		if next.coro != nil {
			l.current = next
			next.coro.Resume()
		} else {
			l.current = nil
			next.run(l)
		}
	}
	if t.drives {
		l.popDriver()
		l.current = t
	}
	return due
}

// Next returns the task whose step is due if it has not begun, for the coroutine c, which t
// has just left. It is for package coro.
func (t *task) Next(c *coroutine) coro.Work[suspension] {
	l := t.loop
	if l.left == 0 || l.undriven > 0 {
		return nil
	}
	next, ok := l.ready.Front().(*task)
	if !ok || next.coro != nil || next.mustCancel {
		return nil
	}
	l.ready.PopFront()
	l.left--
	next.coro = c
	l.current = next
	return next
}

// goexit is called when the running task ends by runtime.Goexit, which ends the run. It is
// passed on to who has resumed the task: if that is a driver, it unwinds, too.
func (l *Loop) goexit() {
	if len(l.drivers) == 0 || l.undriven > 0 { // or it is who has started the task eagerly
		return
	}
	t := l.popDriver()
	l.current = t
	t.abandoned = true
	t.leaveQueue()
}

// pushDriver reports whether there is room for t in the chain.
func (l *Loop) pushDriver(t *task) bool {
	if len(l.drivers) == maxDrivers {
		return false
	}
	t.drives = true
	l.drivers = append(l.drivers, t)
	return true
}

func (l *Loop) popDriver() *task {
	n := len(l.drivers) - 1
	t := l.drivers[n]
	l.drivers[n] = nil
	l.drivers = l.drivers[:n]
	t.drives = false
	return t
}
