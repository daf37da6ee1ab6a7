package asyncio

// This file has the events that the observers of a loop see. loop_observe.go makes them.

import (
	"fmt"
	"time"
)

// A LoopEventKind is the kind of a LoopEvent.
type LoopEventKind uint8

const (
	OnCreated LoopEventKind = iota + 1 // a task was created
	OnReady                            // a task or a callback is in the ready queue
	OnBegin                            // a step of a task, or the call of a callback, begins
	OnEnd                              // it ends
	OnDone                             // a task has ended
	OnIdle                             // nothing is ready; the loop begins to wait
	OnAwake                            // the loop has waited
	OnClosed                           // the loop closes; no event comes after it
)

var eventKinds = [...]string{"", "created", "ready", "begin", "end", "done", "idle", "awake", "closed"}

func (k LoopEventKind) String() string {
	if int(k) < len(eventKinds) {
		return eventKinds[k]
	}
	return fmt.Sprintf("LoopEventKind(%d)", k)
}

// A TaskState is the state of a task at the time of a Snapshot, or after a step.
type TaskState string

const (
	TaskCreated TaskState = "created" // its first step has not begun
	TaskRunning TaskState = "running" // it makes a step now, or has started another task eagerly
	TaskReady   TaskState = "ready"   // its next step is due
	TaskWaiting TaskState = "waiting" // it is suspended until something happens
	TaskDone    TaskState = "done"    // it has ended; only a LoopEvent reports this state
)

// A WaitKind is the kind of thing that a task waits for.
type WaitKind string

const (
	WaitSleep   WaitKind = "sleep"
	WaitSync    WaitKind = "sync"   // a Lock, an Event, a Condition, a Semaphore or a Barrier
	WaitQueue   WaitKind = "queue"  // a value or room in a Queue
	WaitTask    WaitKind = "task"   // a task, or a group of them
	WaitFuture  WaitKind = "future" // another future, such as that of Gather
	WaitNetwork WaitKind = "network"
	WaitThread  WaitKind = "thread" // a function on another goroutine
	WaitProcess WaitKind = "process"
	WaitChannel WaitKind = "channel"
	WaitContext WaitKind = "context"
)

// kindOf has the kind of each reason. The reasons that it lacks are WaitNetwork.
var kindOf = [len(waitReasons)]WaitKind{
	waitSleep: WaitSleep, waitFutures: WaitFuture, waitTaskGroup: WaitTask,
	waitLock: WaitSync, waitEvent: WaitSync, waitCondition: WaitSync, waitSemaphore: WaitSync,
	waitQueueValue: WaitQueue, waitQueueRoom: WaitQueue, waitProcess: WaitProcess,
	waitReceive: WaitChannel, waitSend: WaitChannel, waitSelect: WaitChannel, waitNoChannel: WaitChannel, waitContext: WaitContext,
}

// A LoopEvent is something that a loop does, as its observers see it. It is valid only during the call
// of the observer: the loop uses one LoopEvent for all.
type LoopEvent struct {
	Kind LoopEventKind
	Time time.Duration // the loop's time
	Real time.Duration // the real time since the loop was made; equal to Time except in virtual time

	// ID is the task's, as in TaskInfo; it is 0 in the events of callbacks and of the loop itself.
	// Parent is the ID of the task that has created it, or 0. Only OnCreated has it.
	ID, Parent uint64

	// Entry connects OnReady with the OnBegin of the same task or callback. It grows with each
	// entry of the ready queue. It is 0 if the step is the first of a task that starts eagerly.
	Entry uint64

	// InStep says that a step has made the entry of an OnReady ready: one of the task with the
	// ID By, or a callback if By is 0. Otherwise it was made ready by a timer, a descriptor, another
	// goroutine or the end of a context, or the loop was not observed yet.
	InStep bool
	By     uint64

	// State is what the task of an OnEnd does now: TaskWaiting, TaskReady or TaskDone.
	State TaskState

	// Wait is the kind of wait that the task of an OnEnd has begun, or that of an OnReady has
	// ended, or "". Cancelled says that the wait, or the task of an OnDone, was cancelled.
	Wait      WaitKind
	Cancelled bool

	// Err is the error with which the task of an OnDone has ended. The task remains one whose
	// error nobody has looked at.
	Err error

	// Turns, Ready and Tasks are the numbers of turns made, of entries of the ready queue and of
	// tasks that are not done.
	Turns        uint64
	Ready, Tasks int

	task  *task
	entry runnable
}

// Task returns the task, or nil if the event is not about one.
func (e *LoopEvent) Task() AnyTask {
	if e.task == nil {
		return nil
	}
	return e.task.typed()
}

// Name returns the name of the task, or describes the callback. A callback that has begun may no
// longer know its function, so look at OnReady or OnBegin.
func (e *LoopEvent) Name() string {
	switch r := e.entry.(type) {
	case *task:
		return r.Name()
	case *sleeper:
		return "timer of " + r.describe()
	case interface{ describe() string }:
		return r.describe()
	case nil:
		return ""
	}
	return fmt.Sprintf("%T", e.entry)
}

// WaitsFor names the thing that the task of an OnEnd waits for, such as `Lock "accounts"`. It
// returns "" if the task does not wait.
func (e *LoopEvent) WaitsFor() string {
	if e.Kind != OnEnd || e.State != TaskWaiting {
		return ""
	}
	s := &e.task.fiber.State
	if s.awaiting != nil {
		return s.awaiting.describe()
	}
	return s.queue.label(s.reason)
}
