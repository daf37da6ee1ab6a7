package asyncio

// This file runs the calls of a Conn, Listener or Dialer that are made on goroutines other than
// the loop's: a task of the loop does the work while the caller blocks. If the loop does not
// get round to the work, most likely because the running task waits for the caller, the caller
// must not block forever.

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

// A foreignCall is work that another goroutine passes to a task of the loop and waits for.
type foreignCall struct {
	loop  *Loop
	ctx   context.Context // the task's
	name  string          // the task's
	work  func(ctx context.Context, call *foreignCall) error
	begun time.Time
	state atomic.Uint32
	done  chan error // receives the outcome, once
	task  *Task[None]
	wait  *threadWait // the caller's wait if the caller is a function of ToThread in virtual time, or nil
}

// The states of a foreignCall. The goroutine that moves it on from callOpen decides its
// outcome.
const (
	callOpen      = iota
	callCommitted // the work will be done without suspending again
	callAbandoned // the caller has stopped waiting: the work must have no effect
)

// foreignCalls are the calls in progress. Their heartbeat detects a loop that is blocked.
type foreignCalls struct {
	mu     sync.Mutex
	calls  map[*foreignCall]struct{}
	timer  *time.Timer // fires the next beat, or nil
	pinged time.Time   // when the oldest ping was posted that the loop has not answered; zero if there is none
	closed bool
}

// do makes a task of the loop do work, and blocks until the work is done. The task gets ctx.
// Before work takes something or writes to the caller's memory, it commits the call. After that
// it must not suspend, and if the commit fails it must do nothing. The caller stops waiting
// when bound is done, unless bound is nil. The calls of one goroutine begin in order. If a call
// is cancelled though neither context is done, the run is ending, and do returns net.ErrClosed.
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
	if l.threads.postForeignCall(call) != nil {
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

// run begins the work. It is called on the loop's goroutine.
func (c *foreignCall) run(l *Loop) {
	l.threads.foreign.answered()
	if c.state.Load() == callAbandoned {
		return
	}
	c.task = CreateTask(c.ctx, Do(func(ctx context.Context) error {
		err := net.ErrClosed // the outcome if the loop kills the task
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

// commit reports whether the caller still waits, and makes it wait until the work is done.
func (c *foreignCall) commit() bool {
	return c.state.CompareAndSwap(callOpen, callCommitted)
}

// reopen takes a commit back, so that the caller may stop waiting again.
func (c *foreignCall) reopen() { c.state.Store(callOpen) }

// finish ends the call with the outcome of the work.
func (c *foreignCall) finish(err error) {
	if c.state.CompareAndSwap(callOpen, callCommitted) || c.state.Load() == callCommitted {
		c.end(err)
	}
}

// abandon ends the call with err and cancels its task, unless the call is committed.
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
	c.loop.threads.endForeignCall(c)
	c.done <- err
}

// add adds a call. It reports false if the loop is closed.
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
		f.pinged = c.begun // the call itself serves as a ping
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

// answered records that the loop has answered the ping.
func (f *foreignCalls) answered() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pinged = time.Time{}
}

// beat posts a ping if the loop has answered the last one. If the loop has not answered for too
// long, beat abandons the calls that have waited for as long. It repeats while there are calls.
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

// close ends all calls and makes later calls fail, since the loop is about to close. It returns
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
