package asyncio

// This file reports the steps of a loop to observers. While there are any, the loop makes all steps
// itself and by runInstrumented, as in debug mode. Nothing else in the loop knows of them: the
// entries that a step adds to the ready queue are those that it has made ready, and the ones that
// appear between two steps come from timers, descriptors and other goroutines.

import (
	"runtime/debug"
	"time"
)

// An observation is the state of a loop that is observed.
type observation struct {
	loop      *Loop
	observers []*observer // those that see the events
	joining   []*observer // those that will from the next step on
	emitting  bool        // an observer is on the stack
	left      bool        // an observer was removed from observers

	popped    uint64 // number of the entry at the front of the ready queue
	announced uint64 // number of the first entry that no OnReady was about

	inStep bool   // a step is on the stack
	by     uint64 // the ID of its task, or 0

	event LoopEvent
}

// An observer is a function given to Observe, or nil once it was removed.
type observer struct{ fn func(*LoopEvent) }

// Observe has the loop call fn with each event from the next step on, until stop is called or the
// loop closes. stop may be called more than once, also by fn.
//
// The events of a task are OnCreated, then OnReady, OnBegin and OnEnd for each of its steps, and
// OnDone. A callback has OnReady, OnBegin and OnEnd; the timer that wakes a task is a callback, too.
// The events of a step that starts another task eagerly enclose those of that task's first step. An
// observer that comes later misses the events before: it may see the OnBegin of an entry whose
// OnReady it has not seen.
//
// The loop calls fn on its goroutine, between steps, or within a step that creates tasks eagerly. fn
// may call whatever does not suspend, but its own doings are not observed; it must not call a
// suspension point. It should be quick, since the loop stands still meanwhile. If fn panics, it is
// removed and the panic is reported to the exception handler.
//
// While a loop is observed it makes each step itself, as in debug mode, and each takes several
// times as long. Observe does not suspend.
func (l *Loop) Observe(fn func(*LoopEvent)) (stop func()) {
	l.checkGoroutine()
	if fn == nil {
		panic("asyncio: nil observer")
	}
	if l.closed {
		panic("asyncio: event loop is closed")
	}
	if l.observation == nil {
		l.observation = &observation{loop: l, popped: 1, announced: 1}
		if l.current == nil && l.driver == nil {
			l.followInstruments()
		} else {
			l.instrument()
		}
	}
	o, ob := l.observation, &observer{fn}
	o.joining = append(o.joining, ob)
	return func() {
		l.checkGoroutine()
		if ob.fn != nil {
			ob.fn = nil
			o.left = true
			o.settle()
		}
	}
}

// instrument has the loop make its steps with or without instruments from the next turn on.
func (l *Loop) instrument() {
	if l.running.Load() {
		l.push(callback(l.followInstruments)) // a callback, so that no task drives when it runs
	}
}

// followInstruments makes the loop run all steps itself while it is in debug mode or observed, and
// lets tasks drive again after it. It must not be called in a task.
func (l *Loop) followInstruments() {
	wanted := l.debug || l.observation != nil
	if l.instrumented == wanted {
		return
	}
	l.instrumented = wanted
	if wanted {
		l.undriven++
	} else {
		l.undriven--
	}
}

// settle removes the observers that are gone and adds those that join. It waits for the end of the
// step, in which a joining observer would miss the beginning, and of the calls of observers.
func (o *observation) settle() {
	if o.emitting || o.inStep {
		return
	}
	if o.left {
		o.left = false
		o.observers = present(o.observers)
		o.joining = present(o.joining)
	}
	o.observers, o.joining = append(o.observers, o.joining...), nil
	if len(o.observers) == 0 && o.loop.observation == o {
		o.loop.observation = nil
		o.loop.instrument()
	}
}

func present(all []*observer) (left []*observer) {
	for _, ob := range all {
		if ob.fn != nil {
			left = append(left, ob)
		}
	}
	return left
}

// run makes the step of r, which was removed from the front of the ready queue.
func (o *observation) run(r runnable) {
	if len(o.joining) > 0 || o.left {
		o.settle()
	}
	begun := false
	defer o.putBackUnless(&begun, r)
	entry := o.popped
	o.popped++
	o.readClock()
	if o.announced == entry {
		o.announced++
		o.ready(r, entry)
	}
	o.announce()
	o.step(r, entry, &begun)
	if o.left {
		o.settle()
	}
}

// putBackUnless is deferred. If an observer has called runtime.Goexit before the step of r has begun, it
// makes r ready again, so that the next run of the loop has it.
func (o *observation) putBackUnless(begun *bool, r runnable) {
	if !*begun {
		o.popped--
		o.loop.ready.PushFront(r)
	}
}

// runEagerly makes the first step of t within another step.
func (l *Loop) runEagerly(t *task) {
	o := l.observation
	if o == nil || !l.instrumented { // not yet; until then o does not count the entries
		t.run(l)
		return
	}
	begun := false
	defer o.putBackUnless(&begun, t)
	o.readClock()
	o.announce() // entries that the outer step has made ready
	o.created(t)
	o.step(t, 0, &begun)
}

// step makes a step between its two events. It sets begun when the step begins.
func (o *observation) step(r runnable, entry uint64, begun *bool) {
	inStep, by := o.inStep, o.by
	t, _ := r.(*task)
	o.inStep, o.by = true, 0
	if t != nil {
		o.by = t.id
	}
	returned := false
	defer func() { // deferred for runtime.Goexit
		if *begun {
			o.readClock()
			o.announce()
			o.end(r, t)
		}
		o.inStep, o.by = inStep, by
		if !returned {
			o.settle()
		}
	}()
	o.about(OnBegin, r, t).Entry = entry
	o.emit()
	*begun = true
	r.run(o.loop)
	returned = true
}

// end reports the end of a step.
func (o *observation) end(r runnable, t *task) {
	e := o.about(OnEnd, r, t)
	if t != nil {
		switch {
		case t.state != pending:
			e.State = TaskDone
		case t.fiber != nil && t.waits():
			e.State, e.Wait = TaskWaiting, t.waitKind()
		default:
			e.State = TaskReady
		}
	}
	o.emit()
	if t != nil && t.state != pending {
		o.done(t)
	}
}

// done reports the end of a task.
func (o *observation) done(t *task) {
	e := o.about(OnDone, t, t)
	e.Cancelled = t.state == cancelled
	if e.Err = t.err; e.Cancelled {
		e.Err = ErrCancelled
	}
	o.emit()
}

// announce reports the entries of the ready queue that it has not reported yet.
func (o *observation) announce() {
	q := &o.loop.ready
	for ; o.announced < o.popped+uint64(q.Len()); o.announced++ {
		o.ready(q.At(int(o.announced-o.popped)), o.announced)
	}
}

// ready reports that r is ready. A task that has not begun was created just now: it is in the queue
// once.
func (o *observation) ready(r runnable, entry uint64) {
	t, _ := r.(*task)
	if t != nil && t.fiber == nil && t.state == pending {
		o.created(t)
	}
	e := o.about(OnReady, r, t)
	e.Entry, e.InStep, e.By = entry, o.inStep, o.by
	if t != nil && t.fiber != nil {
		e.Wait, e.Cancelled = t.waitKind(), t.waitCancelled()
	}
	o.emit()
}

func (o *observation) created(t *task) {
	o.about(OnCreated, t, t).Parent = o.by
	o.emit()
}

// idle reports that the loop begins to wait.
func (o *observation) idle() {
	o.settle()
	o.readClock()
	o.about(OnIdle, nil, nil)
	o.emit()
}

// awake reports that the loop has waited.
func (o *observation) awake() {
	o.readClock()
	o.about(OnAwake, nil, nil)
	o.emit()
}

// killed reports the end of a task that was abandoned.
func (o *observation) killed(t *task) {
	o.readClock()
	o.done(t)
}

// close reports that the loop closes, and ends the observation.
func (o *observation) close() {
	o.inStep = false
	o.settle()
	o.readClock()
	o.about(OnClosed, nil, nil)
	o.emit()
	o.observers, o.joining, o.loop.observation = nil, nil, nil
}

// readClock sets the time of the next events.
func (o *observation) readClock() {
	o.event.Real = time.Since(o.loop.clock.start)
	o.event.Time = o.event.Real
	if o.loop.virtual {
		o.event.Time = o.loop.clock.now
	}
}

// about returns the event with the kind and the subject set.
func (o *observation) about(kind LoopEventKind, r runnable, t *task) *LoopEvent {
	e := &o.event
	if o.emitting {
		e = &LoopEvent{} // it is not emitted; e belongs to the observer that is on the stack
	}
	l := o.loop
	*e = LoopEvent{Kind: kind, Time: e.Time, Real: e.Real, Turns: l.turns, Ready: l.ready.Len(), Tasks: l.tasks.n, task: t, entry: r}
	if t != nil {
		e.ID = t.id
	}
	return e
}

// emit calls the observers with the event, unless one of them has caused it.
func (o *observation) emit() {
	if o.emitting {
		return
	}
	o.emitting = true
	defer func() { o.emitting = false }() // deferred for runtime.Goexit
	for _, ob := range o.observers {
		if ob.fn != nil {
			o.call(ob)
		}
	}
	o.event.task, o.event.entry = nil, nil // they may be garbage before the next event
}

// call calls an observer, and removes it if it does not return.
func (o *observation) call(ob *observer) {
	returned := false
	defer func() {
		if returned {
			return
		}
		ob.fn, o.left = nil, true
		if r := recover(); r != nil {
			o.loop.report(ExceptionContext{Message: "panic in an observer", Err: &PanicError{r, debug.Stack()}})
		}
	}()
	ob.fn(&o.event)
	returned = true
}

// waitKind returns the kind of the wait that t has begun, or that has ended and that t has not
// resumed from.
func (t *task) waitKind() WaitKind {
	s := &t.fiber.State
	switch {
	case s.awaiting != nil:
		switch b := s.awaiting.behavior.(type) {
		case AnyTask:
			return WaitTask
		case interface{ waitKind() WaitKind }:
			return b.waitKind()
		}
		return WaitFuture
	case s.yields():
		return ""
	case kindOf[s.reason] != "":
		return kindOf[s.reason]
	}
	return WaitNetwork
}

// waitCancelled reports whether the last wait of t was cancelled. t has not resumed yet.
func (t *task) waitCancelled() bool {
	s := &t.fiber.State
	if s.awaiting != nil {
		return s.awaiting.state == cancelled
	}
	return s.state == waitCancelled
}
