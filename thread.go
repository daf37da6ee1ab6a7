package asyncio

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/go-asyncio/asyncio/internal/gid"
)

// ToThread runs fn on a goroutine of its own, while the loop goes on, and
// suspends until it has returned. Only so many functions run at a time; see
// WithMaxThreads. A panic in fn comes back as a *PanicError.
//
// If the await is cancelled it returns at once, and the context that fn got is
// cancelled; fn goes on until it returns, and Run or Close waits for that: if it takes more
// than ten seconds, the exception handler gets fn's name. With its
// context fn cannot await, but it may call RunCoroutineThreadsafe, to whose Result it
// should hand its context, and CallSoonThreadsafe. It is asyncio.to_thread.
func ToThread[T any](ctx context.Context, fn func(ctx context.Context) (T, error)) (T, error) {
	l := running(ctx).loop
	return onThread(ctx, l, &l.threads.functions, fn)
}

// onThread is ToThread with the slots of a lane.
func onThread[T any](ctx context.Context, l *Loop, lane *lane, fn func(ctx context.Context) (T, error)) (T, error) {
	th := &l.threads
	done := NewFuture[T](l)
	call := &threadContext{Context: ctx, loop: l, fn: fn, lane: lane}
	fnCtx, cancel := context.WithCancelCause(call)
	defer cancel(context.Canceled)   // the task may be unwound
	slot := lane.slots.TryAcquire(1) // here, so that the first to call are the first to run
	th.enqueue(call, slot)
	th.running.Add(1)
	go func() { // th.running.Go would allocate another function
		defer th.running.Done()
		var v T
		err := errGoexit
		defer func() {
			l.CallSoonThreadsafe(func() {
				th.finished(call)
				if !done.Done() {
					done.value = v
					done.future.finish(err)
				}
			})
		}()
		if !slot {
			if err = lane.slots.Acquire(fnCtx, 1); err != nil {
				return
			}
			err = errGoexit
			th.mu.Lock()
			th.begin(call)
			th.mu.Unlock()
		}
		v, err = callIn(fnCtx, call, fn)
	}()
	v, err := done.Await(ctx)
	if err != nil { // a cancellation or a timeout, unless it is fn's own
		cancel(err)
	}
	return v, err
}

// errGoexit is the error of a function that called runtime.Goexit.
var errGoexit = errors.New("asyncio: function given to ToThread called runtime.Goexit")

// callIn calls fn, which has a slot.
func callIn[T any](ctx context.Context, call *threadContext, fn func(context.Context) (T, error)) (v T, err error) {
	call.goroutine.Store(gid.G())
	defer func() {
		call.goroutine.Store(0)
		call.loop.threads.release(call)
		if r := recover(); r != nil {
			err = &PanicError{r, debug.Stack()}
		}
	}()
	if err := ctx.Err(); err != nil {
		return v, err
	}
	return fn(ctx)
}

// threadContext is what the context of a function of ToThread descends from. It has
// the values of the task's context, but not the task, so that awaiting with it fails
// clearly; and its deadline, but it is never done: the await is cancelled first, and
// the function with it.
type threadContext struct {
	context.Context
	loop *Loop
	fn   any // the function
	lane *lane

	goroutine atomic.Uintptr // that runs the function, as gid.G has it; 0 when that does not run

	// Guarded by loop.threads.mu.
	begun    bool
	returned bool
	reported bool // that virtual time stands still for it
	waits    []*threadWait
	since    time.Time // when it began, or went on after waiting; in virtual time
}

// waitsForLoop reports whether the function waits for the loop, which it does until the
// context that it waits under is done.
func (c *threadContext) waitsForLoop() bool {
	return slices.ContainsFunc(c.waits, func(w *threadWait) bool { return w.ctx.Err() == nil })
}

type threadKey struct{} // the *threadContext

func (c *threadContext) Done() <-chan struct{} { return nil }
func (c *threadContext) Err() error            { return nil }

func (c *threadContext) Value(key any) any {
	switch key {
	case taskKey{}, loopKey{}:
		return nil
	case threadKey{}:
		return c
	}
	return c.Context.Value(key)
}

// threads is the work that the loop has on other goroutines.
type threads struct {
	functions lane // of ToThread
	lookups   lane // of names, which functions that take their time must not hold up
	running   sync.WaitGroup

	mu      sync.Mutex
	calls   map[*threadContext]struct{} // functions that got a slot, until the loop has seen their results
	foreign map[failer]struct{}         // pending ConcurrentFutures
	changes uint64                      // counts the functions that began, ended or went on after waiting for the loop
}

// A lane bounds the number of functions of one kind that run at a time.
type lane struct {
	slots  *semaphore.Weighted
	free   int // slots; guarded by threads.mu
	queued int // functions that wait for a slot; guarded by threads.mu
}

func newLane(slots int) lane {
	return lane{slots: semaphore.NewWeighted(int64(slots)), free: slots}
}

// maxLookups bounds the number of names that are looked up at a time. Most of that is waiting
// for answers, so that it may be more than there are processors.
const maxLookups = 64

func (th *threads) init(max int) {
	if max == 0 {
		max = min(32, runtime.NumCPU()+4)
	}
	th.functions, th.lookups = newLane(max), newLane(maxLookups)
	th.calls = make(map[*threadContext]struct{})
}

// busy reports whether a function runs or is about to, save those that wait for the loop:
// virtual time stands still then.
func (th *threads) busy() bool {
	th.mu.Lock()
	defer th.mu.Unlock()
	for c := range th.calls {
		if !c.waitsForLoop() {
			return true
		}
	}
	return th.functions.isMoving() || th.lookups.isMoving()
}

// isMoving reports whether a function is about to get a slot.
func (ln *lane) isMoving() bool { return ln.queued > 0 && ln.free > 0 }

// news returns a number that changes whenever a function begins, ends, or goes on after
// it has waited for the loop.
func (th *threads) news() uint64 {
	th.mu.Lock()
	defer th.mu.Unlock()
	return th.changes
}

// overdue returns the names of the functions for which virtual time has stood still for long,
// each once, and after what time there may be more of them: Never if no other one runs.
func (th *threads) overdue() (names []string, patience time.Duration) {
	const slack = 100 * time.Millisecond // to name together those that began together
	th.mu.Lock()
	defer th.mu.Unlock()
	patience = Never
	for c := range th.calls {
		if c.reported || c.returned || len(c.waits) > 0 {
			continue
		}
		if left := standstill - time.Since(c.since); left > 0 {
			patience = min(patience, left+slack)
		} else {
			c.reported = true
			names = append(names, funcName(c.fn))
		}
	}
	slices.Sort(names)
	return names, patience
}

// enqueue counts a function that has a slot or is going to wait for one.
func (th *threads) enqueue(c *threadContext, slot bool) {
	th.mu.Lock()
	defer th.mu.Unlock()
	c.lane.queued++
	if slot {
		th.begin(c)
	}
}

// begin counts a function that got its slot. The caller holds the mutex.
func (th *threads) begin(c *threadContext) {
	c.lane.queued--
	c.lane.free--
	c.begun = true
	th.calls[c] = struct{}{}
	th.goesOn(c)
}

// goesOn notes that virtual time stands still for a function from now on. The caller holds mu.
func (th *threads) goesOn(c *threadContext) {
	th.changes++
	if c.loop.virtual {
		c.since = time.Now()
		c.loop.posted.nudge() // it may wait longer than for this function
	}
}

// release gives the slot of a function back that has returned.
func (th *threads) release(c *threadContext) {
	th.mu.Lock()
	c.returned = true
	c.lane.free++
	th.mu.Unlock()
	c.lane.slots.Release(1)
}

// finished counts out a function whose result the loop has seen.
func (th *threads) finished(c *threadContext) {
	th.mu.Lock()
	defer th.mu.Unlock()
	if !c.begun {
		c.lane.queued--
	}
	delete(th.calls, c)
	th.changes++
}

// pause notes that a function begins to wait for the loop; resume takes that back.
func (th *threads) pause(w *threadWait) {
	th.mu.Lock()
	defer th.mu.Unlock()
	w.call.waits = append(w.call.waits, w)
}

func (th *threads) resume(w *threadWait) {
	th.mu.Lock()
	defer th.mu.Unlock()
	i := slices.Index(w.call.waits, w)
	w.call.waits = slices.Delete(w.call.waits, i, i+1)
	th.goesOn(w.call)
}

// calling returns the call whose function runs on the goroutine g, or nil.
func (th *threads) calling(g uintptr) *threadContext {
	th.mu.Lock()
	defer th.mu.Unlock()
	for c := range th.calls {
		if c.goroutine.Load() == g {
			return c
		}
	}
	return nil
}

// A threadWait is a call, such as ConcurrentFuture.Result, in which a function of ToThread waits
// for the loop.
type threadWait struct {
	call *threadContext
	ctx  context.Context
}

// shutDownThreads waits for the functions, whose contexts have been cancelled, and fails
// what other goroutines still wait for. If the functions take long, it reports them: they
// may block on something that only the loop could have done.
func (l *Loop) shutDownThreads() {
	th := &l.threads
	th.mu.Lock()
	foreign := th.foreign
	th.foreign = nil
	th.mu.Unlock()
	for f := range foreign {
		f.fail(ErrLoopClosed)
	}
	if len(th.unreturned()) == 0 { // they are about to end, or known
		th.running.Wait()
		return
	}
	ended := make(chan struct{})
	go func() {
		th.running.Wait()
		close(ended)
	}()
	defer func() { <-ended }() // deferred for a handler that calls runtime.Goexit
	select {
	case <-ended:
		return
	case <-time.After(standstill):
	}
	if names := th.unreturned(); len(names) > 0 {
		l.report(ExceptionContext{Message: fmt.Sprintf("the loop cannot close for %v, until these functions given to ToThread return: %s",
			standstill, strings.Join(names, ", "))})
	}
}

// unreturned returns the names of the functions that have not returned, except for those
// that were reported.
func (th *threads) unreturned() (names []string) {
	th.mu.Lock()
	defer th.mu.Unlock()
	for c := range th.calls {
		if !c.returned && !c.reported {
			names = append(names, funcName(c.fn))
		}
	}
	slices.Sort(names)
	return names
}
