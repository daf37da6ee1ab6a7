package asyncio

// This file runs functions on other goroutines while tasks await them. It also records
// everything that the loop has to know about these goroutines: which of them the loop waits for
// before it moves virtual time on or closes, and which of them wait for the loop.

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"math"
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
// returned. WithMaxThreads limits the number of functions that run at a time; further functions
// wait in line. A panic in fn becomes a *PanicError.
//
// If the await is cancelled, ToThread returns at once, and the context of fn is cancelled. fn
// goes on until it returns, and Run or Close waits for it; after ten seconds the loop reports
// fn's name to the exception handler. fn cannot await with its context. It may call
// CallSoonThreadsafe, and RunCoroutineThreadsafe, to whose Result it should pass its context.
// See [Loop.SetDefaultExecutor] for other goroutines. It is asyncio.to_thread.
func ToThread[T any](ctx context.Context, fn func(ctx context.Context) (T, error)) (T, error) {
	l := running(ctx).loop
	if executor := l.threads.executor; executor != nil {
		return onThread(ctx, l, nil, executor, fn)
	}
	return onThread(ctx, l, &l.threads.functions, nil, fn)
}

// onThread is ToThread with the slots of lane, or with executor if that is not nil.
func onThread[T any](ctx context.Context, l *Loop, lane *lane, executor Executor, fn func(ctx context.Context) (T, error)) (v T, err error) {
	if fn == nil {
		panic("asyncio: nil function")
	}
	c := &threadCall[T]{
		thread: threadContext{Context: ctx, loop: l, lane: lane},
		fn:     fn,
		done:   Future[T]{future: future{loop: l}},
	}
	c.thread.call, c.done.future.behavior = c, (*threadFuture[T])(c)
	defer func() { // deferred, since the task may be unwound
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
	if err != nil { // a cancellation or a timeout, unless the error is fn's own
		c.thread.cancel(err)
	}
	return v, err
}

// A threadCall is one call of ToThread: the function, its outcome, and the future that the task
// awaits.
type threadCall[T any] struct {
	thread threadContext
	fn     func(ctx context.Context) (T, error)
	value  T
	err    error
	done   Future[T]
}

// A threadFuture is a threadCall as the behavior of the future that the task awaits.
type threadFuture[T any] threadCall[T]

func (c *threadFuture[T]) cancel(cause error) bool { return c.done.future.cancelPlain(cause) }

func (c *threadFuture[T]) waitKind() WaitKind {
	switch th := &c.thread.loop.threads; c.thread.lane {
	case &th.lookups:
		return WaitNetwork
	case &th.processes:
		return WaitProcess
	}
	return WaitThread
}

func (c *threadFuture[T]) describe() string {
	switch th := &c.thread.loop.threads; c.thread.lane {
	case &th.lookups:
		return "the lookup of a name"
	case &th.processes:
		return waitProcess.String()
	case &th.groups:
		return "a sync.WaitGroup"
	}
	return "function " + funcName(c.fn) + " in a thread"
}

// A calledOnThread is a *threadCall of any type.
type calledOnThread interface {
	runnable // passes the outcome to the task
	work()   // calls the function, which has a slot
	describe() string
}

// errGoexit is the error of a function that called runtime.Goexit.
var errGoexit = errors.New("asyncio: function on another goroutine called runtime.Goexit")

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
	if !c.thread.isCancelled() { // otherwise nobody awaits fn
		c.value, c.err = c.fn(&c.thread)
	}
}

func (c *threadCall[T]) run(*Loop) {
	if !c.done.Done() { // otherwise the await was cancelled
		c.done.value = c.value
		c.done.future.finish(c.err)
	}
}

func (c *threadCall[T]) describe() string { return funcName(c.fn) }

// threads is the state that a loop shares with the goroutines that work for it or wait for it.
type threads struct {
	functions lane     // for the functions of ToThread
	executor  Executor // runs the functions of ToThread in place of the lane, unless nil; the loop's goroutine alone uses it
	lookups   lane     // for name lookups, which slow functions must not hold up
	processes lane     // for waits for processes, which need no limit
	groups    lane     // for waits for a sync.WaitGroup, which need no limit
	channels  channels // the loop's goroutine alone uses it, and contexts
	contexts  int      // the number of contexts that tasks wait for in AwaitDone
	running   sync.WaitGroup
	foreign   foreignCalls

	mu             sync.Mutex
	calls          []*threadContext // functions that have a slot or were submitted to an executor, in no particular order
	futures        map[failer]bool  // pending ConcurrentFutures
	others         int              // pending ConcurrentFutures of other loops that are wrapped
	othersSince    time.Time        // when others last changed
	othersReported bool             // it was reported since then that others hold up virtual time
	changes        uint64           // counts each time that a function began, ended or went on after waiting for the loop
}

// A lane limits the number of functions of one kind that run at a time.
type lane struct {
	free    int       // free slots; guarded by threads.mu
	line    list.List // the *threadContexts of functions that wait for a slot; guarded by threads.mu
	outside bool      // the functions wait for other goroutines, so virtual time does not stand still for them
}

// maxLookups limits the number of names that are looked up at a time. A lookup spends its time
// waiting for an answer, so there may be more lookups than processors.
const maxLookups = 64

func (th *threads) init(max int) {
	if max == 0 {
		max = min(32, runtime.NumCPU()+4)
	}
	th.functions.free, th.lookups.free = max, maxLookups
	th.processes.free, th.groups.free = math.MaxInt, math.MaxInt
	th.groups.outside = true
}

// count returns the number of functions that run, and of those of ToThread that wait in line.
func (th *threads) count() (running, inLine int) {
	th.mu.Lock()
	defer th.mu.Unlock()
	return len(th.calls), th.functions.line.Len()
}

// enqueue starts the function of c if there is a free slot; otherwise the function waits in
// line.
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

// begin starts the function of c, which has a slot. The caller holds mu.
//
// Each function gets a new goroutine rather than one that is kept for the next function: a
// function may leave its goroutine locked to its thread, to get rid of the thread, and keeping
// goroutines would save next to nothing for a call on its own; see bench/NOTES.md.
func (th *threads) begin(c *threadContext) {
	th.add(c)
	go c.call.work()
}

// add records a function that the loop waits for before it closes, and for which virtual time
// stands still. The caller holds mu.
func (th *threads) add(c *threadContext) {
	c.index = len(th.calls)
	th.calls = append(th.calls, c)
	th.goesOn(c)
	th.running.Add(1)
}

// remove removes a function that add has recorded. The caller holds mu.
func (th *threads) remove(c *threadContext) {
	last := len(th.calls) - 1
	moved := th.calls[last]
	th.calls[c.index], moved.index = moved, c.index
	th.calls[last] = nil
	th.calls = th.calls[:last]
	th.changes++
}

// end posts the outcome of a function and passes its slot to the first function in line. It
// does both under mu, so at any instant either virtual time stands still for the function or
// its outcome is posted.
func (th *threads) end(c *threadContext) {
	th.mu.Lock()
	defer th.mu.Unlock()
	th.remove(c)
	if c.lane != nil {
		th.freeSlot(c.lane)
	}
	_ = c.loop.post(c.call)
}

// freeSlot passes a slot to the first function in line. The caller holds mu.
func (th *threads) freeSlot(lane *lane) {
	first := lane.line.Front()
	if first == nil {
		lane.free++
		return
	}
	next := lane.line.Remove(first).(*threadContext)
	next.inLine = nil
	pprof.SetGoroutineLabels(context.Background()) // next's goroutine would inherit them otherwise
	th.begin(next)
}

// withdraw removes a function that nobody awaits any more, unless it has begun.
func (th *threads) withdraw(c *threadContext) {
	th.mu.Lock()
	defer th.mu.Unlock()
	if c.inLine != nil {
		c.lane.line.Remove(c.inLine)
		c.inLine = nil
	}
	if s := c.submission; s != nil && s.thread.Swap(nil) != nil {
		th.remove(c)
		th.running.Done()
	}
}

// goesOn records that virtual time stands still for a function from now on. The caller holds
// mu.
func (th *threads) goesOn(c *threadContext) {
	th.changes++
	if c.loop.virtual {
		c.since = time.Now()
		c.loop.posted.nudge() // the loop may be waiting for longer than until this function is overdue
	}
}

// awaitOther adds n to the number of awaited results of other loops. It is negative when one has
// come.
func (th *threads) awaitOther(n int) {
	th.mu.Lock()
	defer th.mu.Unlock()
	th.others += n
	th.othersSince, th.othersReported = time.Now(), false
	th.changes++
}

// busy reports whether virtual time has to stand still, for a function or for the result of another
// loop.
func (th *threads) busy() bool {
	th.mu.Lock()
	defer th.mu.Unlock()
	if th.others > 0 {
		return true
	}
	for range th.holders {
		return true
	}
	return false
}

// holders yields the functions for which virtual time stands still. These are all but three kinds:
// functions that wait for the loop, functions in the line of a ThreadPoolExecutor that begin only
// when such functions return, and those that wait for something outside the loop. The caller holds
// mu.
func (th *threads) holders(yield func(*threadContext) bool) {
	var waiting map[*ThreadPoolExecutor]int // functions that wait for the loop, by the pool in which they run
	for _, c := range th.calls {
		switch {
		case c.isOutside() || !c.hasBegun():
		case !c.waitsForLoop():
			if !yield(c) {
				return
			}
		case c.pool != nil:
			if waiting == nil {
				waiting = make(map[*ThreadPoolExecutor]int)
			}
			waiting[c.pool]++
		}
	}
	for _, c := range th.calls {
		if !c.isOutside() && !c.hasBegun() && !(c.pool != nil && c.pool.isHeldBy(waiting[c.pool])) && !yield(c) {
			return
		}
	}
}

// awaitsOutside reports whether a task waits for something that only goroutines outside the loop may
// bring about. Virtual time moves on meanwhile, but the loop is not deadlocked.
func (th *threads) awaitsOutside() bool {
	th.mu.Lock()
	defer th.mu.Unlock()
	return th.contexts > 0 || th.channels.waits.head != nil ||
		slices.ContainsFunc(th.calls, func(c *threadContext) bool { return c.isOutside() && !c.isCancelled() })
}

func (th *threads) settle(timeMoves bool) (woken bool) { return th.channels.settle(timeMoves) }

// news returns a number that changes whenever a function begins, ends, or goes on after waiting
// for the loop.
func (th *threads) news() uint64 {
	th.mu.Lock()
	defer th.mu.Unlock()
	return th.changes
}

// overdue returns the names of the functions for which virtual time has stood still too long,
// each once, and the time after which there may be more: Never if there is no other function.
func (th *threads) overdue() (names []string, patience time.Duration) {
	th.mu.Lock()
	defer th.mu.Unlock()
	patience = Never
	isOverdue := func(since time.Time) bool {
		const slack = 100 * time.Millisecond // so that functions which began together are reported together
		left := standstill - time.Since(since)
		if left > 0 {
			patience = min(patience, left+slack)
		}
		return left <= 0
	}
	for c := range th.holders {
		if !c.reported && len(c.waits) == 0 && isOverdue(c.since) { // with waits, it is about to go on
			c.reported = true
			names = append(names, c.describe())
		}
	}
	if th.others > 0 && !th.othersReported && isOverdue(th.othersSince) {
		th.othersReported = true
		names = append(names, "a coroutine of another loop, which WrapFuture awaits")
	}
	slices.Sort(names)
	return names, patience
}

// standstill is how long a function of ToThread may hold up virtual time, or the closing of the
// loop, before it is reported.
const standstill = 10 * time.Second

// reportStandstill reports the functions for which virtual time has stood still too long, each
// once: they may be blocked on something that only the passing of time can bring about. It
// returns the time after which it should be called again. The exception handler is called in
// the next turn, not on the stack of a task that may be driving.
func (l *Loop) reportStandstill() (patience time.Duration) {
	names, patience := l.threads.overdue()
	if len(names) > 0 {
		message := fmt.Sprintf("virtual time has stood still for %v, until these functions on other goroutines return: %s",
			standstill, strings.Join(names, ", "))
		l.push(callback(func() { l.report(ExceptionContext{Message: message}) }))
	}
	return patience
}

// addFuture records a ConcurrentFuture, which fails if the loop closes.
func (th *threads) addFuture(f failer) {
	th.mu.Lock()
	defer th.mu.Unlock()
	if th.futures == nil {
		th.futures = make(map[failer]bool)
	}
	th.futures[f] = true
}

// endFuture records that f is about to be done, so that the functions that wait for it go on.
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

// close ends the foreign calls and fails the pending ConcurrentFutures, since the loop is
// closed.
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
// long, it reports them: they may be blocked on something that only the loop could have done.
func (l *Loop) shutDownThreads() {
	th := &l.threads
	if len(th.unreported()) == 0 { // each function has ended or has been reported
		th.running.Wait()
		return
	}
	ended := make(chan struct{})
	go func() {
		th.running.Wait()
		close(ended)
	}()
	defer func() { <-ended }() // deferred, since the exception handler may call runtime.Goexit
	select {
	case <-ended:
		return
	case <-time.After(standstill):
	}
	if names := th.unreported(); len(names) > 0 {
		l.report(ExceptionContext{Message: fmt.Sprintf("the loop cannot close for %v, until these functions on other goroutines return: %s",
			standstill, strings.Join(names, ", "))})
	}
}

// unreported returns the names of the functions that have neither returned nor been reported.
func (th *threads) unreported() (names []string) {
	th.mu.Lock()
	defer th.mu.Unlock()
	for _, c := range th.calls {
		if !c.reported {
			names = append(names, c.describe())
		}
	}
	slices.Sort(names)
	return names
}
