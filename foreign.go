package asyncio

// This file is about calls that goroutines other than the loop's may make and wait for: the loop
// makes them while the caller blocks. A loop that does not come round to it, most likely because
// the task that runs waits for the caller, must not keep that for ever.

import (
	"context"
	"net"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
)

// ErrLoopBlocked is wrapped by the error of a Conn, Listener or Dialer that a goroutine other than
// the loop's has called, if for a second the loop does nothing at all: the running task computes,
// or blocks, or the loop is not running. Nothing was read or written then. Mostly it is that the
// task itself waits for the goroutine, inside a library that starts goroutines: call such a
// library in ToThread. It is temporary in the sense of net.Error.
var ErrLoopBlocked error = &loopBlockedError{}

type loopBlockedError struct{}

func (*loopBlockedError) Error() string {
	return "asyncio: the event loop has been blocked for a second, or is not running; " +
		"if the task that blocks it waits for this goroutine, call the library in ToThread"
}
func (*loopBlockedError) Timeout() bool   { return false }
func (*loopBlockedError) Temporary() bool { return true }

// loopPatience is how long a foreign call waits for a loop that does nothing.
var loopPatience = time.Second

// A foreignCall is work that another goroutine has the loop do in a task, and waits for.
type foreignCall struct {
	loop  *Loop
	ctx   context.Context // the task's
	name  string          // the task's
	work  func(ctx context.Context, call *foreignCall) error
	begun time.Time
	state atomic.Uint32
	done  chan error // gets the outcome once
	task  *Task[None]
	wait  *threadWait // of the function of ToThread that waits, in virtual time
}

// The states of a foreignCall. Who moves it on from callOpen decides what becomes of it.
const (
	callOpen      = iota
	callCommitted // the work will be done, without suspending any more
	callAbandoned // the caller does not wait any more: nothing may be done for it
)

// foreignCalls is the calls that are under way. Its heartbeat notices a loop that is blocked.
type foreignCalls struct {
	mu     sync.Mutex
	calls  map[*foreignCall]struct{}
	timer  *time.Timer // of the next beat, or nil
	pinged time.Time   // when the loop was first posted something that it has not come round to; or zero
	closed bool
}

// do has a task of the loop do work, and blocks until it is done. Work that takes something, or
// writes to the caller's memory, commits the call before, and does not suspend after that; it does
// nothing if that fails. The task gets ctx; when bound, unless it is nil, is done the
// caller waits no longer. The calls of a goroutine are begun in their order. A call that is cancelled
// though neither context is done ends with net.ErrClosed: the run ends.
func (l *Loop) do(ctx, bound context.Context, name string, work func(ctx context.Context, call *foreignCall) error) error {
	err := l.doIn(ctx, bound, name, work)
	if isCancelled(err) && ctx.Err() == nil && (bound == nil || bound.Err() == nil) {
		return net.ErrClosed
	}
	return err
}

func (l *Loop) doIn(ctx, bound context.Context, name string, work func(ctx context.Context, call *foreignCall) error) error {
	call := &foreignCall{loop: l, ctx: ctx, name: name, work: work, begun: time.Now(), done: make(chan error, 1)}
	if !l.threads.foreign.add(call) {
		return net.ErrClosed
	}
	if l.virtual {
		call.wait = l.threads.beginForeignCall()
	}
	if l.post(call) != nil {
		call.abandon(net.ErrClosed)
	}
	if bound != nil {
		select {
		case err := <-call.done:
			return err
		case <-bound.Done():
			call.abandon(contextError(bound))
		}
	}
	return <-call.done
}

// run begins the work. It is what the ready queue holds.
func (c *foreignCall) run(l *Loop) {
	l.threads.foreign.answered()
	if c.state.Load() == callAbandoned {
		return
	}
	c.task = CreateTask(c.ctx, Do(func(ctx context.Context) error {
		err := net.ErrClosed // if the loop kills the task
		defer func() {
			if r := recover(); r != nil {
				err = &PanicError{r, debug.Stack()}
			}
			c.finish(err)
		}()
		err = c.work(ctx, c)
		return nil
	}), WithName(c.name), WithEagerStart())
}

// commit reports whether the caller still waits, and keeps it waiting.
func (c *foreignCall) commit() bool {
	return c.state.CompareAndSwap(callOpen, callCommitted)
}

// reopen takes a commit back: the caller may go again.
func (c *foreignCall) reopen() { c.state.Store(callOpen) }

// finish ends the call with the outcome of the work.
func (c *foreignCall) finish(err error) {
	if c.state.CompareAndSwap(callOpen, callCommitted) || c.state.Load() == callCommitted {
		c.end(err)
	}
}

// abandon ends the call with err, unless it is committed.
func (c *foreignCall) abandon(err error) {
	if !c.state.CompareAndSwap(callOpen, callAbandoned) {
		return
	}
	c.end(err)
	_ = c.loop.post(callback(func() {
		if c.task != nil {
			c.task.Cancel()
		}
	}))
}

func (c *foreignCall) end(err error) {
	c.loop.threads.foreign.remove(c)
	c.loop.threads.endWait(c.wait)
	c.done <- err
}

// add reports false if the loop is closed.
func (f *foreignCalls) add(c *foreignCall) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return false
	}
	if f.calls == nil {
		f.calls = make(map[*foreignCall]struct{})
	}
	f.calls[c] = struct{}{}
	if f.pinged.IsZero() {
		f.pinged = c.begun // the call is a ping of its own
	}
	if f.timer == nil {
		f.timer = time.AfterFunc(loopPatience/4, func() { f.beat(c.loop) })
	}
	return true
}

func (f *foreignCalls) remove(c *foreignCall) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.calls, c)
}

// answered notes that the loop has come round to what was posted.
func (f *foreignCalls) answered() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pinged = time.Time{}
}

// beat posts a ping if the loop has answered the last, and abandons calls if it does not. It
// comes again while there are calls.
func (f *foreignCalls) beat(l *Loop) {
	f.mu.Lock()
	now := time.Now()
	if len(f.calls) == 0 {
		f.timer, f.pinged = nil, time.Time{}
		f.mu.Unlock()
		return
	}
	var impatient []*foreignCall
	ping := f.pinged.IsZero()
	if ping {
		f.pinged = now
	} else if now.Sub(f.pinged) >= loopPatience {
		for c := range f.calls {
			if now.Sub(c.begun) >= loopPatience {
				impatient = append(impatient, c)
			}
		}
	}
	f.timer.Reset(loopPatience / 4)
	f.mu.Unlock()
	if ping {
		_ = l.post(callback(f.answered))
	}
	for _, c := range impatient {
		c.abandon(ErrLoopBlocked)
	}
}

// close ends all calls, and those to come, since the loop is about to close. It returns the tasks
// that were at work for them.
func (f *foreignCalls) close() (tasks []AnyTask) {
	f.mu.Lock()
	f.closed = true
	if f.timer != nil {
		f.timer.Stop()
	}
	calls := f.calls
	f.calls = nil
	f.mu.Unlock()
	for c := range calls {
		c.abandon(net.ErrClosed)
		if c.task != nil {
			tasks = append(tasks, c.task)
		}
	}
	return tasks
}
