package asyncio

import "github.com/go-asyncio/asyncio/internal/fiber"

// Switching to a task and back is the most expensive part of a step. This file avoids switches
// in two ways; neither changes which steps run, or in what order.
//
//   - A task that is about to wait does not return to the loop at once. It drives: it runs the
//     loop's next steps itself, by resuming their tasks from its own stack, until its own step
//     comes up. Awaiting a task that does not wait itself, or handing something over and
//     waiting for the answer, then takes one switch there and back instead of two.
//   - A fiber whose task has ended goes on with the next task if that has not begun.
//
// At most one task drives. It resumes all the others, which give control back to it when they wait.
// A driver whose own step does not come for drivingTurns turns gives up, and the next task that
// waits drives instead. So a task that waits for long, as main often does, makes room for the tasks
// that work.
//
// It is tempting to let a resumed task drive in turn, in a chain. But the switches that it saves are
// made later, when the chain is taken back, and a chain of tasks that wait for long is worse than
// none. It is tempting, too, to give up before looking whether the driver's own step is next. But
// then a contended lock costs a switch that it need not make.

// drivingTurns is the number of turns that a task drives without a step of its own. Giving up costs
// two switches.
const drivingTurns = 128

// nextToResume returns the fiber that t, which is about to wait, has to resume. It returns t's own
// if t's step is next, and nil if t has to be suspended: because a callback is next, because
// another task drives, or because t gives up driving. Callers ask again after each resumption; see
// task.direct for why no function does that for them.
func (t *task) nextToResume() *taskFiber {
	l := t.loop
	if t.unwinding != notUnwinding {
		t.unwind()
	}
	if l.undriven > 0 {
		return nil
	}
	driver := l.driver
	for l.left > 0 || !l.stopping.Load() && l.nextTurn() {
		next, ok := l.ready.Front().(*task)
		if next == t {
			l.popReady()
			if driver == t {
				l.driver, l.current = nil, t
			}
			return t.fiber
		}
		if !ok || driver != nil && (driver != t || l.turns >= l.drivesUntil) {
			break
		}
		l.popReady()
		if next.fiber == nil && !next.takeFiber() {
			continue
		}
		if driver == nil {
			l.driver, l.drivesUntil = t, l.turns+drivingTurns
		}
		l.current = next
		return next.fiber
	}
	if driver == t {
		l.driver, l.current = nil, t
	}
	return nil
}

// popReady removes and returns the front of the ready queue.
func (l *Loop) popReady() runnable {
	l.left--
	return l.ready.PopFront()
}

// Next is called when t has ended and its fiber f is free. If the next ready entry is a task that
// has not begun, Next returns it, to run in f without a switch. It is for package fiber.
func (t *task) Next(f *taskFiber) fiber.Work[suspension] {
	l := t.loop
	if l.left == 0 || l.undriven > 0 {
		return nil
	}
	next, ok := l.ready.Front().(*task)
	if !ok || next.fiber != nil || next.mustCancel || next.state != pending {
		return nil
	}
	l.popReady()
	next.fiber = f
	l.current = next
	return next
}

// OnGoexit is called when runtime.Goexit has ended t, and with it the run. The Goexit goes on in the
// caller of Resume. If that is the driver, it unwinds, too. It is for package fiber.
func (t *task) OnGoexit() {
	l := t.loop
	driver := l.driver
	if driver == nil || l.undriven > 0 { // the caller is the loop, or has started the task eagerly
		return
	}
	l.driver, l.current = nil, driver
	driver.unwinding = byGoexit
	driver.leaveQueue()
}
