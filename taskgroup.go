package asyncio

import (
	"context"
	"runtime/debug"
)

// A TaskGroup holds tasks that end before the call to WithTaskGroup that made it
// does. It is asyncio.TaskGroup.
type TaskGroup struct {
	parent  *task
	ctx     context.Context
	members waitq   // of groupTask, in order of creation: those whose end the group has not seen
	errs    []error // in the order in which they happened

	exiting         bool // the body has returned
	waiting         bool // for the members
	aborting        bool // the members have been cancelled
	cancelledParent bool // the group itself has cancelled its parent
}

// groupTask is a task's membership.
type groupTask struct {
	done   waiter // in the task's callbacks
	member waiter // in the group's members
	group  *TaskGroup
	task   *task
}

// WithTaskGroup runs body, suspends until all tasks that were created in the group have
// ended, and returns nil if nothing failed. When a task fails, or body does, the other
// tasks are cancelled, and so is body, and in the end WithTaskGroup returns an
// *ExceptionGroup of the errors. Tasks that end as cancelled do not count as failed.
//
// If the running task is cancelled, so are those of the group, and that cancellation is
// returned, unless there are errors. A task that ends by the cancellation of a context
// that was derived in it is cancelled, too; one that ends by its deadline has failed. A
// panic in body counts as an error of it. The context that body and the tasks get
// descends from ctx. It is
//
//	async with asyncio.TaskGroup() as tg:
func WithTaskGroup(ctx context.Context, body func(ctx context.Context, tg *TaskGroup) error) error {
	tg := &TaskGroup{parent: running(ctx), ctx: ctx}
	return tg.exit(tg.protect(func() error { return body(ctx, tg) }))
}

// protect calls f and makes a *PanicError of a panic in it, unless that is what unwinds
// the task.
func (tg *TaskGroup) protect(f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = &PanicError{r, debug.Stack()}
		}
	}()
	return f()
}

// Go creates a task in the group. See GroupTask.
func (tg *TaskGroup) Go(f func(ctx context.Context) error) *Task[None] {
	return GroupTask(tg, Do(f))
}

// GroupTask creates a task in the group, as CreateTask does. It panics if the group is
// shutting down, since one of its tasks has failed or it was cancelled, or is finished.
// It is asyncio's TaskGroup.create_task.
func GroupTask[T any](tg *TaskGroup, coro Coro[T], opts ...TaskOption) *Task[T] {
	switch {
	case tg.exiting && tg.members.head == nil:
		panic("asyncio: task group is finished")
	case tg.aborting:
		panic("asyncio: task group is shutting down")
	}
	if coro == nil {
		panic("asyncio: nil coroutine")
	}
	// The task and its membership are one allocation.
	m := &struct {
		Task[T]
		groupTask
	}{Task: Task[T]{coro: coro}}
	m.group, m.groupTask.task = tg, &m.Task.task
	m.done.run, m.member.run = &m.groupTask, &m.groupTask
	m.Task.task.begin(tg.parent.loop, tg.ctx, &m.Task, opts)
	tg.members.push(&m.member)
	if m.Done() { // it started eagerly
		m.groupTask.run(tg.parent.loop)
	} else {
		m.core().callbacks.push(&m.done)
	}
	return &m.Task
}

// Cancel cancels the tasks of the group and its body. WithTaskGroup then returns nil,
// unless something fails. Cancel may be called again, and does nothing when the group
// is finished. It is TaskGroup.cancel of asyncio 3.15.
func (tg *TaskGroup) Cancel() {
	tg.parent.loop.check()
	if !tg.exiting || tg.members.head != nil {
		tg.abortAll()
	}
}

// abortAll cancels the members and the body.
func (tg *TaskGroup) abortAll() {
	if tg.aborting || tg.cancelledParent {
		return
	}
	tg.abort()
	tg.cancelledParent = true
	tg.parent.cancel(nil)
}

// abort cancels the members in the order of their creation.
func (tg *TaskGroup) abort() {
	tg.aborting = true
	for w := tg.members.head; w != nil; w = w.next {
		w.run.(*groupTask).task.cancel(nil)
	}
}

// run is the callback of a member that is done.
func (m *groupTask) run(*Loop) {
	tg := m.group
	m.member.unlink()
	if tg.waiting && tg.members.head == nil {
		tg.parent.wake()
	}
	if err := m.task.failed(); err != nil {
		tg.errs = append(tg.errs, err)
		tg.abortAll()
	}
}

// exit waits for the members and tells how the group ends, after body has ended with
// err. The accounting of cancellations is asyncio's, to the letter: what the group
// asked of its parent it takes back, and what others asked stays.
func (tg *TaskGroup) exit(err error) error {
	tg.exiting = true
	var cancellation error
	if isCancelled(err) {
		cancellation, err = err, nil
	}
	if (err != nil || cancellation != nil) && !tg.aborting {
		tg.abort()
	}
	if c := tg.join(); c != nil {
		cancellation = c
	}
	parent := tg.parent
	if tg.cancelledParent && parent.uncancel() == 0 {
		cancellation = nil
	}
	if cancellation != nil && len(tg.errs) == 0 {
		return cancellation
	}
	if err != nil {
		tg.errs = append(tg.errs, err)
	}
	if len(tg.errs) == 0 {
		return nil
	}
	if parent.cancels > 0 {
		parent.uncancel()
		parent.cancel(nil)
	}
	return &ExceptionGroup{"unhandled errors in a TaskGroup", tg.errs}
}

// join waits until no member is left. The first cancellation of the waiting aborts the
// group and is returned; those after it, and those of a group that aborts, are the
// members' affair.
func (tg *TaskGroup) join() (cancellation error) {
	ctx := tg.ctx
	for tg.members.head != nil {
		tg.waiting = true
		err := tg.parent.wait(ctx, nil, "task group")
		tg.waiting = false
		if err == nil {
			continue
		}
		ctx = unwatched // or a context that is done would not let it wait
		if !tg.aborting {
			cancellation = err
			tg.abort()
		}
	}
	return cancellation
}
