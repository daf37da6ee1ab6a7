package asyncio

import "time"

// An Option is an option of Run and NewRunner: WithDebug, WithInspection, WithSlowCallbackDuration,
// WithEagerTasks, WithVirtualTime, WithExceptionHandler, WithMaxThreads, WithMaxTurnsPerInstant,
// WithTaskLabels or WithInterrupt.
type Option interface{ apply(*config) }

// A LoopOption is an option of all calls that make a loop: Run, NewRunner and NewLoop.
type LoopOption interface {
	Option
	forNewLoop()
}

// A loopSetting is any of these options. The result type of its constructor determines which calls
// take it.
type loopSetting func(*config)

func (s loopSetting) apply(c *config) { s(c) }
func (loopSetting) forNewLoop()       {}

// applyAll applies opts to the struct that they configure.
func applyAll[T any, O interface{ apply(*T) }](opts []O, to *T) {
	for _, opt := range opts {
		if any(opt) == nil {
			panic("asyncio: nil option")
		}
		opt.apply(to)
	}
}

type config struct {
	debug      bool
	inspected  bool
	eager      bool // new tasks start eagerly
	virtual    bool
	interrupt  bool
	taskLabels bool // see task_labels.go
	handler    func(*Loop, ExceptionContext)
	slow       time.Duration
	maxThreads int
	maxTurns   uint64 // at one instant of virtual time
}

// WithDebug turns on asyncio's debug mode. Calls from a goroutine that is not the loop's panic.
// Callbacks and task steps that block the loop for the duration of [WithSlowCallbackDuration] or
// longer are logged with log/slog. Servers report clients whose connection or TLS handshake fails
// to the exception handler. A wait for a Lock, an Event, a queue or another primitive panics if
// tasks of another loop that is not closed have waited for it. The loop is inspected; see
// [Loop.Inspect]. Debug mode makes everything slower.
//
// If the environment variable GOASYNCIODEBUG is not empty, debug mode is on for all loops, as with
// PYTHONASYNCIODEBUG in Python. [Loop.SetDebug] turns it on and off.
func WithDebug() LoopOption { return loopSetting(func(c *config) { c.debug = true }) }

// WithInspection turns on the inspection of the loop from its beginning, so that package inspect knows
// the age and the creator of every task. Steps that block the loop for the duration of
// [WithSlowCallbackDuration] or longer are logged while they do, and kept for [Loop.SlowSteps]. It is
// meant for production: the loop is only a little slower. See [Loop.Inspect].
func WithInspection() LoopOption { return loopSetting(func(c *config) { c.inspected = true }) }

// WithSlowCallbackDuration sets the duration from which debug mode logs a callback or a task step
// as slow. The default is 100 ms; zero logs all of them. Without debug mode nothing is measured.
// WithSlowCallbackDuration panics if d is negative. See [Loop.SetSlowCallbackDuration].
func WithSlowCallbackDuration(d time.Duration) LoopOption {
	notNegative(d)
	return loopSetting(func(c *config) { c.slow = d })
}

// WithEagerTasks makes all tasks of the loop start eagerly, as [WithEagerStart] does for one task:
// the tasks of CreateTask and of groups, and those that calls such as Gather, Shield and AsCompleted
// create from coroutines. Main and the handlers of a server's connections start in the usual way. It
// is asyncio's eager_task_factory. See [Loop.SetEagerTasks].
func WithEagerTasks() LoopOption { return loopSetting(func(c *config) { c.eager = true }) }

// WithVirtualTime makes the loop's time jump to the next timer whenever nothing is ready: sleeping
// for an hour takes no time. If there is no timer either and main still waits, the run ends with a
// *DeadlockError. If tasks and callbacks go on and on at the same instant, it ends with a
// *LivelockError; see [WithMaxTurnsPerInstant].
//
// While a function of ToThread or RunInExecutor is running, time stands still, unless the function
// waits for the loop. The loop does not wait for other goroutines. If time stands still for ten
// seconds of real time, the loop reports the name of the function to the exception handler, once,
// since the function may be waiting for something that happens only as time moves on; then the loop
// goes on waiting. Deadlines of contexts are in real time. The loop waits for the deadlines of
// contexts derived in tasks when it has nothing else left to do. Use Timeout instead.
func WithVirtualTime() LoopOption { return loopSetting(func(c *config) { c.virtual = true }) }

// WithExceptionHandler sets the function that the loop calls, on its goroutine, with errors that
// have nowhere else to go. Without it they are logged with log/slog. See
// [Loop.SetExceptionHandler].
func WithExceptionHandler(handler func(*Loop, ExceptionContext)) LoopOption {
	return loopSetting(func(c *config) { c.handler = handler })
}

// WithMaxThreads limits the number of functions that ToThread runs at a time. The default is
// asyncio's: the number of CPUs plus 4, and 32 at most. WithMaxThreads panics if n is not positive.
func WithMaxThreads(n int) LoopOption {
	if n <= 0 {
		panic("asyncio: WithMaxThreads needs a positive number")
	}
	return loopSetting(func(c *config) { c.maxThreads = n })
}

// defaultMaxTurns turns take a tenth of a second, or a few seconds under the race detector.
const defaultMaxTurns = 1_000_000

// WithMaxTurnsPerInstant limits the number of turns that a loop in virtual time makes without its
// time moving on. The default is a million. A run that makes more, such as one in which a task
// calls Sleep with no delay forever, ends with a *LivelockError. Turns during which time has to
// stand still, for a function that ToThread started or for a context's deadline, do not count. In
// real time the option has no effect. WithMaxTurnsPerInstant panics if n is not positive.
func WithMaxTurnsPerInstant(n int) LoopOption {
	if n <= 0 {
		panic("asyncio: WithMaxTurnsPerInstant needs a positive number")
	}
	return loopSetting(func(c *config) { c.maxTurns = uint64(n) })
}

// WithInterrupt makes SIGINT cancel main, with the cause ErrInterrupted, while Run or RunIn is
// running. If main then ends as cancelled, they return ErrInterrupted. A second SIGINT ends the
// program. If SIGINT is ignored, because the program ignores it or because it was ignored when the
// program began, as it is under nohup or in the background of a shell script, it stays ignored.
// NewLoop does not take this option, since other runs of a loop have no main.
func WithInterrupt() Option { return loopSetting(func(c *config) { c.interrupt = true }) }
