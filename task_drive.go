package asyncio

import "github.com/go-asyncio/asyncio/internal/fiber"

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

// ahead returns the coroutine that t, which comes to wait, has to resume itself: that of the
// task whose step is next. It returns t's own when that is due, and nil, whereupon t has to
// be suspended, when something is due that is the loop's own or a driver's before t. Those
// who wait call it in a loop; see task.direct for why no function does that for them.
func (t *task) ahead() *taskFiber {
	l := t.loop
	if t.abandoned {
		t.unwind()
	}
	if l.undriven > 0 {
		return nil
	}
	for l.left > 0 || !l.stopping.Load() && l.nextTurn() {
		next, ok := l.ready.Front().(*task)
		if next == t {
			l.take()
			if t.drives {
				l.popDriver()
				l.current = t
			}
			return t.fiber
		}
		if !ok || next.drives || !t.drives && len(l.drivers) == maxDrivers {
			break
		}
		l.take()
		if next.fiber == nil && !next.enter() {
			continue
		}
		if !t.drives {
			l.pushDriver(t)
		}
		l.current = next
		return next.fiber
	}
	if t.drives {
		l.popDriver()
		l.current = t
	}
	return nil
}

// take removes the front of the ready queue.
func (l *Loop) take() runnable {
	l.left--
	return l.ready.PopFront()
}

// Next returns the task whose step is due if it has not begun, for the coroutine c, which t
// has just left. It is for package fiber.
func (t *task) Next(c *taskFiber) fiber.Work[suspension] {
	l := t.loop
	if l.left == 0 || l.undriven > 0 {
		return nil
	}
	next, ok := l.ready.Front().(*task)
	if !ok || next.fiber != nil || next.mustCancel {
		return nil
	}
	l.take()
	next.fiber = c
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
	t.abandoned, t.exits = true, true
	t.leaveQueue()
}

func (l *Loop) pushDriver(t *task) {
	t.drives = true
	l.drivers = append(l.drivers, t)
}

func (l *Loop) popDriver() *task {
	n := len(l.drivers) - 1
	t := l.drivers[n]
	l.drivers[n] = nil
	l.drivers = l.drivers[:n]
	t.drives = false
	return t
}
