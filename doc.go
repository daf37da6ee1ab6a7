// Package asyncio is Python's asyncio for Go: an event loop that runs coroutines, one
// at a time, with the tasks, futures, timeouts, locks, queues, streams, servers and
// subprocesses that go with it.
//
//	func main() {
//		_, err := asyncio.Run(context.Background(), asyncio.Do(func(ctx context.Context) error {
//			_, err := asyncio.Gather(ctx, asyncio.Do(hello), asyncio.Do(hello)).Await(ctx)
//			return err
//		}))
//		...
//	}
//
// # Terms
//
// A coroutine is a function func(ctx context.Context) (T, error). To call it is
// Python's "await f()"; to hand it to [CreateTask] runs it concurrently.
//
// A task is a coroutine that the loop runs on a goroutine of its own, to which it
// passes control and from which it gets it back. While a task runs, the loop and all
// other tasks stand still.
//
// A suspension point is a call that may give way to the loop; its documentation says
// that it suspends. Between two suspension points nothing else touches what the tasks
// share, so they need no mutex. Whether a call suspends does not depend on how busy the
// loop is: to await what is done already does not suspend, and neither does to take a
// lock that is free.
//
// A turn is one pass of the loop: it waits until something is ready or due, moves the
// timers that are due to the ready queue, and runs what was ready when the turn began.
// What that makes ready runs in the next turn.
//
// The loop's goroutine is the one that called [Run], and each task's while the task
// runs. A loop, its tasks and futures and the primitives belong to it. Only calls whose
// documentation says so may be made from any goroutine; other code reaches the loop
// through [Loop.CallSoonThreadsafe] and [RunCoroutineThreadsafe], and libraries through a
// [Conn], a [Listener] or a [Dialer]. In particular a goroutine started with go must not await.
//
// A program that breaks this rule has a data race, and what it does then is undefined: the race
// detector finds it, and debug mode ([WithDebug]) panics in most calls. Otherwise an await from a
// wrong goroutine panics if it is given a context other than that of the running task. Given
// that, it may suspend the running task in the place of the goroutine, with whatever follows.
//
// # Order
//
// The order of events is part of the interface. It is CPython 3.13's, or that of a later
// release where this has mended a fault of 3.13.0, as in task groups ([WithTaskGroup]).
// Where asyncio uses call_soon, so does this package. Callbacks of a future are scheduled
// when it is done, in the order in which they were added, and run in the next turn; a
// task that awaits it resumes in its callback's place. Two orders that CPython leaves
// open are fixed: timers that are due at the same instant fire in the order in which they
// were set, and a task group that aborts, and the end of a run, cancel tasks in the order
// of their creation.
//
// # Contexts and cancellation
//
// The context that a coroutine gets is its task's. It finds the loop and carries the
// values of the context that CreateTask was given. A suspension point suspends the task
// that is running, whatever task's context it was handed.
//
// [Task.Cancel] is asyncio's: it is delivered once, as an error that is [ErrCancelled],
// at the suspension point where the task is or to which it comes next. The task may
// clean up, and may even go on. It does not close the Done channel of the task's
// context, because it can be taken back ([Task.Uncancel]). A task that returns the error,
// wrapped or not, ends as cancelled; one that joins another error to it has failed.
//
// When the context that Run was given is done, main is cancelled so. A context derived
// inside a task by context.WithCancel, WithTimeout or WithDeadline is honoured by every
// suspension point that it is handed to: when it is done, what is awaited is cancelled as
// Task.Cancel would do it, and the call returns an error that is both the context's own
// error and its cause. Once it is done every wait under it ends so. To do without in
// clean-up code, use context.WithoutCancel.
//
// # Errors and panics
//
// What asyncio raises, and programs catch, is returned. What can only be a mistake of
// the caller panics, with a text that begins "asyncio: ". A panic in a coroutine is that
// coroutine's error, a [*PanicError], and travels like any other. runtime.Goexit in a
// task, and so t.FailNow, ends the run and goes on in the caller of Run.
//
// An error that nobody ever looks at is reported to the exception handler
// ([WithExceptionHandler]) when its future is garbage, or at the latest when the loop
// closes. A coroutine that nobody calls is a function that nobody calls: there is no
// warning.
//
// # Input and output
//
// A stream is the two halves of a connection: a [StreamReader], whose methods suspend until
// there is enough, and a [StreamWriter], whose Write never suspends and whose Drain does
// while too much is waiting to be sent. [OpenConnection] and [StartServer] make streams of
// sockets, [ConnectReadPipe] and [CreateSubprocessExec] of pipes, [StreamPair] in memory. A
// stream receives only when its task reads: what the task does not read fills the system's
// buffers, and then the peer has to wait.
//
// A loop waits in epoll or kqueue from when its first descriptor is registered. On a
// system that has neither, what needs a descriptor returns [ErrNoPoller]; in virtual time it
// returns [ErrVirtualIO], since nobody knows how long a peer takes. Descriptors that
// streams, servers and processes own are closed with the loop, at the latest; those that
// [Loop.AddReader] and the Sock calls are given remain the caller's.
//
// A call takes options of one type, such as [ConnectOption], whose documentation lists them. An
// option that is for several calls, such as [WithTLS], has each of their types. One that a call
// would ignore does not compile.
//
// # Threads
//
// A loop may run on a goroutine that is locked to its thread (runtime.LockOSThread), as
// long as it is locked throughout. A task must not lock or unlock its thread itself, and
// a task that is left suspended when one run of a loop ends can be resumed only by a run
// in the same state. The Go runtime ends the program otherwise.
package asyncio
