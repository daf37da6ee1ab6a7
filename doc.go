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
// [Do] makes a coroutine of a function that returns only an error, and [Gather] runs
// coroutines concurrently.
//
// # Terms
//
// A coroutine is a function func(ctx context.Context) (T, error). Calling it is
// Python's "await f()"; passing it to [CreateTask] runs it concurrently.
//
// A task is a coroutine that the loop runs on a goroutine of its own. The loop hands it
// control and gets control back when the task suspends or ends. While a task runs, the
// loop and all other tasks stand still.
//
// A [Future] is a result that is not there yet. It is done when it has a value or an
// error or was cancelled. A task is the future of its coroutine's result. Coroutines,
// tasks and futures are awaitable: Await suspends the running task until the result is
// there, and returns it.
//
// A suspension point is a call that may suspend the running task: the loop gets control
// back and may run other tasks before the call returns. Between two suspension points
// nothing else touches the state that tasks share, so it needs no mutex.
//
// A turn is one pass of the loop. It waits until something is ready or due, moves the
// timers that are due to the ready queue, and runs the callbacks and tasks that were
// ready when the turn began. Those that become ready meanwhile run in the next turn.
//
// The loop's goroutine is the one that called [Run] and, while a task runs, the task's.
//
// # Suspension points
//
// The documentation of a call says whether it suspends. Most calls that suspend do so only
// if they have to wait: awaiting something already done does not suspend, nor does
// acquiring a free lock. Calls for input and output may also suspend for one turn without
// having to wait, so that a busy peer does not keep the loop to itself. For example, a
// stream receives at most four times in a turn, and copies a buffer of more than 8 MiB
// in portions of 8 MiB, one a turn. So may calls for channels, after 128 in one turn.
//
// These calls suspend:
//
//   - results: [Coro.Await], [Future.Await], [Task.Await], [Wait], [WaitFor],
//     [AsCompleted], [AsCompletedTimeout], [GatherErr], [WithTaskGroup], [ToThread],
//     [RunInExecutor]
//   - generators: [Generator.Next], [Generator.Close], [Loop.ShutdownAsyncgens]
//   - time: [Sleep], and [Timeout], [TimeoutValue] and [TimeoutAt] when their bodies do
//   - locks: [Lock.Acquire], [Lock.With], [Condition.Acquire], [Condition.With],
//     [Condition.Wait], [Condition.WaitFor], [Event.Wait], [Semaphore.Acquire],
//     [Semaphore.With], [BoundedSemaphore.Acquire], [BoundedSemaphore.With],
//     [Barrier.Wait], [Barrier.Reset], [Barrier.Abort]
//   - queues: [Queue.Get], [Queue.Put], [Queue.Join]
//   - channels and the like: [Receive], [Send], [Select], [AwaitDone], [AwaitGroup], [AwaitCmd]
//   - streams: [OpenConnection], [OpenUnixConnection], [StreamReader.Read],
//     [StreamReader.ReadInto], [StreamReader.ReadExactly], [StreamReader.ReadLine],
//     [StreamReader.ReadUntil], [StreamReader.Lines], [StreamWriter.Drain],
//     [StreamWriter.SendFile], [StreamWriter.StartTLS], [StreamWriter.WaitClosed]
//   - protocols: [CreateConnection], [CreateUnixConnection], [ConnectAcceptedSocket],
//     [CreateServer] while it looks up a host name, [Transport.SendFile], [Transport.StartTLS],
//     [ConnectReadPipeTransport], [ConnectWritePipeTransport]
//   - servers: [StartServer] while it looks up a host name, [Server.Serve],
//     [Server.Shutdown], [Server.WaitClosed]
//   - package net's interfaces: [Listen], [Listener.Accept], [Dialer.Dial],
//     [Dialer.DialContext], [Conn.Read], [Conn.Write]
//   - datagrams: [CreateDatagramEndpoint], [DatagramEndpoint.RecvFrom],
//     [DatagramEndpoint.Drain], [DatagramEndpoint.WaitClosed], [CreateDatagramTransport]
//   - processes: [Process.Communicate], [Process.Wait], [SubprocessExec], [SubprocessShell]
//   - sockets and names: [Loop.SockAccept], [Loop.SockConnect], [Loop.SockRecv],
//     [Loop.SockRecvInto], [Loop.SockRecvFrom], [Loop.SockRecvFromInto], [Loop.SockSendAll],
//     [Loop.SockSendTo], [Loop.SockSendFile], [Loop.GetAddrInfo], [Loop.GetNameInfo]
//
// These never suspend:
//
//   - [CreateTask], [GroupTask], [TaskGroup.Go], [EnsureFuture], [Gather], [GatherResults] and
//     [Shield], which start tasks and return, [WrapFuture] and [Pull]
//   - [Future.SetResult], [Future.SetException], [Future.Cancel], [Task.Cancel],
//     [Lock.Release], [Semaphore.Release], [Event.Set] and [Condition.Notify], which make
//     other tasks ready but do not run them
//   - [Queue.PutNowait], [Queue.GetNowait], [Queue.TaskDone] and [Queue.Shutdown]
//   - [StreamWriter.Write], [StreamWriter.Close] and [DatagramEndpoint.SendTo], which keep
//     the bytes that cannot be sent at once
//   - [Transport.Write], [Transport.Close] and [DatagramTransport.SendTo], which keep them as well
//   - [StartUnixServer], [CreateUnixServer], [CreateSubprocessExec], [ConnectReadPipe],
//     [StreamPair] and [NewStreamReader]
//   - [StreamReader.FeedData], [StreamReader.FeedEOF] and [StreamReader.SetException]
//
// # Goroutines
//
// A loop, its tasks, its futures and the primitives they use belong to the loop's
// goroutine. Only calls whose documentation says so may be made from any goroutine.
// Other goroutines reach the loop through [Loop.CallSoonThreadsafe] and
// [RunCoroutineThreadsafe]; libraries reach it through a [Conn], a [Listener] or a
// [Dialer]. Tasks reach other goroutines through channels, by [Receive], [Send] and [Select]. In particular, a goroutine started with go must not await.
//
// A program that breaks this rule has a data race, and its behaviour is undefined. The
// race detector finds the race, and debug mode ([WithDebug], [Loop.SetDebug]) panics in most such
// calls. Without debug mode, an await on the wrong goroutine panics, unless its context is the
// running task's own. Then the loop takes the await for one by that task, and may suspend
// the task instead of the goroutine.
//
// A loop may run on a goroutine that is locked to its thread (runtime.LockOSThread), as
// long as it stays locked throughout. A task must not lock or unlock its thread itself,
// and a task that is still suspended when one run of a loop ends can be resumed only by a
// run in the same state. Otherwise the Go runtime ends the program.
//
// # Order
//
// The order of events is part of the interface. It is the order of CPython 3.13 or, where
// a later release has fixed a bug of 3.13.0, as in task groups ([WithTaskGroup]), the
// order of that release. Where asyncio uses call_soon, so does this package. A future's
// callbacks are scheduled when it is done, in the order in which they were added, and run
// in the next turn; a task that awaits it resumes in its callback's place. Two orders that
// CPython leaves open are fixed: timers due at the same instant fire in the order in which
// they were set, and tasks are cancelled in the order of their creation when a task group
// aborts and when a run ends.
//
// # Contexts and cancellation
//
// The context that a coroutine gets is its task's. It carries the loop and the values of
// the context given to CreateTask. A suspension point always suspends the running task,
// even if it is given another task's context. The tasks of a group have the group's context;
// [WithContext] gives a task the values of another context than the one that cancels it.
//
// [Task.Cancel] is asyncio's. It is delivered once, as an error that is [ErrCancelled],
// at the task's current suspension point or at the next one it reaches. The task may
// clean up, and may even carry on. Cancel does not close the Done channel of the task's
// context, because a cancellation can be taken back ([Task.Uncancel]). A task that returns
// the error, wrapped or not, ends as cancelled; a task that joins another error to it has
// failed.
//
// When the context given to Run is done, main is cancelled in this way. Inside a task a
// context derived by context.WithCancel, WithTimeout or WithDeadline limits every
// suspension point that it is given to. When it is done, the wait is cancelled as by
// Task.Cancel, and the call returns an error that is both the context's error and its
// cause; so does every later wait under it. Clean-up code that has to wait uses
// context.WithoutCancel.
//
// # Errors and panics
//
// Exceptions that an asyncio program would catch are returned as errors. A call that can
// only be a mistake panics, with a message that begins "asyncio: ". A panic in a coroutine
// becomes that coroutine's error, a [*PanicError], and travels like any other error.
// runtime.Goexit in a task, and so t.FailNow, ends the run and continues in the caller of
// Run.
//
// An error that nobody looks at is reported to the exception handler
// ([WithExceptionHandler], [Loop.SetExceptionHandler]) when its future is garbage
// collected, or at the latest when the loop closes. A coroutine that is never called gives
// no warning: it is just a function that is never called.
//
// # Input and output
//
// A stream is the two halves of a connection. The methods of a [StreamReader] suspend
// until enough has arrived. A [StreamWriter]'s Write never suspends; its Drain does, while
// too much is waiting to be sent. [OpenConnection] and [StartServer] make streams of
// sockets, [ConnectReadPipe] and [CreateSubprocessExec] of pipes, and [StreamPair] in
// memory. [WithSocket] makes streams and servers of sockets that exist already. A stream receives
// only when a task reads from it: unread bytes fill the system's buffers, and then the peer has to
// wait.
//
// A connection can also have a [Protocol] in place of a reader and a writer: callbacks, which its
// [Transport] calls without a task. [CreateConnection] and [CreateServer] make such connections.
//
// A loop creates its poller, epoll or kqueue, when its first descriptor is registered. On
// a system that has neither, a goroutine makes each call that waits, by packages net and os;
// only [Loop.AddReader], [Loop.AddWriter] and the Sock methods return [ErrNoPoller]. In virtual
// time all calls that need a descriptor return [ErrVirtualIO], since nobody knows how long a
// peer takes. Descriptors that belong to streams, servers and processes are closed with the loop
// at the latest; those passed to [Loop.AddReader] and the Sock methods remain the caller's.
//
// Each call takes options of one type, such as [ConnectOption], whose documentation lists
// them. An option for several calls, such as [WithTLS], has the types of all of them. An
// option that a call would ignore does not compile.
package asyncio
