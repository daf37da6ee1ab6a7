package asyncio

// This file shows the state of a loop and of all its tasks, for inspection.

import (
	"runtime"
	"slices"
	"time"
	"unsafe"
)

// A TaskInfo describes a task at the time of a Snapshot.
type TaskInfo struct {
	Task   AnyTask
	ID     uint64 // distinguishes the task from all others of its loop, in all snapshots
	Parent uint64 // the ID of the task that created it, or 0
	Name   string
	State  TaskState

	WaitsFor  string        // the thing that a waiting task waits for, such as `Lock "accounts"`
	Since     time.Duration // the loop's time when the task began to wait, or Never if that is not known; a little early
	Created   time.Duration // the loop's time of its creation, or Never if that is not known; a little early
	BlockedBy uint64        // the ID of the task that holds the thing that it waits for, if that one alone can release it, or 0
	AwaitedBy []uint64      // the IDs of the tasks that await it; see FutureCallGraph
	NeededBy  []uint64      // those of them that cannot go on before it is done
	HeldBy    []uint64      // the IDs of the tasks that hold the lock or the semaphore that it waits for, at most 100
}

// Stats are figures about a loop.
type Stats struct {
	Time        time.Duration // the loop's time
	Turns       uint64        // turns made so far
	Tasks       int           // tasks that are not done
	Ready       int           // tasks and callbacks that run in this turn or the next
	Timers      int           // timers that are set
	Descriptors int           // descriptors that may have events
	Fibers      int           // idle goroutines kept for tasks

	Threads       int // functions of ToThread and of executors that run
	ThreadsInLine int // functions of ToThread that wait for a slot

	Lateness time.Duration // the most that a timer was late in the last second or two; 0 if the loop is not inspected
}

// Inspect turns the inspection of the loop on or off. It is on in debug mode, too. A loop that is
// inspected records when its tasks are created, by which task and where, when they begin to wait,
// and which tasks hold its locks and semaphores. It logs a step that blocks the loop for
// [WithSlowCallbackDuration] or longer while the step goes on. It reports tasks that wait for one
// another in a ring to the exception handler, unless its time is virtual. Creating a task costs about
// 0.6 µs more. Inspect does not suspend.
func (l *Loop) Inspect(on bool) {
	l.check()
	l.inspected = on
	l.record((on || l.debug) && !l.closed)
}

// Stats returns figures about the loop. It does not suspend.
func (l *Loop) Stats() Stats {
	l.check()
	s := Stats{
		Time: l.Time(), Turns: l.turns, Tasks: l.tasks.n, Ready: l.ready.Len(), Timers: l.timers.Len(),
		Descriptors: l.reactor.Active(), Fibers: l.fibers.Len(),
	}
	s.Threads, s.ThreadsInLine = l.threads.count()
	if r := l.recorder; r != nil {
		s.Lateness = r.lateness(s.Time)
	}
	return s
}

// Snapshot describes all tasks that are not done, in the order of their creation. It turns
// inspection on if it is off; then the times before that are not known. Snapshot does not
// suspend.
func (l *Loop) Snapshot() []TaskInfo { return l.AppendSnapshot(nil) }

// AppendSnapshot appends what Snapshot returns to infos. If there is room for it, made by another
// goroutine, the loop need not make it. That matters with 100,000 tasks, of which a description takes 170
// bytes each: who allocates much while the garbage collector works has to help it.
func (l *Loop) AppendSnapshot(infos []TaskInfo) []TaskInfo {
	l.check()
	if l.recorder == nil {
		l.Inspect(true)
	}
	infos = slices.Grow(infos, l.tasks.n)
	d := newDescriber(l)
	for t := l.tasks.head; t != nil; t = t.next {
		infos = append(infos, d.describe(t))
	}
	return infos
}

// TaskInfos is Snapshot of those tasks alone that have one of these IDs. It leaves out tasks that are
// done.
func (l *Loop) TaskInfos(ids ...uint64) []TaskInfo {
	l.check()
	if l.recorder == nil {
		l.Inspect(true)
	}
	wanted := make(map[uint64]bool, len(ids))
	for _, id := range ids {
		wanted[id] = true
	}
	var infos []TaskInfo
	d := newDescriber(l)
	for t := l.tasks.head; t != nil && len(infos) < len(wanted); t = t.next {
		if wanted[t.id] {
			infos = append(infos, d.describe(t))
		}
	}
	return infos
}

// A describer describes the tasks of a snapshot. It does once what many tasks have in common: 100,000
// may wait for one lock, or await one task.
type describer struct {
	*recorder
	times [64]turnTime // of the turns that were looked up last
	names []string     // room for default names
	text  []byte       // room for their bytes
	waits map[queueWait]waitInfo

	awaited     *future // the last one that a task awaits
	awaitedText string  // its description

	ids, needing []uint64 // the awaiters that add has got; ids has those of many tasks
	add          func(a *task, needed bool)
}

func newDescriber(l *Loop) *describer {
	d := &describer{recorder: l.recorder, waits: make(map[queueWait]waitInfo)}
	d.add = func(a *task, needed bool) {
		d.ids = append(d.ids, a.id)
		if needed {
			d.needing = append(d.needing, a.id)
		}
	}
	return d
}

// A queueWait is a wait in the queue of a primitive that has a name or holders.
type queueWait struct {
	queue  *waitq
	reason waitReason
}

type waitInfo struct {
	text   string
	heldBy []uint64
}

func (d *describer) describe(t *task) TaskInfo {
	i := TaskInfo{Task: t.typed(), ID: t.id, Name: d.name(t), State: t.activity(), Since: Never, Created: Never}
	if b := d.birth(t); b != nil {
		i.Parent, i.Created = b.parent, d.at(b.turn)
	}
	if i.State == TaskWaiting {
		i.Since = d.at(t.fiber.State.since)
		i.WaitsFor, i.HeldBy = d.waitOf(t)
		if h := t.blockedBy(); h != nil {
			i.BlockedBy = h.id
		}
	}
	if t.callbacks.head != nil {
		i.AwaitedBy, i.NeededBy = d.awaiters(t)
	}
	return i
}

// at returns the time of a turn.
func (d *describer) at(turn uint64) time.Duration {
	at := &d.times[turn%uint64(len(d.times))]
	if at.turn != turn || turn == 0 {
		*at = turnTime{turn, d.clock.at(turn)}
	}
	return at.time
}

// name returns the name of t. It gives t its default name, so that the next snapshot need not make it
// again. Names that are made one after the other share their memory.
func (d *describer) name(t *task) string {
	if given := t.name.Load(); given != nil {
		return *given
	}
	const chunk = 512 // names
	if len(d.names) == cap(d.names) || cap(d.text)-len(d.text) < maxDefaultName {
		d.names, d.text = make([]string, 0, chunk), make([]byte, 0, chunk*(maxDefaultName/2))
	}
	n := len(d.text)
	d.text = appendDefaultName(d.text, t.id)
	d.names = append(d.names, unsafe.String(&d.text[n], len(d.text)-n))
	name := &d.names[len(d.names)-1]
	t.name.Store(name)
	return *name
}

// awaiters returns the IDs of the tasks that await t, and of those of them that cannot go on before t is
// done.
func (d *describer) awaiters(t *task) (all, needing []uint64) {
	if cap(d.ids)-len(d.ids) < 64 {
		d.ids = make([]uint64, 0, 4096) // rather than grow: the tasks before keep what they have
	}
	from := len(d.ids)
	d.needing = d.needing[:0]
	t.eachAwaiter(d.add)
	all, needing = slices.Clip(compact(d.ids[from:])), compact(d.needing)
	d.ids = d.ids[:from+len(all)]
	if len(needing) == len(all) {
		return all, all
	}
	return all, slices.Clone(needing)
}

// compact removes the ids that occur before, in place. Usually they ascend.
func compact(ids []uint64) []uint64 {
	var seen map[uint64]bool
	if len(ids) > 16 {
		seen = make(map[uint64]bool, len(ids))
	}
	n, most := 0, uint64(0)
	for _, id := range ids {
		if id <= most && (seen == nil && slices.Contains(ids[:n], id) || seen[id]) {
			continue
		}
		ids[n] = id
		n++
		most = max(most, id)
		if seen != nil {
			seen[id] = true
		}
	}
	return ids[:n]
}

// waitOf describes the wait of a task, and returns the IDs of the tasks that hold the thing that it
// waits for.
func (d *describer) waitOf(t *task) (text string, heldBy []uint64) {
	s := &t.fiber.State
	if s.awaiting != nil {
		if s.awaiting != d.awaited {
			d.awaited, d.awaitedText = s.awaiting, s.awaiting.describe()
		}
		return d.awaitedText, nil
	}
	if s.queue == nil || s.queue.primitive == nil {
		return s.reason.String(), nil
	}
	w := d.wait(queueWait{s.queue, s.reason})
	return w.text, w.heldBy
}

func (d *describer) wait(of queueWait) waitInfo {
	w, ok := d.waits[of]
	if !ok {
		w.text = of.queue.describe(of.reason)
		for _, h := range of.queue.primitive.holders {
			w.heldBy = append(w.heldBy, h.task.id)
		}
		d.waits[of] = w
	}
	return w
}

// activity returns the state of t.
func (t *task) activity() TaskState {
	switch {
	case t.fiber == nil:
		return TaskCreated
	case t == t.loop.current, t.starting:
		return TaskRunning
	case t.waits():
		return TaskWaiting
	default:
		return TaskReady
	}
}

// CreationStack returns the frames in which the task was created, the innermost first, if the loop
// was inspected then. It returns nil if the task is done. CreationStack does not suspend.
func (l *Loop) CreationStack(t AnyTask) []Frame {
	l.check()
	if l.recorder == nil {
		return nil
	}
	b := l.recorder.birth(t.base())
	if b == nil {
		return nil
	}
	return ofCoroutine(runtime.CallersFrames(b.pcs[:b.n]))
}
