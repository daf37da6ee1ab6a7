package asyncio

// This file is about calls of a Conn, Listener or Dialer on goroutines other than the loop's: a task
// of the loop does the work while the caller blocks. If the loop does not come round to it, most
// likely because the running task waits for the caller, the caller must not block for ever.

import (
	"context"
	"net"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
)

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
	wait  *threadWait // the caller's, if that is a function of ToThread in virtual time; or nil
}

// The states of a foreignCall. Whichever goroutine moves it on from callOpen decides its outcome.
const (
	callOpen      = iota
	callCommitted // the work will be done, without suspending again
	callAbandoned // the caller has stopped waiting: nothing may be done for it
)

// foreignCalls are the calls under way. Their heartbeat notices a loop that is blocked.
type foreignCalls struct {
	mu     sync.Mutex
	calls  map[*foreignCall]struct{}
	timer  *time.Timer // for the next beat, or nil
	pinged time.Time   // when the oldest ping was posted that the loop has not come round to, or zero
	closed bool
}

// do has a task of the loop do work, and blocks until it is done. Before work takes something, or
// writes to the caller's memory, it commits the call; after that it does not suspend, and if
// committing fails it does nothing. The task gets ctx. When bound is done, unless it is nil, the
// caller stops waiting. The calls of one goroutine begin in order. A call that is cancelled
// though neither context is done ends with net.ErrClosed: the run is ending.
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

// run begins the work, on the loop's goroutine.
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

// commit reports whether the caller still waits, and has it wait until the work is done.
func (c *foreignCall) commit() bool {
	return c.state.CompareAndSwap(callOpen, callCommitted)
}

// reopen takes a commit back: the caller may stop waiting again.
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

// answered notes that the loop has come round to a ping.
func (f *foreignCalls) answered() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pinged = time.Time{}
}

// beat posts a ping if the loop has answered the last one, and abandons calls if it has not for
// too long. It is repeated while there are calls.
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

// close ends all calls, and has those to come fail, since the loop is about to close. It returns
// the tasks that do the work of the calls.
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
