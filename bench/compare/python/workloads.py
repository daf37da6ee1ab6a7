"""The workloads of asyncio: python workloads.py asyncio|uvloop WORKLOAD SECONDS

It does WORKLOAD for at least SECONDS and prints the cost of one operation as Go's benchmarks
print it. With 0 seconds it does one operation. `workloads.py LOOP list` prints the names of
the workloads. The benchmark of the same name in the library's bench_*_test.go defines an
operation. Each workload counts the operations in the code that performs them, and fails if the
count is not the requested number. For the tests, BENCH_MISCOUNT in the environment makes every
count wrong.
"""

import asyncio
import concurrent.futures
import os
import sys
import threading
from time import perf_counter

HOUR = 3600
WORKLOADS = {}


class Timer:
    """Time the body of a with statement."""

    extra = ""  # further metrics, for the line that is printed

    def __enter__(self):
        self.start = perf_counter()

    def __exit__(self, *exc):
        self.seconds = perf_counter() - self.start


def workload(name):
    def register(fn):
        WORKLOADS[name] = fn
        return fn

    return register


def expect(got, want):
    if got != want or os.environ.get("BENCH_MISCOUNT"):
        sys.exit(f"counted {got}, want {want}")


def share(n, tasks):
    """Return each task's share of n operations."""
    return [n // tasks + (i < n % tasks) for i in range(tasks)]


async def answer():
    return 42


async def in_tasks(timer, n, tasks, body):
    """Time tasks that share n calls of body, from the moment when all of them wait for the start."""
    start = asyncio.Event()

    async def task(times):
        await start.wait()
        return await body(times)

    running = [asyncio.create_task(task(times)) for times in share(n, tasks)]
    await asyncio.sleep(0)
    with timer:
        start.set()
        counts = await asyncio.gather(*running)
    expect(sum(counts), n)


@workload("Switch16")
async def switch(n, timer):
    async def body(times):
        done = 0
        for _ in range(times):
            await asyncio.sleep(0)
            done += 1
        return done

    await in_tasks(timer, n, 16, body)


@workload("CreateAwait")
async def create_await(n, timer):
    total = 0
    with timer:
        for _ in range(n):
            total += await asyncio.create_task(answer())
    expect(total, 42 * n)


@workload("Gather1000")
async def gather(n, timer):
    total = 0
    with timer:
        for _ in range(n):
            total += sum(await asyncio.gather(*[answer() for _ in range(1000)]))
    expect(total, 42_000 * n)


@workload("Tree10")
async def tree(n, timer):
    async def node(depth):
        if depth == 0:
            return 1
        left = asyncio.create_task(node(depth - 1))
        right = asyncio.create_task(node(depth - 1))
        return 1 + await left + await right

    total = 0
    with timer:
        for _ in range(n):
            total += await asyncio.create_task(node(10))
    expect(total, 2047 * n)


@workload("Lock")
async def lock(n, timer):
    mutex, done = asyncio.Lock(), 0
    with timer:
        for _ in range(n):
            await mutex.acquire()
            done += 1
            mutex.release()
    expect(done, n)


@workload("LockContended16")
async def lock_contended(n, timer):
    mutex, inside, done = asyncio.Lock(), 0, 0

    async def body(times):
        nonlocal inside, done
        for _ in range(times):
            await mutex.acquire()
            inside += 1
            await asyncio.sleep(0)
            done += inside  # one, unless two hold the lock
            inside -= 1
            mutex.release()
        return times

    await in_tasks(timer, n, 16, body)
    expect(done, n)


@workload("Semaphore")
async def semaphore(n, timer):
    places, done = asyncio.Semaphore(4), 0
    with timer:
        for _ in range(n):
            await places.acquire()
            done += 1
            places.release()
    expect(done, n)


@workload("Event")
async def event(n, timer):
    ping, pong, done = asyncio.Event(), asyncio.Event(), 0

    async def other():
        for _ in range(n):
            await ping.wait()
            ping.clear()
            pong.set()

    task = asyncio.create_task(other())
    await asyncio.sleep(0)
    with timer:
        for _ in range(n):
            ping.set()
            await pong.wait()
            pong.clear()
            done += 1
        await task
    expect(done, n)


@workload("EventBroadcast1000")
async def event_broadcast(n, timer):
    event, woken = asyncio.Event(), 0

    async def waiter():
        nonlocal woken
        for _ in range(n):
            await event.wait()
            woken += 1

    tasks = [asyncio.create_task(waiter()) for _ in range(1000)]
    await asyncio.sleep(0)
    with timer:
        for i in range(n):
            event.set()
            event.clear()
            while woken < 1000 * (i + 1):
                await asyncio.sleep(0)
    await asyncio.gather(*tasks)
    expect(woken, 1000 * n)


@workload("Condition")
async def condition(n, timer):
    cond, turn, done = asyncio.Condition(), 0, [0, 0]

    async def player(me):
        nonlocal turn
        for _ in range(n):
            async with cond:
                while turn != me:
                    await cond.wait()
                done[me] += 1
                turn = 1 - me
                cond.notify(1)

    with timer:
        await asyncio.gather(player(0), player(1))
    expect(done, [n, n])


async def through_queue(n, timer, size):
    queue, in_order = asyncio.Queue(size), 0

    async def produce():
        for i in range(n):
            await queue.put(i)

    async def consume():
        nonlocal in_order
        for i in range(n):
            in_order += await queue.get() == i

    with timer:
        await asyncio.gather(produce(), consume())
    expect(in_order, n)


@workload("Queue")
async def queue(n, timer):
    await through_queue(n, timer, 1)


@workload("QueueBuffered128")
async def queue_buffered(n, timer):
    await through_queue(n, timer, 128)


@workload("Sleepers100k")
async def sleepers(n, timer):
    count, done = 100_000, 0

    async def sleeper(i):
        nonlocal done
        await asyncio.sleep(0.1 * (i + 1) / count)
        done += 1

    with timer:
        for _ in range(n):
            await asyncio.gather(*[sleeper(i) for i in range(count)])
    expect(done, count * n)


@workload("CallLaterCancel")
async def call_later_cancel(n, timer):
    loop, fired, set_ = asyncio.get_running_loop(), [], 0
    with timer:
        for i in range(n):
            loop.call_later(HOUR, fired.append, i).cancel()
            set_ += 1
            if set_ % 1000 == 0:
                await asyncio.sleep(0)
    expect((set_, fired), (n, []))


@workload("WaitFor")
async def wait_for(n, timer):
    total = 0
    with timer:
        for _ in range(n):
            total += await asyncio.wait_for(asyncio.create_task(answer()), HOUR)
    expect(total, 42 * n)


@workload("CallSoon")
async def call_soon(n, timer):
    loop, done, end = asyncio.get_running_loop(), 0, asyncio.Event()

    def callback():
        nonlocal done
        done += 1
        if done < n:
            loop.call_soon(callback)
        else:
            end.set()

    with timer:
        loop.call_soon(callback)
        await end.wait()
    expect(done, n)


async def from_thread(timer, body):
    """Time body, which runs in a thread of its own while the loop does nothing else."""

    def thread():
        with timer:
            body()

    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        await asyncio.get_running_loop().run_in_executor(pool, thread)


@workload("CallSoonThreadsafe")
async def call_soon_threadsafe(n, timer):
    loop, ran, done = asyncio.get_running_loop(), threading.Semaphore(0), 0

    def callback():
        nonlocal done
        done += 1
        ran.release()

    def body():
        for _ in range(n):
            loop.call_soon_threadsafe(callback)
            ran.acquire()

    await from_thread(timer, body)
    expect(done, n)


@workload("CallSoonThreadsafeBatch1000")
async def call_soon_threadsafe_batch(n, timer):
    loop, ran, done = asyncio.get_running_loop(), threading.Semaphore(0), 0

    def callback():
        nonlocal done
        done += 1
        if done % 1000 == 0:
            ran.release()

    def body():
        for _ in range(n):
            for _ in range(1000):
                loop.call_soon_threadsafe(callback)
            ran.acquire()

    await from_thread(timer, body)
    expect(done, 1000 * n)


@workload("ToThread")
async def to_thread(n, timer):
    total = 0
    with timer:
        for _ in range(n):
            total += await asyncio.to_thread(lambda: 42)
    expect(total, 42 * n)


def resident():
    with open("/proc/self/statm") as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@workload("Waiting100k")
async def waiting(n, timer):
    count, done, taken = 100_000, 0, 0

    async def waiter(event):
        nonlocal done
        await event.wait()
        done += 1

    with timer:
        for i in range(n):
            event, before = asyncio.Event(), resident()
            tasks = [asyncio.create_task(waiter(event)) for _ in range(count)]
            await asyncio.sleep(0)
            if i == 0:
                taken = resident() - before
            event.set()
            await asyncio.gather(*tasks)
    expect(done, count * n)
    timer.extra = f" {taken / count:.0f} B/task"


def run(loop, fn, n):
    timer = Timer()
    if loop == "uvloop":
        import uvloop

        uvloop.install()
    asyncio.run(fn(n, timer))
    return timer


def main():
    if len(sys.argv) == 3 and sys.argv[2] == "list":
        print("\n".join(WORKLOADS))
        return
    if len(sys.argv) != 4 or sys.argv[1] not in ("asyncio", "uvloop") or sys.argv[2] not in WORKLOADS:
        print("usage: workloads.py asyncio|uvloop list|WORKLOAD SECONDS", file=sys.stderr)
        sys.exit(2)
    loop, name, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
    n, timer = 1, run(loop, WORKLOADS[name], 1)
    while timer.seconds < seconds:
        n = max(n + 1, min(100 * n, int(1.2 * n * seconds / timer.seconds)))
        timer = run(loop, WORKLOADS[name], n)
    print(f"Benchmark{name}/{loop} {n} {1e9 * timer.seconds / n:.1f} ns/op{timer.extra}")


main()
