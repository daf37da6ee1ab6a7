package asyncio

// This file is about executors: whatever runs functions on other goroutines than the loop's own
// threads do, see thread.go.

import (
	"context"
	"sync"

	"github.com/go-asyncio/asyncio/internal/deque"
)

// An Executor runs functions on goroutines of its own: a pool, a thread that a library insists on,
// a queue for each device. It is Python's concurrent.futures.Executor.
type Executor interface {
	// Submit has work called once, now or later, on another goroutine than the caller's, and
	// returns at once. If it returns an error, work must not be called. The functions of
	// several loops may call Submit at the same time.
	Submit(work func()) error
}

// RunInExecutor is ToThread with the goroutines of an executor: fn runs where and when executor
// has it run, and RunInExecutor suspends until fn has returned. It returns the error of Submit if
// there is one. With a nil executor, the loop's default one runs fn, as [ToThread] does.
//
// If the await is cancelled it returns at once. A function that has not begun is not called any
// more, and the context of one that has is cancelled; Run and Close wait for that one. It is
// asyncio's run_in_executor.
func RunInExecutor[T any](ctx context.Context, executor Executor, fn func(ctx context.Context) (T, error)) (T, error) {
	if executor == nil {
		return ToThread(ctx, fn)
	}
	return onThread(ctx, running(ctx).loop, nil, executor, fn)
}

// SetDefaultExecutor has executor run the functions of ToThread and those of RunInExecutor that
// name none; with nil, the loop's own goroutines do so, at most as many as WithMaxThreads says.
// The loop does not shut the executor down. It is asyncio's set_default_executor.
func (l *Loop) SetDefaultExecutor(executor Executor) {
	l.check()
	l.threads.executor = executor
}

// submit has an executor call the function of c.
func (th *threads) submit(c *threadContext, executor Executor) error {
	th.mu.Lock()
	c.submitted = true
	th.add(c)
	th.mu.Unlock()
	return executor.Submit(func() {
		if th.take(c) {
			defer c.loop.setLabels(context.Background()) // the goroutine is not ours
			c.call.work()
		}
	})
}

// take reports whether the function of c, which an executor is about to call, is to be called: it
// was not withdrawn, nor called before.
func (th *threads) take(c *threadContext) bool {
	th.mu.Lock()
	defer th.mu.Unlock()
	submitted := c.submitted
	c.submitted = false
	return submitted
}

// A ThreadPoolExecutor is an Executor that runs a limited number of functions at a time, the others
// in the order in which they came. Any goroutine may use it, and several loops may share it. It must
// be made by NewThreadPoolExecutor. It is Python's concurrent.futures.ThreadPoolExecutor.
type ThreadPoolExecutor struct {
	work sync.WaitGroup // functions that have not returned

	mu       sync.Mutex
	free     int // functions that may begin at once
	line     deque.Deque[func()]
	shutDown bool
}

// NewThreadPoolExecutor makes an executor that runs at most n functions at a time. It panics if n
// is not positive.
func NewThreadPoolExecutor(n int) *ThreadPoolExecutor {
	if n <= 0 {
		panic("asyncio: NewThreadPoolExecutor needs a positive number")
	}
	return &ThreadPoolExecutor{free: n}
}

// Submit has work called on a goroutine of its own, when fewer than the limit run. After Shutdown
// it returns ErrExecutorShutDown.
func (e *ThreadPoolExecutor) Submit(work func()) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.shutDown {
		return ErrExecutorShutDown
	}
	e.work.Add(1)
	if e.free == 0 {
		e.line.PushBack(work)
		return nil
	}
	e.free--
	e.begin(work)
	return nil
}

func (e *ThreadPoolExecutor) begin(work func()) {
	go func() {
		defer e.end() // deferred for runtime.Goexit
		work()
	}()
}

// end begins the next function, since one has returned.
func (e *ThreadPoolExecutor) end() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.work.Done()
	if e.line.Len() == 0 {
		e.free++
	} else {
		e.begin(e.line.PopFront())
	}
}

// Shutdown has Submit fail from now on. With wait, it blocks the calling goroutine, which should not
// be a loop's, until all functions that were submitted have returned.
func (e *ThreadPoolExecutor) Shutdown(wait bool) {
	e.mu.Lock()
	e.shutDown = true
	e.mu.Unlock()
	if wait {
		e.work.Wait()
	}
}
