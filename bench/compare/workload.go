package main

// A workload is a row of the tables: one benchmark, in this library and in its alternatives. The
// benchmarks are those of the library itself, in bench_*_test.go in its root, where a comment
// defines an operation. The alternatives that are not in Go have programs of their own, in python
// and tokio, that do the same work under the same name.
type workload struct {
	name    string   // of the benchmark
	title   string   // of the row
	each    int      // parts of an operation; if positive, the time of a part is shown
	library string   // this library's sub-benchmark, if it is not "asyncio"
	rivals  []string // Go's other sub-benchmarks; the first is the usual way in Go
	conc    bool     // whether sourcegraph/conc has the benchmark, too
	once    bool     // whether one operation takes long enough
	memory  bool     // whether the memory of a task is compared instead of time
	targets []target
}

// A target limits this library's cost as a multiple of a rival's or, without a rival, the number of
// allocations of an operation.
type target struct {
	rival    string
	workload string // workload of the rival, if it is another one
	most     float64
}

var workloads = []workload{
	{name: "Switch16", title: "switch, 16 tasks", rivals: []string{"channel", "runtime.Gosched", "iter.Pull"},
		targets: []target{{rival: "iter.Pull", most: 1.25}, {most: 0}, {rival: uvloop, most: 0.2}, {rival: cpython, most: 0.1}}},
	{name: "CreateAwait", title: "create and await, one by one", rivals: []string{"goroutine+WaitGroup", "goroutine+channel", "errgroup", "iter.Pull"}, conc: true,
		targets: []target{{rival: "goroutine+WaitGroup", most: 1}, {most: 2}, {rival: uvloop, most: 0.2}, {rival: cpython, most: 0.1}}},
	{name: "Gather1000", title: "create 1,000 and gather, a task", each: 1000, library: "asyncio.coroutines", rivals: []string{"errgroup", "goroutine+WaitGroup"}, conc: true,
		targets: []target{{rival: "errgroup", most: 0.65}, {most: 2}}},
	{name: "Tree10", title: "task tree of depth 10, a task", each: 2047, rivals: []string{"errgroup", "goroutine+WaitGroup"}},
	{name: "Lock", title: "lock, free", rivals: []string{"sync.Mutex", "channel"},
		targets: []target{{rival: "sync.Mutex", most: 1}, {most: 0}, {rival: uvloop, most: 0.2}, {rival: cpython, most: 0.1}}},
	{name: "LockContended16", title: "lock, wanted by 16", rivals: []string{"sync.Mutex", "channel"}},
	{name: "Semaphore", title: "semaphore, free", rivals: []string{"x.sync.semaphore", "channel"},
		targets: []target{{rival: "sync.Mutex", workload: "Lock", most: 1}, {most: 0}}},
	{name: "Event", title: "event, there and back", rivals: []string{"channel"},
		targets: []target{{rival: "channel", most: 0.5}}},
	{name: "EventBroadcast1000", title: "event to 1,000, a task", each: 1000, rivals: []string{"close.channel", "sync.Cond"},
		targets: []target{{rival: "close.channel", most: 0.5}, {rival: "sync.Cond", most: 0.5}}},
	{name: "Condition", title: "condition, there and back", rivals: []string{"sync.Cond"},
		targets: []target{{rival: "sync.Cond", most: 0.5}}},
	{name: "Queue", title: "queue that holds 1, an item", rivals: []string{"channel", "channel.unbuffered"},
		targets: []target{{rival: "channel", most: 0.5}}},
	{name: "QueueBuffered128", title: "queue that holds 128, an item", rivals: []string{"channel"},
		targets: []target{{rival: "channel", most: 0.5}}},
	{name: "Sleepers100k", title: "100,000 sleepers in 100 ms", rivals: []string{"goroutine+time.Sleep"}, once: true,
		targets: []target{{rival: "goroutine+time.Sleep", most: 1}}},
	{name: "CallLaterCancel", title: "timer set and cancelled", rivals: []string{"time.AfterFunc"},
		targets: []target{{rival: "time.AfterFunc", most: 0.5}}},
	{name: "WaitFor", title: "wait_for that does not fire", rivals: []string{"context.WithTimeout+channel"},
		targets: []target{{rival: "context.WithTimeout+channel", most: 0.75}}},
	{name: "CallSoon", title: "call_soon, one a turn", rivals: []string{"channel", "goroutine"}},
	{name: "CallSoonThreadsafe", title: "call_soon_threadsafe, wake and run", rivals: []string{"channel"},
		targets: []target{{rival: "channel", most: 1.25}}},
	{name: "CallSoonThreadsafeBatch1000", title: "call_soon_threadsafe of 1,000, a call", each: 1000, rivals: []string{"channel"}},
	{name: "ToThread", title: "to_thread, there and back", rivals: []string{"goroutine+channel", "goroutine+semaphore+context"}},
	{name: "Waiting100k", title: "memory of a task that waits", rivals: []string{"channel"}, once: true, memory: true,
		targets: []target{{rival: "channel", most: 1.25}}},
}

// A growing is a benchmark in BenchmarkGrowth, its sizes, and Go's way if there is one.
type growing struct {
	name, title string
	sizes       [3]string
	rival       string
}

var growth = []growing{
	{"Switch", "switch, of n tasks", small, "channel"},
	{"Gather", "gather of n, a task", large, "errgroup"},
	{"LockContended", "lock wanted by n", small, "sync.Mutex"},
	{"EventBroadcast", "event to n, a task", large, "close.channel"},
	{"Queue", "queue shared by n tasks, an item", [3]string{"2", "20", "200"}, "channel"},
	{"Sleepers", "n sleepers in virtual time, a task", large, "goroutine+time.Sleep"},
	{"CallLaterCancel", "timer set and cancelled among n", large, "time.AfterFunc"},
	{"WaitFor", "wait_for among n that wait with a timeout", large, ""},
	{"CallSoon", "call_soon of n in a turn, a call", large, ""},
	{"CancelWaiter", "one of n that wait for a lock is cancelled", large, ""},
	{"AllTasks", "all_tasks of n, a task", large, ""},
}

var (
	small = [3]string{"16", "160", "1600"}
	large = [3]string{"1000", "10000", "100000"}
)
