package asyncio

import "time"

// An Option configures the loop that Run, NewRunner or NewLoop makes.
type Option func(*config)

type config struct {
	debug      bool
	virtual    bool
	interrupt  bool
	handler    func(*Loop, ExceptionContext)
	slow       time.Duration
	maxThreads int
}

// WithDebug turns asyncio's debug mode on. Calls from a goroutine that is not the
// loop's panic, and callbacks or steps of tasks that block the loop for longer
// than WithSlowCallbackDuration says are logged. It makes everything slower.
func WithDebug() Option { return func(c *config) { c.debug = true } }

// WithSlowCallbackDuration sets what debug mode takes for slow: 100 ms if it is
// not given. It panics if d is not positive. It is asyncio's slow_callback_duration.
func WithSlowCallbackDuration(d time.Duration) Option {
	if d <= 0 {
		panic("asyncio: WithSlowCallbackDuration needs a positive duration")
	}
	return func(c *config) { c.slow = d }
}

// WithVirtualTime makes the loop's time jump to the next timer whenever nothing is
// ready: an hour's sleep takes none. When there is no timer either, and main still
// waits, the run ends with a *DeadlockError. While a function that ToThread started is
// running, time stands still; other goroutines are not waited for. Deadlines of contexts
// are in real time; those of contexts that were derived in tasks are waited for when
// nothing else is left. Use Timeout.
func WithVirtualTime() Option { return func(c *config) { c.virtual = true } }

// WithExceptionHandler sets what is called, on the loop's goroutine, with errors
// that have nowhere else to go; without it they are logged with log/slog. It is
// asyncio's set_exception_handler.
func WithExceptionHandler(handler func(*Loop, ExceptionContext)) Option {
	return func(c *config) { c.handler = handler }
}

// WithMaxThreads bounds the number of functions that ToThread runs at a time. If
// it is not given it is what asyncio has: the number of CPUs and four, and 32 at
// most. It panics if n is not positive.
func WithMaxThreads(n int) Option {
	if n <= 0 {
		panic("asyncio: WithMaxThreads needs a positive number")
	}
	return func(c *config) { c.maxThreads = n }
}

// WithInterrupt has SIGINT cancel main, with the cause ErrInterrupted, while Run
// or RunIn runs; if main then ends as cancelled, they return ErrInterrupted. A
// second SIGINT ends the program. Where SIGINT is ignored, by the program or since it
// began, as under nohup or in the background of a shell script, that stays so.
func WithInterrupt() Option { return func(c *config) { c.interrupt = true } }
