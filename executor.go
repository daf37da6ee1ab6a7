package asyncio

// This file is about executors, which run functions on goroutines other than the loop's own
// threads; see thread.go for those.

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/go-asyncio/asyncio/internal/deque"
)

// An Executor runs functions on goroutines of its own: a pool, a thread that a library insists on,
// a queue for each device. It is Python's concurrent.futures.Executor.
type Executor interface {
	// Submit arranges that work is called once, now or later, on a goroutine other than the
	// caller's, and returns at once. If it returns an error, work must not be called. Several
	// loops may call Submit at the same time.
	//
	// Virtual time stands still from Submit until the function has returned or waits for the loop.
	// A function in the line of a ThreadPoolExecutor is an exception: if all functions that
	// run there wait for the loop, it does not hold up time.
	Submit(work func()) error
}

// RunInExecutor is ToThread with the goroutines of an executor: executor decides where and when fn
// runs, and RunInExecutor suspends until fn has returned. If Submit fails, RunInExecutor returns its
// error. With a nil executor, the loop's default executor runs fn, as [ToThread] does.
//
// If the await is cancelled, RunInExecutor returns at once. If fn has not begun by then, it is not
// called. Otherwise its context is cancelled, and Run and Close wait until it has returned. It is asyncio's
// run_in_executor.
func RunInExecutor[T any](ctx context.Context, executor Executor, fn func(ctx context.Context) (T, error)) (T, error) {
	if executor == nil {
		return ToThread(ctx, fn)
	}
	return onThread(ctx, running(ctx).loop, nil, executor, fn)
}

// SetDefaultExecutor makes executor run the functions of ToThread, and those of RunInExecutor with a
// nil executor. If executor is nil, the loop's own goroutines run them, within the limit of
// WithMaxThreads. The loop does not shut the executor down. It is asyncio's set_default_executor.
func (l *Loop) SetDefaultExecutor(executor Executor) {
	l.check()
	if pool, ok := executor.(*ThreadPoolExecutor); ok {
		pool.check()
	}
	l.threads.executor = executor
}

// submit submits the function of c to an executor.
func (th *threads) submit(c *threadContext, executor Executor) error {
	s := &submission{}
	s.thread.Store(c)
	c.submission = s
	c.pool, _ = executor.(*ThreadPoolExecutor)
	th.mu.Lock()
	th.add(c)
	th.mu.Unlock()
	return executor.Submit(s.run)
}

// A submission is a function that an executor has. It is apart from the call, so that an executor
// that still has the function of a cancelled call keeps nothing else in memory.
type submission struct {
	thread atomic.Pointer[threadContext] // nil once the function was called or withdrawn
}

// run calls the function, unless it was withdrawn or called before.
func (s *submission) run() {
	c := s.thread.Swap(nil)
	if c == nil {
		return
	}
	c.loop.threads.beginSubmitted(c)
	defer c.loop.setLabels(context.Background()) // the goroutine is the executor's, and goes on
	c.call.work()
}

// beginSubmitted records that an executor has begun the function of c.
func (th *threads) beginSubmitted(c *threadContext) {
	th.mu.Lock()
	defer th.mu.Unlock()
	th.goesOn(c)
}

// A ThreadPoolExecutor is an Executor that runs a limited number of functions at a time, in the
// order in which they were submitted. Any goroutine may use it, and several loops may share it. It
// must be made by NewThreadPoolExecutor. It is Python's concurrent.futures.ThreadPoolExecutor.
type ThreadPoolExecutor struct {
	work sync.WaitGroup // functions that have not returned

	mu       sync.Mutex
	limit    int // functions that may run at a time
	running  int
	line     deque.Deque[func()] // of the functions that wait for others to return
	shutDown bool
}

// NewThreadPoolExecutor returns an executor that runs at most n functions at a time. It panics if n
// is not positive.
func NewThreadPoolExecutor(n int) *ThreadPoolExecutor {
	if n <= 0 {
		panic("asyncio: NewThreadPoolExecutor needs a positive number")
	}
	return &ThreadPoolExecutor{limit: n}
}

// check panics if e was not made by NewThreadPoolExecutor.
func (e *ThreadPoolExecutor) check() {
	if e == nil || e.limit == 0 {
		panic("asyncio: executor was not made by NewThreadPoolExecutor")
	}
}

// Submit calls work on a new goroutine, as soon as fewer functions than the limit are running. It
// does not block. After Shutdown it returns ErrExecutorShutDown. It panics if work is nil.
func (e *ThreadPoolExecutor) Submit(work func()) error {
	e.check()
	if work == nil {
		panic("asyncio: nil function")
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.shutDown {
		return ErrExecutorShutDown
	}
	e.work.Add(1)
	if e.running == e.limit {
		e.line.PushBack(work)
		return nil
	}
	e.running++
	e.begin(work)
	return nil
}

func (e *ThreadPoolExecutor) begin(work func()) {
	go func() {
		defer e.end() // deferred, since work may call runtime.Goexit
		work()
	}()
}

// end is called when a function has returned, and begins the next function.
func (e *ThreadPoolExecutor) end() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.work.Done()
	if e.line.Len() == 0 {
		e.running--
	} else {
		e.begin(e.line.PopFront())
	}
}

// isHeldBy reports whether n functions are all that keep the functions in line from beginning.
func (e *ThreadPoolExecutor) isHeldBy(n int) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return n == e.running
}

// Shutdown makes Submit fail from now on. If wait is true, it blocks the calling goroutine, which
// should not be a loop's, until all submitted functions have returned.
func (e *ThreadPoolExecutor) Shutdown(wait bool) {
	e.check()
	e.mu.Lock()
	e.shutDown = true
	e.mu.Unlock()
	if wait {
		e.work.Wait()
	}
}
