package asyncio

import "time"

// An Option is an option of Run and NewRunner: WithDebug, WithSlowCallbackDuration,
// WithEagerTasks, WithVirtualTime, WithExceptionHandler, WithMaxThreads, WithMaxTurnsPerInstant or WithInterrupt.
type Option interface{ apply(*config) }

// A LoopOption is an option of all calls that make a loop: Run, NewRunner and NewLoop.
type LoopOption interface {
	Option
	forNewLoop()
}

// A loopSetting is every one of these options. The type that its constructor returns says
// which calls it is for.
type loopSetting func(*config)

func (s loopSetting) apply(c *config) { s(c) }
func (loopSetting) forNewLoop()       {}

// applyAll applies options to what they configure.
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
	eager      bool // new tasks start eagerly
	virtual    bool
	interrupt  bool
	handler    func(*Loop, ExceptionContext)
	slow       time.Duration
	maxThreads int
	maxTurns   uint64 // at one instant of virtual time
}

// WithDebug turns asyncio's debug mode on. Calls from a goroutine that is not the loop's
// panic; callbacks and steps of tasks that block the loop for as long as
// [WithSlowCallbackDuration] says are logged with log/slog; and servers report clients whose
// connection or TLS handshake fails to the exception handler. A wait for a Lock, an Event, a
// queue or another primitive panics if tasks of another loop that is not closed have waited for
// it. It makes everything slower.
//
// The environment variable GOASYNCIODEBUG, set to anything but the empty string, turns debug mode
// on for all loops, as PYTHONASYNCIODEBUG does in Python. [Loop.SetDebug] turns it on and off.
func WithDebug() LoopOption { return loopSetting(func(c *config) { c.debug = true }) }

// WithSlowCallbackDuration sets the duration from which on debug mode logs a callback or
// a step of a task as slow: 100 ms if it is not given. Zero logs all of them. Without
// debug mode nothing is measured. It panics if d is negative. See
// [Loop.SetSlowCallbackDuration].
func WithSlowCallbackDuration(d time.Duration) LoopOption {
	notNegative(d)
	return loopSetting(func(c *config) { c.slow = d })
}

// WithEagerTasks has all tasks of the loop start eagerly, as [WithEagerStart] has one: those of
// CreateTask and of groups, and those that calls such as Gather, Shield and AsCompleted make of
// coroutines. Main starts in the usual way. It is asyncio's eager_task_factory. See
// [Loop.SetEagerTasks].
func WithEagerTasks() LoopOption { return loopSetting(func(c *config) { c.eager = true }) }

// WithVirtualTime makes the loop's time jump to the next timer whenever nothing is
// ready: an hour's sleep takes none. When there is no timer either, and main still
// waits, the run ends with a *DeadlockError; and with a *LivelockError when tasks and
// callbacks go on and on at the same instant, see [WithMaxTurnsPerInstant].
//
// While a function that ToThread started is running, time stands still; other goroutines
// are not waited for. If that lasts for ten seconds of real time, the function is named to
// the exception handler, once, since it may wait for something that time has to bring; the
// loop waits on. Deadlines of contexts are in real time; those of contexts that were derived
// in tasks are waited for when nothing else is left. Use Timeout.
func WithVirtualTime() LoopOption { return loopSetting(func(c *config) { c.virtual = true }) }

// WithExceptionHandler sets what is called, on the loop's goroutine, with errors
// that have nowhere else to go; without it they are logged with log/slog. See
// [Loop.SetExceptionHandler].
func WithExceptionHandler(handler func(*Loop, ExceptionContext)) LoopOption {
	return loopSetting(func(c *config) { c.handler = handler })
}

// WithMaxThreads bounds the number of functions that ToThread runs at a time. If
// it is not given it is what asyncio has: the number of CPUs and four, and 32 at
// most. It panics if n is not positive.
func WithMaxThreads(n int) LoopOption {
	if n <= 0 {
		panic("asyncio: WithMaxThreads needs a positive number")
	}
	return loopSetting(func(c *config) { c.maxThreads = n })
}

// defaultMaxTurns takes a tenth of a second, or a few seconds under the race detector.
const defaultMaxTurns = 1_000_000

// WithMaxTurnsPerInstant bounds the number of turns that a loop in virtual time makes
// without its time moving on: a million if it is not given. A run that makes more, such
// as one with a task that sleeps for no time for ever, ends with a *LivelockError. Turns
// while time has to stand still, for a function that ToThread started or for a context's
// deadline, do not count. It panics if n is not positive, and does nothing in real time.
func WithMaxTurnsPerInstant(n int) LoopOption {
	if n <= 0 {
		panic("asyncio: WithMaxTurnsPerInstant needs a positive number")
	}
	return loopSetting(func(c *config) { c.maxTurns = uint64(n) })
}

// WithInterrupt has SIGINT cancel main, with the cause ErrInterrupted, while Run
// or RunIn runs; if main then ends as cancelled, they return ErrInterrupted. It is not for
// NewLoop, since other runs of a loop have no main. A
// second SIGINT ends the program. Where SIGINT is ignored, by the program or since it
// began, as under nohup or in the background of a shell script, that stays so.
func WithInterrupt() Option { return loopSetting(func(c *config) { c.interrupt = true }) }
