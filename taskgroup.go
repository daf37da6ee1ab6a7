package asyncio

import (
	"cmp"
	"context"
	"runtime/debug"
)

// A TaskGroup is passed to the body of WithTaskGroup, which creates tasks in it. WithTaskGroup
// returns when all of them have ended. It is asyncio.TaskGroup.
type TaskGroup struct {
	parent  *task
	ctx     context.Context
	members nodeList // the groupTasks whose end the group has not seen, in the order of their creation
	errs    []error  // in the order in which they happened

	waiter *task // in join; the parent, unless the body of a generator has yielded to another task

	exiting         bool // the body has returned
	aborting        bool // the members have been cancelled
	cancelledParent bool // the group has cancelled its parent itself
}

// A groupTask is a task's membership in a group.
type groupTask struct {
	done   node // in the task's callbacks
	member node // in the group's members
	group  *TaskGroup
	task   *task
}

// WithTaskGroup runs body, suspends until all tasks that were created in the group have ended, and
// returns nil if nothing failed. When a task fails, the group cancels the others and body; when
// body fails, it cancels the tasks. Then WithTaskGroup returns an *ExceptionGroup of the errors. A
// task that ends as cancelled has not failed.
//
// If the running task is cancelled, so are the tasks of the group, and WithTaskGroup returns that
// cancellation, unless there are errors. A task that ends because a context derived in it was
// cancelled is cancelled, too; one that ends because the deadline of such a context has passed has
// failed. A panic in body counts as an error of body. The context passed to body is ctx, and the
// contexts of the tasks descend from it. It is
//
//	async with asyncio.TaskGroup() as tg:
//
// as in CPython 3.15. Earlier releases lose a cancellation from outside that comes while a group
// that was ended by [TaskGroup.Cancel] still waits for its tasks.
func WithTaskGroup(ctx context.Context, body func(ctx context.Context, tg *TaskGroup) error) error {
	tg := &TaskGroup{parent: running(ctx), ctx: ctx}
	return tg.exit(tg.call(body))
}

// call calls body and makes a *PanicError of a panic in it. It reports whether body ended as
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

// Go creates a task in the group that runs f. It panics if the group is shutting down or finished,
// as GroupTask does. It does not suspend. GroupTask also takes coroutines with a result.
func (tg *TaskGroup) Go(f func(ctx context.Context) error, opts ...TaskOption) *Task[None] {
	return GroupTask(tg, Do(f), opts...)
}

// GroupTask creates a task in the group, as CreateTask does, with the context of the group; for
// the values of another context, see [WithContext]. It panics if the group is finished, or if it is
// shutting down because it was cancelled or one of its tasks has failed. It does not suspend.
//
// A task that fails in an eager first step, see [WithEagerStart], shuts the group down in the next
// turn, like any other. A task whose first step cancels the group is cancelled with it. It is
// asyncio's TaskGroup.create_task, and that of CPython 3.15 for tasks that start eagerly.
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
	if tg.aborting { // by its own first step, made before it was a member
		m.core().cancel(nil)
	}
	return &m.Task
}

// Cancel cancels the tasks of the group and its body. WithTaskGroup then returns nil, unless
// something fails, or the task that called WithTaskGroup is cancelled for another reason meanwhile.
// Cancel does not suspend. It may be called again, and does nothing when the group is finished. It is TaskGroup.cancel
// of asyncio 3.15.
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
	if w := tg.waiter; w != nil && w.state == pending && tg.members.head == nil {
		w.wake()
	}
	if tg.parent.state != pending { // m's error stays unseen, and so is reported
		return
	}
	if err := m.task.failed(); err != nil {
		tg.errs = append(tg.errs, err)
		tg.abortAll()
	}
}

// exit waits for the members and returns the error of the group, after body has ended with err. The
// accounting of cancellations is exactly asyncio's: the group takes back its own request to its
// parent, and the requests of others stay.
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

// join waits until no member is left. A cancellation that interrupts the wait aborts the group, and
// is returned as first. If the group is aborting already, the wait just goes on, since its members
// have been cancelled. last is the last cancellation of all, which may be the group's own.
func (tg *TaskGroup) join() (first, last error) {
	ctx := tg.ctx
	t := tg.parent.loop.current
	for tg.members.head != nil {
		tg.waiter = t
		err := t.block(ctx, &wait{reason: waitTaskGroup}, 0)
		tg.waiter = nil
		if err == nil {
			continue
		}
		ctx = unwatched // a context that is done would not let the task wait
		last = err
		if !tg.aborting {
			first = err
			tg.abort()
		}
	}
	return first, last
}

// takeBack takes back the group's request to cancel its parent. It returns the cancellation with
// which the group ends. If somebody else has cancelled the parent, too, that is the cancellation of
// body or else the last one of join. Otherwise it is the error of the context, if that is done, and
// nil if the group's own request was the only one.
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
