#!/usr/bin/env python3
"""Run one asyncio scenario under CPython with virtual time and print its trace.

    python3.13 oracle.py scenario.json        # one scenario: prints its trace, one event per line
    python3.13 oracle.py --record DIR         # write NAME.trace beside every DIR/NAME.json
    python3.13 oracle.py --jsonl < in > out   # reads a scenario per line, writes {"name","trace"} per line

README.md one directory up describes the scenario language. CPython's own asyncio decides
the order of events. This file fixes an order only where CPython leaves it open, so that a
trace is the same on every run: timers due at the same instant fire in the order in which
they were set, and a task group, and the end of a run, cancel their tasks in the order of
their creation.
"""
import asyncio
import gc
import itertools
import json
import os
import sys

UNIT = 1 / 1024  # one time unit; dyadic, so that sums of delays are exact
MAX_EVENTS = 20_000

# The garbage of a scenario is collected when it is over, and not during a later scenario:
# a coroutine that is closed runs its handlers, which would use the later scenario's loop.
gc.disable()
sys.unraisablehook = lambda _: None  # coroutines that refuse to be closed


class Stop(BaseException):
    """The scenario ran away or deadlocked; the trace ends here."""


# --- virtual time -----------------------------------------------------------

_seq = itertools.count()


class _Timer(asyncio.TimerHandle):
    __slots__ = ("seq",)

    def __init__(self, *args, **kw):
        super().__init__(*args, **kw)
        self.seq = next(_seq)

    def __lt__(self, other):
        return (self._when, self.seq) < (other._when, other.seq)


asyncio.events.TimerHandle = _Timer


# --- creation order where CPython keeps a set ---------------------------------

class _OrderedSet(dict):
    def add(self, x):
        self[x] = None

    def discard(self, x):
        self.pop(x, None)


class TaskGroup(asyncio.TaskGroup):
    def __init__(self):
        super().__init__()
        self._tasks = _OrderedSet()


_created = {}  # task -> its number, in order of creation


def _numbered(task):
    _created.setdefault(task, len(_created))
    return task


def _cancel_all_tasks(loop):
    """Do the same as asyncio.runners._cancel_all_tasks, but the oldest task first."""
    to_cancel = sorted(asyncio.all_tasks(loop), key=lambda t: _created.get(t, -1))
    for task in to_cancel:
        task.cancel()
    if to_cancel:
        loop.run_until_complete(asyncio.gather(*to_cancel, return_exceptions=True))


asyncio.runners._cancel_all_tasks = _cancel_all_tasks


# --- the loop -----------------------------------------------------------------

class VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self, eager):
        super().__init__()
        self.eager = eager
        self.set_task_factory(self._make_task)
        self._now = 0.0
        select = self._selector.select

        def virtual_select(timeout):
            events = select(0)
            if events or timeout == 0:
                return events
            if timeout is None:
                self.on_deadlock()
            self._now = max(self._now, self._scheduled[0]._when)
            return events

        self._selector.select = virtual_select

    @staticmethod
    def _make_task(loop, coro, **kw):
        if kw.get("name") is None:
            kw.pop("name", None)
        if loop.eager:
            kw["eager_start"] = True
        return _numbered(asyncio.Task(coro, loop=loop, **kw))

    def create_task(self, coro, **kw):
        if self.eager:  # 3.13.0 names a task that its factory starts only after its first step
            return self._make_task(self, coro, **kw)
        return super().create_task(coro, **kw)

    def time(self):
        return self._now


# --- values -----------------------------------------------------------------

def name_of(task):
    """Return a task's name, or '~' for a task that gather, wait_for, … made of a coroutine."""
    if task is None:
        return "-"
    name = task.get_name()
    return "~" if name.startswith("Task-") or name == "None" else name


def show_exc(e):
    if isinstance(e, asyncio.CancelledError):
        return "Cancelled" + (f":{e.args[0]}" if e.args and e.args[0] is not None else "")
    if isinstance(e, BaseExceptionGroup):
        return "Group[" + ",".join(show_exc(x) for x in e.exceptions) + "]"
    for cls, name in (
        (TimeoutError, "Timeout"),
        (asyncio.InvalidStateError, "InvalidState"),
        (asyncio.BrokenBarrierError, "BrokenBarrier"),
        (asyncio.QueueEmpty, "QueueEmpty"),
        (asyncio.QueueFull, "QueueFull"),
    ):
        if isinstance(e, cls):
            return name
    if type(e).__name__ == "QueueShutDown":
        return "QueueShutDown"
    if isinstance(e, KeyError):
        return f"Key:{e.args[0]}"
    if isinstance(e, ValueError):
        return f"Value:{e.args[0]}" if e.args and str(e.args[0]).startswith("!") else "Value"
    if isinstance(e, RuntimeError):
        return "Runtime"
    return type(e).__name__


def show(v):
    if isinstance(v, BaseException):
        return show_exc(v)
    if isinstance(v, (list, tuple)):
        return "[" + ",".join(show(x) for x in v) + "]"
    if v is None:
        return "nil"
    if isinstance(v, bool):
        return "true" if v else "false"
    return str(v)


KINDS = {
    "Cancelled": asyncio.CancelledError,
    "Timeout": TimeoutError,
    "Value": ValueError,
    "Key": KeyError,
    "Group": BaseExceptionGroup,
    "Error": Exception,       # everything but Cancelled (and groups that hold one)
    "Any": BaseException,
}
RAISES = {"Value": ValueError, "Key": KeyError, "Cancelled": asyncio.CancelledError, "Timeout": TimeoutError}


class Return(BaseException):
    def __init__(self, value):
        self.value = value


# --- the interpreter ----------------------------------------------------------

class Scenario:
    def __init__(self, spec):
        self.coros = spec["coros"]
        self.specs = spec.get("objects", {})
        self.eager = spec.get("eager", False)
        self.trace = []
        self.ended = False
        self.vars = {}      # tasks and futures by name
        self.objs = {}
        self.handles = {}
        self.counters = {}
        self.names = {}     # id(future) -> name
        self.alive = []     # keeps every future alive, so that no id is used twice
        self.recursion = False  # CPython ran out of stack, and a handler may have caught it

    def emit(self, text, who=None):
        if self.ended:  # a coroutine torn down after the trace ended
            return
        if who is None:
            who = name_of(asyncio.current_task())
        now = round(asyncio.get_running_loop().time() / UNIT)
        self.trace.append(f"{now} {who} {text}")
        if len(self.trace) > MAX_EVENTS:
            self.ended = True
            raise Stop("RUNAWAY")

    def build(self):
        for name, (kind, *args) in self.specs.items():
            if kind == "Condition" and args:
                self.objs[name] = asyncio.Condition(self.objs[args[0]])
            elif kind == "Future":
                self.put_var(name, asyncio.get_running_loop().create_future())
            else:
                self.objs[name] = getattr(asyncio, kind)(*args)

    def put_var(self, name, fut):
        self.vars[name] = fut
        self.names[id(fut)] = name
        self.alive.append(fut)

    def ref(self, r):
        """Return the task or future x for 't:x', and a new coroutine of x for 'c:x'."""
        kind, name = r.split(":", 1)
        return self.vars[name] if kind == "t" else self.coro(name)

    async def coro(self, name):
        return await self.body_of(name)

    async def body_of(self, name):
        try:
            await self.block(self.coros[name], {})
        except Return as r:
            return r.value
        return None

    async def block(self, stmts, env):
        for s in stmts:
            await self.stmt(s, env)

    def missing(self, op, a):
        """Report whether the statement names a task or future that was never made."""
        names = []
        if op in ("await", "cancel", "on_done", "status", "set_result", "set_exception"):
            names = [a[0]]
        elif op == "wait":
            names = a[0]
        elif op in ("gather", "as_completed"):
            names = [r[2:] for r in a[0] if r.startswith("t:")]
        elif op == "gather_start":
            names = [r[2:] for r in a[1] if r.startswith("t:")]
        elif op in ("wait_for", "shield"):
            names = [r[2:] for r in a[:1] if r.startswith("t:")]
        return any(n not in self.vars for n in names)

    async def stmt(self, s, env):
        try:
            await self.statement(s, env)
        except RecursionError:
            self.recursion = True
            raise

    async def statement(self, s, env):
        op, *a = s
        if self.missing(op, a):
            self.emit(f"skip {op}")
            return
        loop = asyncio.get_running_loop()
        if op == "log":
            self.emit(a[0])
        elif op == "sleep":
            await asyncio.sleep(a[0] * UNIT)
        elif op == "spawn":
            self.put_var(a[0], asyncio.create_task(self.coro(a[1]), name=a[0]))
        elif op == "eager":
            t = asyncio.Task(self.coro(a[1]), loop=loop, name=a[0], eager_start=True)
            self.put_var(a[0], _numbered(t))
        elif op == "future":
            self.put_var(a[0], loop.create_future())
        elif op == "await":
            self.emit(f"{a[0]} = {show(await self.vars[a[0]])}")
        elif op == "call":
            self.emit(f"{a[0]}() = {show(await self.coro(a[0]))}")
        elif op == "cancel":
            self.emit(f"cancel {a[0]} {show(self.vars[a[0]].cancel(*a[1:]))}")
        elif op == "uncancel":
            self.emit(f"uncancel {asyncio.current_task().uncancel()}")
        elif op == "cancelling":
            self.emit(f"cancelling {asyncio.current_task().cancelling()}")
        elif op == "return":
            raise Return(a[0])
        elif op == "raise":
            raise RAISES[a[0]](*a[1:])
        elif op == "reraise":
            raise env["exc"]
        elif op == "try":
            await self.try_(a[0], a[1], a[2] if len(a) > 2 else None, env)
        elif op == "repeat":
            for _ in range(a[0]):
                await self.block(a[1], env)
        elif op == "gather":
            got = await asyncio.gather(*map(self.ref, a[0]), return_exceptions=a[1])
            self.emit(f"gather = {show(got)}")
        elif op == "gather_start":
            self.put_var(a[0], asyncio.gather(*map(self.ref, a[1]), return_exceptions=a[2]))
        elif op == "wait":
            when = {"ALL": asyncio.ALL_COMPLETED, "FIRST": asyncio.FIRST_COMPLETED,
                    "EXCEPTION": asyncio.FIRST_EXCEPTION}[a[2]]
            done, pending = await asyncio.wait(
                [self.vars[x] for x in a[0]], return_when=when,
                timeout=None if a[1] is None else a[1] * UNIT)
            names = [sorted(self.names[id(f)] for f in part) for part in (done, pending)]
            self.emit(f"wait done={show(names[0])} pending={show(names[1])}")
        elif op == "wait_for":
            got = await asyncio.wait_for(self.ref(a[0]), None if a[1] is None else a[1] * UNIT)
            self.emit(f"wait_for {a[0]} = {show(got)}")
        elif op == "shield":
            self.emit(f"shield {a[0]} = {show(await asyncio.shield(self.ref(a[0])))}")
        elif op == "as_completed":
            futs = [asyncio.ensure_future(self.ref(x)) for x in a[0]]
            # CPython yields those already done in no particular order: keep only the first.
            done = [f for f in futs if f.done()]
            futs = [f for f in futs if f not in done[1:]]
            for next_done in asyncio.as_completed(futs, timeout=None if a[1] is None else a[1] * UNIT):
                try:
                    self.emit(f"completed {show(await next_done)}")
                except Exception as e:
                    self.emit(f"completed with {show_exc(e)}")
                    if isinstance(e, TimeoutError):
                        break
        elif op == "timeout":
            cm = asyncio.timeout(None if a[0] is None else a[0] * UNIT)
            name = a[2] if len(a) > 2 else None
            if name:
                self.handles[name] = cm
            try:
                async with cm:
                    await self.block(a[1], env)
            finally:
                self.emit(f"timeout expired={show(cm.expired())}")
        elif op == "reschedule":
            self.handles[a[0]].reschedule(None if a[1] is None else loop.time() + a[1] * UNIT)
        elif op == "group":
            async with TaskGroup() as tg:
                self.handles[a[0]] = tg
                await self.block(a[1], env)
            self.emit(f"group {a[0]} done")
        elif op == "group_spawn":
            c = self.coro(a[2])
            try:
                self.put_var(a[1], self.handles[a[0]].create_task(c, name=a[1]))
            except BaseException:
                c.close()
                raise
        elif op == "with":
            async with self.objs[a[0]]:
                await self.block(a[1], env)
        elif op == "acquire":
            await self.objs[a[0]].acquire()
            self.emit(f"acquired {a[0]}")
        elif op == "release":
            self.objs[a[0]].release()
        elif op == "locked":
            self.emit(f"locked {a[0]} {show(self.objs[a[0]].locked())}")
        elif op == "set":
            self.objs[a[0]].set()
        elif op == "clear":
            self.objs[a[0]].clear()
        elif op == "is_set":
            self.emit(f"is_set {a[0]} {show(self.objs[a[0]].is_set())}")
        elif op == "wait_event":
            await self.objs[a[0]].wait()
        elif op == "cond_wait":
            await self.objs[a[0]].wait()
        elif op == "cond_wait_for":
            await self.objs[a[0]].wait_for(lambda: self.counters.get(a[1], 0) >= a[2])
        elif op == "notify":
            self.objs[a[0]].notify(a[1])
        elif op == "notify_all":
            self.objs[a[0]].notify_all()
        elif op == "add":
            self.counters[a[0]] = self.counters.get(a[0], 0) + a[1]
        elif op == "barrier_wait":
            self.emit(f"barrier {a[0]} {await self.objs[a[0]].wait()}")
        elif op == "barrier_reset":
            await self.objs[a[0]].reset()
        elif op == "barrier_abort":
            await self.objs[a[0]].abort()
        elif op == "put":
            await self.objs[a[0]].put(a[1])
        elif op == "get":
            self.emit(f"got {a[0]} {show(await self.objs[a[0]].get())}")
        elif op == "put_nowait":
            self.objs[a[0]].put_nowait(a[1])
        elif op == "get_nowait":
            self.emit(f"got {a[0]} {show(self.objs[a[0]].get_nowait())}")
        elif op == "task_done":
            self.objs[a[0]].task_done()
        elif op == "join":
            await self.objs[a[0]].join()
        elif op == "shutdown":
            self.objs[a[0]].shutdown(a[1])
        elif op == "set_result":
            self.vars[a[0]].set_result(a[1])
        elif op == "set_exception":
            self.vars[a[0]].set_exception(RAISES[a[1]](*a[2:]))
        elif op == "on_done":
            tag = a[1]
            self.vars[a[0]].add_done_callback(lambda f: self.emit(f"on_done {tag} {self.status(f)}"))
        elif op == "call_soon":
            loop.call_soon(lambda: self.emit(f"callback {a[0]}"))
        elif op == "call_later":
            self.handles[a[0]] = loop.call_later(a[1] * UNIT, lambda: self.emit(f"callback {a[0]}"))
        elif op == "cancel_handle":
            self.handles[a[0]].cancel()
        elif op == "status":
            self.emit(f"status {a[0]} {self.status(self.vars[a[0]])}")
        elif op == "all_tasks":
            self.emit(f"all_tasks {show(sorted(map(name_of, asyncio.all_tasks())))}")
        else:
            raise SystemExit(f"unknown statement {op!r}")

    def status(self, f):
        if not f.done():
            return "pending"
        if f.cancelled():
            return "cancelled"
        if f.exception() is not None:
            return show_exc(f.exception())
        return show(f.result())

    async def try_(self, body, handlers, final, env):
        try:
            try:
                await self.block(body, env)
            except (Return, Stop, GeneratorExit):
                raise
            except BaseException as e:
                for kind, handler in handlers:
                    if isinstance(e, KINDS[kind]):
                        self.emit(f"caught {show_exc(e)}")
                        await self.block(handler, {**env, "exc": e})
                        break
                else:
                    raise
        except GeneratorExit:
            raise
        except BaseException:
            if final:
                await self.block(final, env)
            raise
        else:
            if final:
                await self.block(final, env)

    def on_error(self, loop, context):
        if isinstance(context.get("exception"), RecursionError):
            self.recursion = True

    def run(self):
        """Run main to its end and return the list of events; the last is the outcome of main."""
        async def main():
            asyncio.current_task().set_name("main")
            self.vars["main"] = asyncio.current_task()
            self.names[id(asyncio.current_task())] = "main"
            loop.set_exception_handler(self.on_error)
            self.build()
            return await self.body_of("main")

        def stop(why):
            self.ended = True
            raise Stop(why)

        loop = VirtualLoop(self.eager)
        loop.on_deadlock = lambda: stop("DEADLOCK")
        _created.clear()
        try:
            with asyncio.Runner(loop_factory=lambda: loop) as runner:
                try:
                    end = f"= {show(runner.run(main()))}"
                except (Stop, RecursionError):
                    raise
                except BaseException as e:
                    end = f"! {show_exc(e)}"
        except Stop as e:
            end = str(e)
        except RecursionError:  # tasks that await one another in a ring were cancelled
            end = "RECURSION"
        self.ended = True
        if self.recursion:
            end = "RECURSION"
        return self.trace + [end]


def record(spec):
    try:
        return Scenario(spec).run()
    finally:
        _created.clear()
        gc.collect()


def main(argv):
    if argv[:1] == ["--record"]:
        for f in sorted(os.listdir(argv[1])):
            if f.endswith(".json"):
                path = os.path.join(argv[1], f)
                with open(path) as fh:
                    trace = record(json.load(fh))
                with open(path[:-5] + ".trace", "w") as fh:
                    fh.write("\n".join(trace) + "\n")
    elif argv[:1] == ["--jsonl"]:
        gc.freeze()  # excludes the modules from later collections
        for line in sys.stdin:
            spec = json.loads(line)
            print(json.dumps({"name": spec["name"], "trace": record(spec)}), flush=True)
    else:
        with open(argv[0]) as fh:
            print("\n".join(record(json.load(fh))))


if __name__ == "__main__":
    main(sys.argv[1:])
