"""The session of ../memcache/main.go on top of aiomcache: python3.13 memcache.py HOST PORT"""

import asyncio
import re
import sys

from aiomcache import Client, ClientException


def text(value):
    """Writes a value as the Go program does."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (bytes, bytearray)):
        return value.decode()
    if isinstance(value, tuple):
        return "(" + ", ".join(text(v) for v in value) + ")"
    return str(value)


async def show(name, awaitable):
    try:
        print(f"{name}: {text(await awaitable)}")
    except ClientException as e:
        message = re.sub(r"(?:bytearray\()?b'(.*?)'\)?", r'"\1"', str(e))
        print(f"{name}: {type(e).__name__}: {message}")


async def main():
    c = Client(sys.argv[1], int(sys.argv[2]), pool_size=2)
    await show("version", c.version())
    await show("flush_all", c.flush_all())

    await show("set a", c.set(b"a", b"1"))
    await show("get a", c.get(b"a"))
    await show("get b", c.get(b"b"))
    await show("get b or 2", c.get(b"b", b"2"))
    await show("add a", c.add(b"a", b"3"))
    await show("add b", c.add(b"b", b"4"))
    await show("replace b", c.replace(b"b", b"two\nlines"))
    await show("replace c", c.replace(b"c", b"5"))
    await show("append b", c.append(b"b", b" end"))
    await show("prepend b", c.prepend(b"b", b"begin "))
    await show("get b", c.get(b"b"))
    await show("multi_get a b c", c.multi_get(b"a", b"b", b"c"))
    await show("multi_get a a", c.multi_get(b"a", b"a"))
    await show("multi_get", c.multi_get())

    value, token = await c.gets(b"a")
    print("gets a:", text((value, token)))
    await show("gets c", c.gets(b"c"))
    await show("cas a", c.cas(b"a", b"10", token))
    await show("cas a again", c.cas(b"a", b"11", token))
    await show("incr a", c.incr(b"a", 5))
    await show("decr a", c.decr(b"a"))
    await show("incr b", c.incr(b"b"))
    await show("decr c", c.decr(b"c"))
    await show("touch a", c.touch(b"a", 60))
    await show("touch c", c.touch(b"c", 60))
    await show("delete a", c.delete(b"a"))
    await show("delete a", c.delete(b"a"))

    await show("an empty key", c.get(b""))
    await show("a space", c.get(b"a b"))
    await show("a newline", c.set(b"a\n", b"1"))
    await show("a long key", c.delete(b"k" * 251))
    await show("a negative time", c.set(b"a", b"1", -1))
    await show("too large", c.set(b"large", b"x" * 2000))

    await show("flags", c.get(b"flags"))
    await show("an error", c.get(b"error"))
    await show("the end", c.get(b"drop"))
    stats = await c.stats()
    for name in sorted(stats):
        print(f"stats {text(name)}: {text(stats[name])}")
    await show("stats x", c.stats(b"x"))

    names = [b"g%d" % i for i in range(6)]
    print("sets:", *map(text, await asyncio.gather(*[c.set(n, b"value of " + n) for n in names])))
    print("gets:", *map(text, await asyncio.gather(*[c.get(n) for n in names])))
    try:
        await asyncio.wait_for(c.get(b"hang"), 0.05)
    except TimeoutError:
        print("hang: timeout")
    await show("get g0", c.get(b"g0"))
    await show("get g1", c.get(b"g1"))
    await c.close()


asyncio.run(main())
