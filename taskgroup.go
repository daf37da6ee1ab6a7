package asyncio

import (
	"cmp"
	"context"
	"runtime/debug"
)

// A TaskGroup is a set of tasks that WithTaskGroup waits for. WithTaskGroup passes it to its
// body. It is asyncio.TaskGroup.
type TaskGroup struct {
	parent  *task
	ctx     context.Context
	members nodeList // groupTasks whose end the group has not handled, in order of creation
	errs    []error  // in the order in which they happened

	exiting         bool // body has returned
	waiting         bool // the parent is waiting for the members
	aborting        bool // the members have been cancelled
	cancelledParent bool // the group itself has cancelled its parent
}

// A groupTask is the membership of a task.
type groupTask struct {
	done   node // among the task's callbacks
	member node // among the group's members
	group  *TaskGroup
	task   *task
}

// WithTaskGroup runs body, suspends until all tasks that were created in the group have ended,
// and returns nil if nothing failed. When a task fails, the group cancels the other tasks and
// body; when body fails, the group cancels its tasks. WithTaskGroup then returns an
// *ExceptionGroup of the errors. A task that ends as cancelled has not failed.
//
// If the running task is cancelled, the group cancels its tasks, and WithTaskGroup returns that
// cancellation unless there are errors. If a context derived inside a task ends that task, the
// task counts as cancelled if the context was cancelled, and as failed if its deadline passed.
// A panic in body counts as an error of body. The contexts of body and of the tasks descend
// from ctx. It is
//
//	async with asyncio.TaskGroup() as tg:
//
// as in CPython 3.15. Earlier releases lose a cancellation from outside that comes while a
// group that [TaskGroup.Cancel] has ended still waits for its tasks.
func WithTaskGroup(ctx context.Context, body func(ctx context.Context, tg *TaskGroup) error) error {
	tg := &TaskGroup{parent: running(ctx), ctx: ctx}
	return tg.exit(tg.call(body))
}

// call calls body and turns a panic in it into a *PanicError. It reports whether body ended as
// cancelled.
func (tg *TaskGroup) call(body func(ctx context.Context, tg *TaskGroup) error) (cancelled bool, err error) {
	defer func() {
		if r := recover(); r != nil {
			cancelled, err = false, &PanicError{r, debug.Stack()}
		}
	}()
	err = body(tg.ctx, tg)
	return isCancelled(err), err // calls methods of err, which may panic
}

// Go creates a task in the group that runs f. It panics if the group is shutting down or
// finished. It does not suspend. [GroupTask] also takes options, and coroutines that return a
// result.
func (tg *TaskGroup) Go(f func(ctx context.Context) error) *Task[None] {
	return GroupTask(tg, Do(f))
}

// GroupTask creates a task in the group, as CreateTask does. It panics if the group is
// finished, or if it is shutting down because a task has failed or the group was cancelled. It
// does not suspend.
//
// If a task that starts eagerly, see [WithEagerStart], fails in its first step, the group shuts
// down in the next turn, as after any other failure. If the first step cancels the group, the
// task is cancelled, too. GroupTask is asyncio's TaskGroup.create_task; for tasks that start
// eagerly it is that of CPython 3.15.
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
	m.core().whenDone(&m.done)
	if tg.aborting { // its first step cancelled the group before the task was a member
		m.core().cancel(nil)
	}
	return &m.Task
}

// Cancel cancels the tasks of the group and its body. WithTaskGroup then returns nil, unless a
// task or body fails, or the task that called WithTaskGroup is cancelled for another reason
// meanwhile. Calling Cancel again, or after the group is finished, does nothing. It does not
// suspend. It is TaskGroup.cancel of asyncio 3.15.
func (tg *TaskGroup) Cancel() {
	tg.parent.loop.check()
	if !tg.exiting || tg.members.head != nil {
		tg.abortAll()
	}
}

// abortAll cancels the members and the body.
func (tg *TaskGroup) abortAll() {
	if tg.aborting {
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
	if tg.parent.state != pending { // runtime.Goexit has ended the parent, so nobody looks at m's error
		return
	}
	if tg.waiting && tg.members.head == nil {
		tg.parent.wake()
	}
	if err := m.task.failed(); err != nil {
		tg.errs = append(tg.errs, err)
		tg.abortAll()
	}
}

// exit waits for the members after body has ended with err, and returns the error of the group.
// It counts requests to cancel exactly as asyncio does: the group takes back its own request to
// its parent, and the requests of other callers stay.
func (tg *TaskGroup) exit(cancelled bool, err error) error {
	tg.exiting = true
	var cancellation error
	if cancelled {
		cancellation, err = err, nil
	}
	if (err != nil || cancelled) && !tg.aborting {
		tg.abort()
	}
	first, last := tg.join()
	if first != nil {
		cancellation = first
	}
	if tg.cancelledParent {
		cancellation = tg.takeBack(cancellation, last)
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
	if parent := tg.parent; parent.cancels > 0 {
		parent.uncancel()
		parent.cancel(nil)
	}
	return &ExceptionGroup{"unhandled errors in a TaskGroup", tg.errs}
}

// join waits until no member is left. If a cancellation interrupts the wait, the group aborts,
// and first is that cancellation. Once the group aborts, its members have been cancelled, and
// join goes on waiting whatever interrupts it. last is the last cancellation of all, which may
// be the group's own.
func (tg *TaskGroup) join() (first, last error) {
	ctx := tg.ctx
	for tg.members.head != nil {
		tg.waiting = true
		err := tg.parent.block(ctx, wait{delay: Never, reason: waitTaskGroup})
		tg.waiting = false
		if err == nil {
			continue
		}
		ctx = unwatched // a context that is done would cancel every further wait
		last = err
		if !tg.aborting {
			first = err
			tg.abort()
		}
	}
	return first, last
}

// takeBack takes back the group's request to cancel its parent, and returns the cancellation
// that the group ends with: nil if there was none but the group's own. If another caller has
// cancelled the parent, too, it is body's cancellation or else join's last. Otherwise it is the
// error of the context if the context is done.
func (tg *TaskGroup) takeBack(ofBody, ofJoin error) error {
	others := tg.parent.uncancel() > 0
	left := cmp.Or(ofBody, ofJoin)
	if others || left == nil {
		return left
	}
	if watched := watchedBy(tg.ctx); watched != nil && watched.Err() != nil {
		return contextError(watched)
	}
	return nil
}
