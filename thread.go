package asyncio

// This file is about functions that run on other goroutines while tasks await them, and about
// all that the loop has to know of those goroutines: which of them it waits for before it moves
// virtual time on or closes, and which of them wait for it.

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-asyncio/asyncio/internal/gid"
)

// ToThread runs fn on a goroutine of its own while the loop goes on, and suspends until fn has
// returned. At most as many functions as WithMaxThreads says run at a time; the others
// wait in line. A panic in fn comes back as a *PanicError.
//
// If the await is cancelled it returns at once, and the context that fn got is cancelled. fn
// goes on until it returns, and Run or Close waits for that: if that takes more than ten
// seconds, fn's name is reported to the exception handler. fn cannot await with its context,
// but it may call CallSoonThreadsafe, and RunCoroutineThreadsafe, to whose Result it should
// pass its context. See [Loop.SetDefaultExecutor] for other goroutines. It is
// asyncio.to_thread.
func ToThread[T any](ctx context.Context, fn func(ctx context.Context) (T, error)) (T, error) {
	l := running(ctx).loop
	if executor := l.threads.executor; executor != nil {
		return onThread(ctx, l, nil, executor, fn)
	}
	return onThread(ctx, l, &l.threads.functions, nil, fn)
}

// onThread is ToThread with the slots of a lane, or with an executor.
func onThread[T any](ctx context.Context, l *Loop, lane *lane, executor Executor, fn func(ctx context.Context) (T, error)) (v T, err error) {
	c := &threadCall[T]{
		thread: threadContext{Context: ctx, loop: l, lane: lane},
		fn:     fn,
		done:   Future[T]{future: future{loop: l}},
	}
	c.thread.call = c
	defer func() { // the task may be unwound
		c.thread.cancel(context.Canceled)
		if c.done.future.state != finished {
			l.threads.withdraw(&c.thread)
		}
	}()
	if executor == nil {
		l.threads.enqueue(&c.thread)
	} else if err := l.threads.submit(&c.thread, executor); err != nil {
		return v, err
	}
	v, err = c.done.Await(ctx)
	if err != nil { // a cancellation or a timeout, unless it is fn's own
		c.thread.cancel(err)
	}
	return v, err
}

// A threadCall is a function given to ToThread, and what the task that awaits it needs.
type threadCall[T any] struct {
	thread threadContext
	fn     func(ctx context.Context) (T, error)
	value  T
	err    error
	done   Future[T]
}

// calledOnThread is a *threadCall of any type.
type calledOnThread interface {
	runnable // gives the outcome to the task
	work()   // calls the function, which has a slot
	describe() string
}

// errGoexit is the error of a function that called runtime.Goexit.
var errGoexit = errors.New("asyncio: function given to ToThread called runtime.Goexit")

func (c *threadCall[T]) work() {
	th := &c.thread.loop.threads
	defer th.running.Done()
	defer th.end(&c.thread)
	c.err = errGoexit
	defer func() {
		if r := recover(); r != nil {
			c.err = &PanicError{r, debug.Stack()}
		}
	}()
	c.thread.goroutine.Store(gid.G())
	c.thread.loop.setLabels(c.thread.Context)
	if !c.thread.isCancelled() { // or nobody awaits it
		c.value, c.err = c.fn(&c.thread)
	}
}

func (c *threadCall[T]) run(*Loop) {
	if !c.done.Done() { // or the await was cancelled
		c.done.value = c.value
		c.done.future.finish(c.err)
	}
}

func (c *threadCall[T]) describe() string { return funcName(c.fn) }

// threads is the loop's part in the work of other goroutines.
type threads struct {
	functions lane     // of ToThread
	executor  Executor // of ToThread instead, unless nil; the loop's goroutine alone uses it
	lookups   lane     // of names, which slow functions must not hold up
	running   sync.WaitGroup
	foreign   foreignCalls

	mu      sync.Mutex
	calls   []*threadContext // functions that have a slot or were submitted to an executor, in no order
	futures map[failer]bool  // pending ConcurrentFutures
	others  int              // pending ConcurrentFutures of other loops that are wrapped
	changes uint64           // counts functions that began, ended or went on after waiting for the loop
}

// A lane bounds the number of functions of one kind that run at a time.
type lane struct {
	free int       // slots; guarded by threads.mu
	line list.List // of the *threadContexts of functions that wait for a slot; guarded by threads.mu
}

// maxLookups bounds the number of names that are looked up at a time. Most of that is waiting
// for answers, so there may be more of them than processors.
const maxLookups = 64

func (th *threads) init(max int) {
	if max == 0 {
		max = min(32, runtime.NumCPU()+4)
	}
	th.functions.free, th.lookups.free = max, maxLookups
}

// enqueue starts the function of c if there is a slot for it, and otherwise has it wait in line.
func (th *threads) enqueue(c *threadContext) {
	th.mu.Lock()
	defer th.mu.Unlock()
	if c.lane.free == 0 {
		c.inLine = c.lane.line.PushBack(c)
		return
	}
	c.lane.free--
	th.begin(c)
}

// begin starts the function of c, which has got a slot. The caller holds mu.
//
// Each function has a new goroutine, rather than one that stays for the next function: the
// function may leave its goroutine locked to its thread, in order to be rid of the thread, and
// goroutines that stay would save a call on its own next to nothing; see bench/NOTES.md.
func (th *threads) begin(c *threadContext) {
	th.add(c)
	go c.call.work()
}

// add notes a function that the loop waits for before it closes, and in virtual time. The caller
// holds mu.
func (th *threads) add(c *threadContext) {
	c.index = len(th.calls)
	th.calls = append(th.calls, c)
	th.goesOn(c)
	th.running.Add(1)
}

// remove forgets a function that add has noted. The caller holds mu.
func (th *threads) remove(c *threadContext) {
	last := len(th.calls) - 1
	moved := th.calls[last]
	th.calls[c.index], moved.index = moved, c.index
	th.calls[last] = nil
	th.calls = th.calls[:last]
	th.changes++
}

// end posts the outcome of a function, and gives its slot to the first in line. All this is done
// under mu: at any instant virtual time stands still for the function or there is something posted.
func (th *threads) end(c *threadContext) {
	th.mu.Lock()
	defer th.mu.Unlock()
	th.remove(c)
	if c.lane != nil {
		th.freeSlot(c.lane)
	}
	_ = c.loop.post(c.call)
}

// freeSlot gives a slot to the first in line. The caller holds mu.
func (th *threads) freeSlot(lane *lane) {
	first := lane.line.Front()
	if first == nil {
		lane.free++
		return
	}
	next := lane.line.Remove(first).(*threadContext)
	next.inLine = nil
	pprof.SetGoroutineLabels(context.Background()) // or next's goroutine would inherit them
	th.begin(next)
}

// withdraw sees to it that a function that nobody awaits any more is not called, if it has not begun.
func (th *threads) withdraw(c *threadContext) {
	th.mu.Lock()
	defer th.mu.Unlock()
	if c.inLine != nil {
		c.lane.line.Remove(c.inLine)
		c.inLine = nil
	}
	if c.submitted {
		c.submitted = false
		th.remove(c)
		th.running.Done()
	}
}

// goesOn notes that virtual time stands still for a function from now on. The caller holds mu.
func (th *threads) goesOn(c *threadContext) {
	th.changes++
	if c.loop.virtual {
		c.since = time.Now()
		c.loop.posted.nudge() // it may wait longer than for this function
	}
}

// awaitOther adds n to the number of results that are awaited from other loops.
func (th *threads) awaitOther(n int) {
	th.mu.Lock()
	defer th.mu.Unlock()
	th.others += n
	th.changes++
}

// busy reports whether a function runs that does not wait for the loop, or another loop is waited
// for: virtual time stands still then.
func (th *threads) busy() bool {
	th.mu.Lock()
	defer th.mu.Unlock()
	return th.others > 0 || slices.ContainsFunc(th.calls, func(c *threadContext) bool { return !c.waitsForLoop() })
}

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
	for _, c := range th.calls {
		if c.reported || len(c.waits) > 0 {
			continue
		}
		if left := standstill - time.Since(c.since); left > 0 {
			patience = min(patience, left+slack)
		} else {
			c.reported = true
			names = append(names, c.call.describe())
		}
	}
	slices.Sort(names)
	return names, patience
}

// standstill is how long a function of ToThread may hold up virtual time, or the closing of the
// loop, before it is reported.
const standstill = 10 * time.Second

// reportStandstill reports the functions for which virtual time has stood still for long, each
// once: they may block on something that only time can bring. It returns after what time it
// should be called again. The exception handler is called in the next turn, and not on the stack
// of a task that may drive.
func (l *Loop) reportStandstill() (patience time.Duration) {
	names, patience := l.threads.overdue()
	if len(names) > 0 {
		message := fmt.Sprintf("virtual time has stood still for %v, until these functions given to ToThread return: %s",
			standstill, strings.Join(names, ", "))
		l.push(callback(func() { l.report(ExceptionContext{Message: message}) }))
	}
	return patience
}

// A threadWait is a call in which a function of ToThread waits for the loop: virtual time may
// move on meanwhile.
type threadWait struct {
	thread *threadContext
	ctx    context.Context // ends the waiting
	future failer          // the ConcurrentFuture that is waited for, or nil
}

// beginWait notes that a function begins to wait for f. It returns nil if f is done.
func (th *threads) beginWait(c *threadContext, ctx context.Context, f failer) *threadWait {
	th.mu.Lock()
	defer th.mu.Unlock()
	if !th.futures[f] || ctx.Err() != nil {
		return nil
	}
	w := &threadWait{c, ctx, f}
	c.waits = append(c.waits, w)
	c.loop.posted.nudge()
	return w
}

// beginForeignCall notes that a function begins to wait for a call that is about to be posted, if
// the caller is one. Otherwise it returns nil.
func (th *threads) beginForeignCall() *threadWait {
	th.mu.Lock()
	defer th.mu.Unlock()
	g := gid.G()
	i := slices.IndexFunc(th.calls, func(c *threadContext) bool { return c.goroutine.Load() == g })
	if i < 0 {
		return nil
	}
	w := &threadWait{th.calls[i], context.Background(), nil}
	w.thread.waits = append(w.thread.waits, w)
	return w
}

// endWait notes that a function goes on, unless endFuture has done so; w may be nil.
func (th *threads) endWait(w *threadWait) {
	if w == nil {
		return
	}
	th.mu.Lock()
	defer th.mu.Unlock()
	if i := slices.Index(w.thread.waits, w); i >= 0 {
		w.thread.waits = slices.Delete(w.thread.waits, i, i+1)
		th.goesOn(w.thread)
	}
}

// addFuture notes a ConcurrentFuture, which is to fail if the loop closes.
func (th *threads) addFuture(f failer) {
	th.mu.Lock()
	defer th.mu.Unlock()
	if th.futures == nil {
		th.futures = make(map[failer]bool)
	}
	th.futures[f] = true
}

// endFuture notes that f is about to be done, whereupon the functions that wait for it go on.
func (th *threads) endFuture(f failer) {
	th.mu.Lock()
	defer th.mu.Unlock()
	delete(th.futures, f)
	for _, c := range th.calls {
		n := len(c.waits)
		c.waits = slices.DeleteFunc(c.waits, func(w *threadWait) bool { return w.future == f })
		if len(c.waits) < n {
			th.goesOn(c)
		}
	}
}

// close fails what other goroutines wait for, since the loop is closed.
func (th *threads) close() {
	th.foreign.close()
	th.mu.Lock()
	futures := th.futures
	th.futures = nil
	th.mu.Unlock()
	for f := range futures {
		f.fail(ErrLoopClosed)
	}
}

// shutDownThreads waits for the functions, whose contexts have been cancelled. If they take
// long, it reports them: they may block on something that only the loop could have done.
func (l *Loop) shutDownThreads() {
	th := &l.threads
	if len(th.unreported()) == 0 { // they are about to end, or known
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
	if names := th.unreported(); len(names) > 0 {
		l.report(ExceptionContext{Message: fmt.Sprintf("the loop cannot close for %v, until these functions given to ToThread return: %s",
			standstill, strings.Join(names, ", "))})
	}
}

// unreported returns the names of the functions that have not returned, except for those
// that were reported.
func (th *threads) unreported() (names []string) {
	th.mu.Lock()
	defer th.mu.Unlock()
	for _, c := range th.calls {
		if !c.reported {
			names = append(names, c.call.describe())
		}
	}
	slices.Sort(names)
	return names
}
