package asyncio

import (
	"context"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-asyncio/asyncio/internal/buffer"
	"github.com/go-asyncio/asyncio/internal/deque"
	"github.com/go-asyncio/asyncio/internal/fiber"
	"github.com/go-asyncio/asyncio/internal/gid"
	"github.com/go-asyncio/asyncio/internal/reactor"
	"github.com/go-asyncio/asyncio/internal/timerq"
)

// A Loop runs callbacks and tasks, one at a time and in turns, on the goroutine that called
// RunForever, RunUntilComplete or Run.
//
// Only CallSoonThreadsafe, CallSoonThreadsafeHandle, Stop, IsRunning, IsClosed, IsCurrent, IsVirtual,
// SlowSteps, DefaultExceptionHandler and, except in virtual time, Time may be called from any goroutine.
// Everything else belongs to the loop: to its tasks and callbacks while it runs, and to one
// goroutine at a time while it does not. It is asyncio's event loop.
type Loop struct {
	config

	// The entries that run now and next. Only the loop's goroutine uses these.
	ready        deque.Deque[runnable]
	left         int    // entries at the front of ready that belong to this turn
	turns        uint64 // number of turns that have begun
	current      *task  // nil in callbacks and between steps
	driver       *task  // the task that resumes the others, or nil; see task_drive.go
	drivesUntil  uint64 // the turn in which the driver gives up
	undriven     int    // while positive no task may drive: one for each eager start on the stack, one if instrumented
	instrumented bool   // debug mode or an observer is on, so the loop makes all steps itself, by runInstrumented
	chores       uint64 // the turn that next runs doChores

	// Tasks, and errors of futures.
	tasks      taskList
	lastID     uint64 // of the last task with a default name; see task.id
	fibers     fiber.Pool[suspension]
	unseen     nodeList    // errors that nobody has looked at, oldest first
	generators nodeList    // generators that have begun and have not ended, in that order
	labelled   atomic.Bool // set once a context of the loop has been asked for profiler labels; see task_labels.go

	// Timers, contexts and time.
	timers     timerq.Queue[runnable]
	watches    nodeList    // contexts to look at, each a watch or a runWatch
	watchesDue atomic.Bool // set by any goroutine when the context of a watch is done
	clock      clock
	instant    instant // the current instant of virtual time; see loop_livelock.go

	// The state of the run and of the loop.
	running   atomic.Bool
	stopping  atomic.Bool
	turning   bool    // a run has begun to make turns and has not ended
	goroutine uintptr // identifies the goroutine that called the run; 0 between runs
	failure   error   // the error that ends the run, or that ended the last one
	stuck     bool    // a deadlock or a livelock has ended the run, so waiting for tasks would not end
	closing   bool    // Close is on the stack
	closed    bool    // written with posted.mu held, so that other goroutines can read it

	// Entries from other goroutines.
	posted mailbox

	// Owned by the loop, which closes or stops them.
	reactor   reactor.Reactor
	blockers  blockers
	signals   signals
	processes processes
	threads   threads
	buffers   buffer.Pool
	trimmed   time.Time // start of the last period of trimming; see loop_trim.go

	// Inspection. These fields are here, since further up they would move those that each turn reads
	// to other cache lines: a switch would take 5% longer.
	watchdog    *watchdog    // of the run; nil unless the loop is inspected or in debug mode
	slowSteps   slowSteps    // the last ones
	recorder    *recorder    // nil unless the loop is inspected or in debug mode
	named       uint64       // twice the number of tasks that were given a name
	observation *observation // nil unless the loop is observed
}

// NewLoop returns a new loop, which is not running. It holds no goroutine and no descriptor until
// it needs them. Close it all the same, so that the tasks left over are unwound. It is
// asyncio.new_event_loop.
func NewLoop(opts ...LoopOption) *Loop { return newLoop(opts) }

func newLoop[O Option](opts []O) *Loop {
	l := &Loop{config: config{debug: os.Getenv(debugVariable) != "", slow: defaultSlow, maxTurns: defaultMaxTurns}}
	applyAll(opts, &l.config)
	l.clock.start = time.Now()
	l.threads.init(l.maxThreads)
	l.record(l.debug || l.inspected)
	l.labelled.Store(l.taskLabels)
	return l
}

// IsRunning reports whether the loop runs. Any goroutine may call it.
func (l *Loop) IsRunning() bool { return l.running.Load() }

// IsClosed reports whether the loop was closed. Any goroutine may call it.
func (l *Loop) IsClosed() bool {
	l.posted.mu.Lock()
	defer l.posted.mu.Unlock()
	return l.closed
}

// AllTasks returns the tasks that are not done, in the order of their creation.
// It is asyncio.all_tasks.
func (l *Loop) AllTasks() []AnyTask {
	l.check()
	all := make([]AnyTask, 0, l.tasks.n)
	for t := l.tasks.head; t != nil; t = t.next {
		all = append(all, t.typed())
	}
	return all
}

// SetEagerTasks sets whether the tasks that are created from now on start eagerly; see
// [WithEagerTasks]. It is asyncio's set_task_factory with eager_task_factory, or with None.
func (l *Loop) SetEagerTasks(on bool) {
	l.check()
	l.eager = on
}

// EagerTasks reports whether new tasks start eagerly.
func (l *Loop) EagerTasks() bool { return l.eager }

// CallSoon schedules fn to be called in the next turn, after everything scheduled before it. It
// panics if the loop is closed. A panic in fn is reported to the exception handler. It is asyncio's
// call_soon.
func (l *Loop) CallSoon(fn func()) *Handle {
	h := new(l.handle(fn))
	l.push(h)
	return h
}

// CallLater schedules fn to be called after d, in the next turn at the earliest. It is asyncio's
// call_later.
func (l *Loop) CallLater(d time.Duration, fn func()) *TimerHandle {
	return l.CallAt(l.after(d), fn)
}

// CallAt schedules fn to be called when the loop's Time reaches when. Calls due at the same instant
// are made in the order in which they were scheduled. It is asyncio's call_at.
func (l *Loop) CallAt(when time.Duration, fn func()) *TimerHandle {
	h := &TimerHandle{Handle: l.handle(fn), when: when}
	h.timer.Value = h
	if when != Never {
		l.timers.Set(&h.timer, when)
	}
	return h
}

// CallSoonThreadsafe is CallSoon for any goroutine: it wakes the loop if the loop is waiting. A
// call on the loop's own goroutine takes its place among the calls to CallSoon. After Close it
// returns ErrLoopClosed. It never blocks. It is asyncio's call_soon_threadsafe.
func (l *Loop) CallSoonThreadsafe(fn func()) error {
	if fn == nil {
		panic("asyncio: nil callback")
	}
	return l.post(callback(fn))
}

// CallSoonThreadsafeHandle is CallSoonThreadsafe for a callback that can be cancelled. It costs
// two more allocations.
func (l *Loop) CallSoonThreadsafeHandle(fn func()) (*ThreadsafeHandle, error) {
	if fn == nil {
		panic("asyncio: nil callback")
	}
	h := &ThreadsafeHandle{}
	h.fn.Store(&fn)
	if err := l.post(h); err != nil {
		return nil, err
	}
	return h, nil
}

// RunForever runs the loop on the calling goroutine until Stop is called or ctx is done. If ctx
// ends the run, RunForever returns the context's cause. In virtual time it returns a *DeadlockError
// if the loop has nothing left to do, and a *LivelockError if time stands still while turns go on.
// An error of the system's poller ends the run, too, and is returned. RunForever returns
// ErrLoopRunning if the loop is already running or ctx belongs to a running loop, and ErrLoopClosed
// after Close. It is asyncio's run_forever.
func (l *Loop) RunForever(ctx context.Context) error {
	if err := l.beginRun(ctx); err != nil {
		return err
	}
	defer l.endRun()
	if ctx.Done() == nil {
		return l.loop()
	}
	defer l.onDone(ctx, l.Stop)()
	if err := l.loop(); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return contextCause(ctx)
	}
	return nil
}

// Stop makes RunForever return at the end of the current turn. If the loop is not running, its next
// run makes one turn. Any goroutine may call Stop, as often as it likes.
func (l *Loop) Stop() {
	l.stopping.Store(true)
	l.posted.nudge()
}

// Close closes the loop. Tasks left over are reported and abandoned: only their deferred functions
// still run. Close cancels the contexts of the functions that ToThread started, and waits until the
// functions have returned. It reports the errors that nobody has looked at. Closing a closed loop
// does nothing; closing a running one returns ErrLoopRunning.
func (l *Loop) Close() error {
	if l.IsClosed() {
		return nil
	}
	if l.running.Load() {
		return fmt.Errorf("asyncio: cannot close: %w", ErrLoopRunning)
	}
	if l.closing { // the exception handler has called Close
		return nil
	}
	l.closing = true
	defer func() { // the exception handler may call runtime.Goexit
		l.closing = false
		l.abandon()
	}()
	for t := l.tasks.head; t != nil; t = t.next {
		l.report(ExceptionContext{Message: "task was destroyed but it is pending", Task: t.Name()})
	}
	return nil
}

// beginRun begins a run on the calling goroutine. It returns an error if the loop is closed or
// running, or if ctx belongs to a running loop.
func (l *Loop) beginRun(ctx context.Context) error {
	if l.IsClosed() {
		return ErrLoopClosed
	}
	if outer := loopOf(ctx); outer != nil && outer.running.Load() {
		return ErrLoopRunning
	}
	if !l.running.CompareAndSwap(false, true) {
		return ErrLoopRunning
	}
	l.failure, l.stuck, l.left, l.undriven, l.instrumented = nil, false, 0, 0, false
	l.followInstruments()
	l.goroutine = gid.G()
	if l.posted.wake == nil {
		l.posted.wake = make(chan runnable, 1)
	}
	if l.recorder != nil {
		l.beginRecording()
	}
	return nil
}

// endRun ends the run, however it ended. It also releases the idle fibers, since the next run may
// have another thread-lock state.
func (l *Loop) endRun() {
	if l.recorder != nil {
		l.endRecording()
	}
	l.current, l.goroutine = nil, 0
	l.fibers.Release()
	l.running.Store(false) // last, since a goroutine that sees it may start the next run
}

// abandon kills the remaining tasks and generators, and closes the loop.
func (l *Loop) abandon() {
	l.killTasks()
	for g := l.generators.head; g != nil; g = l.generators.head {
		g.run.run(l)
		l.killTasks() // those that the generator has created
	}
	l.fibers.Release()
	if l.observation != nil {
		l.observation.close()
	}
	l.record(false)
	l.posted.mu.Lock()
	l.closed, l.posted.items, l.posted.poller = true, nil, nil
	l.posted.mu.Unlock()
	l.reactor.Close()
	l.blockers.close()
	l.threads.close()
	l.signals.stop()
	left := l.processes.kill()
	ended := l.blockers.wait()
	l.timers.Clear()
	l.ready.Clear()
	defer l.reportUnseen() // deferred for a handler that calls runtime.Goexit
	for _, err := range left {
		l.report(ExceptionContext{Message: "a process goes on after the end of its loop", Err: err})
	}
	if !ended {
		l.report(ExceptionContext{Message: "a read or a write of a connection goes on after the end of its loop"})
	}
	l.shutDownThreads()
}

func (l *Loop) killTasks() {
	for t := l.tasks.head; t != nil; t = l.tasks.head {
		l.tasks.remove(t)
		l.kill(t)
	}
}

// kill unwinds a task that is never to resume. Its future ends as cancelled.
func (l *Loop) kill(t *task) {
	if f := t.fiber; f != nil {
		l.current = t
		t.leaveQueue()
		t.unwinding = killed
		f.Kill()
		t.fiber, l.current = nil, nil
	}
	if t.state == pending {
		t.endCancelled(nil, ErrLoopClosed)
	}
	if l.observation != nil {
		l.observation.killed(t)
	}
}

// after returns the instant d from now, or Never.
func (l *Loop) after(d time.Duration) time.Duration {
	now := l.Time()
	if d > Never-now {
		return Never
	}
	return now + d
}

// onDone has the loop call fn when ctx is done. The function it returns ends that. If package
// context has begun to notify the loop by then, that function waits until it has finished.
func (l *Loop) onDone(ctx context.Context, fn func()) (stop func()) {
	var posting sync.WaitGroup
	posting.Add(1)
	w := &runWatch{ctx: ctx, fn: fn}
	w.node.run = w
	cancel := context.AfterFunc(ctx, func() { // before w is in the list, since it may panic
		defer posting.Done()
		l.lookAtWatches()
	})
	l.watches.push(&w.node)
	return func() {
		w.unlink()
		if !cancel() {
			posting.Wait()
		}
	}
}

// A runWatch calls fn once, when the context of a run is done.
type runWatch struct {
	node // in the loop's list of watches, until fn is called or the run ends
	ctx  context.Context
	fn   func()
}

func (w *runWatch) run(l *Loop) {
	defer l.failOnPanic() // a method of the context may panic
	if w.list != nil && w.ctx.Err() != nil {
		w.unlink()
		w.fn()
	}
}
