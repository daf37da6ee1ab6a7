"""The session of ../supervisor/main.go on top of simpervisor: python3.13 supervisor.py DIR"""

import asyncio
import pathlib
import sys

from simpervisor import KilledProcessError, SupervisedProcess

directory = pathlib.Path(sys.argv[1])


class Log:
    def debug(self, message, extra):
        if extra["action"] != "ready-wait":  # its message has times in it
            print(f"[{extra['action']}] {message}")


def shell(name, script, **kwargs):
    return SupervisedProcess(name, "sh", "-c", script, cwd=directory, log=Log(), **kwargs)


async def until(condition):
    while not condition():
        await asyncio.sleep(0.01)


async def restarts():
    proc = shell("flaky", "echo run >> runs; test $(wc -l < runs) = 3")
    await proc.start()
    await until(lambda: proc.returncode == 0 and not proc.running)
    print("runs:", (directory / "runs").read_text().count("run"))


async def restarts_always():
    proc = shell("always", "echo run >> always; test $(wc -l < always) = 3 && exec sleep 1000; exit 0", always_restart=True)
    await proc.start()
    log = directory / "always"
    await until(lambda: log.exists() and log.read_text().count("run") == 3 and proc.running)
    await proc.kill()
    print("running:", proc.running, "code:", proc.returncode)


async def readiness():
    async def ready(proc):
        return (directory / "up").exists()

    async def never(proc):
        return False

    proc = shell("server", "trap 'exit 7' TERM; touch up; while :; do sleep 0.01; done", ready_func=ready, ready_timeout=60)
    print("ready before the start:", await proc.ready())
    await asyncio.gather(proc.start(), proc.start())
    pid = proc.pid
    print("ready:", await proc.ready())
    print("running:", proc.running, "the same process:", proc.pid == pid)
    proc.ready_func, proc.ready_timeout = never, 0.1
    print("ready in time:", await proc.ready())
    await proc.terminate()
    print("running:", proc.running, "code:", proc.returncode)
    for again in proc.start, proc.terminate, proc.kill:
        try:
            await again()
        except KilledProcessError as e:
            print("error:", e)
    print("ready after the end:", await proc.ready())




async def signals():
    procs = [shell(name, "exec sleep 1000") for name in ("first", "second")]
    for proc in procs:
        await proc.start()
    print("waiting for a signal")
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        print("main is cancelled")
        raise


async def main():
    await restarts()
    await restarts_always()
    await readiness()
    await signals()


asyncio.run(main())
