package asyncio

// This file runs the turns of the loop. The entries that are ready when a turn begins run in it;
// those that become ready meanwhile run in the next.

import "runtime/debug"

// loop makes turns until the loop is stopped or fails.
func (l *Loop) loop() error {
	defer func() {
		l.turning = false
		l.stopping.Store(false)
	}()
	l.turning = true
	l.beginInstant()
	for {
		l.turn()
		if l.stopping.Load() {
			return l.failure
		}
	}
}

// fail ends the run with err before anything else runs. It only records err, and does not panic:
// the caller may be on the stack of a task that drives the loop and has nothing to do with err.
func (l *Loop) fail(err error) {
	if l.failure == nil {
		l.failure = err
	}
	l.stopping.Store(true)
}

// failOnPanic is deferred around code that belongs to no task, but may panic on the stack of the
// task that drives.
func (l *Loop) failOnPanic() {
	if r := recover(); r != nil {
		l.fail(&PanicError{r, debug.Stack()})
	}
}

// turn waits until something is ready or due, and runs one turn.
func (l *Loop) turn() {
	if !l.nextTurn() {
		if !l.stopping.Load() {
			l.idle()
		} else if l.failure == nil && l.reactor.Active() > 0 {
			l.poll(0)
		}
		if l.failure != nil {
			return
		}
		l.beginTurn()
		l.noteTurn()
	}
	for l.left > 0 {
		l.left--
		r := l.ready.PopFront()
		switch t, ok := r.(*task); {
		case l.instrumented:
			l.runInstrumented(r)
		case ok && t.fiber != nil: // t.run(l) without the call; see task.direct
			l.current = t
			t.fiber.Resume()
			l.current = nil
		default:
			r.run(l)
		}
	}
}

// nextTurn begins the next turn if something is ready for it already and the loop is not to stop.
// It reports whether the turn has entries to run.
func (l *Loop) nextTurn() bool {
	if l.posted.any.Load() {
		l.collect()
	}
	// The order of events in virtual time is fixed, so there every turn looks at the contexts
	// itself and does not depend on when the goroutines of package context run.
	if l.watches.head != nil && (l.virtual || l.watchesDue.Load()) {
		l.watchesDue.Store(false)
		l.fireWatches()
	}
	if l.ready.Len() == 0 || l.stopping.Load() {
		return false
	}
	if l.reactor.Active() > 0 {
		if l.poll(0); l.failure != nil {
			return false
		}
	}
	l.beginTurn()
	return l.left > 0 // checkInstant clears it if this is a turn too many
}

// beginTurn moves the timers that are due to the ready queue. All entries then in the queue belong
// to the turn.
func (l *Loop) beginTurn() {
	l.turns++
	if l.timers.Len() > 0 {
		now := l.Time()
		l.noteLateness(now)
		for t := l.timers.Pop(now); t != nil; t = l.timers.Pop(now) {
			l.ready.PushBack(t.Value)
		}
	}
	l.left = l.ready.Len()
	if l.turns >= l.chores {
		l.doChores()
	}
}

// doChores does the work that is not needed in every turn.
func (l *Loop) doChores() {
	const period = 64 // turns
	l.chores = l.turns + period
	l.noteTurn()
	l.searchRingsWhileBusy()
	l.trim()
	if l.virtual {
		l.settleChannels() // in case tasks keep each other going at this instant
		l.checkInstant()
	}
}

// push makes r ready to run in the next turn.
func (l *Loop) push(r runnable) {
	if l.posted.any.Load() { // entries posted earlier come first
		l.collect()
	}
	l.ready.PushBack(r)
}
